"""What `screen` and `policy_gradient` refuse, and in which words.

A refusal is a ValueError or TypeError of one line that starts with the argument's name and has the
offending value or shape in it. Under `filterwarnings = error` a warning on the way fails the test.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from refusal import refused

from kondo_ref.gate import Gate
from kondo_ref.gradient import policy_gradient
from kondo_ref.price import Rolling
from kondo_ref.screening import screen

DG, KONDO = Gate.named("dg"), Gate.named("kondo", rate=0.5)
ROLLING = Gate(price=Rolling(0.5, 4, 2))
ADVANTAGE = Gate(signal="advantage")
ROWS = Gate(unit="sequence")
ROWS_BY_ADVANTAGE = Gate(signal="advantage", unit="sequence")
GOOD = {"logits": np.zeros((3, 2)), "actions": np.array([0, 1, 0]), "advantages": np.ones(3)}
SEQUENCES = {
    "logits": np.zeros((2, 2, 3)),
    "actions": np.zeros((2, 2), dtype=int),
    "advantages": np.ones((2, 2)),
}
INF_ROW, NAN_ROW = np.zeros((3, 2)), np.zeros((3, 2))
INF_ROW[1, 0], NAN_ROW[2, 1] = -np.inf, np.nan
STEEP = np.array([[0.0, 100.0]] * 3)
BEYOND = np.array([[1e308, -1e308]] * 3)
RAGGED = [[0, 1], [0]]


# name of the row, what differs from a good call, error, argument named, text shown
BATCHES: list[tuple[str, dict[str, Any], type[Exception], str, str]] = [
    ("nan in logits", {"logits": NAN_ROW}, ValueError, "logits", "(2, 1) (nan)"),
    ("inf in logits", {"logits": INF_ROW}, ValueError, "logits", "(1, 0) (-inf)"),
    ("nan in advantages", {"advantages": [0, np.nan, 1]}, ValueError, "advantages", "(1,) (nan)"),
    ("inf in advantages", {"advantages": [np.inf, 0, 1]}, ValueError, "advantages", "(0,) (inf)"),
    (
        "nan where masked",
        {"logits": NAN_ROW, "mask": [True, True, False]},
        ValueError,
        "logits",
        "nan",
    ),
    ("flat logits", {"logits": np.zeros(3)}, ValueError, "logits", "(3,)"),
    ("4-D logits", {"logits": np.zeros((1, 1, 3, 2))}, ValueError, "logits", "(1, 1, 3, 2)"),
    ("empty batch", {"logits": np.zeros((0, 2))}, ValueError, "logits", "(0, 2)"),
    ("no actions to take", {"logits": np.zeros((3, 0))}, ValueError, "logits", "(3, 0)"),
    ("empty list", {"logits": []}, ValueError, "logits", "(0,)"),
    ("ragged logits", {"logits": RAGGED}, ValueError, "logits", "inhomogeneous"),
    ("ragged actions", {"actions": RAGGED}, ValueError, "actions", "inhomogeneous"),
    ("ragged advantages", {"advantages": RAGGED}, ValueError, "advantages", "inhomogeneous"),
    ("ragged mask", {"mask": [[True], [True, False]]}, ValueError, "mask", "inhomogeneous"),
    ("complex logits", {"logits": np.zeros((3, 2), complex)}, TypeError, "logits", "complex128"),
    ("object logits", {"logits": np.zeros((3, 2), object)}, TypeError, "logits", "object"),
    ("string logits", {"logits": [["a", "b"]] * 3}, TypeError, "logits", "<U1"),
    ("float16 logits", {"logits": np.zeros((3, 2), "f2")}, TypeError, "logits", "float16"),
    ("bool logits", {"logits": np.zeros((3, 2), bool)}, TypeError, "logits", "bool"),
    (
        "complex advantages",
        {"advantages": np.ones(3, complex)},
        TypeError,
        "advantages",
        "complex128",
    ),
    ("no advantages", {"advantages": None}, TypeError, "advantages", "object"),
    ("short advantages", {"advantages": np.ones(2)}, ValueError, "advantages", "(2,)"),
    ("scalar advantage", {"advantages": 1.0}, ValueError, "advantages", "()"),
    ("column of advantages", {"advantages": np.ones((3, 1))}, ValueError, "advantages", "(3, 1)"),
    (
        "advantages beyond float32",
        {"logits": np.zeros((3, 2), "f4"), "advantages": [0, 1e300, 0]},
        ValueError,
        "advantages",
        "1e+300 at index (1,)",
    ),
    ("column of actions", {"actions": np.zeros((3, 1), int)}, ValueError, "actions", "(3, 1)"),
    ("short actions", {"actions": [0, 1]}, ValueError, "actions", "(2,)"),
    ("float actions", {"actions": np.zeros(3)}, TypeError, "actions", "float64"),
    ("bool actions", {"actions": np.zeros(3, bool)}, TypeError, "actions", "bool"),
    ("action K", {"actions": [0, 2, 0]}, ValueError, "actions", "2 at index (1,) is not in 0..1"),
    ("action -1", {"actions": [0, 1, -1]}, ValueError, "actions", "-1 at index (2,)"),
    ("int mask", {"mask": [1, 1, 0]}, TypeError, "mask", "int64"),
    ("all masked", {"mask": np.zeros(3, bool)}, ValueError, "mask", "(3,)"),
    ("short mask", {"mask": [True]}, ValueError, "mask", "(1,)"),
    ("uniforms missing", {"gate": KONDO}, ValueError, "uniforms", "None"),
    (
        "uniform 1",
        {"gate": KONDO, "uniforms": [0, 1.0, 0]},
        ValueError,
        "uniforms",
        "1.0 at index (1,)",
    ),
    ("uniform < 0", {"gate": KONDO, "uniforms": [-0.5, 0, 0]}, ValueError, "uniforms", "-0.5"),
    ("uniform nan", {"gate": KONDO, "uniforms": [0, 0, np.nan]}, ValueError, "uniforms", "nan"),
    ("one uniform", {"gate": KONDO, "uniforms": 0.5}, ValueError, "uniforms", "()"),
    (
        "uniforms (N, 1)",
        {"gate": KONDO, "uniforms": np.zeros((3, 1))},
        ValueError,
        "uniforms",
        "(3, 1)",
    ),
    ("unused bad uniforms", {"uniforms": [0, 1.5, 0]}, ValueError, "uniforms", "1.5"),
    ("history without rolling", {"history": [1.0]}, ValueError, "history", "Fixed(value=0.0)"),
    ("history of nan", {"gate": ROLLING, "history": [np.nan]}, ValueError, "history", "nan"),
    (
        "history of rank 2",
        {"gate": ROLLING, "history": np.zeros((2, 2))},
        ValueError,
        "history",
        "(2, 2)",
    ),
    ("history a number", {"gate": ROLLING, "history": 3.0}, ValueError, "history", "()"),
    ("sequence unit of (N,)", {"gate": ROWS}, ValueError, "gate", "(3,)"),
    ("gate by name only", {"gate": "dg"}, TypeError, "gate", "'dg'"),
    (
        "delight overflows",
        {"logits": STEEP, "actions": [0, 0, 0], "advantages": [1e308, 1, 1]},
        ValueError,
        "signal",
        "index (0,) (inf)",
    ),
    (
        "surprisal overflows",
        {"logits": BEYOND, "actions": [1, 0, 0]},
        ValueError,
        "surprisals",
        "index (0,) (inf)",
    ),
    (
        "one advantage for a sequence, B = T",
        {**SEQUENCES, "advantages": np.ones(2)},
        ValueError,
        "advantages",
        "expected shape (2, 2), got (2,)",
    ),
    ("one action for a sequence", {**SEQUENCES, "actions": [0, 1]}, ValueError, "actions", "(2,)"),
    ("one mask for a sequence", {**SEQUENCES, "mask": [True, False]}, ValueError, "mask", "(2,)"),
    (
        "uniforms of tokens for sequences",
        {
            **SEQUENCES,
            "gate": Gate.named("kondo", rate=0.5, unit="sequence"),
            "uniforms": np.zeros((2, 2)),
        },
        ValueError,
        "uniforms",
        "expected shape (2,), got (2, 2)",
    ),
    (
        "mean of a sequence overflows",
        {**SEQUENCES, "advantages": np.full((2, 2), 1.5e308), "gate": ROWS_BY_ADVANTAGE},
        ValueError,
        "signal",
        "inf",
    ),
]


@pytest.mark.parametrize("door", [screen, policy_gradient])
@pytest.mark.parametrize("row", BATCHES, ids=lambda row: row[0])
def test_batch_is_refused(door: Callable[..., Any], row: tuple[Any, ...]) -> None:
    _, changes, error, name, shown = row
    arguments = {**GOOD, "gate": DG, **changes}
    refused(lambda: door(**arguments), error, name, shown)


@pytest.mark.parametrize("normalizer", ["mean", "", None, 1])
def test_unknown_normalizer_is_refused(normalizer: Any) -> None:
    call = lambda: policy_gradient(**GOOD, gate=DG, normalizer=normalizer)  # noqa: E731
    refused(call, ValueError, "normalizer", repr(normalizer))
