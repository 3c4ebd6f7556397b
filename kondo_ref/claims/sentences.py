"""How a counterexample is told: a sentence that ends in what is and what the claim says."""

from collections.abc import Callable

import numpy as np

from kondo_ref.claims.register import Sides


def says(what: str) -> Callable[[Sides], str]:
    """Return a sentence that ends in what is and what was claimed, of arrays the last entry."""

    def shows(sides: Sides) -> str:
        actual, claimed = (np.ravel(side) for side in (sides.actual, sides.claimed))
        return f"{what}: {actual[-1]:.4g}, not {claimed[-1]:.4g}."

    return shows
