"""The figure of a study: what has no place on an axis, and what is never reached."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kondo_ref.reproduce import figure
from kondo_ref.reproduce.register import load_study
from kondo_ref.reproduce.study import Panel, Read, Study
from kondo_ref.reproduce.tidy import Series, Table

pytest.importorskip("matplotlib")
SEEDS = (0, 1)
X = np.array([0.5, 1.0, 4.0])


def study(xscale: str = "log", yscale: str = "log") -> Study:
    return replace(
        load_study("mnist"),
        reads=(Read("q", "time", "total", "q", None, "noise"),),
        comparisons=(),
        panels=(Panel("q", "panel", xscale, yscale),),
    )


def drawn(
    table: Table, monkeypatch: pytest.MonkeyPatch, path: Path, of: Study | None = None
) -> Any:
    """Return the axes of the figure that was saved."""
    from matplotlib.figure import Figure

    saved: list[Figure] = []
    save = Figure.savefig

    def keep(self: Figure, *arguments: Any, **options: Any) -> None:
        saved.append(self)
        save(self, *arguments, **options)

    monkeypatch.setattr(Figure, "savefig", keep)
    figure.draw(of or study(), table, [], path / "figure.png")
    assert (path / "figure.png").stat().st_size > 0
    return saved[0].axes[0]


def series(*values: list[float], x: Any = X) -> Series:
    return Series(SEEDS, np.asarray(x), np.array(values))


def test_a_short_axis_has_plain_numbers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    axis = drawn({("a", "q"): series([1, 2, 5], [1, 3, 4])}, monkeypatch, tmp_path)
    low, high = axis.get_xlim()
    seen = [text.get_text() for text in axis.get_xticklabels()]
    assert {"0.5", "1", "2"} <= set(seen)
    assert not any(text.get_text() for text in axis.get_xticklabels(minor=True))
    assert low < 0.5
    assert high > 4


def test_a_long_axis_has_powers_of_ten(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    long = series([1, 2, 5], [1, 3, 4], x=[1.0, 100.0, 1e6])
    axis = drawn({("a", "q"): long}, monkeypatch, tmp_path)
    assert all("10^" in text.get_text() for text in axis.get_xticklabels())


def test_what_stands_nowhere_is_a_line_across(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    table = {
        ("a", "q"): series([1, 2, 5], [1, 3, 4]),
        ("b", "q"): series([2.0], [4.0], x=[np.nan]),
    }
    axis = drawn(table, monkeypatch, tmp_path)
    (across,) = [line for line in axis.lines if line.get_label() == "b"]
    assert list(across.get_ydata()) == [3.0, 3.0]
    assert list(across.get_xdata()) == [0, 1], "from edge to edge of the axis"


def test_what_a_seed_never_reaches_is_left_out(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    axis = drawn({("a", "q"): series([1, 2, 5], [1, np.inf, 4])}, monkeypatch, tmp_path)
    (line,) = axis.lines
    assert list(line.get_xdata()) == [0.5, 4.0]


def test_nothing_reached_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    never = series([np.inf] * 3, [np.inf] * 3)
    axis = drawn({("a", "q"): never}, monkeypatch, tmp_path)
    assert [text.get_text() for text in axis.texts] == ["nothing to draw"]
    assert not axis.lines


def test_no_steps_have_a_place_on_symlog(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    deep = {("a", "q"): series([1, 2, 5], [1, 3, 4], x=[0.0, 10.0, 100.0])}
    axis = drawn(deep, monkeypatch, tmp_path, study("symlog"))
    assert list(axis.lines[0].get_xdata()) == [0.0, 10.0, 100.0]
