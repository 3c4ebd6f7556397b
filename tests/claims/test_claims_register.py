"""Both sides of a claim: relations, rounding, scale, what is not finite; with wrong versions."""

from dataclasses import replace

import fake_claims as fake
import numpy as np
import pytest
from mutants import Mutant

from kondo_ref.claims.register import EPS, LIMIT, RELATIONS, Boundary, Sides

NAN, INF = float("nan"), float("inf")

# actual, claimed, relation, scale, and whether it holds.
HOLDING = {
    "equal numbers": (1.0, 1.0, "equal", None, True),
    "equal to rounding": (1.0 + 31 * EPS, 1.0, "equal", None, True),
    "beyond rounding": (1.0 + 33 * EPS, 1.0, "equal", None, False),
    "below what is claimed": (1.0 - 40 * EPS, 1.0, "equal", None, False),
    "rounding of a large number": (1e9 * (1 + 20 * EPS), 1e9, "equal", None, True),
    "rounding of small terms": (1e-9, 1e-9 * (1 + 1e-10), "equal", None, False),
    "terms that cancel": (20 * EPS, 0.0, "equal", 1.0, True),
    "terms that do not": (40 * EPS, 0.0, "equal", 1.0, False),
    "zero is zero": (0.0, 0.0, "equal", None, True),
    "numbers whose squares underflow": (1e-200 * (1 + 20 * EPS), 1e-200, "equal", None, True),
    "numbers whose squares overflow": (1e200 * (1 + 40 * EPS), 1e200, "equal", None, False),
    "numbers below the smallest normal": (3e-310, 3e-310 - 5e-324, "equal", None, True),
    "below zero, without a scale": (-1e-20, 0.0, "below", None, False),
    "zero without a scale": (1e-300, 0.0, "equal", None, False),
    "vectors by their norm": ([3.0, 4.0 + 100 * EPS], [3.0, 4.0], "equal", None, True),
    "vectors that differ": ([3.0, 4.0 + 200 * EPS], [3.0, 4.0], "equal", None, False),
    "at most, far below": (1.0, 2.0, "at most", None, True),
    "at most, equal": (2.0, 2.0, "at most", None, True),
    "at most, rounding": (2.0 + 40 * EPS, 2.0, "at most", None, True),
    "at most, above": (2.1, 2.0, "at most", None, False),
    "at most, one of two": ([0.0, 2.1], [9.0, 2.0], "at most", None, False),
    "at least, far above": (3.0, 2.0, "at least", None, True),
    "at least, equal": (2.0, 2.0, "at least", None, True),
    "at least, below": (1.9, 2.0, "at least", None, False),
    "at least, one of two": ([99.0, 1.9], [9.0, 2.0], "at least", None, False),
    "below": (1.0, 2.0, "below", None, True),
    "below, equal": (2.0, 2.0, "below", None, False),
    "below, by rounding": (2.0 - 40 * EPS, 2.0, "below", None, False),
    "below, above": (2.1, 2.0, "below", None, False),
    "below, one of two": ([0.0, 2.0], [9.0, 2.0], "below", None, False),
    "above": (3.0, 2.0, "above", None, True),
    "above, equal": (2.0, 2.0, "above", None, False),
    "above, by rounding": (2.0 + 40 * EPS, 2.0, "above", None, False),
    "above, below": (1.9, 2.0, "above", None, False),
    "above zero, with a scale": (0.1, 0.0, "above", 1.0, True),
    "zero above zero": (0.0, 0.0, "above", 1.0, False),
    "nan": (NAN, 1.0, "equal", None, False),
    "nan claimed": (1.0, NAN, "at most", None, False),
    "nan below": (NAN, 1.0, "below", None, False),
    "one nan of two": ([1.0, NAN], [1.0, 1.0], "at least", None, False),
    "infinite on both sides": (INF, INF, "equal", None, False),
    "infinite above": (INF, 1.0, "above", None, False),
    "minus infinity at most": (-INF, 1.0, "at most", None, False),
}


def wrong():
    """Return the names of the cases in which `Sides` says something else."""
    found = []
    for name, (actual, claimed, relation, scale, holds) in HOLDING.items():
        with np.errstate(all="ignore"):
            if Sides(actual, claimed, relation, scale).holds is not holds:
                found.append(name)
    return found


def test_what_holds():
    assert wrong() == []


MUTANTS = [
    Mutant(
        "not finite is nothing",
        "claims.register.Sides.error",
        "return np.inf\n    excess",
        "return 0.0\n    excess",
        "",
    ),
    Mutant(
        "only one side finite",
        "claims.register.Sides.error",
        "and np.isfinite(b).all()",
        "or np.isfinite(b).all()",
        "",
    ),
    Mutant(
        "signed distance",
        "claims.register.Sides.error",
        "norm(excess)",
        "float(excess.sum())",
        "",
    ),
    Mutant(
        "scale is ignored",
        "claims.register.Sides.error",
        "if self.scale is None else float(self.scale)",
        "if True else 0.0",
        "",
    ),
    Mutant(
        "at most is equal",
        "claims.register.Sides.error",
        'np.maximum(excess, 0.0) if self.relation == "at most" else excess',
        "excess",
        "",
    ),
    Mutant(
        "at least is at most",
        "claims.register.Sides.error",
        "np.maximum(-excess, 0.0)",
        "np.maximum(excess, 0.0)",
        "",
    ),
    Mutant(
        "above is below",
        "claims.register.Sides.error",
        '"at least" else -excess',
        '"at least" else excess',
        "",
    ),
    Mutant(
        "the best entry counts",
        "claims.register.Sides.error",
        "float(excess.max())",
        "float(excess.min())",
        "",
    ),
    Mutant(
        "nothing is zero",
        "claims.register.Sides.error",
        "np.inf if distance > 0.0 else 0.0",
        "0.0",
        "",
    ),
    Mutant(
        "absolute",
        "claims.register.Sides.error",
        "return distance / (EPS * max(size, SMALLEST))",
        "return distance / EPS",
        "",
    ),
    Mutant("strict by any bit", "claims.register.Sides.holds", "< -self.tolerance", "< 0", ""),
    Mutant(
        "strict is not", "claims.register.Sides.holds", 'in ("below", "above")', 'in ("none",)', ""
    ),
    Mutant(
        "half the limit",
        "claims.register.Sides.holds",
        "<= self.tolerance",
        "<= self.tolerance / 2",
        "",
    ),
    Mutant(
        "twice the limit",
        "claims.register.Sides.holds",
        "<= self.tolerance",
        "<= self.tolerance * 2",
        "",
    ),
]


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_wrong_rule_is_seen(mutant):
    with mutant.alive():
        assert wrong() != []
    assert wrong() == []


def test_the_error_is_in_units_of_rounding():
    assert Sides(1.0 + 8 * EPS, 1.0).error == 8.0
    assert Sides([3.0, 4.0], [3.0, 4.0 + 2**-40]).error == pytest.approx(2**-40 / EPS / 5)
    assert Sides(1.0, 2.0, "below").error == pytest.approx(-0.5 / EPS)
    assert Sides(1.0, 2.0, "at most").error == 0.0
    assert LIMIT == 32.0


def test_the_tolerance_is_the_callers():
    assert not Sides(1.0 + 100 * EPS, 1.0).holds
    assert Sides(1.0 + 100 * EPS, 1.0, tolerance=200).holds


def test_what_is_no_claim_is_refused():
    with pytest.raises(ValueError, match=r"^relation: expected one of .* got '<'"):
        Sides(1.0, 2.0, "<")
    with pytest.raises(ValueError, match=r"^claimed: expected shape \(2,\), got \(\)"):
        Sides([1.0, 2.0], 1.0)
    stray = Boundary("the moon is full", "new moon", dict, str)
    with pytest.raises(ValueError, match="means has no hypothesis"):
        replace(fake.HOLDS, boundaries=(stray,))
    assert set(RELATIONS) == {relation for *_, relation, _, _ in HOLDING.values()}
