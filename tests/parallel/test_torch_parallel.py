"""Data-parallel gating on 2 and 4 processes: the same step as one process, and no rank waits."""

import sys
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest

torch = pytest.importorskip("torch")
if not torch.distributed.is_available() or not torch.distributed.is_gloo_available():
    pytest.skip("this torch has no gloo", allow_module_level=True)

sys.path.insert(0, str(Path(__file__).parent))

from cases import CASES, EDITS, GATES, STEPS, Step  # noqa: E402
from launch import Arrays, launch  # noqa: E402

from kondo_ref import screen  # noqa: E402
from kondo_ref.backends.torch_parallel import ParallelLearner  # noqa: E402
from kondo_ref.conformance.sequences import DEPTH_LIMIT as LIMIT  # noqa: E402
from kondo_ref.ratio import error_ratio  # noqa: E402
from kondo_ref.step import Learner  # noqa: E402

SIZES = (2, 4)
GLOBAL = [n for n, case in CASES.items() if isinstance(case, Step) and case.scope == "global"]
OWN = [n for n, case in CASES.items() if isinstance(case, Step) and case.scope == "rank"]


@cache
def ran(size: int) -> dict[str, list[Arrays]]:
    """Return what came out of all jobs; the wrong versions run on four ranks."""
    edits = [f"{edit.killer}@{name}" for name, edit in EDITS.items()] if size == 4 else []
    with TemporaryDirectory() as folder:
        return launch(Path(folder), size, [*CASES, *edits])


def check_against_one_process(case: str, ranks: list[Arrays]) -> None:
    """Hold the ranks of a case to one process on the concatenated batch."""
    assert not [found["error"] for found in ranks if "error" in found]
    whole = CASES[case].whole()
    eps = float(np.finfo(CASES[case].dtype).eps)
    for step in range(STEPS):
        kept = np.count_nonzero(whole[f"weight{step}"])
        for name in ("weight", "uniforms"):
            parts = np.concatenate([found[f"{name}{step}"] for found in ranks])
            assert parts.shape == whole[f"{name}{step}"].shape
            if name == "uniforms" or CASES[case].gate not in ("dg", "soft-quantile"):
                assert np.array_equal(parts, whole[f"{name}{step}"])
            else:
                assert error_ratio(parts, whole[f"{name}{step}"], eps) <= LIMIT
        executed = sum(int(found[f"executed{step}"]) for found in ranks)
        assert executed == whole[f"executed{step}"]
        for found in ranks:
            assert found[f"all_kept{step}"] == kept
            assert found[f"updated{step}"] == whole[f"updated{step}"] == (kept > 0)
            for name in ("loss", "gradient", "parameters", "price", "history"):
                if f"{name}{step}" in whole:
                    ours = np.asarray(found[f"{name}{step}"], np.float64)
                    theirs = np.asarray(whole[f"{name}{step}"], np.float64)
                    if np.isfinite(theirs).all():
                        assert error_ratio(ours, theirs, eps) <= LIMIT, (name, step)
                    else:
                        assert np.array_equal(ours, theirs)
            same = ranks[0][f"parameters{step}"]
            assert np.array_equal(found[f"parameters{step}"], same)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("case", GLOBAL)
def test_it_is_the_step_of_one_process(case: str, size: int) -> None:
    check_against_one_process(case, ran(size)[case])


@pytest.mark.parametrize("size", SIZES)
def test_some_ranks_keep_nothing_and_some_have_nothing(size: int) -> None:
    assert ran(size)["empty-top-k"][0]["weight0"].size == 0
    executed = [int(found["executed0"]) for found in ran(size)["top-k"]]
    assert executed[0] > 0
    assert executed[-1] == 0
    masked = ran(size)["masked"]
    assert not masked[-1]["weight0"].any()
    assert masked[-1]["weight0"].size > 0


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("case", OWN)
def test_the_scope_rank_is_each_ranks_own_price(case: str, size: int) -> None:
    kind, ranks = CASES[case], ran(size)[case]
    assert not [found["error"] for found in ranks if "error" in found]
    gate, state = GATES[kind.gate], kind.state()
    x, actions, advantages, mask = kind.batch(0)
    logits = Learner(state).logits(x)
    found, total = ranks[0], 0
    for rank in range(size):
        rows = kind.part(rank, size)
        weight = np.zeros(actions[rows].shape)
        if weight.size and (mask is None or mask[rows].any()):
            seen = screen(
                logits[rows],
                actions[rows],
                advantages[rows],
                gate,
                uniforms=ranks[rank]["uniforms0"],
                mask=None if mask is None else mask[rows],
            )
            weight = seen.weight
        assert np.array_equal(ranks[rank]["weight0"], weight)
        total += np.count_nonzero(weight)
    valid = actions.size if mask is None else np.count_nonzero(mask)
    assert (found["all_kept0"], found["all_valid0"]) == (total, valid)
    # The same rows, gated by hand, with the normalizer of the whole batch.
    divisor = total if kind.normalizer == "kept" else valid
    kept = np.concatenate([ranks[rank]["weight0"] for rank in range(size)])
    learner = Learner(kind.state())
    result = learner.update(
        learner.forward(x), actions, advantages * kept / divisor, GATES["pg"], normalizer="none"
    )
    assert error_ratio(found["gradient0"], learner.gradient.flat) <= LIMIT
    assert error_ratio(found["loss0"], np.asarray(result.loss)) <= LIMIT
    whole = Step(kind.gate, kind.normalizer, empty=kind.empty, masked=kind.masked).whole()
    if case == "rank":  # elsewhere most of what is valid is on one rank, and its price is the same
        assert not np.array_equal(kept, whole["weight0"])


@pytest.mark.parametrize("size", SIZES)
def test_every_rank_refuses_what_one_refuses(size: int) -> None:
    ranks = ran(size)["refused"]
    assert not [found["error"] for found in ranks if "error" in found]
    for rank, found in enumerate(ranks):
        message = {name: str(text) for name, text in found.items()}
        assert message["parameters"] == (
            "ValueError: state (parameters): expected the same on every rank, "
            f"rank {size - 1} differs from rank 0"
        )
        assert message["optimizer"].startswith("ValueError: state (optimizer): expected the same")
        assert message["scope"].startswith("ValueError: price_scope: expected the same on every")
        own = "advantages: nan at index (2,) is not finite"
        assert own.split(":", maxsplit=1)[0] in message["one-rank"]
        assert ("rank 1 refused its part" in message["one-rank"]) == (rank != 1)
        assert message["gate"] == (
            "ValueError: gate, normalizer, history: expected the same on every rank"
        )
        assert message["no-gate"].startswith("TypeError: gate: expected a Gate")
        assert message["no-decision"] == "ValueError: mask: no valid decision on any rank"
        assert message["mask"].startswith("TypeError: mask: expected booleans")
        assert message["overflow"].startswith("ValueError: advantages: the loss is not finite")
        assert all("\n" not in text for text in message.values())
        assert found["unchanged"]


@pytest.mark.parametrize("name", EDITS)
def test_wrong_versions_are_seen(name: str) -> None:
    case = EDITS[name].killer
    ranks = ran(4)[f"{case}@{name}"]
    if case == "one-refuses":
        assert "refused" in ranks[1]
        assert all("error" in found for found in (*ranks[:1], *ranks[2:]))
        return
    with pytest.raises(AssertionError):
        check_against_one_process(case, ranks)


def test_a_skipped_all_reduce_is_a_hang_that_ends() -> None:
    name = "no all-reduce where nothing is kept"
    errors = [str(f["error"]) for f in ran(4)[f"{EDITS[name].killer}@{name}"] if "error" in f]
    assert any("imeout" in error or "imed out" in error for error in errors), errors


def test_without_a_group_it_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^group: torch.distributed has none; call"):
        ParallelLearner(Step("dg").state())
    with pytest.raises(ValueError, match=r"^price_scope: expected one of global, rank"):
        ParallelLearner(Step("dg").state(), price_scope="local")
