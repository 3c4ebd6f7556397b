"""A batch in the dtype that the target is handed: what it sees, in float64."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from kondo_ref.audit.batch import Batch
from kondo_ref.checks import FloatArray


def rounded(values: FloatArray, dtype: str) -> FloatArray:
    """Return the float64 numbers that are left of `values` in another dtype.

    Parameters
    ----------
    values : (...) float64
    dtype : str
        float64, float32, bfloat16 or float16. bfloat16 is rounded by way of float32, as the
        frameworks do.

    Returns
    -------
    (...) float64
    """
    if dtype == "float64":
        return values
    with np.errstate(over="ignore", invalid="ignore"):
        if dtype != "bfloat16":
            return values.astype(dtype).astype(np.float64)
        single = values.astype(np.float32)
    bits: NDArray[np.uint32] = single.view(np.uint32)
    # Half of the last place kept, to even; a NaN must not become an infinity.
    even = (bits >> np.uint32(16)) & np.uint32(1)
    short = (bits + np.uint32(0x7FFF) + even) & np.uint32(0xFFFF0000)
    result = short.view(np.float32).astype(np.float64)
    return np.where(np.isnan(values), np.nan, result)


def handed(batch: Batch) -> Batch:
    """Return the batch as a target sees it: logits and advantages rounded to ``batch.dtype``."""
    if batch.dtype == "float64":
        return batch
    return replace(
        batch,
        logits=rounded(batch.logits, batch.dtype),
        advantages=rounded(batch.advantages, batch.dtype),
    )
