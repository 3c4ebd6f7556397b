"""The committed measurement of a price of each rank's own, and the page that shows it."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from kondo_ref import Gate
from kondo_ref.bench.price_scope import _compare, measure

DOCS = Path(__file__).parents[2] / "docs"
ROWS: list[dict[str, Any]] = json.loads(
    (DOCS / "results" / "scale" / "price-scope.json").read_text("utf-8")
)


def test_it_is_measured_again() -> None:
    for found, kept in zip(measure(), ROWS, strict=True):
        assert found.keys() == kept.keys()
        for name, value in kept.items():
            same = found[name] == value
            # Another BLAS rounds otherwise; a decision that flips would show.
            assert same or np.isclose(found[name], value, rtol=1e-6, atol=0), (name, found, kept)


def test_the_page_shows_it() -> None:
    page = (DOCS / "scale.md").read_text("utf-8")
    for row in ROWS:
        cells = [row["gate"], row["parts"], str(row["ranks"])]
        cells += [f"{row[name]:.1f}" for name in ("kept_global", "kept_rank")]
        cells += [f"{row['share_of_global']:.2f}", f"{row['cosine']:.3f}", f"{row['norm']:.2f}"]
        assert f"| {' | '.join(cells)} |" in page


def test_one_rank_is_the_whole_batch_and_many_are_not() -> None:
    rng = np.random.Generator(np.random.Philox(1))
    batch = (rng.normal(size=(400, 4)), rng.integers(4, size=400), rng.normal(size=400))
    gate = Gate.named("kondo-top-k", rate=0.03)
    labels, u = np.arange(400) % 4, rng.random(400)
    one = _compare(gate, 1, "mixed", *batch, labels, u)
    assert one[:3] == (12, 12, 1.0)
    assert np.allclose(one[3:], 1.0, rtol=1e-12)
    many = _compare(gate, 40, "mixed", *batch, labels, u)
    assert many[:2] == (12, 40)
    assert many[3] < 0.99
