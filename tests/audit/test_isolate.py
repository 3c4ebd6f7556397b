"""A target in a process of its own: nothing it does ends the audit, and nothing of it is lost."""

import os
import time

import bad_targets as bad
import numpy as np
import pytest
from subject_batches import masked, plain, sequences

from kondo_ref.audit.batch import Batch
from kondo_ref.audit.isolate import DEATHS, GRACE
from kondo_ref.audit.observation import Observation
from kondo_ref.audit.repeat import same
from kondo_ref.audit.target import Options, subject
from kondo_ref.audit.wire import (
    pack,
    pack_batches,
    pack_observation,
    unpack,
    unpack_batches,
    unpack_observation,
)

GOOD = plain()
BAD = Batch(GOOD.logits, GOOD.actions, GOOD.advantages + 200.0)


def isolated(name, surface="logits", framework="numpy", **options):
    chosen = Options(isolate=True, **options)
    return subject(name, surface=surface, framework=framework, options=chosen)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("segfaults", "the process ended with signal SIGSEGV"),
        ("ends_the_process", "the process ended with exit status 7"),
        ("aborts", "the process ended with signal SIGABRT"),
    ],
)
def test_crashes(name, message):
    audited = isolated(f"bad_targets:{name}")
    before, seen, after = audited.observe([GOOD, BAD, GOOD])
    assert seen.outcome == "crashed"
    assert seen.message.startswith(message)
    for good in (before, after):
        np.testing.assert_allclose(good.coefficients, GOOD.advantages, rtol=1e-13)
    assert audited.observe([GOOD])[0].outcome == "returned"


def test_crashes_are_not_waited_for_again():
    seen = isolated("bad_targets:ends_the_process").observe([BAD] * 50)
    assert {one.outcome for one in seen} == {"crashed"}
    assert sum(not one.message.startswith("not called") for one in seen) == DEATHS


def test_hangs():
    audited = isolated("bad_targets:hangs", time_limit=0.3)
    before, seen, after = audited.observe([GOOD, BAD, GOOD])
    assert (seen.outcome, seen.message) == ("timed out", "no answer in 0.3 s")
    assert before.outcome == after.outcome == "returned"


def test_a_hang_that_no_signal_reaches():
    audited = isolated("bad_targets:hangs_out_of_reach", time_limit=0.3)
    began = time.monotonic()
    before, seen, after = audited.observe([GOOD, BAD, GOOD])
    assert (seen.outcome, before.outcome, after.outcome) == ("timed out", "returned", "returned")
    assert time.monotonic() - began < GRACE + 30.0


@pytest.mark.parametrize(
    ("name", "framework", "surface"),
    [
        ("torch_logits", "torch", "logits"),
        ("TorchTrainer", "torch", "step"),
        ("Stream", "python", "stream"),
    ],
)
def test_the_same_as_in_this_process(name, framework, surface):
    away = isolated(f"example_targets:{name}", surface, framework)
    here = subject(f"example_targets:{name}", surface=surface, framework=framework)
    assert (away.has, away.framework, away.name) == (here.has, here.framework, here.name)
    batches = [GOOD, BAD, GOOD] + ([masked(GOOD)] if "mask" in here.has else [])
    for one, other in zip(away.observe(batches), here.observe(batches), strict=True):
        assert one.outcome == "returned"
        assert same(one, other)
        assert (one.residual, one.metrics) == (other.residual, other.metrics)
    assert away.environment()["isolated"]


def test_what_it_prints_warns_and_seeds():
    seen = isolated("bad_targets:prints").observe([BAD])[0]
    for line in ("to stdout", "to stderr", "to descriptor 1", "to descriptor 2", "to C"):
        assert f"{line}\n" in seen.printed
    assert isolated("bad_targets:warns").observe([BAD])[0].warned[0] == "UserWarning: of nothing"
    assert isolated("bad_targets:seeds_numpy").observe([GOOD, BAD])[0].seeded
    assert isolated("bad_targets:changes_advantages").observe([BAD])[0].mutated == ("advantages",)


def test_objects_that_have_a_name():
    audited = subject(
        bad.raises, surface="logits", framework="numpy", options=Options(isolate=True)
    )
    assert [one.outcome for one in audited.observe([GOOD, BAD])] == ["returned", "raised"]


@pytest.mark.parametrize(
    ("target", "options", "error"),
    [
        (lambda *_: 0, {}, "isolate: the target must be given by a name"),
        ("bad_targets:nothing", {}, "target: cannot load 'bad_targets:nothing'"),
        ("no_such_module:f", {}, "target: cannot load"),
        ("bad_targets:raises", {"arguments": {"a": object()}}, "arguments: an isolated target"),
        ("bad_targets:raises", {"arguments": {"a": 1}}, "arguments: the target has no parameter"),
    ],
)
def test_refusals(target, options, error):
    with pytest.raises(ValueError, match=error):
        isolated(target, **options)


def test_a_module_that_dies_when_it_is_loaded(tmp_path):
    path = tmp_path / "dies.py"
    path.write_text("import os\nos._exit(4)\n")
    with pytest.raises(ValueError, match="cannot be loaded, the process ended with exit status 4"):
        isolated(f"{path}:f")


def test_it_is_ended():
    audited = isolated("bad_targets:raises")
    pid = audited._process._popen.pid
    audited.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert audited.observe([GOOD])[0].outcome == "returned"  # it starts again


def test_many_calls_are_quick():
    """A batch that comes again is sent once; a call costs little more than in this process."""
    audited = isolated("example_targets:numpy_logprobs", "logprobs")
    audited.observe([GOOD])
    began = time.perf_counter()
    seen = audited.observe([GOOD] * 500)
    assert time.perf_counter() - began < 10.0
    assert all(same(one, seen[0]) for one in seen)


def test_what_crosses_comes_out_the_same():
    batches = [plain(), masked(sequences(dtype="float32")), plain(groups=np.arange(32))]
    batches.append(batches[0])
    packed = pack_batches(batches)
    assert len(packed["batches"]) == 3
    back = unpack_batches(packed)
    assert back[3] is back[0]
    for one, other in zip(batches, back, strict=True):
        for name in ("logits", "actions", "advantages", "mask", "groups"):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
        assert (one.dtype, one.mask_dtype) == (other.dtype, other.mask_dtype)
    odd = np.array([np.nan, np.inf, -0.0, 5e-324])
    assert unpack(pack(odd)).tobytes() == odd.tobytes()
    observation = Observation(
        coefficients=odd, mutated=("mask",), metrics={"a": 1.5}, executed_rows=3, seconds=0.5
    )
    again = unpack_observation(pack_observation(observation))
    assert same(observation, again)
    assert (again.mutated, again.metrics, again.seconds) == (("mask",), {"a": 1.5}, 0.5)


@pytest.mark.parametrize(
    "value",
    [3, {"outcome": "won"}, {"coefficients": 3}, {"coefficients": {"dtype": "object"}}],
)
def test_what_is_no_observation(value):
    with pytest.raises(ValueError, match="expected"):
        unpack_observation(value)
