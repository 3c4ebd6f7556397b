"""The figures of a report: what they measure, of gates of ours, and that they are drawn."""

import xml.etree.ElementTree as ET
from dataclasses import replace

import numpy as np
import pytest
from fake_subjects import FakeSubject
from scipy.stats import binom

from kondo_ref import Gate
from kondo_ref.audit.batch import Batch
from kondo_ref.audit.counts import interval
from kondo_ref.audit.curves import MISSES, SPREADS, batch_of, curves
from kondo_ref.audit.figures import pictures
from kondo_ref.audit.observation import Observation
from kondo_ref.audit.replay import (
    batch_json,
    reference,
    replay,
    replay_json,
    replay_text,
    replayed_json,
)
from kondo_ref.audit.replay import batch_of as batch_of_json
from kondo_ref.audit.verdict import Claim, Finding
from kondo_ref.files import to_json

DG = Claim("dg", Gate.named("dg"))
TOP_K = Claim("kondo-top-k", Gate.named("kondo-top-k", rate=0.25))
KONDO = Claim("kondo", Gate.named("kondo", rate=0.1))


def test_a_batch_has_the_advantages_and_surprisals_that_it_is_asked_for() -> None:
    advantages, surprisal = np.array([1.0, -2.0, 0.5]), np.array([0.05, 1.0, 8.0])
    batch = batch_of(advantages, surprisal)
    assert np.allclose(batch.surprisal, surprisal, rtol=1e-14)
    assert np.array_equal(batch.advantages, advantages)


def test_dg_lies_on_its_claim() -> None:
    seen = curves(FakeSubject(DG.gate, skips=False), DG)
    assert seen is not None
    lattice = seen.lattice
    delight = lattice.batch.advantages * lattice.batch.surprisal
    w = 1 / (1 + np.exp(-delight))
    assert lattice.repeats == 1
    assert lattice.low is None
    assert np.allclose(lattice.weight, w)
    assert np.allclose(lattice.weight_reference, w)
    assert np.allclose(lattice.coefficient, w * lattice.batch.advantages)
    assert np.allclose(lattice.coefficient_reference, lattice.coefficient)
    assert [p.executed for p in seen.rates] == [1.0] * len(SPREADS)
    assert [p.claimed for p in seen.rates] == [None] * len(SPREADS)


def test_mean_over_kept_shows_in_the_coefficient_and_not_in_the_rate() -> None:
    seen = curves(FakeSubject(TOP_K.gate, normalizer="kept"), TOP_K)
    assert seen is not None
    lattice = seen.lattice
    kept = lattice.weight_reference > 0
    assert np.allclose(lattice.coefficient[kept], 4 * lattice.coefficient_reference[kept])
    for point in seen.rates:
        assert point.claimed == point.expected == point.realised == point.executed == 0.25


def test_masking_shows_in_the_executed_rate() -> None:
    seen = curves(FakeSubject(TOP_K.gate, skips=False), TOP_K)
    assert seen is not None
    assert {p.executed for p in seen.rates} == {1.0}
    assert {p.realised for p in seen.rates} == {0.25}


def test_a_random_gate_lies_in_its_intervals() -> None:
    """Of 84 decisions each misses with chance 1e-3: two misses have chance 3e-3; the key is 0."""
    seen = curves(FakeSubject(KONDO.gate), KONDO)
    assert seen is not None
    lattice = seen.lattice
    assert lattice.repeats > 100
    outside = (lattice.weight_reference < lattice.low) | (lattice.weight_reference > lattice.high)
    assert np.count_nonzero(outside) <= 1
    expected = [p.expected for p in seen.rates]
    assert expected[0] > 0.4
    assert expected[-1] == pytest.approx(0.1, abs=0.02)
    assert [p.realised for p in seen.rates] == pytest.approx(expected, abs=0.08)


def test_the_interval_is_the_exact_one() -> None:
    kept, n = np.arange(13), 12
    low, high = interval(kept, n, MISSES)
    assert (low[0], high[12]) == (0.0, 1.0)
    for k in range(1, 13):
        assert binom.sf(k - 1, n, low[k]) == pytest.approx(MISSES / 2)
    for k in range(12):
        assert binom.cdf(k, n, high[k]) == pytest.approx(MISSES / 2)


def test_rewards_have_no_reference() -> None:
    seen = curves(replace(FakeSubject(DG.gate), surface="rewards"), DG)
    assert seen is not None
    assert seen.lattice.coefficient_reference is None
    assert seen.rates == ()
    assert [p.name for p in pictures(seen)] == ["coefficients"]


def test_a_target_that_raises_has_no_curves() -> None:
    subject = FakeSubject(DG.gate, change=lambda _: Observation("raised", message="no"))
    assert curves(subject, DG) is None


@pytest.mark.parametrize(
    ("subject", "claim", "names"),
    [
        (FakeSubject(DG.gate), DG, ["coefficients", "keep-probability", "rates"]),
        (FakeSubject(KONDO.gate), None, ["coefficients", "keep-probability", "rates"]),
        (
            FakeSubject(
                KONDO.gate,
                has=frozenset({"weights"}),
                change=lambda seen: replace(seen, coefficients=None),
            ),
            KONDO,
            ["keep-probability", "rates"],
        ),
    ],
)
def test_figures_are_drawn(subject: FakeSubject, claim: Claim | None, names: list[str]) -> None:
    pytest.importorskip("matplotlib", reason="the extra plots is not installed")
    seen = curves(subject, claim)
    assert seen is not None
    drawn = pictures(seen)
    assert [p.name for p in drawn] == names
    for picture in drawn:
        for svg in (picture.light, picture.dark):
            assert ET.fromstring(svg).tag.endswith("svg")
        assert picture.light != picture.dark
        assert picture.png.startswith(b"\x89PNG")
        assert ("claim" in picture.caption) == (claim is not None or picture.name == "rates")
    assert [p.light for p in pictures(seen)] == [p.light for p in drawn]


SEQUENCES = Batch(
    np.log(np.full((2, 2, 4), 0.25)),
    np.zeros((2, 2), dtype=np.int64),
    np.array([[1.0, 1.0], [-1.0, np.nan]]),
    np.array([[True, True], [True, False]]),
    dtype="float32",
    mask_dtype="int64",
)


def test_a_batch_as_json_and_back() -> None:
    told = batch_json(SEQUENCES)
    assert "nan" in to_json(told)
    back = batch_of_json(told)
    for name in ("logits", "actions", "advantages", "mask"):
        assert np.array_equal(
            getattr(back, name), getattr(SEQUENCES, name), equal_nan=name in ("advantages",)
        )
    assert (back.groups, back.dtype, back.mask_dtype) == (None, "float32", "int64")
    assert set(batch_json(batch_of(np.ones(2), np.ones(2)))) == {"logits", "actions", "advantages"}


def test_the_reference_of_a_batch() -> None:
    batch = batch_of(np.array([1.0, -1.0]), np.array([1.0, 2.0]))
    w = 1 / (1 + np.exp([-1.0, 2.0]))
    assert np.allclose(reference(batch, DG, "weight"), w)
    assert np.allclose(reference(batch, DG, "coefficient"), w * [1.0, -1.0] / 2)
    assert reference(batch, None, "weight") is None
    bad = replace(batch, advantages=np.array([1.0, np.nan]))
    assert reference(bad, DG, "weight") is None
    both = replace(SEQUENCES, advantages=np.array([[1.0, 1.0], [-1.0, 0.0]]))
    claim = Claim("zero-price", Gate.named("zero-price", unit="sequence"))
    assert np.array_equal(reference(both, claim, "weight"), [[1.0, 1.0], [0.0, 0.0]])
    assert np.allclose(reference(both, claim, "coefficient"), [[1 / 3, 1 / 3], [0.0, 0.0]])


def test_a_finding_is_replayed_beside_the_reference() -> None:
    batch = batch_of(np.array([1.0, -1.0, 2.0, 0.5]), np.array([1.0, 2.0, 0.5, 0.1]))
    finding = Finding(
        "normalizer.kept", "normalizer", "wrong estimator", "s", "e", "f",
        {"replay": replay_json([batch])},
    )  # fmt: skip
    done = replay(FakeSubject(TOP_K.gate, normalizer="kept"), finding, TOP_K)
    told = replay_text(finding, done)
    assert "batch 1 of 1: decisions (4,)" in told
    assert "rows in the backward: 1 of 4" in told
    # The largest delight is 1 = 1 * 1 of decision 0, before 2 * .5: ties go to the lowest index.
    row = next(line.split() for line in told.splitlines() if line.split()[:1] == ["0"])
    assert row == ["0", "1", "1", "1", "1", "0.25", "differs"]
    assert told.count("differs") == 1
    assert "coefficient of the target" in told
    as_json = replayed_json(finding, done)["batches"][0]
    assert as_json["target"] == [1.0, 0.0, 0.0, 0.0]
    assert as_json["reference"] == [0.25, 0.0, 0.0, 0.0]


def test_a_finding_without_an_input() -> None:
    finding = Finding("ties.all-kept", "ties", "wrong rate", "s", "e", "f")
    with pytest.raises(ValueError, match=r"replay: the finding ties\.all-kept has no input"):
        replay(FakeSubject(DG.gate), finding, DG)
    damaged = replace(finding, evidence={"replay": {"batches": [{"logits": [[0.0]]}]}})
    with pytest.raises(ValueError, match=r"replay: the input of ties\.all-kept is damaged"):
        replay(FakeSubject(DG.gate), damaged, DG)
