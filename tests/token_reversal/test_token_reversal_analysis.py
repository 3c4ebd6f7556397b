"""The analysis of a token-reversal run, by hand; its table and its figure."""

from pathlib import Path
from typing import Any

import pytest
from dying import dies

from kondo_ref.tasks.token_reversal import analysis
from kondo_ref.tasks.token_reversal.settings import Settings

TOTALS = {
    "forward_sequences": 400, "forward_tokens": 1600, "backward_tokens": 160, "flop_share": 0.25,
    "logical_share": 0.1,
    "step_seconds": 3.0, "forward_seconds": 2.0,
}  # fmt: skip
MADE = {"error", "forward_to_threshold", "flop_per_kept", "step_ratio"}
REST = {key: None for key, _, _ in analysis.LINES if key not in MADE}


def unit(method: str, errors: list[float], kept: float | None = 0.5) -> dict[str, Any]:
    curve = [
        {
            "method": method, "seed": 0, "error": error, "backward_tokens": 40 * 2**i,
            "forward_sequences": 100 * 2**i, "forward_tokens": 400 * 2**i,
            "backward_flop": 1000 * 2**i, "step_flop": 3000 * 2**i,
        }
        for i, error in enumerate(errors)
    ]  # fmt: skip
    return {"curve": curve, "totals": REST | TOTALS | {"kept_correct": kept}}


def check_summary() -> None:
    units = [unit("dg", [0.4, 0.16, 0.04]), unit("pg", [0.9, 0.8, 0.7], kept=None)]
    units += [unit("dg", [0.8, 0.08, 0.08], kept=0.7)]
    dg, pg = analysis.summarize(units)
    assert (dg["method"], dg["seeds"], pg["seeds"]) == ("dg", 2, 1)
    assert dg["error"] == pytest.approx(0.06)
    assert dg["error_se"] == pytest.approx(0.02)
    assert dg["kept_correct"] == pytest.approx(0.6)
    # The mean goes from .12 at 200 to .06 at 400: a third of the way to .1, in the logarithm.
    assert dg["forward_to_threshold"] == pytest.approx(200 * 2 ** (1 / 3))
    # A tenth of the logical backward for a quarter of the executed one.
    assert dg["flop_per_kept"] == pytest.approx(2.5)
    assert dg["step_ratio"] == 1.5
    nothing = (pg["forward_to_threshold"], pg["error_se"], pg["kept_correct"])
    assert nothing == (None, None, None)


def test_a_summary_by_hand() -> None:
    check_summary()


def test_a_wrong_summary_is_seen() -> None:
    target = "tasks.token_reversal.analysis.summarize"
    dies(target, 'row["flop_share"] / kept if', 'row["flop_share"] * kept if', check_summary)


def test_nothing_kept_has_no_ratio() -> None:
    empty = unit("kondo", [0.9])
    empty["totals"]["logical_share"] = 0.0
    assert analysis.summarize([empty])[0]["flop_per_kept"] is None


def check_curve() -> None:
    rows = analysis.mean_curve([unit("dg", [0.4, 0.2])])
    # Four tokens a sequence.
    assert [row["backward_equivalents"] for row in rows] == [10, 20]


def test_kept_tokens_are_counted_in_sequences() -> None:
    check_curve()
    target = "tasks.token_reversal.analysis.mean_curve"
    dies(target, 'row["backward_tokens"] / length', 'row["backward_tokens"]', check_curve)


def test_the_table_has_all_lines() -> None:
    lines = analysis.table(analysis.summarize([unit("dg", [0.4, 0.2])])).splitlines()
    assert all(
        line.startswith(title + " ")
        for line, (_, title, _) in zip(lines[2:], analysis.LINES, strict=True)
    )
    assert lines[2].split()[-1] == "20.00%"


def test_shares_of_tokens_say_what_of() -> None:
    titles = {key: title for key, title, _ in analysis.LINES}
    for key in ("kept_correct", "sequence_correct", "batch_correct"):
        assert titles[key].endswith(" that are correct")
    for key in ("kept_after_error", "sequence_after_error"):
        assert titles[key].endswith(" first error")
    assert "each over the same count with everything kept" in analysis.LEGEND
    assert "ppo's forwards are counted once an epoch" in analysis.LEGEND
    assert max(map(len, analysis.LEGEND.splitlines())) <= 100


def test_the_headline_says_what_was_run() -> None:
    assert analysis.headline(Settings(length=4, steps=1200).to_dict()) == (
        "token-reversal (4 tokens of 2, prefix reward), 1,200 steps of 10 x 10, baseline group-mean"
        "; at the last log point"
    )


def test_the_figure_is_drawn(tmp_path: Path) -> None:
    nothing = unit("kondo", [0.9, 0.9])
    for row in nothing["curve"]:
        row["backward_tokens"] = row["backward_flop"] = 0
    analysis.figure([unit("dg", [0.4, 0.2]), nothing], tmp_path / "figure.png")
    assert (tmp_path / "figure.png").read_bytes().startswith(b"\x89PNG")
