"""Cost studies: the numbers of a step, when it is worth it, and what all gates cost on average."""

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kondo_ref.flops import study_json, study_text
from kondo_ref.flops.conventions import VIEWS
from kondo_ref.flops.counts import STAGES
from kondo_ref.flops.decoder import Decoder
from kondo_ref.flops.decoder_kept import kept_positions
from kondo_ref.flops.decoder_step import decoder_step, stage_numbers
from kondo_ref.flops.mlp import mlp_step
from kondo_ref.flops.presets import preset
from kondo_ref.flops.study import PaperCost, Study, dense_backward, ratio, sweep, total
from kondo_ref.flops.study_batches import DecoderBatch, MLPBatch
from kondo_ref.gate import Gate
from kondo_ref.models.mlp import MLP

MNIST = MLPBatch(MLP((784, 100, 100, 10)), 100)
SMALL = Decoder(
    vocabulary=11,
    length=6,
    width=6,
    layers=2,
    heads=2,
    feed_forward=7,
    key_value_heads=1,
    gated=True,
    activation="silu",
    norm="rms",
    positions="rotary",
)


def test_the_mnist_step_at_three_percent():
    cost = Study(MNIST).cost(0.03)
    assert total(cost.dense_pg) == 17_880_000 + 20_080_000
    assert set(cost.backwards.values()) == {602_400}
    assert cost.stages["forward"] == 17_880_000
    # The bound of a gated step that was measured: 1.034 times the forward alone.
    assert ratio(cost.step, cost.stages["forward"]) == pytest.approx(1.034, abs=5e-4)
    assert cost.saving_over_pg == cost.saving_over_dg == 37_960_000 / 18_482_400
    assert ratio(dense_backward(cost.dense_pg), cost.dense_pg["forward"]) == 2008 / 1788


def test_the_first_layer_needs_no_input_gradient():
    study = Study(MLPBatch(MLP((784, 128, 10)), 64))
    dense = study.dense()
    assert dense["forward"] == 2 * 64 * (784 * 128 + 128 * 10) == 13_008_896
    assert round(ratio(dense_backward(dense), dense["forward"]), 3) == 1.013
    assert study_json.dense_json(study)["backward"] == 13_172_736


@given(
    st.sampled_from([Fraction(n, 10) for n in (0, 1, 5, 10)]),
    st.integers(0, 2),
    st.sampled_from(("token", "sequence")),
    st.sampled_from(("dense", "causal")),
    st.booleans(),
)
def test_a_gated_step_costs_what_all_gates_cost_on_average(rate, prompt, unit, attention, again):
    batch, length = 2, prompt + 3
    study = Study(
        DecoderBatch(SMALL, batch, length, prompt, attention),
        VIEWS["scalar"],
        unit,
        "recompute" if again else "cached",
    )
    gate = Gate.named("kondo-top-k", rate=1.0, unit=unit)
    expected = dict.fromkeys(STAGES, Fraction(0))
    for bits in itertools.product((0, 1), repeat=batch * (3 if unit == "token" else 1)):
        chance = math.prod((rate if bit else 1 - rate for bit in bits), start=Fraction(1))
        grid = np.reshape(bits, (batch, -1)) * np.ones((batch, 3), int)
        kept = [(np.flatnonzero(row) + prompt).tolist() for row in grid]
        step = decoder_step(
            SMALL,
            batch,
            length,
            kept_positions(kept, length),
            gate,
            attention=attention,
            screening=study.screening,
            prompt=prompt,
        )
        for stage in STAGES:
            expected[stage] += chance * VIEWS["scalar"].of(step[stage])
    assert study.stages(rate) == expected


@given(st.sampled_from([Fraction(n, 10) for n in (0, 1, 5, 10)]), st.integers(1, 4))
def test_an_mlp_costs_what_all_gates_cost_on_average(rate, batch):
    model, view = MLP((5, 4, 3)), VIEWS["scalar"]
    gate = Gate.named("kondo-top-k", rate=1.0)
    expected = dict.fromkeys(STAGES, Fraction(0))
    for kept in range(batch + 1):
        chance = math.comb(batch, kept) * rate**kept * (1 - rate) ** (batch - kept)
        step = mlp_step(model, batch, kept, gate)
        for stage in STAGES:
            expected[stage] += chance * view.of(step[stage])
    assert Study(MLPBatch(model, batch), view).stages(rate) == expected


def test_recomputing_and_drafting_are_stages_of_their_own():
    batch = DecoderBatch(preset("qwen2.5-0.5b"), 2, 64, 16)
    cached, again = (Study(batch, unit="token", screening=s) for s in ("cached", "recompute"))
    draft = Study(batch, unit="token", screening="draft", draft_ratio=0.25)
    rate = 0.1
    more, drafted, plain = again.stages(rate), draft.stages(rate), cached.stages(rate)
    assert more["recompute"] > 0 == plain["recompute"]
    assert {**more, "recompute": 0} == plain
    assert drafted["forward"] == Fraction(1, 4) * plain["forward"]
    assert {**drafted, "forward": 0} == {**more, "forward": 0}
    # The kept prefixes of a forward that is run again cost half of their own backward.
    assert 2 * more["recompute"] == more["backward_input"] + more["backward_weight"]


def test_token_gates_touch_most_rows_and_sequence_gates_their_rate():
    batch = DecoderBatch(preset("llama-3-8b"), 8, 1024)
    token = Study(batch, unit="token").cost(0.03)
    sequence = Study(batch, unit="sequence").cost(0.03)
    assert token.backwards["logical"] == sequence.backwards["logical"]
    assert token.backward_shares["executed"] > 0.85
    assert set(sequence.backward_shares.values()) == {0.03}
    for cost in (token, sequence):
        assert cost.backwards["structural"] < cost.backwards["executed"]
        assert cost.backwards["logical"] <= cost.backwards["executed"]
    causal = DecoderBatch(preset("llama-3-8b"), 8, 1024, attention="causal")
    whole = Study(causal).cost(1.0)
    assert set(whole.backward_shares.values()) == {1.0}
    assert whole.backwards["logical"] == whole.backwards["structural"]
    assert sequence.share.sequences == Fraction(8 * 3, 100)


def test_break_even_rates_have_closed_forms_where_the_cost_is_linear():
    batch = DecoderBatch(preset("gpt2"), 2, 128)
    dense = Study(batch).dense()
    f, b = dense["forward"], dense_backward(dense)
    assert Study(batch, unit="sequence").break_even() is None
    again = Study(batch, unit="sequence", screening="recompute")
    assert again.break_even() == pytest.approx(b / (f + b), rel=1e-11)
    draft = Study(batch, unit="sequence", screening="draft", draft_ratio=0.2)
    assert draft.break_even() == pytest.approx((0.8 * f + b) / (f + b), rel=1e-11)
    token = Study(batch, unit="token", screening="recompute").break_even()
    assert 0 < token < again.break_even()
    at = Study(batch, unit="token", screening="recompute").cost(token)
    assert at.saving_over_pg == pytest.approx(1.0, rel=1e-10)


def test_no_gate_exceeds_the_ceiling():
    batch = DecoderBatch(preset("gpt2"), 2, 128)
    for study in (
        Study(batch),
        Study(batch, unit="sequence"),
        Study(batch, screening="recompute"),
        Study(MNIST),
    ):
        savings = [study.cost(rate).saving_over_pg for rate in (1.0, 0.3, 0.01, 1e-9)]
        assert savings == sorted(savings)
        assert savings[-1] == pytest.approx(study.ceiling(), rel=1e-6)
        assert savings[-1] < study.ceiling()
    assert Study(batch).ceiling() == pytest.approx(3.0)
    draft = Study(batch, screening="draft", draft_ratio=0.0)
    assert draft.ceiling() == math.inf
    assert Study(MNIST).ceiling() == 1 + 2008 / 1788


def test_dg_is_as_dense_as_pg_and_screens_more():
    study = Study(MNIST, VIEWS["scalar"])
    pg, dg = study.dense(), study.dense("dg")
    assert dg["screen"] > pg["screen"]
    assert {**dg, "screen": 0} == {**pg, "screen": 0}
    cost = study.cost(0.03)
    assert cost.saving_over_dg > cost.saving_over_pg


def test_activations_of_what_runs_again_are_those_of_the_kept_prefixes():
    batch = DecoderBatch(SMALL, 3, 5)
    cached = Study(batch, unit="sequence").cost(0.1)
    again = Study(batch, unit="sequence", screening="recompute").cost(0.1)
    assert again.activations == Fraction(1, 10) * cached.activations
    assert Study(MNIST).cost(0.5).activations == 100 * 210


@given(st.floats(0, 100), st.floats(0, 1), st.floats(0, 1), st.booleans())
def test_the_papers_cost_model(r, share, forward, again):
    paper = PaperCost(r, forward, again)
    assert PaperCost(r).step(share) == pytest.approx(1 + r * share)
    assert paper.step(share) == pytest.approx(forward + again * share + r * share)
    even = paper.break_even
    if even is not None:
        assert paper.step(even) == pytest.approx(paper.dense)
    else:
        assert paper.step(1.0) <= paper.dense
    assert PaperCost(r).saving(1.0) == pytest.approx(1.0)


def test_a_counted_ratio_gives_the_same_saving_as_the_model_of_the_papers():
    study = Study(MNIST)
    cost = study.cost(0.03)
    paper = PaperCost(ratio(dense_backward(cost.dense_pg), cost.dense_pg["forward"]))
    assert paper.saving(0.03) == pytest.approx(cost.saving_over_pg, rel=1e-12)


def test_a_sweep_has_a_row_for_every_rate_unit_and_screening():
    batch = DecoderBatch(preset("gpt2"), 2, 128)
    studies = [Study(batch, unit=u, screening=s) for u in batch.units for s in ("cached",)]
    points = sweep(studies, [0.01, 0.1])
    rows = [study_json.flat_row(study, cost) for study, cost in points]
    assert [(row["rate"], row["unit"]) for row in rows] == [
        (0.01, "token"),
        (0.1, "token"),
        (0.01, "sequence"),
        (0.1, "sequence"),
    ]
    for row in rows:
        assert row["step"] == pytest.approx(sum(row[stage] for stage in STAGES))
        assert row["step_share"] == pytest.approx(1 / row["saving_over_pg"])
        assert row["logical_share"] == row["rate"]
        assert isinstance(row["forward"], int)
    assert study_text.csv_text(rows).count("\n") == 5
    result = study_json.sweep_json(points)
    for row, (study, cost) in zip(result["rows"], points, strict=True):
        assert row.items() <= study_json.gated_json(study, cost, None).items()
    assert result["expectation"] is True
    assert study_json.sweep_json(sweep(studies, [1]))["expectation"] is False


def keys(value):
    """Return the names of a JSON object, nested ones too."""
    return {k: keys(v) for k, v in value.items()} if isinstance(value, dict) else None


@pytest.mark.parametrize("screening", ["cached", "recompute", "draft"])
def test_the_names_are_the_same_at_every_rate(screening):
    ratio = 0.1 if screening == "draft" else None
    for batch in (MNIST, DecoderBatch(preset("gpt2"), 2, 128)):
        study = Study(batch, screening=screening, draft_ratio=ratio)
        at = {r: study_json.gated_json(study, study.cost(r), None) for r in (0, 0.03, 0.5, 1)}
        assert all(keys(result) == keys(at[1]) for result in at.values())
        assert [result["expectation"] for result in at.values()] == [True, True, True, False]
        assert list(at[1]["stages"]) == list(STAGES)
        assert list(at[1]["kept"]) == ["decisions", "rows", "sequences"]
        dense = study_json.dense_json(study)
        assert dense["expectation"] is False
        assert keys(dense["kept"]) == keys(at[1]["kept"])
        assert keys(dense["stages"]) == keys(at[1]["stages"])


def test_counts_are_integers_where_they_are_and_else_floats():
    cost = Study(DecoderBatch(preset("gpt2"), 2, 128), unit="token").cost(0.03)
    stages = study_json.stages_json(cost.stages)["stages"]
    assert isinstance(stages["forward"], int)
    assert isinstance(stages["backward_input"], float)
    values = study_json.exact({"a": Fraction(4, 2), "b": Fraction(1, 2)})
    assert values == {"a": 2, "b": 0.5}
    assert [type(value) for value in values.values()] == [int, float]


def test_a_mark_is_on_every_expectation_and_on_nothing_else():
    study = Study(DecoderBatch(preset("gpt2"), 8, 1024), unit="sequence", screening="recompute")
    cost = study.cost(0.03)
    assert cost.stages["recompute"] == 69_995_593_728
    text = study_text.gated_text(study, cost, None)
    gated = {line.split()[0]: line.split()[-1] for line in text.splitlines()[1:9]}
    assert gated["recompute"] == "~69,995,593,728"
    random = ["recompute", "backward_input", "backward_weight", "step"]
    assert [name for name, number in gated.items() if number.startswith("~")] == random
    assert "~139,991,187,456" in text
    assert "~0.030" in text
    assert "~245.8 decisions" in text
    assert "(float64), ~" in text
    certain = study_text.gated_text(study, study.cost(1), None)
    assert "~" not in certain
    cached = Study(study.batch, unit="sequence")
    assert "(float64), ~" not in study_text.gated_text(cached, cached.cost(0.03), None)
    draft = Study(MNIST, screening="draft", draft_ratio=1e-7)
    assert isinstance(draft.cost(1).stages["forward"], Fraction)
    assert "~" not in study_text.gated_text(draft, draft.cost(1), None)
    assert "~" not in study_text.dense_text(study)


def test_what_depends_on_the_gate():
    study = Study(MNIST, VIEWS["scalar"])
    assert study.random_stages() == {"select", "backward_input", "backward_weight", "update"}


def test_types_sum_to_the_number_of_all_operations():
    study = Study(MNIST)
    types, scalar = study_json.types_json(study), Study(MNIST, VIEWS["scalar"]).dense()
    assert {stage: sum(own.values()) for stage, own in types.items()} == scalar


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"unit": "sample"}, "unit: expected one of token, sequence; got 'sample'"),
        ({"screening": "oracle"}, "screening: expected one of cached, recompute, draft"),
        ({"screening": "draft"}, "draft_ratio: needed for the screening draft and only there"),
        ({"draft_ratio": 0.5}, "draft_ratio: needed for the screening draft and only there"),
        ({"screening": "draft", "draft_ratio": 1.5}, r"draft_ratio: expected a number in \[0, 1\]"),
    ],
)
def test_impossible_studies_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        Study(DecoderBatch(SMALL, 2, 4), **options)


def test_impossible_batches_are_refused():
    with pytest.raises(ValueError, match=r"length: expected at most the model's 6 \(.*\), got 7"):
        DecoderBatch(SMALL, 1, 7)
    with pytest.raises(ValueError, match="attention: expected one of dense, causal"):
        DecoderBatch(SMALL, 1, 4, attention="local")
    with pytest.raises(ValueError, match="batch: expected at least 1"):
        MLPBatch(MLP((2, 2)), 0)
    with pytest.raises(ValueError, match="optimizer: expected one of sgd, adam"):
        MLPBatch(MLP((2, 2)), 1, "lion")
    with pytest.raises(ValueError, match="unit: expected one of sample"):
        MNIST.share(Fraction(1), "token")
    with pytest.raises(ValueError, match="rate: expected a number in"):
        Study(MNIST).cost(1.01)
    with pytest.raises(ValueError, match="backward_cost: expected a finite number >= 0"):
        PaperCost(-1.0)
    assert stage_numbers(SMALL, kept_positions([[]], 4), VIEWS["scalar"].of)["update"] == 0
