"""The claims on the zero price over their hypothesis spaces, and the wrong versions they see."""

import numpy as np
import pytest
from dying import dies
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from kondo_ref.claims import temperature, zero_price, zero_price_batch, zero_price_noise
from kondo_ref.claims.bandits import one_correct, three_arms
from kondo_ref.claims.temperature import even_bandit
from kondo_ref.exact.atoms import Bandit, FiniteRewards
from kondo_ref.exact.batches import Baseline
from kondo_ref.gate import Gate

LEVELS = st.just(0.0) | st.sampled_from((1e-12, 0.999999)) | st.floats(0.0, 0.9999)
POLICY = st.sampled_from([Baseline(kind) for kind in ("zero", "expected-confidence", "oracle")])
TEMPERATURES = st.floats(-2.0, 3.0).map(lambda e: 10.0**e)


@st.composite
def baselines(draw):
    """Constant in the context and in [0, 1): any constant, and those of the policy."""
    return draw(LEVELS.map(lambda b: Baseline("constant", b)) | POLICY)


@st.composite
def bandits(draw, *, correct=None, contexts=1):
    """Deterministic rewards of 0 and 1, any policy that can miss: probabilities down to e-60."""
    arms = draw(st.integers(2, 6))
    rewards, logits = [], []
    for _ in range(contexts):
        right = draw(st.integers(1, arms - 1)) if correct is None else correct
        rewards.append(FiniteRewards.certain((np.arange(arms) < right).astype(float)))
        logits.append([draw(st.floats(-15.0, 15.0)) for _ in range(arms)])
    weights = np.array([draw(st.integers(1, 5)) for _ in range(contexts)], float)
    return {"bandit": Bandit(tuple(rewards), weights / weights.sum()), "logits": np.array(logits)}


def below_one(given_bandit, baseline):
    """Whether the baseline is below 1 as a float: a policy of confidence 1 to rounding is not."""
    pi = np.exp(given_bandit["logits"] - given_bandit["logits"].max())
    pi /= pi.sum()
    return (baseline.of_policy(pi, given_bandit["bandit"].mean) < 1.0 - 1e-9).all()


@given(bandits(), baselines())
def test_kept_are_the_successes(bandit, baseline):
    assume(below_one(bandit, baseline))
    assert zero_price.zero_price_keeps_successes(**bandit, baseline=baseline).holds


@given(bandits(contexts=3), LEVELS)
def test_kept_are_the_successes_in_every_context(bandit, b):
    sides = zero_price.zero_price_keeps_successes(**bandit, baseline=Baseline("constant", b))
    assert sides.holds
    assert sides.numbers["kept_share"] == pytest.approx(sides.numbers["value"], rel=1e-12)


@given(bandits(), baselines())
def test_the_direction_is_kept_whatever_the_wrong_arms(bandit, baseline):
    assert zero_price.zero_price_direction(**bandit, baseline=baseline).holds


@given(bandits(contexts=3), LEVELS)
def test_the_direction_is_kept_with_one_baseline_for_all_contexts(bandit, b):
    assert zero_price.zero_price_direction(**bandit, baseline=Baseline("constant", b)).holds


@given(bandits(correct=1), baselines())
def test_nothing_kept_is_perpendicular(bandit, baseline):
    assert zero_price_noise.zero_price_noise(**bandit, baseline=baseline).holds


@given(bandits(correct=1), baselines())
def test_the_noise_of_the_policy_gradient(bandit, baseline):
    assert zero_price_noise.policy_gradient_noise(**bandit, baseline=baseline).holds


@given(
    st.integers(3, 6), st.floats(0.01, 0.99), st.lists(st.floats(0.05, 1.0), min_size=5, max_size=5)
)
def test_the_policy_gradient_is_noisy(arms, b, shares):
    pi = np.array([1.0, *shares][:arms])
    given_bandit = one_correct((pi / pi.sum()).tolist())
    assert zero_price_noise.policy_gradient_is_noisy(
        **given_bandit, baseline=Baseline("constant", b)
    ).holds


@given(bandits(correct=1), st.integers(1, 3), st.sampled_from((0.0, 0.5, 0.999)))
def test_one_success_is_enough(bandit, batch, b):
    pi = np.exp(bandit["logits"] - bandit["logits"].max())
    # grad J must be a direction, not rounding
    assume(0.001 < float((pi / pi.sum())[0, 0]) < 0.999)
    baseline = Baseline("constant", b)
    assert zero_price_batch.zero_price_batch(**bandit, baseline=baseline, batch=batch).holds


@settings(max_examples=12)  # some seconds for a small p and many arms
@given(st.integers(5, 100), st.floats(0.05, 0.6), st.floats(0.9, 0.97))
def test_the_batch_of_the_policy_gradient_is_above_its_limit(arms, p, cosine):
    assert zero_price_batch.policy_gradient_batch(p, arms, 0.5, cosine).holds


@st.composite
def even(draw):
    p = draw(st.floats(0.001, 0.999))
    bandit, logits = even_bandit(p, draw(st.integers(2, 12)))
    return {"bandit": bandit, "logits": logits}


SOFT = st.builds(
    Gate, temperature=TEMPERATURES | st.just(0.0), draw=st.sampled_from(("soft", "bernoulli"))
)


@given(even(), baselines(), SOFT)
def test_one_weight_for_all_wrong_arms_keeps_the_direction(bandit, baseline, gate):
    assert temperature.soft_direction(**bandit, baseline=baseline, gate=gate).holds


@given(even(), baselines(), SOFT)
def test_the_noise_falls_by_the_weight_of_the_wrong_arms(bandit, baseline, gate):
    assert temperature.soft_noise(**bandit, baseline=baseline, gate=gate).holds


@given(st.floats(0.001, 0.999), st.integers(3, 40), st.floats(-1.0, 2.0).map(lambda e: 10.0**e))
def test_the_gap_of_advantages_of_one_half(p, arms, heat):
    bandit, logits = even_bandit(p, arms)
    given_bandit = {"bandit": bandit, "logits": logits, "baseline": Baseline("constant", 0.5)}
    assert temperature.cosine_gap(**given_bandit, gate=Gate(temperature=heat)).holds


def test_the_gap_is_that_of_cosines():
    """The name is earned: for a large batch the ratio of 1 - cosine is what the formula says."""
    bandit, logits = even_bandit(0.3, 4)
    baseline = Baseline("constant", 0.5)
    sides = temperature.cosine_gap(bandit, logits, baseline=baseline)
    gaps = []
    for gate in (Gate.named("dg"), Gate.named("pg")):
        rng = np.random.Generator(np.random.Philox(11))
        pi = np.exp(logits[0])
        counts = rng.multinomial(4000, pi, size=4000).astype(float)
        u = np.where(np.arange(4) == 0, 0.5, -0.5)
        w = 1.0 / (1.0 + np.exp(u * logits[0])) if gate.temperature else np.ones(4)
        updates = counts * u * w - (counts @ (u * w))[:, None] * pi
        direction = np.eye(4)[0] - pi
        cosine = updates @ direction / np.linalg.norm(updates, axis=1) / np.linalg.norm(direction)
        gaps.append(float(np.mean(1.0 - cosine)))
    # 4000 runs of a chi-square of two degrees: 1.6 % standard error each; key fixed
    assert gaps[0] / gaps[1] == pytest.approx(sides.numbers["ratio"], rel=0.1)


@pytest.mark.parametrize(
    ("target", "old", "new", "check"),
    [
        ("gate.keep_probability", "(signal > price)", "(signal >= price * 0 - 1)",
         lambda: zero_price.zero_price_keeps_successes(**three_arms()).holds),
        ("claims.zero_price.zero_price_direction", "(1.0 - level) * found", "found",
         lambda: zero_price.zero_price_direction(**three_arms()).holds),
        ("exact.bandit.bandit_gradient", "mean - value", "mean + value",
         lambda: zero_price.zero_price_direction(**three_arms()).holds),
        ("claims.zero_price_noise.policy_gradient_noise", "b * b *", "b *",
         lambda: zero_price_noise.policy_gradient_noise(**three_arms()).holds),
        ("exact.moments.Moments.split", "np.eye(unit.size) - np.outer(unit, unit)",
         "np.eye(unit.size)", lambda: zero_price_noise.zero_price_noise(**three_arms()).holds),
        ("claims.zero_price_batch.zero_price_batch", "batch * math", "math",
         lambda: zero_price_batch.zero_price_batch(**three_arms(), batch=3).holds),
        ("delight.delight", "advantages * surprisal", "advantages + surprisal",
         lambda: temperature.soft_noise(**temperature._even()).holds),
        ("claims.temperature.soft_noise", "least**2 if", "least if",
         lambda: temperature.soft_noise(**temperature._even()).holds),
        ("claims.temperature.cosine_gap", "2.0 * less", "less",
         lambda: temperature.cosine_gap(**temperature._even()).holds),
        ("claims.zero_price_batch.policy_gradient_batch", "limiting_batch(arms, 0.5, cosine)",
         "limiting_batch(arms, 0.9, cosine)",
         lambda: zero_price_batch.policy_gradient_batch(0.1, 20, 0.5).holds),
    ],
)  # fmt: skip
def test_a_wrong_version_is_seen(target, old, new, check):
    def holds():
        assert check()

    dies(target, old, new, holds)
