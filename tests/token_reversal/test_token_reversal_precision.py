"""The precision of a selection against loops over its tokens."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from dying import dies
from hypothesis import given
from hypothesis import strategies as st

from kondo_ref.gate import Gate
from kondo_ref.screening import Screening, screen_surprisal
from kondo_ref.tasks.token_reversal.environment import lay_out
from kondo_ref.tasks.token_reversal.precision import Precision


def batch(seed: int, unit: str, b: int = 6, h: int = 3) -> tuple[Screening, Any]:
    random = np.random.Generator(np.random.Philox(seed))
    right = random.random((b, h)) < 0.6
    surprisals = lay_out(random.random((b, h)))
    surprisals[:, :h] = 7.0  # what is read at the prompt is no decision
    gain = np.repeat(random.normal(size=(b, 1)), h, axis=1)
    gate = Gate.named("kondo-top-k", rate=0.3, unit=unit)
    mask = lay_out(np.ones((b, h), dtype=bool))
    return screen_surprisal(surprisals, lay_out(gain), gate, mask=mask), right


def slow_shares(batches: list[tuple[Screening, Any]]) -> dict[str, float]:
    """Return the shares by going from token to token."""
    kept_right, sequence, kept_surprisal, every_right, every_surprisal = [], [], [], [], []
    after, sequence_after = [], []
    for screening, right in batches:
        h = right.shape[1]
        for row, truth in enumerate(right):
            for place, is_right in enumerate(truth):
                l = screening.surprisal[row, h + place]  # noqa: E741
                every_right.append(is_right)
                every_surprisal.append(l)
                if screening.weight[row, h + place] > 0:
                    kept_right.append(is_right)
                    kept_surprisal.append(l)
                    sequence.append(sum(truth) / h)
                    late = [not all(truth[:i]) for i in range(h)]
                    after.append(late[place])
                    sequence_after.append(sum(late) / h)
    lists = (
        kept_right, sequence, after, sequence_after, every_right, kept_surprisal, every_surprisal,
    )  # fmt: skip
    names = (
        "kept_correct", "sequence_correct", "kept_after_error", "sequence_after_error",
        "batch_correct", "kept_surprisal", "batch_surprisal",
    )  # fmt: skip
    return {n: float(np.mean(values)) for n, values in zip(names, lists, strict=True)}


def check(seed: int = 0, unit: str = "token") -> None:
    batches = [batch(seed, unit), batch(seed + 1, unit), batch(seed + 2, unit, b=2, h=4)]
    precision = Precision()
    for screening, right in batches:
        precision.add(screening, right)
    assert precision.shares() == pytest.approx(slow_shares(batches), rel=1e-12)


@given(st.integers(0, 2**32), st.sampled_from(["token", "sequence"]))
def test_precision_by_its_definition(seed: int, unit: str) -> None:
    check(seed, unit)


@given(st.integers(0, 2**32))
def test_a_gate_of_sequences_keeps_them_whole(seed: int) -> None:
    precision = Precision()
    precision.add(*batch(seed, "sequence"))
    shares = precision.shares()
    assert shares["kept_correct"] == pytest.approx(shares["sequence_correct"])


def test_nothing_kept_has_no_precision() -> None:
    screening, right = batch(0, "token")
    screening.weight[...] = 0
    precision = Precision()
    precision.add(screening, right)
    shares = precision.shares()
    assert [name for name, value in shares.items() if value is None] == [
        "kept_correct",
        "sequence_correct",
        "kept_after_error",
        "sequence_after_error",
        "kept_surprisal",
    ]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("kept.sum(axis=1) @ right", "kept.any(axis=1) @ right"),
        ("kept.sum(axis=1) @ late", "kept.any(axis=1) @ late"),
        ("late[:, 1:] = ~np.logical_and.accumulate(right, axis=1)[:, :-1]", "late = ~right"),
        ("late & kept", "late"),
        ("right & kept", "right | kept"),
        ("screening.weight.shape[1] - right.shape[1] :", ": right.shape[1]"),
        ("surprisal[kept].sum", "surprisal[~kept].sum"),
        ("self.all += right.size", "self.all += len(right)"),
    ],
)
def test_wrong_precisions_are_seen(old: str, new: str) -> None:
    run: Callable[[], None] = check
    dies("tasks.token_reversal.precision.Precision.add", old, new, run)
