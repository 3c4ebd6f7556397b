"""Given a batch: the moments of its gated update over the gate's draws, in two ways.

`enumerated` runs the definition itself, `kondo_ref.policy_gradient`, for every one of the 2^n gates
that the uniforms can draw, and adds up. `closed` takes keep probabilities and a formula. Each
serves as the other's witness; the closed form goes beyond twelve units.

The update is an ascent direction in the logits of D / K contexts: decisions of one context share
its logits, as in a bandit; by default each decision has its own.
"""

from dataclasses import dataclass
from itertools import product

import numpy as np

from kondo_ref import checks
from kondo_ref.checks import BoolArray, FloatArray, IntArray
from kondo_ref.delight import log_softmax
from kondo_ref.exact.moments import Moments, moments_of
from kondo_ref.gate import Gate
from kondo_ref.gradient import NORMALIZERS, kept_dlogits, normalizer_count, policy_gradient
from kondo_ref.screening import Screening, screen

LARGEST_UNITS = 12


@dataclass(frozen=True, eq=False)
class GivenBatch:
    """A batch, its gate and its normalizer: all but the draw.

    Parameters
    ----------
    logits : (N, K) or (B, T, K) float64
    actions : (N,) or (B, T) int
    advantages : (N,) or (B, T) float64
    gate : Gate
    normalizer : str
        decisions, kept or none.
    mask : (N,) or (B, T) bool, optional
    history : (h,) float, optional
        Of a rolling price.
    contexts : (N,) or (B, T) int, optional
        Whose logits a decision's gradient goes to, 0..C-1; its own by default.

    Raises
    ------
    TypeError, ValueError
        As `kondo_ref.screen`; contexts that are no integers, of another shape, or negative.
    """

    logits: FloatArray
    actions: IntArray
    advantages: FloatArray
    gate: Gate
    normalizer: str = "decisions"
    mask: BoolArray | None = None
    history: FloatArray | None = None
    contexts: IntArray | None = None

    def __post_init__(self) -> None:
        checks.one_of("normalizer", self.normalizer, NORMALIZERS)
        logits = checks.logits_array(self.logits).astype(np.float64, copy=False)
        shape = logits.shape[:-1]
        fields = {
            "logits": logits,
            "actions": checks.action_array(self.actions, shape, logits.shape[-1]),
            "advantages": checks.decision_array("advantages", self.advantages, shape).astype(
                np.float64, copy=False
            ),
            "mask": checks.mask_array(self.mask, shape),
        }
        if self.contexts is not None:
            contexts = checks.any_array("contexts", self.contexts)
            if contexts.dtype.kind not in "iu":
                raise TypeError(f"contexts: expected integers, got dtype {contexts.dtype}")
            checks.require_shape("contexts", contexts, shape)
            if contexts.min() < 0:
                raise ValueError(f"contexts: expected 0 or more, got {contexts.min()}")
            fields["contexts"] = contexts
        for name, array in fields.items():
            object.__setattr__(self, name, array)

    @property
    def owners(self) -> IntArray:
        """The context of every decision, (N,) int, flat."""
        if self.contexts is None:
            return np.arange(self.actions.size)
        return self.contexts.ravel()

    def screening(self, uniforms: FloatArray | None = None) -> Screening:
        """Return the core's screening, with uniforms of 0 where it needs some."""
        shape = self.actions.shape
        units = shape[:1] if self.gate.unit == "sequence" else shape
        if uniforms is None and self.gate.needs_uniforms:
            uniforms = np.zeros(units)
        return screen(
            self.logits, self.actions, self.advantages, self.gate,
            uniforms=uniforms, mask=self.mask, history=self.history,
        )  # fmt: skip

    def update(self, uniforms: FloatArray | None) -> FloatArray:
        """Return the update (D,) that the core makes with these uniforms."""
        result = policy_gradient(
            self.logits, self.actions, self.advantages, self.gate, normalizer=self.normalizer,
            uniforms=uniforms, mask=self.mask, history=self.history,
        )  # fmt: skip
        return self.gathered(-result.dlogits.reshape(-1, result.dlogits.shape[-1]))

    def gathered(self, rows: FloatArray) -> FloatArray:
        """Return rows (N, K) summed by context, flat (D,)."""
        owners = self.owners
        total = np.zeros((int(owners.max()) + 1, rows.shape[-1]))
        np.add.at(total, owners, rows)
        return total.ravel()

    def unit_gradients(self) -> FloatArray:
        """Return v = sum of U_i grad log pi(a_i) over each unit's valid decisions, (units, D)."""
        k = self.logits.shape[-1]
        log_pi = log_softmax(self.logits).reshape(-1, k)
        rows = -kept_dlogits(log_pi, self.actions.ravel(), self.advantages.ravel())
        if self.mask is not None:
            rows[~self.mask.ravel()] = 0.0
        width = self.actions.shape[1] if self.gate.unit == "sequence" else 1
        units, owners = rows.shape[0] // width, self.owners
        found = np.zeros((units, int(owners.max()) + 1, k))
        np.add.at(found, (np.repeat(np.arange(units), width), owners), rows)
        return found.reshape(units, -1)

    def unit_sizes(self) -> IntArray:
        """Return the valid decisions of each unit, (units,)."""
        if self.gate.unit == "sequence":
            if self.mask is None:
                return np.full(self.actions.shape[0], self.actions.shape[1])
            valid: IntArray = self.mask.sum(axis=1)
            return valid
        return np.ones(self.actions.size, np.int64)


@dataclass(frozen=True, eq=False)
class DrawnGates:
    """Every gate that can be drawn.

    Parameters
    ----------
    probabilities : (A,) float
    uniforms : (A, ...) float
        Some that draw it, shaped like the units.
    """

    probabilities: FloatArray
    uniforms: FloatArray


def drawable(keep_probability: FloatArray) -> DrawnGates:
    """Return all gates that independent uniforms draw with positive probability.

    Parameters
    ----------
    keep_probability : units float
        At most `LARGEST_UNITS` of them strictly between 0 and 1.

    Raises
    ------
    ValueError
        There are more.
    """
    w = keep_probability.ravel().astype(np.float64)
    random = np.flatnonzero((w > 0.0) & (w < 1.0))
    if random.size > LARGEST_UNITS:
        raise ValueError(
            f"keep_probability: expected at most {LARGEST_UNITS} undecided units to enumerate, "
            f"got {random.size}"
        )
    gates = np.array(list(product((True, False), repeat=random.size)), dtype=bool)
    gates = gates.reshape(2**random.size, random.size)
    chances = np.where(gates, w[random], 1.0 - w[random]).prod(axis=1)
    uniforms = np.zeros((len(gates), w.size))
    # The last uniform that keeps and the first that drops: a threshold other than w would show.
    uniforms[:, random] = np.where(gates, np.nextafter(w[random], 0.0), w[random])
    return DrawnGates(chances, uniforms.reshape(len(gates), *keep_probability.shape))


def enumerated(batch: GivenBatch) -> Moments:
    """Return the moments over all 2^n gates, each of them run by the core.

    Raises
    ------
    ValueError
        More than `LARGEST_UNITS` units are undecided.
    """
    if not batch.gate.needs_uniforms:
        update = batch.update(None)
        return Moments(update, np.zeros((update.size, update.size)))
    gates = drawable(batch.screening().keep_probability)
    updates = np.stack([batch.update(uniforms) for uniforms in gates.uniforms])
    return moments_of(gates.probabilities, updates)


def enumerated_weights(
    batch: GivenBatch, weight: FloatArray, *, shared_uniform: bool = False
) -> Moments:
    """Return the moments of (1/Z) sum G f v over all gates, with a weight f for each kept unit.

    What the core does not do, since it lets survivors weigh U: 1/w makes it Horvitz and Thompson's
    estimator, w the DG weight once more on top of the gate.

    Parameters
    ----------
    batch : GivenBatch
        Normalizer decisions or none.
    weight : (units,) float
        f.
    shared_uniform : bool
        One uniform for the whole batch in place of independent ones.

    Raises
    ------
    ValueError
        As `drawable`; another normalizer.
    """
    checks.one_of("normalizer", batch.normalizer, ("decisions", "none"))
    screening = batch.screening()
    w = screening.keep_probability.ravel().astype(np.float64)
    factor = checks.decision_array("weight", weight, w.shape)
    vectors = batch.unit_gradients() * factor[:, None]
    vectors /= normalizer_count(screening, batch.normalizer)
    if shared_uniform:
        order = np.sort(np.unique(np.concatenate([w, (0.0, 1.0)])))
        chances, middles = np.diff(order), (order[:-1] + order[1:]) / 2.0
        kept = middles[:, None] < w
    elif batch.gate.needs_uniforms:
        gates = drawable(w)
        chances, kept = gates.probabilities, gates.uniforms < w
    else:
        chances, kept = np.ones(1), w[None] > 0.0
    return moments_of(chances, kept @ vectors)


def closed(batch: GivenBatch) -> Moments:
    """Return the moments over the gate's draws in closed form, for any number of units.

    Z = decisions or none: mean sum w v / Z, covariance sum w (1 - w) v v^T / Z^2. Z = kept: a
    ratio, whose moments are sums over the law of how many others are kept (Poisson binomial).
    """
    screening = batch.screening()
    v = batch.unit_gradients()
    w = screening.keep_probability.ravel().astype(np.float64)
    if not batch.gate.needs_uniforms:
        update = (w @ v) / normalizer_count(screening, batch.normalizer)
        return Moments(update, np.zeros((update.size, update.size)))
    if batch.normalizer == "kept":
        return _per_kept(w, v, batch.unit_sizes())
    z = normalizer_count(screening, batch.normalizer)
    return Moments(w @ v / z, np.einsum("u,ui,uj->ij", w * (1.0 - w), v, v) / z**2)


def _per_kept(w: FloatArray, v: FloatArray, sizes: IntArray) -> Moments:
    """Return the moments of sum G v / max(1, sum G n) for independent gates G of probability w."""
    units = w.size
    first = np.zeros(units)
    second = np.zeros((units, units))
    for i in range(units):
        others = np.delete(np.arange(units), i)
        counts, law = kept_law(w[others], sizes[others])
        # A unit without a valid decision is never kept, so no count here is 0.
        share = 1.0 / np.maximum(1, sizes[i] + counts)
        first[i] = w[i] * (law @ share)
        second[i, i] = w[i] * (law @ share**2)
        for j in range(i):
            rest = others[others != j]
            counts, law = kept_law(w[rest], sizes[rest])
            share = 1.0 / np.maximum(1, sizes[i] + sizes[j] + counts)
            second[i, j] = second[j, i] = w[i] * w[j] * (law @ share**2)
    return Moments(first @ v, v.T @ (second - np.outer(first, first)) @ v)


def kept_law(w: FloatArray, sizes: IntArray) -> tuple[IntArray, FloatArray]:
    """Return the law of how many decisions independent gates keep.

    Parameters
    ----------
    w : (n,) float
        Keep probabilities.
    sizes : (n,) int
        Decisions that a gate keeps at once.

    Returns
    -------
    counts : (S + 1,) int
        0..S, S the sum of `sizes`.
    probabilities : (S + 1,) float
    """
    law = np.zeros(int(sizes.sum()) + 1)
    law[0] = 1.0
    for chance, size in zip(w, sizes, strict=True):
        moved = np.zeros_like(law)
        moved[size:] = law[: law.size - size]
        law = (1.0 - chance) * law + chance * moved
    return np.arange(law.size), law
