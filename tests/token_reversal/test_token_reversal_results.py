"""The committed token-reversal runs: they learn as published, and the page shows them."""

import csv
from collections import defaultdict
from pathlib import Path
from statistics import mean

import pytest
from committed import require_settings

from kondo_ref.tasks.token_reversal.settings import Settings

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "docs" / "results" / "token_reversal"
PAGE = (ROOT / "docs" / "token-reversal.md").read_text()
SHORT = ("pg", "dg", "kondo-top-k", "kondo-top-k-token", "zero-price", "kondo", "pmpo")
LONG = ("kondo-top-k", "dg", "pg", "zero-price")

# Read off Fig. 8 of arXiv 2603.20526, 10 seeds: error at forward sequences.
PUBLISHED: dict[str, dict[int, float]] = {
    # Up to .1 M these are PPO's, which is PG with one update a batch.
    "pg": {20_000: 0.69, 31_600: 0.60, 50_100: 0.50, 100_000: 0.38, 1_000_000: 0.21},
    "dg": {100_000: 0.0046, 1_000_000: 2.2e-5},
    "kondo-top-k": {20_000: 0.63, 31_600: 0.41, 50_100: 0.19, 100_000: 0.008, 1_000_000: 8e-4},
    "zero-price": {20_000: 0.60, 31_600: 0.46, 50_100: 0.24, 100_000: 0.019, 1_000_000: 3e-3},
}

Rows = list[dict[str, str]]


def rows(run: str, name: str) -> Rows:
    with (RESULTS / run / name).open() as file:
        return list(csv.DictReader(file))


def errors(run: str) -> dict[tuple[str, int], list[float]]:
    """Return the errors of the seeds, by method and forward sequences."""
    found = defaultdict(list)
    for row in rows(run, "curves.csv"):
        found[row["method"], int(row["forward_sequences"])].append(float(row["error"]))
    return found


def first_below(run: str, method: str, threshold: float) -> list[int | None]:
    """Return the step at whose log point each seed's error is first at most the threshold."""
    curves: dict[str, dict[int, float]] = defaultdict(dict)
    for row in rows(run, "curves.csv"):
        if row["method"] == method:
            curves[row["seed"]][int(row["step"])] = float(row["error"])
    return [
        min((step for step, error in curve.items() if error <= threshold), default=None)
        for curve in curves.values()
    ]


def page_rows() -> list[str]:
    """Return the rows of the page's tables, from the committed results alone."""
    lines = []
    short, long = errors("short"), errors("long")
    for sequences in (20_000, 31_600, 50_100, 100_000, 1_000_000):
        cells = []
        for method in ("pg", "dg", "kondo-top-k", "zero-price"):
            own = (long if sequences == 1_000_000 else short)[method, sequences]
            published = PUBLISHED[method].get(sequences)
            cells.append(f"{mean(own):.2g} | {'-' if published is None else f'{published:.2g}'}")
        lines.append(f"| {sequences / 1e6:.3g} M | " + " | ".join(cells) + " |")
    for row in rows("short", "summary.csv"):
        done = sum(step is not None for step in first_below("short", row["method"], 0.01))
        lines.append(method_row(row["method"], row, done))
    for rate, run in ((10, "token-10"), (30, "token-30")):
        (row,) = rows(run, "summary.csv")
        done = sum(step is not None for step in first_below(run, row["method"], 0.01))
        lines.append(method_row(f"kondo-top-k-token, {rate} %", row, done))
    for step, row in precision("kondo-top-k-token").items():
        shares = " | ".join(f"{row[key]:.1%}" for key in PRECISION)
        lines.append(f"| {step} | {shares} |")
    for row in rows(".", "survival.csv"):
        if row["unit"] == "token":
            shares = " | ".join(
                f"{float(row[key]):.3f}"
                for key in ("touched_sequences", "executed", "random_touched", "random_executed")
            )
            lines.append(f"| {row['horizon']} | {float(row['rate']):.2f} | {shares} |")
    return lines


def method_row(name: str, row: dict[str, str], done: int) -> str:
    kept = (row["kept_correct"], row["sequence_correct"], row["batch_correct"])
    return (
        f"| {name} | {float(row['error']):.2%} ± {float(row['error_se']):.2%} "
        f"| {done} of {row['seeds']} "
        f"| {float(row['logical_share']):.3f} | {float(row['structural_share']):.3f} "
        f"| {float(row['flop_share']):.3f} | " + " | ".join(f"{float(x):.1%}" for x in kept) + " |"
    )


PRECISION = (
    "kept_correct",
    "sequence_correct",
    "batch_correct",
    "kept_after_error",
    "sequence_after_error",
)


def precision(method: str) -> dict[int, dict[str, float]]:
    """Return the mean precision of the window that ends at some steps."""
    found: dict[int, list[dict[str, str]]] = defaultdict(list)
    for row in rows("short", "curves.csv"):
        if row["method"] == method and int(row["step"]) in (100, 200, 501, 1000):
            found[int(row["step"])].append(row)
    return {
        step: {key: mean(float(row[key]) for row in own) for key in PRECISION}
        for step, own in found.items()
    }


@pytest.mark.parametrize("line", page_rows())
def test_the_page_shows_the_committed_results(line: str) -> None:
    assert line in PAGE


def test_dg_is_clearly_below_pg_by_300_steps() -> None:
    at = errors("short")
    assert mean(at["dg", 31_600]) < 0.5 * mean(at["pg", 31_600])
    # Seed by seed: the curves are in the order of the seeds.
    assert all(dg < pg for dg, pg in zip(at["dg", 31_600], at["pg", 31_600], strict=True))


def test_the_gate_of_sequences_is_solved_within_1000_steps_and_pg_is_not() -> None:
    solved = first_below("short", "kondo-top-k", 0.01)
    assert len(solved) == 5
    assert sum(step is not None for step in solved) >= 4
    assert sum(step is not None for step in first_below("short", "pg", 0.01)) < 4
    assert mean(errors("short")["pg", 100_000]) > 0.01


def test_the_gate_of_tokens_hardly_learns_and_selects_wrong_ones() -> None:
    at = errors("short")["kondo-top-k-token", 100_000]
    assert min(at) > 0.5
    for row in rows("short", "curves.csv"):
        if row["method"] == "kondo-top-k-token" and int(row["step"]) >= 200:
            assert float(row["kept_correct"]) < float(row["sequence_correct"])
    end = precision("kondo-top-k-token")[1000]
    assert end["kept_correct"] < end["batch_correct"] < end["sequence_correct"]


@pytest.mark.parametrize(
    ("run", "settings"),
    [
        ("short", Settings(methods=SHORT, seeds=5, steps=1000)),
        ("long", Settings(methods=LONG, seeds=2, steps=10_000)),
        ("token-10", Settings(methods=("kondo-top-k-token",), seeds=5, steps=1000, rate=0.1)),
        ("token-30", Settings(methods=("kondo-top-k-token",), seeds=5, steps=1000, rate=0.3)),
    ],
)
def test_the_results_are_of_the_published_set_up(run: str, settings: Settings) -> None:
    require_settings(RESULTS / run, "token-reversal", settings, backend="numba")


def test_the_random_gate_beside_the_trained_one_is_the_closed_form() -> None:
    """By another route: the place of the last kept token, summed over with its chance."""
    for row in rows(".", "survival.csv"):
        h, rate = int(row["horizon"]), float(row["rate"])
        assert float(row["random_touched"]) == pytest.approx(1 - (1 - rate) ** h)
        model = Settings(length=h).model()
        d, f = model.width, model.feed_forward
        below = 4 * (4 * d * d + 2 * d * f)
        per_kept = 4 * (2 * d * d + 2 * d * f) + 4 * d * model.actions

        def cost(
            n: int, kept: float, whole: int = d, lower: int = below, own: int = per_kept
        ) -> float:
            """FLOP of a sequence with prefix n and so many kept tokens; two blocks."""
            last = 8 * whole * whole * n + own * kept + 8 * whole * kept * n
            return lower * n + 8 * whole * n * n + last

        random = sum(
            rate * (1 - rate) ** (h - j) * cost(h + j, 1 + (j - 1) * rate) for j in range(1, h + 1)
        )
        assert float(row["random_executed"]) == pytest.approx(random / cost(2 * h, h), rel=1e-9)
