"""Keep probabilities on the whole: what no single interval sees, and what it may cost."""

import numpy as np
import pytest
from scipy.stats import binom

from kondo_ref.audit import check
from kondo_ref.audit.counts import Cells, pooled

RATE = 0.25


def gate_of_power(power: float):  # type: ignore[no-untyped-def]
    def gate(logp, advantages):  # type: ignore[no-untyped-def]
        if not np.isfinite(advantages).all():
            raise ValueError("advantages: not finite")
        delight = advantages * -logp
        p = 1.0 / (1.0 + np.exp(-(delight - np.quantile(delight, 1.0 - RATE))))
        # The global generator: that is what the audit seeds.
        return (np.random.random(p.shape) < p**power).astype(float)  # noqa: NPY002

    return gate


def audited(power: float, seed: int):  # type: ignore[no-untyped-def]
    return check(
        gate_of_power(power), claim="kondo", rate=RATE, surface="gate", framework="numpy", seed=seed
    )


@pytest.mark.parametrize("seed", [0, 1])
def test_a_probability_to_the_power_of_1_1_is_seen(seed: int) -> None:
    found = audited(1.1, seed)
    assert found.verdict == "deviates"
    assert not [f.id for f in found.findings if f.id.startswith("normalizer")]  # a gate has none


@pytest.mark.parametrize("seed", range(5))
def test_the_probability_itself_conforms(seed: int) -> None:
    assert audited(1.0, seed).verdict == "conforms"


def cells(expected: float, kept: int, trials: int) -> Cells:
    return Cells(np.zeros(1, int), np.array([expected]), np.array([kept]), np.array([trials]))


@pytest.mark.parametrize("p", [1e-9, 1e-3, 0.2, 0.5, 0.97, 1 - 1e-6])
@pytest.mark.parametrize("trials", [1, 40, 2000])
def test_its_error_rate_is_below_what_it_states(p: float, trials: int) -> None:
    """By enumeration of one cell: the chance of a false alarm, an eighth of it for each trial."""
    alarms = [k for k in range(trials + 1) if not pooled([cells(p, k, trials)])]
    assert binom.pmf(alarms, trials, p).sum() <= 1e-6 / 4 / 8


def test_many_small_deviations_are_one_large_one() -> None:
    def shifted(by: int) -> list[Cells]:
        return [cells(0.5, 500 + by, 1000) for _ in range(60)]

    assert (shifted(25)[0].p_values > 0.1).all()  # alone it is nothing
    assert pooled(shifted(5))
    assert not pooled(shifted(25))
    assert pooled([])
    nothing = Cells(np.empty(0, int), np.empty(0), np.empty(0, int), np.empty(0, int))
    assert pooled([nothing])
    assert not pooled([nothing, *shifted(25)])
