"""Prompts, rewards, noise and baselines against slow definitions, and by enumeration."""

from collections.abc import Callable
from fractions import Fraction
from itertools import product
from typing import Any

import numpy as np
import pytest
from dying import dies
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from kondo_ref.checks import BoolArray, FloatArray
from kondo_ref.randomness import Purpose, words
from kondo_ref.tasks.token_reversal import environment
from kondo_ref.tasks.token_reversal.settings import Settings

KINDS = ("fraction", "prefix", "exact")
SEEDS = st.integers(0, 2**32)
TINY: dict[str, Any] = {"prompts": 3, "samples": 2, "length": 4, "vocabulary": 3}


def slow_prompts(settings: Settings, seed: int, step: int) -> list[list[int]]:
    """Return the prompts by integer arithmetic on the words."""
    p, h, m = settings.prompts, settings.length, settings.vocabulary
    drawn = [int(word) >> 11 for word in words(seed, Purpose.ENVIRONMENT, step, p * h + p)]
    found = []
    for i in range(p):
        tokens = [m * drawn[i * h + j] >> 53 for j in range(h)]
        if drawn[p * h + i] < settings.zero_prompts * 2**53:
            tokens = [0] * h
        found += [tokens] * settings.samples
    return found


def slow_reward(right: list[bool], kind: str, kappa: Fraction) -> Fraction:
    """Return the reward of one sequence, as a rational number."""
    prefix = 0
    while prefix < len(right) and right[prefix]:
        prefix += 1
    exact = Fraction(all(right))
    if kind == "exact":
        return exact
    counted = prefix if kind == "prefix" else sum(right)
    return kappa * Fraction(counted, len(right)) + (1 - kappa) * exact


@given(SEEDS, st.integers(0, 100), st.sampled_from([0.0, 0.25, 1.0]))
def test_prompts_are_the_words_times_the_vocabulary(seed: int, step: int, zeros: float) -> None:
    settings = Settings(**TINY, zero_prompts=zeros)
    found = environment.prompts(settings, seed, step)
    assert found.dtype == np.int64
    assert found.tolist() == slow_prompts(settings, seed, step)


def check_prompts() -> None:
    settings = Settings(**TINY, zero_prompts=0.5)
    for step in range(6):
        assert environment.prompts(settings, 1, step).tolist() == slow_prompts(settings, 1, step)


def test_the_largest_uniform_is_no_token_beyond_the_last() -> None:
    sizes = np.arange(2, 100_001)
    assert ((1 - 2.0**-53) * sizes < sizes).all()


def test_what_the_model_reads() -> None:
    asked = np.array([[0, 1, 1], [1, 0, 0]])
    answers = np.array([[1, 1, 0], [1, 0, 1]])
    assert environment.questions(asked, 2).tolist() == [[0, 1, 1, 2], [1, 0, 0, 2]]
    read = environment.observations(asked, answers, 2)
    assert read.tolist() == [[0, 1, 1, 2, 1, 1], [1, 0, 0, 2, 1, 0]]
    # Decision t is read at position H + t: with all answer tokens before it, and no later one.
    laid = environment.lay_out(answers)
    assert laid.tolist() == [[0, 0, 0, 1, 1, 0], [0, 0, 0, 1, 0, 1]]
    assert (read[:, 4:] == laid[:, 3:5]).all()
    right = environment.correct(asked, answers)
    assert right.tolist() == [[True, True, True], [False, True, True]]


def all_answers(h: int, m: int) -> tuple[BoolArray, int]:
    """Return which tokens are right, for all prompts of length h with all answers."""
    pairs = [(p, a) for p in product(range(m), repeat=h) for a in product(range(m), repeat=h)]
    asked, answers = (np.array(side) for side in zip(*pairs, strict=True))
    return environment.correct(asked, answers), m**h


@pytest.mark.parametrize(("h", "m"), [(1, 2), (1, 3), (2, 2), (2, 3), (3, 2), (3, 3), (4, 2)])
def test_uniform_answers_earn_what_they_must(h: int, m: int) -> None:
    check_uniform_answers(h, m)


def check_uniform_answers(h: int, m: int) -> None:
    right, n = all_answers(h, m)
    assert right.shape == (n * n, h)
    expected = {
        "fraction": 1 / m,
        "prefix": sum(m**-k for k in range(1, h + 1)) / h,
        "exact": m**-h,
    }
    for kind in KINDS:
        assert environment.rewards(right, kind).mean() == pytest.approx(expected[kind], rel=1e-12)
        assert (environment.rewards(right, kind) == 1).sum() == n


@given(st.data())
def test_rewards_by_their_definition(data: st.DataObject) -> None:
    h = data.draw(st.integers(1, 8))
    rows = data.draw(st.lists(st.lists(st.booleans(), min_size=h, max_size=h), min_size=1))
    kappa = data.draw(st.integers(0, 16)) / 16
    for kind in KINDS:
        check_rewards(rows, kind, kappa)


def check_rewards(rows: list[list[bool]], kind: str, kappa: float) -> None:
    found = environment.rewards(np.array(rows), kind, kappa)
    expected = [float(slow_reward(row, kind, Fraction(kappa))) for row in rows]
    assert found.dtype == np.float64
    assert found == pytest.approx(expected, abs=4 * np.finfo(float).eps)
    assert ((found >= 0) & (found <= 1)).all()


NOISY = Settings(**TINY, noisy_zero=2.5, zero_prompts=0.6)


def check_noise() -> None:
    batch, before = NOISY.batch, NOISY.prompts * (NOISY.length + 1)
    for step in range(1, 5):
        asked = environment.prompts(NOISY, 3, step)
        answers = np.zeros_like(asked)
        answers[0, -1] = 1
        drawn = words(3, Purpose.ENVIRONMENT, step, before + batch)[before:]
        middle = [((int(word) >> 12) + 0.5) / 2**52 for word in drawn]
        zero = [not any(a) and not any(b) for a, b in zip(asked, answers, strict=True)]
        expected = np.where(zero, 2.5 * norm.ppf(middle), 0.0)
        found = environment.noise(NOISY, 3, step, asked, answers)
        assert found == pytest.approx(expected, rel=1e-12)


def test_noise_falls_on_right_answers_of_zeros_alone() -> None:
    check_noise()
    asked = environment.prompts(NOISY, 3, 1)
    quiet = Settings(**TINY, zero_prompts=0.6)
    assert not environment.noise(quiet, 3, 1, asked, np.zeros_like(asked)).any()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@given(st.data())
def test_advantages_by_their_definition(dtype: str, data: st.DataObject) -> None:
    p, s = data.draw(st.integers(1, 4)), data.draw(st.integers(2, 5))
    tenths = data.draw(st.lists(st.integers(0, 10), min_size=p * s, max_size=p * s))
    reward = np.array(tenths, dtype) / np.array(10, dtype)
    for baseline in ("group-mean", "leave-one-out", "zero", "constant"):
        check_advantages(reward, p, baseline)


def check_advantages(reward: FloatArray, p: int, baseline: str) -> None:
    s = reward.size // p
    settings = Settings(prompts=p, samples=s, baseline=baseline, baseline_value=0.25)
    found = environment.advantages(settings, reward)
    exact = [Fraction(float(r)) for r in reward]
    for i, r in enumerate(exact):
        group = exact[i // s * s : (i // s + 1) * s]
        b = {
            "zero": Fraction(0),
            "constant": Fraction(1, 4),
            "group-mean": sum(group, Fraction(0)) / s,
            "leave-one-out": (sum(group, Fraction(0)) - r) / (s - 1),
        }[baseline]
        # A sum of s rewards of at most 1, a division, a difference.
        assert abs(found[i] - float(r - b)) <= (s + 2) * np.finfo(reward.dtype).eps
        if len(set(group)) == 1 and baseline not in ("zero", "constant"):
            assert found[i] == 0
    assert found.dtype == reward.dtype


def test_a_solved_group_has_advantage_0_exactly() -> None:
    reward = np.repeat(np.arange(11) / 10, 10)
    for baseline in ("group-mean", "leave-one-out"):
        settings = Settings(prompts=11, baseline=baseline)
        for dtype in ("float32", "float64"):
            assert not environment.advantages(settings, reward.astype(dtype)).any()


@pytest.mark.parametrize(
    ("function", "old", "new", "check"),
    [
        ("prompts", "np.repeat(tokens, settings.samples, axis=0)",
         "np.tile(tokens, (settings.samples, 1))", check_prompts),
        ("prompts", "draws[p * h :]", "draws[:p]", check_prompts),
        ("correct", "asked[:, ::-1]", "asked", test_what_the_model_reads),
        ("rewards", 'if kind == "prefix" else', 'if kind != "prefix" else',
         lambda: check_uniform_answers(3, 2)),
        ("rewards", "(1.0 - kappa) * exact", "kappa * exact",
         lambda: check_rewards([[True, True], [False, True]], "fraction", 0.25)),
        ("noise", "[before:]", "[:batch]", check_noise),
        ("noise", "asked.any(axis=1) | answers", "answers.any(axis=1) | answers", check_noise),
        ("noise", "asked.any(axis=1) | answers", "asked.any(axis=1) & answers", check_noise),
        ("advantages", "// settings.samples", "% settings.prompts",
         lambda: check_advantages(np.arange(6.0) / 6, 2, "group-mean")),
        ("advantages", "for group in groups", "for group in groups[::-1]",
         lambda: check_advantages(np.arange(6.0) / 6, 2, "leave-one-out")),
        ("advantages", "np.where(equal[:, None], 0.0, groups - b)", "(groups - b)",
         test_a_solved_group_has_advantage_0_exactly),
        ("lay_out", "(values.shape[1], 0)", "(0, values.shape[1])", test_what_the_model_reads),
        ("questions", "((0, 0), (0, 1))", "((0, 0), (1, 0))", test_what_the_model_reads),
        ("observations", "answers[:, :-1]", "answers[:, 1:]", test_what_the_model_reads),
    ],
)  # fmt: skip
def test_wrong_environments_are_seen(
    function: str, old: str, new: str, check: Callable[[], None]
) -> None:
    dies(f"tasks.token_reversal.environment.{function}", old, new, check)


def test_arrays_that_do_not_belong_together() -> None:
    asked = np.zeros((2, 3), np.int64)
    with pytest.raises(ValueError, match=r"^answers: expected shape \(2, 3\), got \(2, 1\)"):
        environment.correct(asked, asked[:, :1])
    with pytest.raises(ValueError, match=r"^answers: expected shape \(2, 3\), got \(1, 3\)"):
        environment.observations(asked, asked[:1], 2)
    with pytest.raises(ValueError, match=r"^reward: expected shape \(100,\), got \(10,\)"):
        environment.advantages(Settings(), np.zeros(10))
