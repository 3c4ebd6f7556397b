"""What the command line asks of the MNIST bandit; everything heavy is imported when used."""

from typing import Any

from kondo_ref import task
from kondo_ref.task import Option


class Mnist(task.Folder):
    """MNIST as a contextual bandit."""

    summary = "MNIST as a bandit: one action an image, reward 1 for its label"
    description = (
        "Train PG, DG and the Kondo gate side by side on MNIST as a contextual bandit. Prints one "
        "table and writes a folder with tidy CSV, JSON and a figure. Without options: embedded "
        "MNIST, pg, dg and kondo-top-k at 3 %, three seeds, under a minute on two cores."
    )
    options = (
        Option(
            "methods",
            "of pg, dg, kondo, zero-price, kondo-top-k, ce (default: pg dg kondo-top-k)",
            nargs="+",
            metavar="METHOD",
        ),
        Option("rate", "target rate of kondo and kondo-top-k (default: .03)", float),
        Option("price", "of kondo: quantile, calibrated, rolling, or a number (default: quantile)"),
        Option("temperature", "of kondo (default: 1)", float),
        Option("steps", "training steps (default: 5000)", int),
        Option("batch", "samples a step (default: 100)", int),
        Option("seeds", "number of seeds, from 0 (default: 3)", int),
        Option(
            "baseline",
            "expected, zero, constant, batch-mean, leave-one-out or oracle (default: expected)",
        ),
        Option("baseline_value", "of the constant baseline (default: .5)", float),
        Option("normalizer", "decisions, kept or none (default: decisions)"),
        Option("hidden", "hidden widths (default: 100 100)", int, nargs="*"),
        Option("learning_rate", "of Adam (default: .001)", float),
        Option("dtype", "float32 or float64 (default: float32)"),
        Option(
            "signal",
            "what kondo-top-k ranks by: delight, advantage, abs_advantage, surprisal, uniform or "
            "additive (default: delight)",
        ),
        Option("alpha", "weight of the advantage in --signal additive (default: .5)", float),
        Option(
            "corner",
            "steps of cross-entropy toward a wrong digit, that after the label, before the run and "
            "beside its counts (default: 0)",
            int,
        ),
        Option("data", "embedded or full (default: embedded)"),
        Option("data_dir", "where the full data set is, as IDX or npz", metavar="DIR", place=True),
    )

    def configure(self, given: dict[str, Any], places: dict[str, Any]) -> task.Settings:
        """Return the settings; the batch must fit into the training set, which is loaded."""
        from kondo_ref.tasks.mnist import data
        from kondo_ref.tasks.mnist.settings import Settings

        settings = Settings(**given)
        methods = settings.methods
        priced = settings.price_has_rate and "kondo" in methods
        users = {
            "price": ("kondo" in methods, "--methods kondo"),
            "temperature": ("kondo" in methods, "--methods kondo"),
            "rate": (
                "kondo-top-k" in methods or priced,
                "--methods kondo-top-k, or kondo without a fixed price",
            ),
            "baseline_value": (settings.baseline == "constant", "--baseline constant"),
            "signal": ("kondo-top-k" in methods, "--methods kondo-top-k"),
            "alpha": (settings.signal == "additive", "--signal additive"),
            "data_dir": (settings.data == "full", "--data full"),
        }
        task.refuse_unused({**given, **places}, users)
        settings.check_data(len(data.load(settings.data, places["data_dir"]).y_train))
        return settings


TASK = Mnist()
