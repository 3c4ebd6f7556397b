"""Wrong versions of the audit, each with the test that must see it; as `mutants` edits them."""

from collections.abc import Callable

import pytest
from mutants import Mutant

pytest.importorskip("torch", reason="the extra torch is not installed")

import foreign_steps as steps
import test_foreign as verdicts
import test_foreign_counted as counts
import test_foreign_torch as audits

REPORT, TALLY, TORCH = (f"flops.foreign_{name}" for name in ("report", "tally", "torch"))
LATE = pytest.fail.Exception  # an error that was expected and did not come

MUTANTS: dict[str, tuple[str, str, str, Callable[[], None]]] = {
    "the saving is the kept share": (
        f"{REPORT}.FlopAudit.executed_saving",
        "return 1.0 - ratio",
        "return ratio",
        lambda: audits.test_a_masked_step_saves_nothing(steps.masked),
    ),
    "the claim takes the dense rate for 1": (
        f"{REPORT}.FlopAudit.claimed_saving",
        "self.rates[1] / self.rates[0]",
        "self.rates[1]",
        verdicts.test_claim_is_relative_to_the_dense_rate,
    ),
    "more than claimed is skipped": (
        f"{REPORT}.FlopAudit.within_tolerance",
        "abs(self.executed_saving - self.claimed_saving)",
        "self.claimed_saving - self.executed_saving",
        audits.test_nothing_kept,
    ),
    "a part is as good as nothing": (
        f"{REPORT}.FlopAudit.verdict",
        "MASKED if self.executed_saving <= self.tolerance + ROUNDING else PARTLY",
        "MASKED",
        audits.test_a_step_that_skips_a_part,
    ),
    "no allowance for rounding": (
        f"{REPORT}.FlopAudit.within_tolerance",
        "self.tolerance + ROUNDING",
        "self.tolerance",
        verdicts.test_50_rows_at_the_boundary_of_the_default_tolerance,
    ),
    "runs are not compared": (
        f"{REPORT}.FlopAudit.deterministic",
        "== 1",
        ">= 1",
        audits.test_a_drawn_gate_is_not_deterministic,
    ),
    "rows are not compared": (
        f"{REPORT}.FlopReport.executed",
        "(*(getattr(self, stage) for stage in STAGES), rows)",
        "tuple(getattr(self, stage) for stage in STAGES)",
        verdicts.test_a_run_of_other_rows_is_another_run,
    ),
    "a frozen network screens": (
        f"{REPORT}.FlopReport.unfollowed",
        "m.forward_rows and m.backward_rows and",
        "m.forward_rows and m.backward_rows is not None and",
        verdicts.test_forwards_without_a_backward,
    ),
    "a backward is a forward": (
        f"{TALLY}.Tally.add",
        "if not in_backward:",
        "if True:",
        lambda: audits.test_a_masked_step_saves_nothing(steps.masked),
    ),
    "a recomputation is a backward": (
        f"{TALLY}.Tally.add",
        "elif recomputing:",
        "elif False:",
        lambda: counts.test_recomputation_is_a_stage(False),
    ),
    "a closure is an update": (
        f"{TALLY}.Tally.add",
        "self.updating and name == OUTSIDE",
        "self.updating",
        lambda: audits.test_a_masked_step_saves_nothing(steps.optimized),
    ),
    "rows are of the first dimension": (
        f"{TALLY}.Tally.rows",
        "{2: 1, 3: 2}.get(len(shape), 1)",
        "1",
        lambda: counts.test_rows((7, 3, 4), None, 21),
    ),
    "an operation without a rule is 0": (
        f"{TALLY}.Tally.report",
        "if self.unruled:",
        "if False:",
        audits.test_an_operation_without_a_rule_is_named,
    ),
    "an output has one row": (
        f"{TORCH}._hook",
        "shape = tuple(gradient.shape)",
        "shape = ()",
        lambda: audits.test_a_masked_step_saves_nothing(steps.masked),
    ),
    "a module owns what others did before": (
        f"{TORCH}._hook",
        "if number is None:",
        "if True:",
        audits.test_a_step_that_skips_a_part,
    ),
    "a child hides its parent": (
        f"{TORCH}._hook",
        "if number is not None and number <= call.nodes:",
        "if number is not None:",
        counts.test_what_comes_by_keyword_belongs_to_who_made_it,
    ),
    "keywords are not inputs": (
        f"{TORCH}._hook",
        "_tensors((args, kwargs))",
        "_tensors(args)",
        counts.test_what_comes_by_keyword_belongs_to_who_made_it,
    ),
    "recomputed rows are counted": (
        f"{TORCH}._hook",
        "if not call.in_backward:",
        "if True:",
        lambda: counts.test_recomputation_is_a_stage(True),
    ),
    "a failed call stays open": (
        f"{TORCH}._hook",
        "always_call=True",
        "always_call=False",
        counts.test_a_failed_call_is_closed,
    ),
    "hooks stay": (
        f"{TORCH}._hook",
        "stack.callback(tensor.register_hook(rows_of(call.name)).remove)",
        "tensor.register_hook(rows_of(call.name))",
        counts.test_hooks_are_taken_away,
    ),
    "every row has a gradient": (
        f"{TORCH}._nonzero_rows",
        "!= 0",
        "== gradient",
        lambda: audits.test_a_masked_step_saves_nothing(steps.masked),
    ),
    "the loss is differentiated again": (
        f"{TORCH}.measure",
        " and not tally.backward_ran",
        "",
        audits.test_a_backward_of_the_step_is_not_run_again,
    ),
    "attention on the CPU is 0": (
        f"{TORCH}._counter",
        "known.setdefault(aten._scaled_dot_product_flash_attention_for_cpu, forward)",
        "known[aten._scaled_dot_product_flash_attention_for_cpu] = lambda *_, **__: 0",
        counts.test_attention_and_vectors_have_rules,
    ),
    "the counter keeps torch's hooks": (
        f"{TORCH}._counter",
        "counter.mod_tracker = Tracker()",
        "pass",
        audits.test_a_gradient_of_the_input_is_counted,
    ),
    "norms multiply": (
        f"{TORCH}._multiplies_and_adds",
        " and not NO_PRODUCTS.search(name)",
        "",
        counts.test_elementwise_operations_need_no_rule,
    ),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_a_mutant_is_seen(name: str) -> None:
    target, old, new, killer = MUTANTS[name]
    killer()
    with (
        Mutant(name, target, old, new, "").alive(),
        pytest.raises((AssertionError, LATE, ValueError, RuntimeError)),
    ):
        killer()
