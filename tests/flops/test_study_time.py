"""Time to an error: the published curve, and what is committed of ours."""

import csv
from pathlib import Path

import pytest

from kondo_ref.flops.study_time import (
    PUBLISHED_KONDO,
    read_times,
    time_ratio,
    time_rows,
)

DOCS = Path(__file__).parents[2] / "docs"
CURVES = DOCS / "results" / "mnist" / "curves.csv"
COUNTED = 2008 / 1788


@pytest.mark.parametrize(("r", "published"), list(enumerate(PUBLISHED_KONDO)))
def test_the_published_curve_is_the_cost_model(r, published):
    # Read off a figure, and 1.41 is rounded: to half a percent.
    assert time_ratio(1.41, 1.0, 0.03, float(r)) == pytest.approx(published, rel=5e-3)


def test_a_soft_gate_gains_the_same_at_every_ratio():
    ratios = {time_ratio(2.25, 1.0, 1.0, float(r)) for r in range(9)}
    assert ratios == {2.25}


def test_the_gain_tends_to_the_inverse_rate():
    assert time_ratio(1.41, 1.0, 0.03, 1e9) == pytest.approx(47.0, rel=1e-6)
    assert time_ratio(1.41, 1.0, 0.0, 3.0) == pytest.approx(4 * 1.41)


def test_our_runs_meet_the_figure_by_their_online_error():
    online = read_times(CURVES, "online_error")
    assert online.forward["dg"] == pytest.approx(223_980, abs=1)
    assert online.forward["kondo-top-k"] == pytest.approx(372_715, abs=1)
    assert online.forward["pg"] == pytest.approx(493_171, abs=1)
    assert online.dg() == pytest.approx(2.25, rel=0.03)
    assert online.kondo(0.03, 0.0) == pytest.approx(1.41, rel=0.07)
    test = read_times(CURVES, "test_error")
    assert test.dg() > 1.5 * 2.25


def test_the_executed_currency_has_the_counted_ratio():
    rows = time_rows([read_times(CURVES, "online_error")], 0.03, COUNTED)
    assert [row["currency"] for row in rows] == ["logical"] * 9 + ["executed"]
    last = rows[-1]
    assert last["r"] == pytest.approx(1.123, abs=1e-3)
    assert last["published_kondo"] is None
    assert last["kondo_online_error"] == pytest.approx(2.72, abs=0.01)


def test_what_is_committed_is_what_the_curves_give():
    rows = time_rows(
        [read_times(CURVES, error) for error in ("online_error", "test_error")], 0.03, COUNTED
    )
    with (DOCS / "results" / "flops" / "time-to-error.csv").open() as file:
        committed = list(csv.DictReader(file))
    assert len(committed) == len(rows)
    for own, row in zip(rows, committed, strict=True):
        assert row.pop("currency") == own.pop("currency")
        numbers = {key: float(value) if value else None for key, value in row.items()}
        assert numbers == pytest.approx(own)


def test_the_page_has_the_committed_numbers():
    text = (DOCS / "flops.md").read_text("utf-8")
    with (DOCS / "results" / "flops" / "time-to-error.csv").open() as file:
        for row in csv.DictReader(file):
            published = float(row["published_kondo"] or row["published_formula"])
            if row["currency"] == "logical" and float(row["r"]) % 2:
                continue
            line = (
                f"| {float(row['r']):.3g} | {published:.2f} | "
                f"{float(row['kondo_online_error']):.2f} | {float(row['kondo_test_error']):.2f} |"
            )
            assert line in text


def test_impossible_numbers_are_refused():
    for arguments, name in (
        ((0.0, 1.0, 0.1, 1.0), "forward_a"),
        ((1.0, float("inf"), 0.1, 1.0), "forward_b"),
        ((1.0, 1.0, 1.1, 1.0), "rate"),
        ((1.0, 1.0, 0.1, -1.0), "backward_cost"),
    ):
        with pytest.raises(ValueError, match=f"{name}: expected a"):
            time_ratio(*arguments)


def test_files_without_the_curves_are_refused(tmp_path):
    path = tmp_path / "curves.csv"
    path.write_text("method,seed\n")
    with pytest.raises(ValueError, match="no column forward_samples"):
        read_times(path, "online_error")
    head = "method,seed,forward_samples,online_error\n"
    path.write_text(f"{head}pg,0,1,0.9\npg,0,2,0.01\ndg,0,1,0.9\ndg,0,2,0.4\n")
    with pytest.raises(ValueError, match=r"the online_error of dg never falls to 0\.05"):
        read_times(path, "online_error")
    path.write_text(f"{head}pg,0,1,0.9\npg,0,2,0.01\n")
    with pytest.raises(ValueError, match="no curve of dg"):
        read_times(path, "online_error")
    with pytest.raises(ValueError, match="error: expected one of"):
        read_times(path, "loss")
