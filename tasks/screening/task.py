"""What the command line asks of the screening study; everything heavy is imported when used."""

from typing import Any

from kondo_ref import task
from kondo_ref.task import Option


class Screening(task.Folder):
    """Screeners on the MNIST bandit."""

    summary = "screeners on MNIST: an approximate delight decides, the exact backward follows"
    description = (
        "Train the MNIST bandit with screeners side by side: each decides by an approximate "
        "delight, and the exact forward and backward follow for what it kept. Prints the error of "
        "the estimate, its recall of the exact top-k, the errors and the executed FLOP by part, "
        "and writes a folder with tidy CSV, JSON and the frontier of error against cost. Without "
        "options: embedded MNIST, ten screeners, three seeds, about a minute on two cores. Needs "
        "the backend numpy."
    )
    options = (
        Option(
            "methods",
            "screeners: exact, additive:C, multiplicative:C, stale:L, int8, bfloat16, cached:R, "
            "cached-signal:R, draft:W, draft:W:T, and with @RATE one whose proposals are checked "
            "(default: exact additive:0.5 multiplicative:0.5 stale:100 cached:4 cached-signal:4 "
            "int8 bfloat16 draft:16 draft:16@0.1)",
            nargs="+",
            metavar="SCREENER",
        ),
        Option("gate", "kondo-top-k, kondo, zero-price or dg (default: kondo-top-k)"),
        Option("rate", "target rate of kondo and kondo-top-k (default: .03)", float),
        Option("actor", "whose policy acts: exact or screener (default: exact)"),
        Option("steps", "training steps (default: 2000)", int),
        Option("batch", "samples a step (default: 100)", int),
        Option("seeds", "number of seeds, from 0 (default: 3)", int),
        Option("hidden", "hidden widths (default: 100 100)", int, nargs="*"),
        Option("learning_rate", "of Adam (default: .001)", float),
        Option("dtype", "float32 or float64 (default: float32)"),
        Option("data", "embedded or full (default: embedded)"),
        Option("data_dir", "where the full data set is, as IDX or npz", metavar="DIR", place=True),
    )

    def configure(self, given: dict[str, Any], places: dict[str, Any]) -> task.Settings:
        """Return the settings; the batch must fit into the training set, which is loaded."""
        from kondo_ref.tasks.mnist import data
        from kondo_ref.tasks.screening.settings import Settings

        settings = Settings(**given)
        rated = settings.gate in {"kondo-top-k", "kondo"}
        users = {
            "rate": (rated, "--gate kondo-top-k or kondo"),
            "data_dir": (settings.data == "full", "--data full"),
        }
        task.refuse_unused({**given, **places}, users)
        settings.check_data(len(data.load(settings.data, places["data_dir"]).y_train))
        return settings


TASK = Screening()
