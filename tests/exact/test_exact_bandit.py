"""Moments of a batch of a bandit: closed, enumerated over all batches, and held to quadrature."""

import itertools
import math

import mpmath
import numpy as np
import pytest
from dying import dies
from hypothesis import given
from hypothesis import strategies as st
from properties.register import EPS

from kondo_ref.delight import SIGNALS
from kondo_ref.exact import bandit as engine
from kondo_ref.exact.atoms import Bandit, FiniteRewards, GaussianRewards, atoms, gaussian_nodes
from kondo_ref.exact.bandit import bandit_cosine, bandit_gradient, bandit_update
from kondo_ref.exact.batches import OF_BATCH, OF_POLICY, Baseline, every_batch
from kondo_ref.exact.moments import Moments
from kondo_ref.gate import Gate
from kondo_ref.gradient import policy_gradient
from kondo_ref.price import Calibrated, Fixed, Quantile, Rolling
from kondo_ref.randomness import Purpose, normals, sample_actions, uniforms

LOGITS = st.integers(-16, 16).map(lambda n: n / 4.0)
REWARDS = st.integers(-8, 8).map(lambda n: n / 4.0)
TEMPERATURES = st.sampled_from((0.0, 0.125, 1.0, 8.0))


@st.composite
def finite_bandits(draw, most_contexts=2):
    contexts, arms = draw(st.integers(1, most_contexts)), draw(st.integers(1, 3))
    rewards = []
    for _ in range(contexts):
        values = [[draw(REWARDS) for _ in range(2)] for _ in range(arms)]
        first = [draw(st.sampled_from((0.0, 0.25, 0.5, 1.0))) for _ in range(arms)]
        chances = np.array([[p, 1.0 - p] for p in first])
        rewards.append(FiniteRewards(np.array(values), chances))
    share = draw(st.sampled_from((0.25, 0.5)))
    weights = np.array([1.0]) if contexts == 1 else np.array([share, 1.0 - share])
    logits = np.array([[draw(LOGITS) for _ in range(arms)] for _ in range(contexts)])
    return Bandit(tuple(rewards), weights), logits


@st.composite
def independent_gates(draw):
    signal = draw(st.sampled_from(SIGNALS))
    return Gate(
        signal=signal,
        price=Fixed(draw(st.sampled_from((0.0, 0.5, -1.0, np.inf, -np.inf)))),
        temperature=draw(TEMPERATURES),
        draw=draw(st.sampled_from(("soft", "bernoulli"))),
        alpha=0.25 if signal == "additive" else None,
    )


BASELINES = st.sampled_from([Baseline(k, 0.25 * (k == "constant")) for k in OF_POLICY])


def assert_same_moments(one, other, reach):
    assert np.linalg.norm(one.mean - other.mean) <= 64 * EPS * reach
    assert np.linalg.norm(one.covariance - other.covariance) <= 64 * EPS * reach**2


def largest(law, b):
    """The largest norm of a decision's gradient: |U| times sqrt(2)."""
    return max(1.0, float(np.abs(law.reward - b[law.context]).max()) * math.sqrt(2.0))


@given(
    finite_bandits(),
    independent_gates(),
    BASELINES,
    st.integers(1, 3),
    st.sampled_from(("decisions", "kept", "none")),
)
def test_one_decision_says_it_all(given_bandit, gate, baseline, batch, normalizer):
    bandit, logits = given_bandit
    found = bandit_update(
        bandit, logits, gate, baseline=baseline, batch=batch, normalizer=normalizer
    )
    b = baseline.of_policy(np.exp(engine.log_softmax(logits)), bandit.mean)
    law = atoms(bandit, logits, gate, b)
    batches = every_batch(law, logits, gate, baseline, b, batch, normalizer, None)
    moments, share = engine._enumerated(batches, logits.size)
    assert_same_moments(found.moments, moments, batch * largest(law, b))
    assert abs(found.kept_share - share) <= 64 * EPS


@given(finite_bandits(), BASELINES, st.integers(1, 4))
def test_plain_policy_gradient_is_the_gradient_of_the_value(given_bandit, baseline, batch):
    """Unbiased under every baseline of the policy; grad J by complex step of J itself."""
    bandit, logits = given_bandit
    found = bandit_update(bandit, logits, Gate.named("pg"), baseline=baseline, batch=batch)
    reach = max(1.0, float(np.abs(bandit.mean).max())) * 4.0
    assert np.linalg.norm(found.moments.mean - found.direction) <= 64 * EPS * reach
    step, gradient = 1e-30, np.zeros(logits.shape)
    for c, k in np.ndindex(*logits.shape):
        z = logits.astype(complex)
        z[c, k] += 1j * step
        e = np.exp(z - logits.max(axis=1, keepdims=True))
        value = ((e / e.sum(axis=1, keepdims=True)) * bandit.mean).sum(axis=1) @ bandit.weights
        gradient[c, k] = value.imag / step
    assert np.linalg.norm(gradient.ravel() - bandit_gradient(bandit, logits)) <= 64 * EPS * reach


@pytest.mark.parametrize("kind", OF_BATCH)
@pytest.mark.parametrize(
    "gate",
    [
        Gate.named("kondo-top-k", rate=0.5),
        Gate(price=Quantile(0.4), draw="bernoulli"),
        Gate(price=Calibrated(0.4), draw="soft"),
        Gate(price=Rolling(0.5, 2, 1), draw="bernoulli", temperature=0.5),
    ],
    ids=lambda gate: f"{gate.draw} {gate.price}",
)
def test_baselines_and_prices_of_the_batch_against_a_loop_over_the_core(kind, gate):
    """A loop of its own over all batches and, for random gates, over all uniforms that matter."""
    rewards = (np.array([1.0, 0.0]), np.array([0.5, -1.0]))
    bandit = Bandit(tuple(FiniteRewards.certain(r) for r in rewards), np.array([0.25, 0.75]))
    logits = np.array([[0.5, 0.0], [0.0, 1.0]])
    size = 3
    found = bandit_update(bandit, logits, gate, baseline=Baseline(kind), batch=size)
    pi = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    mean, second = np.zeros(4), np.zeros((4, 4))
    for chosen in itertools.product(itertools.product(range(2), range(2)), repeat=size):
        contexts, actions = np.array(chosen).T
        chance = np.prod([(0.25, 0.75)[c] * pi[c, a] for c, a in chosen])
        given_rewards = np.array([rewards[c][a] for c, a in chosen])
        u = Baseline(kind).advantages(given_rewards, contexts)
        w = policy_gradient(
            logits[contexts], actions, u, gate, uniforms=np.zeros(size)
        ).screening.keep_probability
        for bits in itertools.product((0, 1), repeat=size):
            drawn, part = w, 1.0 / 2**size
            if gate.draw == "bernoulli":
                drawn, part = bits, np.prod([w[i] if bits[i] else 1.0 - w[i] for i in range(size)])
            update = np.zeros((2, 2))
            for i in range(size):
                score = np.eye(2)[actions[i]] - pi[contexts[i]]
                update[contexts[i]] += drawn[i] * u[i] * score / size
            flat = update.ravel()
            mean += chance * part * flat
            second += chance * part * np.outer(flat, flat)
    expected = Moments(mean, second - np.outer(mean, mean))
    assert_same_moments(found.moments, expected, 4.0)


def test_sampling_agrees():
    """One sampled estimate, key fixed: six standard errors, error rate 1e-8 for 18 numbers."""
    bandit = Bandit.single(GaussianRewards(np.array([1.0, 0.0, 0.25]), np.array([0.0, 1.0, 0.5])))
    logits = np.array([[0.5, 0.0, -0.5]])
    gate = Gate(price=Fixed(0.1), temperature=0.5, draw="bernoulli")
    baseline = Baseline("oracle")
    found = bandit_update(bandit, logits, gate, baseline=baseline)
    n = 200_000
    pi = np.exp(logits[0]) / np.exp(logits[0]).sum()
    actions = sample_actions(np.tile(pi, (n, 1)), uniforms(7, Purpose.ACTIONS, 0, (n,)))
    noise = normals(7, Purpose.ENVIRONMENT, 0, (n,))
    mean, std = bandit.rewards[0].mean, bandit.rewards[0].std
    u = mean[actions] + std[actions] * noise - pi @ mean
    result = policy_gradient(
        np.tile(logits, (n, 1)), actions, u, gate, uniforms=uniforms(7, Purpose.GATE, 0, (n,))
    )
    updates = -result.dlogits * n
    error = np.sqrt(np.diag(found.moments.covariance) / n)
    assert (np.abs(updates.mean(axis=0) - found.moments.mean) <= 6 * error).all()
    assert abs(result.screening.realised_rate - found.kept_share) <= 6 * 0.5 / math.sqrt(n)
    deviation = updates - updates.mean(axis=0)
    products = deviation[:, :, None] * deviation[:, None, :]
    spread = products.std(axis=0) / math.sqrt(n)
    assert (np.abs(products.mean(axis=0) - found.moments.covariance) <= 6 * spread + 1e-9).all()


@pytest.mark.parametrize("temperature", [0.0, 1e-3, 0.1, 1.0, 30.0])
@pytest.mark.parametrize("signal", ["delight", "advantage", "abs_advantage", "additive"])
def test_gaussian_rewards_by_quadrature_of_more_digits(temperature, signal):
    """The kept share and the gain of one arm against mpmath's quadrature at 30 digits."""
    alpha = 0.5 if signal == "additive" else None
    gate = Gate(signal=signal, price=Fixed(0.3), temperature=temperature, alpha=alpha)
    bandit = Bandit.single(GaussianRewards(np.array([1.0, 0.0]), np.array([0.0, 2.0])))
    logits = np.log(np.array([[0.75, 0.25]]))
    law = atoms(bandit, logits, gate, np.array([0.5]))
    w = engine.keep_of_atoms(law, logits, gate, np.array([0.5]))
    second = law.action == 1
    share = float((law.probability * w)[second].sum())
    gain = float((law.probability * w * (law.reward - 0.5))[second].sum())
    with mpmath.workdps(30):
        level = mpmath.log(4)
        price, t = mpmath.mpf(0.3), mpmath.mpf(temperature)

        def keep(u):
            s = {
                "delight": u * level,
                "advantage": u,
                "abs_advantage": abs(u),
                "additive": (u + level) / 2,
            }[signal]
            if temperature == 0.0:
                return mpmath.mpf(s > price)
            return 1 / (1 + mpmath.exp(-(s - price) / t))

        slope = {"delight": level, "additive": mpmath.mpf(0.5)}.get(signal, mpmath.mpf(1))
        at = (price - (level / 2 if signal == "additive" else 0)) / slope
        width = max(t / slope, mpmath.mpf("1e-9"))
        cuts = {mpmath.mpf(x) for x in (-28, -8, -4, -2, 0, 2, 4, 8, 28)}
        for place in {at, -at} if signal == "abs_advantage" else {at}:
            cuts |= {place + k * width for k in (-64, -16, -4, -1, 0, 1, 4, 16, 64)}
        edges = sorted(c for c in cuts if -28 <= c <= 28)

        def density(u):
            return mpmath.npdf(u + mpmath.mpf(0.5), 0, 2)

        expected = mpmath.quad(lambda u: keep(u) * density(u), edges) / 4
        expected_gain = mpmath.quad(lambda u: u * keep(u) * density(u), edges) / 4
    assert abs(share - float(expected)) <= 1e-13
    assert abs(gain - float(expected_gain)) <= 1e-13


def test_nodes_integrate_the_moments_of_a_normal():
    weight, node = gaussian_nodes(0.5, 2.0, [(0.0, 0.0), (1.0, 1e-6)])
    for power, moment in ((0, 1.0), (1, 0.5), (2, 4.25), (4, 54.0625)):
        assert abs(float(weight @ node**power) - moment) <= 1e-12 * max(1.0, moment)


def test_the_cosine_of_all_batches():
    bandit = Bandit.single(FiniteRewards.certain(np.array([1.0, 0.0])))
    logits = np.log(np.array([[0.25, 0.75]]))
    found = bandit_cosine(
        bandit, logits, Gate.named("zero-price"), baseline=Baseline("constant", 0.5), batch=3
    )
    assert abs(found - (1.0 - 0.75**3)) <= 8 * EPS


def test_the_cosine_averages_over_the_gates():
    bandit = Bandit.single(FiniteRewards.certain(np.array([1.0, 0.0])))
    logits = np.log(np.array([[0.25, 0.75]]))
    gate = Gate(signal="uniform", price=Fixed(1.0), draw="bernoulli")  # w = 1/2
    found = bandit_cosine(bandit, logits, gate, baseline=Baseline("constant", 0.5), batch=1)
    assert abs(found - 0.5) <= 8 * EPS


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: FiniteRewards(np.zeros(3), np.zeros(3)), r"values: expected shape \(K, R\)"),
        (lambda: FiniteRewards(np.zeros((2, 1)), np.zeros((1, 2))), "probabilities: expected sha"),
        (lambda: FiniteRewards(np.zeros((2, 1)), np.full((2, 1), 0.5)), "probabilities: expected"),
        (lambda: GaussianRewards(np.zeros(2), np.array([1.0, -1.0])), "std: expected numbers >= 0"),
        (lambda: GaussianRewards(np.zeros((2, 1)), np.zeros((2, 1))), "mean: expected shape"),
        (lambda: Bandit(()), "rewards: expected at least one context"),
        (lambda: Bandit((ONE, ONE), np.array([0.5, 0.6])), "weights: expected numbers >= 0 that"),
        (lambda: Baseline("median"), "kind: expected one of"),
        (lambda: Baseline("constant", np.inf), "value: expected a finite number"),
        (lambda: update(Gate.named("pg"), logits=np.zeros((1, 3))), "logits: expected shape"),
        (lambda: update(Gate.named("pg"), batch=0), "batch: expected at least 1"),
        (lambda: update(Gate.named("pg"), normalizer="mean"), "normalizer: expected one of"),
        (lambda: update(Gate.named("kondo", rate=0.5), batch=20), "batch: 2 atoms and 20 decis"),
        (
            lambda: update(Gate.named("kondo", rate=0.5), bandit=NOISY),
            "rewards: a Gaussian reward needs a fixed price",
        ),
        (
            lambda: update(Gate.named("pg"), bandit=NOISY, baseline=Baseline("batch-mean")),
            "rewards: a Gaussian reward needs a fixed price",
        ),
        (lambda: update(Gate(unit="sequence")), "gate: the unit sequence needs"),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        call()


ONE = FiniteRewards.certain(np.array([1.0, 0.0]))
NOISY = Bandit.single(GaussianRewards(np.zeros(2), np.ones(2)))


def update(gate, *, bandit=None, logits=None, **rest):
    chosen = Bandit.single(ONE) if bandit is None else bandit
    return bandit_update(chosen, np.zeros((1, 2)) if logits is None else logits, gate, **rest)


def the_engine():
    """One awkward instance, closed against enumerated."""
    bandit = Bandit(
        (FiniteRewards(np.array([[1.0, 0.5], [0.0, -1.0]]), np.array([[0.5, 0.5], [0.25, 0.75]])),)
    )
    logits = np.array([[0.5, -0.5]])
    for gate in (Gate(draw="bernoulli"), Gate(temperature=0.5)):
        for normalizer in ("decisions", "kept", "none"):
            test_one_decision_says_it_all.hypothesis.inner_test(
                (bandit, logits), gate, Baseline("constant", 0.25), 3, normalizer
            )


@pytest.mark.parametrize(
    ("target", "old", "new"),
    [
        ("exact.bandit._independent", "(1.0 - share) * np.outer", "share * np.outer"),
        ("exact.bandit._independent", "(w > 0.0 if soft else w)", "w"),
        ("exact.bandit._independent", "batch * one / z**2", "batch * one / z"),
        ("exact.bandit._per_kept", "(1.0 / n)", "(1.0 / n**2)"),
        ("exact.bandit._per_kept", "kept.mean * some", "kept.mean"),
        ("exact.bandit._enumerated", "between.covariance + spread", "between.covariance"),
        (
            "exact.bandit._vectors",
            "scores[index, law.context] = -",
            "scores[index, law.context] = ",
        ),
    ],
)
def test_a_wrong_version_is_seen(target, old, new):
    dies(target, old, new, the_engine)


@pytest.mark.parametrize(
    ("target", "old", "new"),
    [
        ("exact.atoms._bends", "(price - offset) / slope", "price * slope"),
        ("exact.atoms.gaussian_nodes", "/ (std * np", "/ (np"),
        ("exact.atoms.atoms", "chance * law, context", "law, context"),
    ],
)
def test_a_wrong_quadrature_is_seen(target, old, new):
    dies(
        target, old, new,
        lambda: test_gaussian_rewards_by_quadrature_of_more_digits(1e-3, "delight"),
    )  # fmt: skip
