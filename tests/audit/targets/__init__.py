"""Implementations to audit: mutants with one mistake each, and correct ones in many styles.

Importing this package fills the tables. HELD_OUT and HELD_OUT_CORRECT measure the audit on targets
that it was not built with.
"""

from targets import (
    advantage,
    correct_arrays,
    correct_torch,
    count,
    detach,
    draw,
    dynamics,
    execution,
    heldout_arrays,
    heldout_correct,
    heldout_losses,
    heldout_steps,
    normalizer,
    price,
    price_scope,
    rate,
    robustness,
    signal,
    subset,
    surprisal,
    temperature,
    units,
)
from targets.register import CORRECT, HELD_OUT, HELD_OUT_CORRECT, MUTANTS, Mutant, Target

__all__ = [
    "CORRECT",
    "HELD_OUT",
    "HELD_OUT_CORRECT",
    "MUTANTS",
    "Mutant",
    "Target",
    "advantage",
    "correct_arrays",
    "correct_torch",
    "count",
    "detach",
    "draw",
    "dynamics",
    "execution",
    "heldout_arrays",
    "heldout_correct",
    "heldout_losses",
    "heldout_steps",
    "normalizer",
    "price",
    "price_scope",
    "rate",
    "robustness",
    "signal",
    "subset",
    "surprisal",
    "temperature",
    "units",
]
