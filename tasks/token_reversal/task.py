"""What the command line asks of token reversal; everything heavy is imported when used."""

from typing import Any

from kondo_ref import task
from kondo_ref.task import Option

TOP_K = {"kondo-top-k", "kondo-top-k-token"}
KONDO = {"kondo", "kondo-token"}
UNGATED = {"ppo", "pmpo"}


class TokenReversal(task.Folder):
    """Token reversal with a small transformer."""

    summary = "a transformer reverses a prompt: tokens as decisions, one reward a sequence"
    description = (
        "Train PG, DG and the Kondo gate side by side on token reversal: a transformer reads "
        "tokens and answers with their reverse, token by token, for one reward a sequence. Without "
        "options: 10 tokens out of 2, pg, dg, and kondo-top-k at 3 % of sequences and of tokens, "
        "two seeds, under two minutes on two cores."
    )
    options = (
        Option(
            "methods",
            "of pg, dg, kondo, kondo-token, zero-price, zero-price-token, kondo-top-k, "
            "kondo-top-k-token, ppo, pmpo; -token gates tokens, the others whole sequences "
            "(default: pg dg kondo-top-k kondo-top-k-token)",
            nargs="+",
            metavar="METHOD",
        ),
        Option("rate", "target rate of kondo and kondo-top-k (default: .03)", float),
        Option("price", "of kondo: quantile, calibrated, rolling, or a number (default: quantile)"),
        Option("temperature", "of kondo (default: 1)", float),
        Option("steps", "training steps (default: 600)", int),
        Option("prompts", "prompts a step (default: 10)", int),
        Option("samples", "answers to each prompt (default: 10)", int),
        Option("seeds", "number of seeds, from 0 (default: 2)", int),
        Option("length", "tokens of a prompt (default: 10)", int),
        Option("vocabulary", "different tokens (default: 2)", int),
        Option("reward", "prefix, fraction or exact (default: prefix)"),
        Option("kappa", "weight of the graded reward against the exact one (default: 1)", float),
        Option("baseline", "group-mean, leave-one-out, zero or constant (default: group-mean)"),
        Option("baseline_value", "of the constant baseline (default: .5)", float),
        Option("noisy_zero", "noise on the reward of a right answer of zeros (default: 0)", float),
        Option("zero_prompts", "share of prompts made zeros (default: 0)", float),
        Option("normalizer", "decisions, kept or none (default: decisions)"),
        Option("epochs", "updates of ppo with one batch (default: 1)", int),
        Option("clip", "of ppo (default: .1)", float),
        Option("alpha", "weight of what pmpo accepts (default: .6)", float),
        Option("width", "of the transformer (default: 64)", int),
        Option("layers", "of the transformer (default: 2)", int),
        Option("heads", "of the transformer (default: 2)", int),
        Option("feed_forward", "of the transformer (default: 256)", int),
        Option("learning_rate", "of Adam (default: .0003)", float),
        Option("dtype", "float32 or float64 (default: float32)"),
    )

    def configure(self, given: dict[str, Any], places: dict[str, Any]) -> task.Settings:
        """Return the settings; this task has no places."""
        del places
        from kondo_ref.tasks.token_reversal.settings import Settings

        settings = Settings(**given)
        methods = set(settings.methods)
        kondo, ppo = (bool(KONDO & methods), "--methods kondo or kondo-token"), "ppo" in methods
        users = {
            "price": kondo,
            "temperature": kondo,
            "rate": (
                bool(TOP_K & methods) or (kondo[0] and settings.price_has_rate),
                "--methods kondo-top-k, or kondo without a fixed price",
            ),
            "kappa": (settings.reward != "exact", "--reward prefix or fraction"),
            "baseline_value": (settings.baseline == "constant", "--baseline constant"),
            "normalizer": (bool(methods - UNGATED), "methods other than ppo and pmpo"),
            "epochs": (ppo, "--methods ppo"),
            "clip": (ppo and settings.epochs > 1, "--methods ppo --epochs above 1"),
            "alpha": ("pmpo" in methods, "--methods pmpo"),
        }
        task.refuse_unused(given, users)
        return settings


TASK = TokenReversal()
