"""How a method divides its update and its backward passes over easy and hard contexts.

The update of a context n has the coefficient c_n = <g_n, v_n> / <v_n, v_n> along its cross-entropy
gradient v_n. Without a baseline g_n is c_n v_n, and c_n is the weight of the context: p for PG,
p/(1 + p^(1/temperature)) for DG, 1 for cross-entropy ([DG], Prop. 2). What a context got is the
sum of its c_n over steps of fixed length.
"""

from typing import Any

import numpy as np

from kondo_ref.checks import FloatArray, IntArray

BINS = 5
WHEN = ("learning", "whole")


def coefficients(ascent: FloatArray, toward: FloatArray) -> FloatArray:
    """Return c_n = <g_n, v_n> / <v_n, v_n>, 0 where v_n is 0.

    Parameters
    ----------
    ascent, toward : (N, K) float
        g and v.

    Returns
    -------
    (N,) float
    """
    square = np.einsum("nk,nk->n", toward, toward)
    along = np.einsum("nk,nk->n", ascent, toward)
    c: FloatArray = np.divide(along, square, out=np.zeros_like(along), where=square > 0.0)
    return c


def bins_of(probability: FloatArray) -> list[IntArray]:
    """Return the contexts of each bin, hardest first: equal numbers by initial p, up to `BINS`."""
    order = np.argsort(probability, kind="stable")
    return list(np.array_split(order, min(BINS, probability.size)))


class Budget:
    """The running sums of every context.

    Parameters
    ----------
    probability : (N,) float
        The initial p of every context.
    """

    def __init__(self, probability: FloatArray) -> None:
        self.probability = probability
        self.first: FloatArray | None = None
        self.got = {when: np.zeros_like(probability) for when in WHEN}
        self.paid = {when: np.zeros_like(probability) for when in WHEN}

    def add(
        self,
        ascent: FloatArray,
        toward: FloatArray,
        length: float,
        kept: FloatArray,
        *,
        learning: bool,
    ) -> None:
        """Add an update.

        Parameters
        ----------
        ascent, toward : (N, K) float
            g and v.
        length : float
            The norm of g; what is 0 moves nothing.
        kept : (N,) float
            Backward passes in each context.
        learning : bool
            Whether the mean error is still above one half.
        """
        c = coefficients(ascent, toward)
        if self.first is None:
            self.first = c
        for when in WHEN if learning else WHEN[1:]:
            if length > 0.0:
                self.got[when] += c / length
            self.paid[when] += kept

    def rows(self, error: FloatArray) -> list[dict[str, Any]]:
        """Return a row a bin, hardest first, given the final 1 - p (N,) of every context.

        Shares are of all contexts; None where there is nothing to share. An update can have led
        away from a context's right arm, so a share of the update can be negative.
        """
        assert self.first is not None
        columns = {"update_first": self.first}
        for when in WHEN:
            columns[f"update_{when}"] = self.got[when]
            columns[f"backward_{when}"] = self.paid[when]
        return [
            {
                "bin": number,
                "contexts": int(own.size),
                "initial_p": float(self.probability[own].mean()),
                **{key: _share(values, own) for key, values in columns.items()},
                "error": float(error[own].mean()),
            }
            for number, own in enumerate(bins_of(self.probability), start=1)
        ]

    def weights(self) -> list[list[float]]:
        """Return (p, c) of every context at the first step, p ascending."""
        assert self.first is not None
        order = np.argsort(self.probability, kind="stable")
        return [[float(self.probability[i]), float(self.first[i])] for i in order]


def _share(values: FloatArray, own: IntArray) -> float | None:
    total = float(values.sum())
    return float(values[own].sum()) / total if total != 0.0 else None
