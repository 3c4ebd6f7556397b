"""The semantics in plain Python loops: a test backend for tiny shapes, the oracle's oracle.

Lists, floats and `math`, one decision at a time, written from the definition and not from the
NumPy code: where the two agree, no vectorisation, broadcasting or index trick stands between them.
Everything is computed in float64 and rounded once at the end to the dtype of the inputs. It does
the gates of (N,) batches, with masks.
"""

import math
from fractions import Fraction
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kondo_ref import checks
from kondo_ref.backends.loops_network import LoopsNetwork
from kondo_ref.gate import Gate
from kondo_ref.gradient import require_finite
from kondo_ref.models.kinds import require_mlp
from kondo_ref.parameters import Parameters
from kondo_ref.price import Calibrated, Fixed, Quantile, Rolling
from kondo_ref.screening import Screening
from kondo_ref.step import StepResult, TrainingState

Row = list[float]


class LoopsBackend:
    """Plain Python."""

    name = "numpy:loops"
    models = ("mlp",)

    def versions(self) -> dict[str, str]:
        """Return the version of NumPy, which only carries arrays in and out."""
        return {"numpy": np.__version__}

    def array(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return `values` as they are."""
        return values

    def to_numpy(self, values: Any) -> NDArray[Any]:
        """Return `values` as an array."""
        return np.asarray(values)

    def policy_gradient(
        self,
        logits: Any,
        actions: Any,
        advantages: Any,
        gate: Gate,
        *,
        normalizer: str = "decisions",
        **given: Any,
    ) -> Any:
        """Return loss, dlogits and screening as `kondo_ref.policy_gradient` defines them."""
        z = checks.logits_array(logits)
        rows = [log_softmax(row) for row in z.tolist()]
        screening = screen(rows, actions, advantages, gate, z.dtype, **given)
        loss, drows, kept = gated_rows(rows, np.asarray(actions).tolist(), screening, normalizer)
        dlogits = [[0.0] * z.shape[1] for _ in rows]
        for i, drow in zip(kept, drows, strict=True):
            dlogits[i] = drow
        return SimpleNamespace(
            loss=loss, dlogits=np.array(dlogits, dtype=z.dtype), screening=screening
        )

    def learner(self, state: TrainingState) -> "LoopsLearner":
        """Return a learner that loops; an MLP only."""
        return LoopsLearner(state)


class LoopsLearner:
    """A training in loops."""

    def __init__(self, state: TrainingState) -> None:
        require_mlp(state.model, "numpy:loops")
        self.network = LoopsNetwork(state)
        self.dtype = state.parameters.dtype

    @property
    def gradient(self) -> Parameters:
        """The gradient of the last update."""
        return self.network.gradient

    def state(self) -> TrainingState:
        """Return the state."""
        return self.network.state()

    def logits(self, observations: NDArray[Any]) -> NDArray[Any]:
        """Return the logits (N, K)."""
        rows = [self.network.forward(x)[-1] for x in observations.tolist()]
        return np.array(rows, dtype=self.dtype)

    def forward(self, observations: NDArray[Any]) -> Any:
        """Return the policy: log-probabilities, and the activations of every row."""
        activations = [self.network.forward(x) for x in observations.tolist()]
        rows = [log_softmax(row[-1]) for row in activations]
        return SimpleNamespace(
            rows=rows, activations=activations, log_probabilities=np.array(rows, dtype=self.dtype)
        )

    def sample(self, policy: Any, uniforms: NDArray[Any]) -> NDArray[Any]:
        """Return the first action whose cumulated probability exceeds u."""
        actions = []
        for row, u in zip(policy.rows, uniforms.tolist(), strict=True):
            cumulated, action = 0.0, 0
            for action, value in enumerate(row):  # noqa: B007
                cumulated += math.exp(value)
                if u < cumulated:
                    break
            actions.append(action)
        return np.array(actions)

    def confidence(self, policy: Any) -> NDArray[Any]:
        """Return sum over a of pi(a)^2."""
        sums = [math.fsum(math.exp(2 * value) for value in row) for row in policy.rows]
        return np.array(sums, dtype=self.dtype)

    def screen(
        self, policy: Any, actions: Any, advantages: Any, gate: Gate, **given: Any
    ) -> Screening:
        """Return the screening of a batch."""
        return screen(policy.rows, actions, advantages, gate, self.dtype, **given)

    def update(
        self,
        policy: Any,
        actions: Any,
        advantages: Any,
        gate: Gate,
        *,
        normalizer: str = "decisions",
        **given: Any,
    ) -> StepResult:
        """Run the backward of the kept rows, one after the other, and step."""
        screening = self.screen(policy, actions, advantages, gate, **given)
        taken = np.asarray(actions).tolist()
        loss, drows, kept = gated_rows(policy.rows, taken, screening, normalizer)
        if kept:
            self.network.step(
                [(policy.activations[i], d) for i, d in zip(kept, drows, strict=True)]
            )
        return StepResult(loss, screening, len(kept), updated=bool(kept))


def log_softmax(row: Row) -> Row:
    """Return log pi of one row."""
    largest = max(range(len(row)), key=lambda j: row[j])
    others = math.fsum(math.exp(z - row[largest]) for j, z in enumerate(row) if j != largest)
    return [z - row[largest] - math.log1p(others) for z in row]


def screen(
    rows: list[Row],
    actions: Any,
    advantages: Any,
    gate: Gate,
    dtype: Any,
    *,
    uniforms: Any = None,
    mask: Any = None,
    history: Any = None,
) -> Screening:
    """Return the screening of an (N,) batch, decision by decision."""
    n, k = len(rows), len(rows[0])
    taken = checks.action_array(actions, (n,), k).tolist()
    u = checks.decision_array("advantages", advantages, (n,)).tolist()
    checked = checks.mask_array(mask, (n,))
    valid = [True] * n if checked is None else checked.tolist()
    surprisals = [0.0 - row[a] for row, a in zip(rows, taken, strict=True)]
    signals = [signal_of(gate, ui, li) for ui, li in zip(u, surprisals, strict=True)]
    known = [s for s, v in zip(signals, valid, strict=True) if v]
    past = [] if history is None else np.asarray(history).tolist()
    after = None
    price: Any
    if gate.draw == "top_k":
        best = sorted((-s, i) for i, (s, v) in enumerate(zip(signals, valid, strict=True)) if v)
        count = max(1, round((gate.rate or 0.0) * len(best)))
        chosen = {i for _, i in best[:count]}
        price, w = None, [float(i in chosen) for i in range(n)]
    elif isinstance(gate.price, Rolling):
        prices = []
        for s, v in zip(signals, valid, strict=True):
            window = past[-gate.price.history :]
            ready = v and len(window) >= gate.price.warmup
            prices.append(quantile(window, gate.price.rate) if ready else -math.inf)
            past += [s] if v else []
        after = np.array(past[-gate.price.history :], dtype=dtype)
        w = [keep(s, p, gate.temperature) for s, p in zip(signals, prices, strict=True)]
        price = np.array(prices, dtype=dtype)
    else:
        price = price_of(gate, known)
        w = [keep(s, price, gate.temperature) for s in signals]
    w = [wi if v else 0.0 for wi, v in zip(w, valid, strict=True)]
    drawn = w
    if gate.needs_uniforms:
        draws = checks.uniform_array(uniforms, (n,)).tolist()
        drawn = [float(ui < wi) for ui, wi in zip(draws, w, strict=True)]

    def array(values: list[float]) -> NDArray[Any]:
        return np.array(values, dtype=dtype)

    return Screening(
        gate, array(surprisals), array(u), array(signals), price, array(w), array(drawn), checked,
        checked, after,
    )  # fmt: skip


def signal_of(gate: Gate, u: float, surprisal: float) -> float:
    """Return the signal of one decision."""
    alpha = gate.alpha or 0.0
    values = {
        "delight": u * surprisal,
        "advantage": u,
        "abs_advantage": abs(u),
        "surprisal": surprisal,
        "uniform": 1.0,
        "additive": alpha * u + (1.0 - alpha) * surprisal,
    }
    return values[gate.signal]


def price_of(gate: Gate, known: Row) -> float:
    """Return the price for the valid signals."""
    if isinstance(gate.price, Fixed):
        return gate.price.value
    if isinstance(gate.price, Quantile):
        return quantile(known, gate.price.rate)
    if not isinstance(gate.price, Calibrated):
        raise TypeError(f"price: {gate.price!r} is not one of a batch")
    rate = gate.price.rate

    def surplus(price: float) -> float:
        """Return n times (mean keep probability - rate), as small tails around a whole number."""
        above = sum(s > price for s in known) - Fraction(rate) * len(known)
        tails = [keep(s, price, gate.temperature) for s in known if s <= price]
        tails += [-keep(price, s, gate.temperature) for s in known if s > price]
        return float(above) + math.fsum(tails)

    low = min(known) - 800.0 * gate.temperature
    high = max(known) + 800.0 * gate.temperature
    while low < (middle := (low + high) / 2) < high:
        low, high = (middle, high) if surplus(middle) > 0.0 else (low, middle)
    return min(low, high, key=lambda price: abs(surplus(price)))


def quantile(values: Row, rate: float) -> float:
    """Return the (1 - rate)-quantile: exact rational interpolation, rounded once."""
    ordered = [Fraction(value) for value in sorted(values)]
    position = (len(ordered) - 1) * (1 - Fraction(rate))
    low = math.floor(position)
    above = ordered[min(low + 1, len(ordered) - 1)]
    return float(ordered[low] + (position - low) * (above - ordered[low]))


def keep(signal: float, price: float, temperature: float) -> float:
    """Return the keep probability of one decision."""
    if temperature == 0.0:
        return float(signal > price)
    x = (signal - price) / temperature
    if x >= 0.0:
        return 1.0 / (1.0 + math.exp(-x))
    return math.exp(x) / (1.0 + math.exp(x)) if x > -745.0 else 0.0


def gated_rows(
    rows: list[Row], actions: list[int], screening: Screening, normalizer: str
) -> tuple[float, list[Row], list[int]]:
    """Return the loss, dloss/dlogits of the kept rows, and which they are."""
    weights, gains = screening.weight.tolist(), screening.advantages.tolist()
    kept = [i for i, weight in enumerate(weights) if weight > 0.0]
    valid = len(rows) if screening.mask is None else sum(screening.mask.tolist())
    divisor = {"decisions": valid, "kept": max(1, len(kept)), "none": 1}[normalizer]
    loss, drows = [], []
    for i in kept:
        c, action = weights[i] * gains[i] / divisor, actions[i]
        loss.append(-c * rows[i][action])
        drow = [c * math.exp(value) for value in rows[i]]
        drow[action] = c * math.expm1(rows[i][action])
        drows.append(drow)
    try:
        total = math.fsum(loss)
    except OverflowError:
        total = math.inf
    with np.errstate(over="ignore"):  # what is returned is a float of the batch's dtype
        require_finite(float(screening.advantages.dtype.type(total)))
    return total, drows, kept
