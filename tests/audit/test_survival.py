"""The auditor survives its target, undoes what it did, and reports it. One bad target for each."""

# A target has the arguments that its surface has.
# ruff: noqa: ARG005, T201

import os
import random
import signal
import sys
import time
import warnings

import bad_targets as bad
import numpy as np
import pytest
import torch
from subject_batches import plain

from kondo_ref.audit.batch import Batch
from kondo_ref.audit.guard import TIME_OUTS
from kondo_ref.audit.printed import LIMIT
from kondo_ref.audit.repeat import reproducible
from kondo_ref.audit.seeds import GlobalSeeds
from kondo_ref.audit.target import Options, subject

GOOD = plain()
BAD = Batch(GOOD.logits, GOOD.actions, GOOD.advantages + 200.0)


def of(target, surface="logits", framework="numpy", **options):
    return subject(target, surface=surface, framework=framework, options=Options(**options))


def observe(target, **options):
    """Return what is seen of a bad batch between two good ones, which must not suffer."""
    before, seen, after = of(target, **options).observe([GOOD, BAD, GOOD])
    for good in (before, after):
        assert good.outcome == "returned"
        assert good.message == good.printed == ""
        assert (good.mutated, good.warned) == ((), ())
        np.testing.assert_allclose(good.coefficients, GOOD.advantages, rtol=1e-13)
    return seen


def test_exceptions():
    seen = observe(bad.raises)
    assert (seen.outcome, seen.message) == ("raised", "RuntimeError: several lines of text")
    assert seen.coefficients is None
    seen = observe(bad.exits)
    assert (seen.outcome, seen.message) == ("raised", "SystemExit: 3")
    assert observe(bad.takes_itself_too_deep).message.startswith("RecursionError")


def test_an_interrupt_is_the_users():
    with pytest.raises(KeyboardInterrupt):
        observe(bad.interrupts)


@pytest.mark.parametrize("target", [bad.hangs, bad.swallows_everything])
def test_hangs(target):
    began = time.monotonic()
    seen = observe(target, time_limit=0.3)
    assert (seen.outcome, seen.message) == ("timed out", "no answer in 0.3 s")
    assert time.monotonic() - began < 10.0


def test_hangs_are_not_waited_for_again():
    seen = of(bad.hangs, time_limit=0.1).observe([BAD] * 20)
    assert {one.outcome for one in seen} == {"timed out"}
    called = [one for one in seen if not one.message.startswith("not called")]
    assert len(called) == TIME_OUTS
    assert sum(one.seconds for one in seen) < 2.0


def test_an_alarm_of_somebody_else():
    """It rings after the observation, with the time that was left."""
    rung = []
    former = signal.signal(signal.SIGALRM, lambda *_: rung.append(time.monotonic()))
    try:
        began = time.monotonic()
        signal.setitimer(signal.ITIMER_REAL, 0.6)
        of(bad.hangs, time_limit=0.2).observe([BAD])
        assert not rung
        while not rung and time.monotonic() - began < 5.0:
            time.sleep(0.01)
        assert rung
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, former)


def test_a_thread_has_no_alarm_and_works():
    observed = bad.in_thread(lambda: of(bad.raises).observe([GOOD, BAD]))
    assert [one.outcome for one in observed] == ["returned", "raised"]


def test_prints(capfd):
    seen = observe(bad.prints)
    for line in (
        "to stdout", "to stderr", "to descriptor 1", "to descriptor 2", "to C", "to the buffer",
    ):  # fmt: skip
        assert f"{line}\n" in seen.printed
    print("ours")
    assert capfd.readouterr() == ("ours\n", "")


def test_prints_without_end():
    assert len(observe(bad.prints_without_end).printed) <= LIMIT


def test_warnings():
    seen = observe(bad.warns)
    assert seen.warned == (
        "UserWarning: of nothing",
        "RuntimeWarning: divide by zero encountered in log",
    )
    assert seen.printed == ""


def test_arguments_changed_in_place():
    assert observe(bad.changes_advantages).mutated == ("advantages",)
    assert observe(bad.changes_logits).mutated == ("logits",)

    def torch_in_place(logits, actions, advantages):
        logits.clamp_(-1.0, 1.0)
        return -(advantages * logits.log_softmax(-1).gather(-1, actions[:, None])[:, 0]).mean()

    (seen,) = of(torch_in_place, framework="torch").observe([GOOD])
    assert (seen.outcome, seen.mutated) == ("returned", ("logits",))

    def behind_the_counter(logp, advantages):
        advantages.data.numpy()[:] = 0.0  # no version counter sees this
        return logp > 0

    (seen,) = of(behind_the_counter, "gate", "torch").observe([GOOD])
    assert seen.mutated == ("advantages",)

    def lists(logp, advantages):
        advantages.pop()
        return [1.0] * len(logp)

    before = GOOD.advantages.copy()
    (seen,) = of(lists, "gate", "python").observe([GOOD])
    assert seen.mutated == ("advantages",)
    np.testing.assert_array_equal(GOOD.advantages, before)


@pytest.mark.parametrize("target", [bad.seeds_python, bad.seeds_numpy, bad.seeds_torch])
def test_global_seeds(target):
    state = random.getstate(), torch.get_rng_state(), np.random.get_state()  # noqa: NPY002
    assert observe(target).seeded
    assert random.getstate() == state[0]
    assert torch.equal(torch.get_rng_state(), state[1])
    for one, other in zip(np.random.get_state(), state[2], strict=True):  # noqa: NPY002
        np.testing.assert_array_equal(one, other)


def test_drawing_is_not_seeding():
    assert not observe(bad.only_draws).seeded


def test_a_normal_that_was_kept_back():
    """NumPy draws normals in pairs; the second one is part of the state that is put back."""
    np.random.seed(5)  # noqa: NPY002
    np.random.standard_normal()  # noqa: NPY002
    expected = np.random.RandomState(5).standard_normal(2)[1]
    seeds = GlobalSeeds(0)
    np.random.standard_normal(3)  # noqa: NPY002
    assert not seeds.restore()
    assert np.random.standard_normal() == expected  # noqa: NPY002


def test_settings_are_put_back():
    limit, errors = sys.getrecursionlimit(), np.geterr()
    former, filters, stdout = signal.getsignal(signal.SIGALRM), list(warnings.filters), sys.stdout
    of(bad.sets_the_world).observe([BAD])
    assert torch.get_default_dtype() == torch.float32
    assert torch.is_grad_enabled()
    assert (sys.getrecursionlimit(), np.geterr()) == (limit, errors)
    assert signal.getsignal(signal.SIGALRM) == former
    assert list(warnings.filters) == filters
    assert sys.stdout is stdout


def test_descriptors_do_not_leak():
    audited = of(bad.prints)
    audited.observe([GOOD])
    opened = os.dup(0)
    os.close(opened)
    for _ in range(20):
        audited.observe([BAD])
    again = os.dup(0)
    os.close(again)
    assert again == opened


def test_what_is_not_reproducible():
    assert reproducible(of(bad.only_draws), [GOOD, BAD])
    assert reproducible(of(bad.raises), [GOOD, BAD])
    assert not reproducible(of(bad.unseeded), [GOOD])
    assert not reproducible(of(bad.Remembers), [GOOD])


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        (None, "returned None"),
        ((), "returned an empty tuple"),
        ({}, "returned no weights under a usual name, only nothing"),
        (np.zeros((32, 32)), "returned weights of shape (32, 32), where 32 were expected"),
        (np.zeros(31), "returned weights of shape (31,), where 32 were expected"),
        ("text", "returned no weights under a usual name"),
        (np.array(["a"] * 32), "returned no array of numbers"),
    ],
)
def test_what_cannot_be_read(returned, message):
    (seen,) = of(lambda logp, advantages: returned, "gate").observe([GOOD])
    assert (seen.outcome, seen.weights) == ("returned", None)
    assert seen.message.startswith(message)


def test_a_loss_without_its_gradient():
    (seen,) = of(lambda logits, actions, advantages: 1.5).observe([GOOD])
    assert (seen.outcome, seen.coefficients) == ("returned", None)
    assert "a loss alone does not say what it holds constant" in seen.message


def test_a_loss_that_is_no_tensor():
    seen = of(lambda logits, actions, advantages: 1.5, framework="torch").observe([GOOD])[0]
    assert "cannot be differentiated" in seen.message


def test_numbers_that_are_not_finite_stay():
    advantages = GOOD.advantages.copy()
    advantages[[2, 5]] = np.nan, np.inf
    batch = Batch(GOOD.logits, GOOD.actions, advantages)
    for framework in ("numpy", "python"):
        (seen,) = of(lambda logp, advantages: advantages, "gate", framework).observe([batch])
        np.testing.assert_array_equal(seen.weights, advantages)
        assert seen.mutated == ()
    (seen,) = of(bad.raises).observe([batch])
    np.testing.assert_array_equal(seen.coefficients[[2, 5]], [np.nan, np.inf])
    assert np.isfinite(np.delete(seen.coefficients, [2, 5])).all()
    assert seen.residual < 1e-14


def test_a_module_that_ends_the_process_when_it_is_loaded(tmp_path):
    path = tmp_path / "leaves.py"
    path.write_text("import sys\nsys.exit(2)\n")
    with pytest.raises(ValueError, match=r"target: cannot load .* \(SystemExit: 2\)"):
        of(f"{path}:f")


def test_a_factory_that_raises():
    class Fails:
        def __init__(self):
            raise OSError("no such checkpoint")

    with pytest.raises(ValueError, match=r"target: cannot be made \(OSError: no such checkpoint"):
        of(Fails)
