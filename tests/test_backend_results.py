"""The committed reports on backends, and the page that shows them."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from wrong_backends import WRONG

from kondo_ref.conformance.compare import PARTS

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "docs" / "results" / "backends"
PAGE = (ROOT / "docs" / "backends.md").read_text()
REPORTS: list[dict[str, Any]] = json.loads((RESULTS / "report.json").read_text())
BENCH: dict[str, Any] = json.loads((RESULTS / "bench.json").read_text())
BENCH_TRANSFORMER: dict[str, Any] = json.loads((RESULTS / "bench-transformer.json").read_text())
NAMES = ("numpy", "numba", "torch", "jax", "numpy:loops")


def ratio_rows() -> list[str]:
    """Return the rows of the table of measured ratios."""
    found = {
        report["backend"]: {check["id"]: check["ratio"] for check in report["checks"]}
        for report in REPORTS
    }
    rows = []
    for part in ("vectors", *PARTS):
        cells = []
        for name in NAMES:
            ids = ["vectors"] if part == "vectors" else [f"{part}.float64", f"{part}.float32"]
            cells += [f"{found[name][check]:.2f}" for check in ids]
            cells += [""] if part == "vectors" else []
        rows.append(f"| {part} | " + " | ".join(cells) + " |")
    return rows


def sequence_rows() -> list[str]:
    """Return the table of measured ratios of the backends that train transformers."""
    found = {
        report["backend"]: {check["id"]: check["ratio"] for check in report["checks"]}
        for report in REPORTS
        if "transformer" in report["models"]
    }
    assert len(found) >= 2
    rows = ["| part | " + " | ".join(f"{name} f64 | {name} f32" for name in found) + " |"]
    for part in PARTS:
        cells = [
            f"{ratios[f'transformer/{part}.{dtype}']:.2f}"
            for ratios in found.values()
            for dtype in ("float64", "float32")
        ]
        rows.append(f"| {part} | " + " | ".join(cells) + " |")
    return rows


def version_lines() -> list[str]:
    """Return what each report was made with."""
    lines = []
    for name in NAMES:
        (report,) = [r for r in REPORTS if r["backend"] == name]
        inside = sum(c["inside_guard"] or 0 for c in report["checks"] if c["id"][:4] == "gate")
        versions = ", ".join(f"{k} {v}" for k, v in report["versions"].items())
        lines.append(f"* `{name}`: {versions}; {inside} decisions inside the guard band")
    return lines


def speed_rows() -> list[str]:
    """Return the rows of the table of speeds."""
    rows = []
    for row in BENCH["rows"]:
        kinds = ("screening_ratio", "gated_ratio", "dense_ratio")
        kinds += ("faster_than_masked", "faster_than_masked_fused")
        cells = " | ".join(f"{row[kind]:.2f}" for kind in kinds)
        rows.append(f"| {row['batch']:,} | {row['backend']} | {row['kept_rows']:.0f} | {cells} |")
    return rows


def transformer_rows() -> list[str]:
    """Return the rows of the tables of the transformer's speeds and memory."""
    rows = []
    for row in BENCH_TRANSFORMER["rows"]:
        start = f"| {row['length']} | {row['width']} | {row['backend']} | "
        kinds = ("rollout_ratio", "token_ratio", "sequence_ratio", "dense_ratio")
        kinds += ("token_faster", "sequence_faster", "dense_faster")
        kinds += ("token_faster_fused", "sequence_faster_fused", "dense_faster_fused")
        rows.append(start + " | ".join(f"{row[kind]:.2f}" for kind in kinds) + " |")
        if row["held_megabytes"] is not None:
            cells = [f"{row['token_rows']:,.0f}", f"{row['sequence_rows']:,.0f}"]
            keys = ("held", "token_recompute", "sequence_recompute")
            cells += [f"{row[f'{key}_megabytes']:.2f}" for key in keys]
            cells += [f"{row[f'{key}_ratio']:.2f}" for key in keys[1:]]
            rows.append(start + " | ".join(cells) + " |")
    return rows


def curve(backend: str, dtype: str, method: str) -> dict[int, float]:
    """Return the online error of a run, by step."""
    with (RESULTS / "curves" / f"{backend}-{dtype}.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["method"] == method]
    return {int(row["step"]): float(row["online_error"]) for row in rows}


def curve_rows() -> list[str]:
    """Return the rows of the table of learning curves: where each leaves that of NumPy."""
    rows = []
    for dtype in ("float32", "float64"):
        for backend in ("numba", "torch", "jax"):
            for method in ("dg", "kondo-top-k"):
                ours, theirs = curve("numpy", dtype, method), curve(backend, dtype, method)
                apart = {step: abs(error - theirs[step]) for step, error in ours.items()}
                first = [str(step) for step, gap in apart.items() if gap > 0] or ["none in 2,000"]
                cells = (first[0], f"{max(apart.values()):.4f}", f"{apart[2000]:.4f}")
                rows.append(f"| {backend} | {dtype} | {method} | " + " | ".join(cells) + " |")
    return rows


LINES = [
    *ratio_rows(),
    *sequence_rows(),
    *version_lines(),
    *speed_rows(),
    *transformer_rows(),
    *curve_rows(),
]


@pytest.mark.parametrize("line", LINES)
def test_the_page_shows_the_committed_reports(line: str) -> None:
    assert line in PAGE


def test_every_backend_conformed() -> None:
    assert {report["backend"] for report in REPORTS} >= set(NAMES)
    assert {report["verdict"] for report in REPORTS} == {"conforms"}
    assert {(report["seed"], report["steps"]) for report in REPORTS} == {(0, 200)}


@pytest.mark.parametrize("name", WRONG)
def test_the_page_shows_who_sees_a_mistake(name: str) -> None:
    assert f"| {name} | `{WRONG[name][2]}` | " in PAGE


@pytest.mark.parametrize(
    ("key", "least", "most"),
    [
        ("token_ratio", 1.0, 1.5),
        ("sequence_ratio", 1.0, 1.2),
        ("rollout_ratio", 0.0, 1.4),
        ("token_faster", 2.8, 100.0),
        ("sequence_faster", 3.5, 100.0),
        ("dense_faster", 1.4, 100.0),
    ],
)
def test_the_committed_transformer_speeds_are_inside_their_bounds(
    key: str, least: float, most: float
) -> None:
    (row,) = [
        row
        for row in BENCH_TRANSFORMER["rows"]
        if (row["backend"], row["length"], row["width"]) == ("numba", 20, 64)
    ]
    assert least <= row[key] <= most
