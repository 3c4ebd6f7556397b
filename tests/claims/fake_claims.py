"""Small claims about means, right and wrong, for the tests of whatever evaluates claims."""

from dataclasses import replace

import numpy as np

from kondo_ref.claims.register import Boundary, Claim, Number, Sides, Step

NUMBERS = "the numbers are positive"
TWO = "there are two numbers"


def mean_of_two(numbers, factor=1.0):
    """Return half the sum of two numbers, which is at least their geometric mean.

    Hypotheses: the numbers are positive, and two.
    """
    numbers = np.asarray(numbers, dtype=np.float64)
    root = float(np.sqrt(abs(numbers[0] * numbers[1])))
    return Sides(
        actual=float(numbers.mean()),
        claimed=factor * root,
        relation="at least",
        scale=float(np.abs(numbers).max()),
        numbers={"root": root},
    )


def shows(sides):
    return f"The mean is {sides.actual:g}, below {sides.claimed:g}."


NEGATIVE = Boundary(NUMBERS, "both negative", lambda: {"numbers": (-1.0, -4.0)}, shows)
THREE = Boundary(TWO, "three of them", lambda: {"numbers": (4.0, 4.0, 0.0)}, shows)

HOLDS = Claim(
    id="means",
    group="fake",
    section="ours",
    statement="The mean of two positive numbers is at least the root of their product.",
    hypotheses=(NUMBERS, TWO),
    source="ours",
    function=mean_of_two,
    instance=lambda: {"numbers": (1.0, 4.0)},
    value="mean",
    boundaries=(NEGATIVE, THREE),
    steps=lambda: [
        Step("The square (sqrt a - sqrt b)^2 is not negative.", {"square": 1.0}),
        Step("Expand it.", {"vector": np.array([1.0, np.nan]), "count": np.int64(2)}),
    ],
    numbers=(Number("mean of 1 and 4", 2.5, 0.05, lambda: 2.5),),
    remark="An old one.",
)
WRONG = replace(HOLDS, id="wrong", instance=lambda: {"numbers": (1.0, 4.0), "factor": 2.0})
HOLDING_BOUNDARY = replace(
    HOLDS,
    id="holding-boundary",
    boundaries=(NEGATIVE, replace(THREE, arguments=lambda: {"numbers": (4.0, 4.0, 4.0)})),
)
NAN_BOUNDARY = replace(
    HOLDS,
    id="nan-boundary",
    boundaries=(NEGATIVE, replace(THREE, arguments=lambda: {"numbers": (np.nan, 4.0)})),
)
# 1e-12 below the bound: more than rounding explains, and still no counterexample to point at.
NARROW_BOUNDARY = replace(
    HOLDS,
    id="narrow-boundary",
    boundaries=(
        replace(NEGATIVE, arguments=lambda: {"numbers": (1.0, 1.0), "factor": 1 + 1e-12}),
        THREE,
    ),
)
MISSED_NUMBER = replace(
    HOLDS,
    id="missed-number",
    numbers=(*HOLDS.numbers, Number("mean of 1 and 5", 2.5, 0.05, lambda: 3.0, sampled=True)),
)
NO_BOUNDARY = replace(HOLDS, id="no-boundary", boundaries=(NEGATIVE,))
NAN = replace(HOLDS, id="nan", instance=lambda: {"numbers": (np.nan, 4.0)})


def refuses():
    raise ValueError("numbers: expected two,\ngot none")


BROKEN = replace(HOLDS, id="broken", instance=refuses)
