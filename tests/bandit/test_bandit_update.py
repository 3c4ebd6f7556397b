"""Updates of the bandit: weights against the papers' formulas, exact against sampled, limits."""

from typing import Any

import numpy as np
import pytest
from dying import dies
from scipy.special import expit

from kondo_ref.backend import load_backend
from kondo_ref.checks import FloatArray
from kondo_ref.delight import log_softmax
from kondo_ref.gate import Gate
from kondo_ref.price import Calibrated, Fixed, Quantile, Rolling
from kondo_ref.tasks.bandit.budget import Budget, bins_of, coefficients
from kondo_ref.tasks.bandit.environment import Bandit, initial_logits
from kondo_ref.tasks.bandit.limit import limit_keep_probability, upper_quantile
from kondo_ref.tasks.bandit.settings import Settings
from kondo_ref.tasks.bandit.update import Update, exact_update, sampled_update

NUMPY = load_backend("numpy")


def start(settings: Settings, seed: int = 0) -> tuple[Bandit, FloatArray, FloatArray, FloatArray]:
    """Return the bandit, its initial logits, p of every context, and the CE gradient."""
    bandit, logits = Bandit.of(settings, seed), initial_logits(settings, seed)
    log_pi = log_softmax(logits)
    return bandit, logits, np.exp(bandit.log_right(log_pi)), bandit.cross_entropy_gradient(log_pi)


def exact(settings: Settings, method: str, logits: FloatArray | None = None) -> Update:
    bandit, initial, _, _ = start(settings)
    return exact_update(settings, bandit, NUMPY, method, initial if logits is None else logits)


def check_weights() -> None:
    for temperature in (0.4, 1.0, 3.0):
        settings = Settings(contexts=12, arms=4, spread=2.0, temperature=temperature, price="0.7")
        _, _, p, v = start(settings)
        formulas = {
            "pg": p,
            "dg": p / (1 + p ** (1 / temperature)),
            "zero-price": p,
            "kondo": p * expit((-np.log(p) - 0.7) / temperature),
            "ce": np.ones_like(p),
        }
        for method, weight in formulas.items():
            ascent = exact(settings, method).ascent
            assert np.abs(ascent - weight[:, None] * v).max() < 1e-14, method


def test_the_weights_of_contexts_are_those_of_the_papers() -> None:
    """[DG], Prop. 2: without a baseline a context's update is its weight times v."""
    check_weights()
    target = "tasks.bandit.update.exact_update"
    dies(target, "chance * w, -rows", "w, -rows", check_weights)
    dies(target, "0.0 - log_pi", "log_pi", check_weights)
    dies("tasks.bandit.environment.Bandit.rewards", "actions ==", "actions !=", check_weights)


def test_dg_is_between_pg_and_cross_entropy() -> None:
    settings = Settings(contexts=30, arms=5)
    _, _, _, v = start(settings)

    def cosine(method: str) -> float:
        g = exact(settings, method).ascent
        return float(np.vdot(g, v) / np.linalg.norm(g) / np.linalg.norm(v))

    assert cosine("pg") < cosine("dg") < cosine("ce")
    assert cosine("ce") == pytest.approx(1.0)


def test_pg_is_the_gradient_under_any_baseline_and_the_others_are_not() -> None:
    for baseline in ("zero", "constant", "expected", "oracle"):
        settings = Settings(contexts=6, arms=3, baseline=baseline, baseline_value=0.3)
        _, _, p, v = start(settings)
        assert np.abs(exact(settings, "pg").ascent - p[:, None] * v).max() < 1e-15
        if baseline == "zero":
            continue
        bent = coefficients(exact(settings, "dg").ascent, v)[:, None] * v
        assert np.abs(exact(settings, "dg").ascent - bent).max() > 1e-4


def test_the_zero_price_scales_each_context_by_one_less_its_baseline() -> None:
    """[K], Prop. 1 (i), and why several contexts turn the sum: every b is its own."""
    settings = Settings(contexts=6, arms=3, baseline="expected")
    bandit, logits, p, v = start(settings)
    b = bandit.baseline(settings, np.exp(log_softmax(logits)))
    update = exact(settings, "zero-price")
    assert np.abs(update.ascent - ((1 - b) * p)[:, None] * v).max() < 1e-15
    assert update.kept == pytest.approx(p)
    assert update.kept_right == pytest.approx(p)


def test_the_gradient_of_j_is_right_by_complex_step() -> None:
    settings = Settings(contexts=3, arms=4)
    bandit, logits, p, v = start(settings)
    for n in range(3):
        for k in range(4):
            z = logits[n].astype(complex)
            z[k] += 1e-30j
            probability = np.exp(z[bandit.right[n]]) / np.exp(z).sum()
            assert probability.imag / 1e-30 == pytest.approx(p[n] * v[n, k], rel=1e-12)


def check_sampled() -> None:
    """Mean of 4,000 decisions a context: each of 60 numbers within 4.9 standard errors.

    By the normal law a right version fails with a chance below 1e-4; the key is fixed.
    """
    settings = Settings(
        contexts=5, arms=3, gradients="sampled", batch=4000, baseline="constant", price="0.1"
    )
    bandit, logits, _, _ = start(settings)
    for method in ("pg", "dg", "kondo", "zero-price"):
        drawn = sampled_update(settings, bandit, NUMPY, method, logits, seed=3, step=1)
        wanted = exact(settings, method)
        # |G U (e - pi)| <= 1/2 in every coordinate, so that is a bound on the deviation.
        off = np.abs(drawn.ascent / 4000 - wanted.ascent)
        assert off.max() < 4.9 * 0.5 / np.sqrt(4000), method
        assert np.abs(drawn.kept / 4000 - wanted.kept).max() < 4.9 * 0.5 / np.sqrt(4000), method
        right = np.abs(drawn.kept_right / 4000 - wanted.kept_right).max()
        assert right < 4.9 * 0.5 / np.sqrt(4000), method


def test_a_sampled_update_estimates_the_exact_one() -> None:
    check_sampled()
    dies("tasks.bandit.update.sampled_update", "reward - ", "reward + ", check_sampled)


def test_cross_entropy_is_not_sampled() -> None:
    settings = Settings(contexts=5, arms=3, gradients="sampled", batch=9)
    bandit, logits, _, v = start(settings)
    update = sampled_update(settings, bandit, NUMPY, "ce", logits, seed=0, step=1)
    assert np.abs(update.ascent - v).max() < 1e-15
    assert (update.decisions, update.kept.tolist()) == (1, [1.0] * 5)


@pytest.mark.parametrize(
    "gate",
    [
        Gate.named("kondo-top-k", rate=0.1),
        Gate.named("kondo", rate=0.1),
        Gate.named("kondo", price=Calibrated(0.1), temperature=0.3),
    ],
)
def test_the_limit_is_that_of_ever_larger_batches(gate: Gate) -> None:
    """40,000 decisions of 7 kinds: the core's batch against the limit, within 4.9 deviations."""
    from kondo_ref.randomness import sample_actions, uniforms
    from kondo_ref.screening import screen_surprisal

    mass = np.array([0.3, 0.2, 0.2, 0.12, 0.1, 0.05, 0.03])
    signal = np.array([-1.0, 0.0, 0.4, 0.1, 0.8, 2.0, 1.0])
    n = 40_000
    kinds = sample_actions(np.tile(mass, (n, 1)), uniforms(5, 0, 0, (n,)))
    seen = screen_surprisal(np.ones(n), signal[kinds], gate, uniforms=uniforms(5, 1, 0, (n,)))
    w = limit_keep_probability(gate, signal, mass)
    kept = np.bincount(kinds, seen.keep_probability, minlength=7) / n
    # Top-k draws from the kind on the threshold as many as fluctuate above it.
    assert np.abs(kept - mass * w).max() < 4.9 * np.sqrt(0.25 / n)
    if gate.draw == "top_k" or isinstance(gate.price, Calibrated):
        assert mass @ w == pytest.approx(0.1, rel=1e-12)


def test_edges_of_the_limit() -> None:
    signal, mass = np.array([3.0, 1.0, 2.0]), np.array([0.25, 0.5, 0.25])
    for rate, price in ((0.1, 3.0), (0.25, 3.0), (0.3, 2.0), (0.5, 2.0), (0.6, 1.0), (1.0, 1.0)):
        assert upper_quantile(signal, mass, rate) == price
    top = limit_keep_probability(Gate.named("kondo-top-k", rate=0.375), signal, mass)
    assert top.tolist() == [1.0, 0.0, 0.5]
    for rate in (1.0, 0.5):
        calibrated = Gate.named("kondo", price=Calibrated(rate), temperature=0.01)
        equal = limit_keep_probability(calibrated, np.full(3, 7.0), mass)
        assert equal == pytest.approx(np.full(3, rate))
    hard = Gate.named("kondo", price=Quantile(0.5), temperature=0.0)
    assert limit_keep_probability(hard, signal, mass).tolist() == [1.0, 0.0, 0.0]
    fixed = Gate.named("kondo", price=Fixed(1.5), temperature=0.0)
    assert limit_keep_probability(fixed, signal, mass).tolist() == [1.0, 0.0, 1.0]
    with pytest.raises(ValueError, match="a rolling price has no limit"):
        limit_keep_probability(Gate.named("kondo", price=Rolling(0.5)), signal, mass)


def check_top_k() -> None:
    top = limit_keep_probability(
        Gate.named("kondo-top-k", rate=0.375),
        np.array([3.0, 1.0, 2.0]),
        np.array([0.25, 0.5, 0.25]),
    )
    assert top.tolist() == [1.0, 0.0, 0.5]


def test_wrong_limits_are_seen() -> None:
    target = "tasks.bandit.limit."
    dies(target + "upper_quantile", "-signal", "signal", check_top_k)
    dies(target + "limit_keep_probability", "gate.rate - mass", "gate.rate + mass", check_top_k)


def check_budget() -> None:
    p = np.array([0.5, 0.1, 0.3, 0.2, 0.05, 0.4])
    assert [own.tolist() for own in bins_of(p)] == [[4, 1], [3], [2], [5], [0]]
    v = np.array([[1.0, -1.0]] * 6)
    budget = Budget(p)
    c = np.array([1.0, 2.0, 3.0, 4.0, 5.0, 5.0])
    budget.add(c[:, None] * v, v, 2.0, np.arange(6.0), learning=True)
    budget.add(np.zeros_like(v), v, 0.0, np.ones(6), learning=False)
    rows = budget.rows(1 - p)
    assert [row["contexts"] for row in rows] == [2, 1, 1, 1, 1]
    assert [row["update_first"] for row in rows] == pytest.approx([0.35, 0.2, 0.15, 0.25, 0.05])
    assert [row["update_learning"] for row in rows] == [row["update_first"] for row in rows]
    assert [row["backward_learning"] for row in rows] == pytest.approx(
        [5 / 15, 3 / 15, 2 / 15, 5 / 15, 0]
    )
    assert [row["backward_whole"] for row in rows] == pytest.approx(
        [7 / 21, 4 / 21, 3 / 21, 6 / 21, 1 / 21]
    )
    assert [row["error"] for row in rows] == pytest.approx([0.925, 0.8, 0.7, 0.6, 0.5])
    assert budget.weights()[0] == [0.05, 5.0]


def test_a_budget_by_hand() -> None:
    check_budget()
    dies("tasks.bandit.budget.bins_of", "(probability, kind", "(-probability, kind", check_budget)
    dies("tasks.bandit.budget.coefficients", "out=np.zeros_like(along), where=square > 0.0",
         "out=np.zeros_like(along), where=square < 0.0", check_budget)  # fmt: skip


def test_nothing_to_share_is_none() -> None:
    budget = Budget(np.array([0.2, 0.3]))
    zero: Any = np.zeros((2, 2))
    budget.add(zero, np.ones((2, 2)), 0.0, np.zeros(2), learning=False)
    assert {budget.rows(np.ones(2))[0][key] for key in ("update_learning", "backward_whole")} == {
        None
    }


@pytest.mark.parametrize("backend", ["torch"])
def test_another_backend_makes_the_same_updates(backend: str) -> None:
    other = load_backend(backend)
    for gradients in ("exact", "sampled"):
        settings = Settings(contexts=4, arms=3, gradients=gradients, batch=20)
        bandit, logits, _, _ = start(settings)
        for method in ("dg", "kondo", "kondo-top-k"):
            updates = [
                exact_update(settings, bandit, b, method, logits)
                if settings.exact
                else sampled_update(settings, bandit, b, method, logits, seed=0, step=1)
                for b in (NUMPY, other)
            ]
            assert np.abs(updates[0].ascent - updates[1].ascent).max() < 1e-13
            assert updates[0].kept == pytest.approx(updates[1].kept)
