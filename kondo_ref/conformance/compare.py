"""Two traces of one step -> the test ratio of every tensor, and the decisions that differ.

The test ratio is norm(a - b) / (eps * norm(b)), eps of the dtype under test, b the float64
reference. A block of the gradient or of a moment can be small by cancellation alone, where two
kept rows or two actions nearly balance: its norm(b) is at least that of a block of its size with
entries as large as those of the whole on average. Decisions are compared exactly, but for those
within `GUARD` of their boundary, which rounding may flip: they are counted.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kondo_ref.conformance.cases import Batch, Case, Trace
from kondo_ref.gate import top_k_count
from kondo_ref.ratio import error_ratio

GUARD = 1e-6
PARTS = (
    "logits",
    "log_probabilities",
    "confidence",
    "surprisal",
    "signal",
    "price",
    "keep_probability",
    "weight",
    "loss",
    "gradient",
    "parameters",
    "first",
    "second",
)


@dataclass(frozen=True)
class Difference:
    """How one tensor of a step compares.

    Parameters
    ----------
    part : str
        Of `PARTS`, or actions or gate.
    tensor : str
        Its name in the trace.
    ratio : float
        The test ratio; inf where it cannot be compared or a decision differs.
    """

    part: str
    tensor: str
    ratio: float


@dataclass(frozen=True)
class Comparison:
    """All differences of a step, the decisions inside the guard band, and those that flipped."""

    differences: list[Difference]
    inside: int
    flipped: int


def tensor_ratio(found: Any, expected: Any, eps: float) -> float:
    """Return the test ratio; a price of -inf or inf has to be met exactly."""
    if found is None or expected is None:
        return 0.0 if found is expected else np.inf
    a, b = np.asarray(found, dtype=np.float64), np.asarray(expected, dtype=np.float64)
    infinite = np.isinf(b)
    if a.shape != b.shape or not np.array_equal(a[infinite], b[infinite]):
        return np.inf
    return error_ratio(a[~infinite], b[~infinite], eps)


def compare(case: Case, batch: Batch, found: Trace, expected: Trace, eps: float) -> Comparison:
    """Compare a step with the reference's, which took the same actions.

    A decision that flips inside the guard band changes loss, gradient and update: these are left
    out of such a step's comparison, and the flip is counted.
    """
    close = near_gate(case, batch, expected)
    differs = (found["weight"] > 0) != (expected["weight"] > 0)
    flipped = bool((differs & close).any())
    differences = [
        Difference("gate", "weight", np.inf if (differs & ~close).any() else 0.0),
        Difference("actions", "actions", _actions(batch, found, expected)),
    ]
    for tensor in sorted(expected.keys() | found.keys()):
        part = tensor.partition("/")[0]
        if part not in PARTS:
            continue
        if flipped and part not in ("logits", "log_probabilities", "confidence", "surprisal"):
            continue
        ratio = tensor_ratio(found.get(tensor), expected.get(tensor), eps)
        ratio *= _share(tensor, expected)
        differences.append(Difference(part, tensor, ratio))
    inside = int(close.sum() + near_actions(batch, expected).sum())
    return Comparison(differences, inside, int((differs & close).sum()))


def _share(tensor: str, expected: Trace) -> float:
    """Return norm(b) over the floor of its norm, at most 1."""
    whole, _, block = tensor.partition("/")
    if not block or tensor not in expected:
        return 1.0
    blocks = [value for name, value in expected.items() if name.startswith(f"{whole}/")]
    square = sum(float(np.sum(value**2)) for value in blocks)
    floor = np.sqrt(square * expected[tensor].size / sum(value.size for value in blocks))
    norm = float(np.linalg.norm(expected[tensor]))
    return 1.0 if norm >= floor or norm == 0.0 else norm / float(floor)


def near_gate(case: Case, batch: Batch, expected: Trace) -> NDArray[np.bool_]:
    """Mark the decisions whose gate rounding may flip."""
    gate, signal = case.gate, expected["signal"]
    sequences = signal.shape != batch.rewards.shape
    valid = np.ones(batch.rewards.shape, dtype=np.bool_) if batch.mask is None else batch.mask
    units = valid.any(axis=1) if sequences else valid
    near = np.zeros(signal.shape, dtype=np.bool_)
    if gate.draw == "bernoulli":
        near = np.abs(batch.gate_uniforms - expected["keep_probability"]) < GUARD
    elif gate.draw == "top_k":
        ordered = np.sort(signal[units])[::-1]
        k = top_k_count(gate.rate or 0.0, ordered.size)
        if k < ordered.size and ordered[k - 1] - ordered[k] < GUARD:
            near = np.abs(signal - ordered[k]) < GUARD
    elif gate.temperature == 0.0:
        near = np.abs(signal - expected["price"]) < GUARD
    return (near[:, None] if sequences else near) & valid


def near_actions(batch: Batch, expected: Trace) -> NDArray[np.bool_]:
    """Mark the decisions whose sampled action rounding may change."""
    return near_boundary(expected["log_probabilities"], batch.action_uniforms)


def near_boundary(log_probabilities: NDArray[Any], uniforms: NDArray[Any]) -> NDArray[np.bool_]:
    """Mark the uniforms (...) within the guard band of a boundary of the CDF, of (..., K)."""
    cdf = np.cumsum(np.exp(log_probabilities), axis=-1)[..., :-1]
    near: NDArray[np.bool_] = (np.abs(cdf - uniforms[..., None]) < GUARD).any(axis=-1)
    return near


def _actions(batch: Batch, found: Trace, expected: Trace) -> float:
    differs = found["actions"] != expected["actions"]
    return np.inf if (differs & ~near_actions(batch, expected)).any() else 0.0
