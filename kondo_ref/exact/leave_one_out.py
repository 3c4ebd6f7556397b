"""Leave-one-out prices: each decision meets the quantile of the others' signals. Ours.

A decision's own signal moves the batch-quantile price that judges it, so signal and price are
correlated. Without its own signal the price is independent of the decision, and the expected update
is a mixture of fixed-price updates.
"""

import numpy as np
from numpy.typing import ArrayLike

from kondo_ref import checks
from kondo_ref.checks import FloatArray
from kondo_ref.price import upper_quantile


def leave_one_out_prices(
    signal: ArrayLike, rate: float, *, mask: ArrayLike | None = None
) -> FloatArray:
    """Return for each decision the (1 - rate)-quantile of the other valid decisions' signals.

    Parameters
    ----------
    signal : (...) float
        Of a batch.
    rate : float
        In (0, 1].
    mask : (...) bool, optional
        Valid decisions; at least two.

    Returns
    -------
    (...) float
        Prices in the signal's unit, by `kondo_ref.price.upper_quantile`; inf where the decision is
        invalid, so that the gate keeps nothing there.

    Raises
    ------
    TypeError, ValueError
        As `kondo_ref.screen`; fewer than two valid decisions, as one has no others.
    """
    values = checks.real_array("signal", signal)
    share = checks.rate_number("rate", rate)
    valid = checks.mask_array(mask, values.shape)
    known = values.ravel() if valid is None else values[valid]
    if known.size < 2:
        raise ValueError(f"signal: expected at least two valid decisions, got {known.size}")
    # Only whether a signal lies below, between or above the others' two order statistics matters:
    # the quantile is taken once for each rank, not once for each decision.
    order = np.argsort(known, kind="stable")
    ordered = known[order]
    found = np.empty_like(known)
    for rank, index in enumerate(order):
        repeated = rank > 0 and ordered[rank] == ordered[rank - 1]
        if repeated:
            found[index] = found[order[rank - 1]]
        else:
            found[index] = upper_quantile(np.delete(ordered, rank), share)
    prices = np.full(values.shape, np.inf, dtype=values.dtype)
    prices.reshape(-1)[... if valid is None else valid.ravel()] = found
    return prices
