"""What the command line asks of gambling; everything heavy is imported when used."""

from typing import Any

from kondo_ref import task
from kondo_ref.task import Option


class GamblingTask(task.Folder):
    """Two arms, the worse one noisy."""

    summary = "two arms, noise on the worse: its lucky draws against the gate, and remedies"
    description = (
        "Train PG, DG, the Kondo gate and three remedies side by side on two arms, of which the "
        "worse is noisy, over a sweep of its noise: how much probability each method leaves to the "
        "worse arm, beside the fixed point of its drift, and how often a draw of it looks like a "
        "success, beside the formula. Without options: five noises, seven methods, two seeds, "
        "under a minute on two cores."
    )
    options = (
        Option(
            "methods",
            "of pg, dg, zero-price, kondo, kondo-top-k, softer, priced, reserve "
            "(default: pg dg zero-price kondo softer priced reserve)",
            nargs="+",
            metavar="METHOD",
        ),
        Option("seeds", "number of seeds, from 0 (default: 2)", int),
        Option("steps", "training steps (default: 2000)", int),
        Option("batch", "decisions a step (default: 200)", int),
        Option(
            "learning_rate",
            "of gradient ascent, falling to 0; divided by the gap and by sigma^2, or 1/4 below "
            "sigma = .5 (default: 4)",
            float,
        ),
        Option("gap", "by how much the better arm pays more (default: 1)", float),
        Option(
            "sigma",
            "standard deviations of the noise, in gaps (default: .5 .75 1 2 5)",
            float,
            nargs="+",
        ),
        Option("noise", "on the worse arm or on both (default: worse)"),
        Option("baseline", "exact, the value; zero or constant (default: exact)"),
        Option("baseline_value", "of the constant baseline (default: .5)", float),
        Option("start", "probability of the worse arm at the start (default: .5)", float),
        Option("rate", "target rate of kondo and kondo-top-k (default: .03)", float),
        Option("price", "of kondo: quantile, calibrated, rolling, or a number (default: quantile)"),
        Option("temperature", "of kondo (default: 1)", float),
        Option("softer_temperature", "of softer, the gate at price 0 (default: 4)", float),
        Option("fixed_price", "of priced, the hard gate at a price (default: .1)", float),
        Option(
            "reserve",
            "of reserve, the hard gate: share of decisions kept whatever their delight "
            "(default: .1)",
            float,
        ),
        Option(
            "chances",
            "probabilities of the better arm at which false breakthroughs are counted "
            "(default: .5 .9 .99)",
            float,
            nargs="+",
        ),
        Option("draws", "of the worse arm, for each of them and each seed (default: 100000)", int),
    )

    def configure(self, given: dict[str, Any], places: dict[str, Any]) -> task.Settings:
        """Return the settings; this task has no places."""
        del places
        from kondo_ref.tasks.gambling.settings import Settings

        settings = Settings(**given)
        methods = settings.methods
        users = {
            "price": ("kondo" in methods, "--methods kondo"),
            "temperature": ("kondo" in methods, "--methods kondo"),
            "rate": (
                "kondo-top-k" in methods or ("kondo" in methods and settings.price_has_rate),
                "--methods kondo-top-k, or kondo without a fixed price",
            ),
            "baseline_value": (settings.baseline == "constant", "--baseline constant"),
            "softer_temperature": ("softer" in methods, "--methods softer"),
            "fixed_price": ("priced" in methods, "--methods priced"),
            "reserve": ("reserve" in methods, "--methods reserve"),
        }
        task.refuse_unused(given, users)
        return settings


TASK = GamblingTask()
