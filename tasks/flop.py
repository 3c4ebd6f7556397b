"""Three counts of the backward, summed over a run and never mixed: logical, structural, executed.

logical: the share of valid decisions that were kept, of the backward with all of them kept; the
papers' axis. structural: the least that these very gates allow. executed: what the reference runs,
with activations kept; another backend may run more. All in FLOP of matrix products, 2 m k n each.
"""

from typing import Any

CONVENTION = "matmul, 2mkn"

LEGEND = (
    "logical, structural, executed: each over the same count with everything kept, so that the\n"
    "share of structural may exceed that of executed."
)

LINES = (
    ("logical_share", f"backward FLOP ({CONVENTION}) / dense: logical", "{:.3f}"),
    ("structural_share", "  structural, the least for these gates", "{:.3f}"),
    ("flop_share", "  executed", "{:.3f}"),
    ("step_flop_share", "forward and executed backward FLOP / dense", "{:.3f}"),
)


class FlopTally:
    """The counts of a run.

    Parameters
    ----------
    forward : int
        FLOP of one batch's forward.
    dense, structural_dense : int
        FLOP of its backward with every valid decision kept, as executed and as structural.
    """

    def __init__(self, forward: int, dense: int, structural_dense: int) -> None:
        self._forward, self._dense, self._least = forward, dense, structural_dense
        self._updates = self._logical = self._structural = self._executed = 0

    def add(self, kept: int, valid: int, *, structural: int, executed: int) -> None:
        """Count an update that kept so many of the valid decisions.

        Parameters
        ----------
        kept, valid : int
        structural, executed : int
            FLOP of its backward.
        """
        self._updates += 1
        self._logical += round(self._dense * kept / valid)
        self._structural += structural
        self._executed += executed

    def counts(self) -> dict[str, int]:
        """Return the sums so far."""
        return {
            "forward_flop": self._updates * self._forward,
            "logical_flop": self._logical,
            "structural_flop": self._structural,
            "backward_flop": self._executed,
            "dense_flop": self._updates * self._dense,
            "step_flop": self._updates * self._forward + self._executed,
        }

    def shares(self) -> dict[str, Any]:
        """Return each count over the same count with everything kept."""
        dense, forward = self._updates * self._dense, self._updates * self._forward
        return {
            "logical_share": self._logical / dense,
            "structural_share": self._structural / (self._updates * self._least),
            "flop_share": self._executed / dense,
            "step_flop_share": (forward + self._executed) / (forward + dense),
        }
