"""What the command line asks of the bandit; everything heavy is imported when used."""

from typing import Any

from kondo_ref import task
from kondo_ref.task import Option


class BanditTask(task.Folder):
    """Softmax bandits with one right arm a context."""

    summary = "contexts with one right arm: how a method divides its budget over easy and hard"
    description = (
        "Train PG, DG, the Kondo gate and cross-entropy side by side on softmax bandits whose "
        "logits are the parameters. Prints the comparison and how each method divides its update "
        "and its backward passes over easy and hard contexts. Without options: 100 contexts of 10 "
        "arms, exact gradients, five seeds, under a minute on two cores. --experiment "
        "single-context: one context of 100 arms, 100 sampled decisions a step, baseline 1/2, 20 "
        "seeds, 200 steps."
    )
    options = (
        Option(
            "experiment",
            "many-contexts or single-context; the other options change it (default: many-contexts)",
        ),
        Option(
            "methods",
            "of pg, dg, kondo, zero-price, kondo-top-k, ce, an oracle "
            "(default: pg dg kondo kondo-top-k ce)",
            nargs="+",
            metavar="METHOD",
        ),
        Option("seeds", "number of seeds, from 0 (default: 5)", int),
        Option("steps", "training steps (default: 1000)", int),
        Option("contexts", "number of contexts (default: 100)", int),
        Option("arms", "of each context (default: 10)", int),
        Option("spread", "standard deviation of the initial logits (default: 1)", float),
        Option("gradients", "exact, by enumeration, or sampled (default: exact)"),
        Option("batch", "sampled decisions a step in every context (default: 1)", int),
        Option("baseline", "zero, constant, expected or oracle (default: zero)"),
        Option("baseline_value", "of the constant baseline (default: .5)", float),
        Option("learning_rate", "length of a step (default: .1)", float),
        Option("rate", "target rate of kondo and kondo-top-k (default: .03)", float),
        Option("price", "of kondo: quantile, calibrated, rolling, or a number (default: quantile)"),
        Option("temperature", "of dg and kondo (default: 1)", float),
    )

    def configure(self, given: dict[str, Any], places: dict[str, Any]) -> task.Settings:
        """Return the settings; this task has no places."""
        del places
        from kondo_ref.tasks.bandit.settings import Settings

        settings = Settings.of(given)
        methods = settings.methods
        acting = any(method != "ce" for method in methods)
        users = {
            "batch": (not settings.exact and acting, "--gradients sampled, not to ce"),
            "baseline": (acting, "methods other than ce"),
            "baseline_value": (settings.baseline == "constant" and acting, "--baseline constant"),
            "price": ("kondo" in methods, "--methods kondo"),
            "temperature": (bool({"dg", "kondo"} & set(methods)), "--methods dg or kondo"),
            "rate": (
                "kondo-top-k" in methods or ("kondo" in methods and settings.price_has_rate),
                "--methods kondo-top-k, or kondo without a fixed price",
            ),
            "gradients": (acting, "methods other than ce"),
        }
        task.refuse_unused(given, users)
        return settings


TASK = BanditTask()
