"""Wrong versions of the counts of decoders and of cost studies, each with the test that sees it."""

from contextlib import contextmanager
from functools import partial

import pytest
import test_config
import test_conventions
import test_decoder
import test_decoder_kept
import test_decoder_layers
import test_study
import test_study_time
from mutants import HUNT, Mutant

AVERAGE = test_study.test_a_gated_step_costs_what_all_gates_cost_on_average
AVERAGE_MLP = test_study.test_an_mlp_costs_what_all_gates_cost_on_average
EXPECTATIONS = test_decoder_kept.test_expectations_are_those_over_all_gates
ITEMS = test_conventions.test_the_items_sum_to_the_difference
ITEMS_MLP = test_conventions.test_the_items_of_an_mlp_sum_to_the_difference
LLAMA = test_decoder.test_a_decoder_of_the_llama_family_costs_what_its_products_say
NANOGPT = test_conventions.test_gpt2_has_the_flop_that_nanogpt_publishes
OURS = test_decoder.test_the_counts_of_our_transformer_are_those_that_are_taken_where_it_runs
REFUSED = test_config.test_what_is_not_counted_is_refused
EXPERTS = {**test_config.LLAMA, "num_local_experts": 8}
CLOSED_FORMS = test_study.test_break_even_rates_have_closed_forms_where_the_cost_is_linear

MUTANTS = [
    ("decoder_kept.expected_kept", "p * p * touched", "p * touched", EXPECTATIONS),
    ("decoder_kept.expected_kept", "(1 - share) * rows", "rows", EXPECTATIONS),
    (
        "decoder_kept.expected_kept",
        "touched = 1 - power(q, h)",
        "touched = share * h",
        EXPECTATIONS,
    ),
    ("decoder_kept.expected_kept", "(0 if prompt else batch * h * whole)", "0", EXPECTATIONS),
    ("decoder_kept.expected_kept", "plain(1 - nothing))", "1)", EXPECTATIONS),
    ("decoder_kept.all_kept", "h * t,", "t * t,", EXPECTATIONS),
    (
        "decoder_kept.kept_positions",
        "k * n",
        "n * n",
        test_decoder_kept.test_the_sums_of_a_kept_set_are_those_of_its_prefixes,
    ),
    (
        "decoder_kept.power",
        "square = square * square >> SHIFT",
        "square = (square * square >> SHIFT) + (1 << 900)",
        test_decoder_kept.test_powers_are_exact_or_have_more_digits_than_a_float,
    ),
    ("decoder_step.block", "2 * d.key_width", "2 * d.query_width", LLAMA),
    ("decoder_step.block", "rotary(queries, 1, d.query_width)", "rotary(0, 1, 1)", LLAMA),
    ("decoder_step.network", "block(d, rows, queries, last)", "block(d, rows, rows, last)", OURS),
    ("decoder_step.network", "norm(d, queries, output_kept=True)", "norm(d, queries)", OURS),
    ("decoder_step.backward_stages", "Counts(add=partial * decoder.width)", "Counts()", OURS),
    ("decoder_step.decoder_step", "queries if again else partial", "partial", OURS),
    ("decoder_step.stage_numbers", "kept.batches * of", "of", AVERAGE),
    ("decoder_step.stage_numbers", "kept.decisions if again else kept.partial", "0", AVERAGE),
    (
        "decoder_step.activation_entries",
        "1 if d.activation",
        "2 if d.activation",
        test_decoder.test_the_activations_are_those_that_our_forward_leaves,
    ),
    (
        "decoder.Decoder.parameters",
        "self.layers + self.final_norm",
        "self.layers",
        test_decoder.test_our_transformer_has_the_parameters_of_its_decoder,
    ),
    (
        "decoder_layers.feed_forward",
        "hidden * (2 if gated else 1)",
        "hidden",
        partial(
            test_decoder_layers.test_a_gate_is_one_product_more_and_three_multiplications_an_entry,
            "relu",
        ),
    ),
    (
        "decoder_layers.rms_norm",
        "mul=4 * d, add=2 * d",
        "mul=4 * d, add=4 * d",
        test_decoder_layers.test_rms_norm,
    ),
    ("conventions_formulas.palm", "4 * d.layers", "2 * d.layers", NANOGPT),
    ("conventions_formulas.chinchilla", "block = 6 * n", "block = 2 * n", ITEMS),
    ("conventions_formulas.chinchilla", "3 * d.heads * n * n", "d.heads * n * n", ITEMS),
    ("conventions_formulas.kaplan", "half - t.attention", "half - t.all_pairs", ITEMS),
    ("conventions_formulas._no_products", "and t.decoder.tied", "and not t.decoder.tied", ITEMS),
    (
        "conventions_formulas.torch_cpu",
        "t.blocks + t.head",
        "t.blocks + t.head + t.all_pairs",
        ITEMS,
    ),
    ("conventions_reports.decoder_report", "4 * batch * prompt", "2 * batch * prompt", ITEMS),
    ("conventions_reports.mlp_report", "forward //= 2", "pass", ITEMS_MLP),
    (
        "conventions_reports.mlp_report",
        '"first layer: the gradient of its input", 0, first',
        '"first layer", 0, 0',
        ITEMS_MLP,
    ),
    (
        "config.decoder_of",
        "and key not in IGNORED",
        "and False",
        partial(REFUSED, EXPERTS, "experts"),
    ),
    (
        "config._llama",
        'if kind == "qwen2" and not _flag(config, "use_sliding_window"):',
        'if kind == "mistral":',
        test_config.test_mistral_is_counted_as_far_as_its_window_sees_everything,
    ),
    ("study.Study.stages", "again=self.again", "again=False", CLOSED_FORMS),
    ("study.Study.break_even", "excess(1.0) <= 0", "excess(1.0) <= 1", CLOSED_FORMS),
    (
        "study.Study.cost",
        "if self.again else ()",
        "if not self.again else ()",
        test_study.test_activations_of_what_runs_again_are_those_of_the_kept_prefixes,
    ),
    (
        "study.PaperCost.step",
        "self.again + self.ratio",
        "self.ratio",
        test_study.test_the_papers_cost_model,
    ),
    ("study_batches.MLPBatch.stages", "(1 - power(1 - rate, n)) * ", "", AVERAGE_MLP),
    ("study_batches.MLPBatch.stages", "kept * of(station.select(0, 1))", "0", AVERAGE_MLP),
    (
        "study_batches.DecoderBatch.structural",
        '"causal"',
        '"dense"',
        test_decoder.test_the_three_backwards_are_those_of_our_transformer,
    ),
    (
        "study_time.time_ratio",
        "return forward_a / forward_b",
        "return forward_b / forward_a",
        partial(test_study_time.test_the_published_curve_is_the_cost_model, 0, 1.41),
    ),
]


@contextmanager
def hunting(test):
    """Let Hypothesis look for one counterexample, without making it small."""
    before = getattr(test, "_hypothesis_internal_use_settings", None)
    if before is not None:
        test._hypothesis_internal_use_settings = HUNT
    try:
        yield
    finally:
        if before is not None:
            test._hypothesis_internal_use_settings = before


@pytest.mark.parametrize(
    ("target", "old", "new", "test"), MUTANTS, ids=[f"{row[0]}: {row[2]}" for row in MUTANTS]
)
def test_a_mutant_is_seen(target, old, new, test):
    mutant = Mutant(target, f"flops.{target}", old, new, "")
    with mutant.alive(), hunting(test), pytest.raises((AssertionError, pytest.fail.Exception)):
        test()
