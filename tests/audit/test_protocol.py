"""The JSON-lines protocol: adapters in two other languages, and every way to break it."""

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from subject_batches import coefficients, gate, masked, plain, ratio, sequences

from kondo_ref import Gate
from kondo_ref.audit import external, protocol
from kondo_ref.audit.batch import Batch
from kondo_ref.audit.engine import audit
from kondo_ref.audit.guard import Unreadable
from kondo_ref.audit.repeat import reproducible
from kondo_ref.audit.target import Options, subject
from kondo_ref.audit.verdict import Claim

HERE = Path(__file__).parent
EXAMPLES = HERE.parent.parent / "examples" / "audit"
GOOD = plain()
BAD = Batch(GOOD.logits, GOOD.actions, GOOD.advantages + 200.0)
# Of the toy adapter, which gates by the sign of the advantage on the surface logits.
EXPECTED = np.maximum(GOOD.advantages, 0.0) / GOOD.advantages.size


def toy(how, surface="logits", **options):
    command = [sys.executable, str(HERE / "protocol_targets.py"), how]
    chosen = Options(**options)
    return subject(command, surface=surface, framework="subprocess", options=chosen)


def broken(how, **options):
    """Return what is seen of a bad batch between two good ones."""
    before, seen, after = toy(how, **options).observe([GOOD, BAD, GOOD])
    for good in (before, after):
        assert (good.outcome, good.message, good.printed) == ("returned", "", "")
        np.testing.assert_array_equal(good.coefficients, EXPECTED)
    return seen


def test_an_adapter_in_javascript():
    if shutil.which("node") is None:
        pytest.skip("needs node")
    audited = subject(f"node {EXAMPLES / 'kondo.mjs'}", surface="logits", framework="subprocess")
    assert audited.has == {"coefficients", "loss", "mask"}
    assert "node" in audited.environment()
    nan = Batch(GOOD.logits, GOOD.actions, np.where(np.arange(32) == 3, np.nan, GOOD.advantages))
    first, second, refused = audited.observe([GOOD, masked(GOOD), nan])
    assert ratio(first.coefficients, coefficients(GOOD)) < 32
    assert ratio(second.coefficients, coefficients(masked(GOOD))) < 32
    assert first.residual < 32 * 2.0**-52
    assert first.loss == pytest.approx((coefficients(GOOD) * GOOD.surprisal).sum(), 1e-14)
    assert (refused.outcome, refused.coefficients) == ("raised", None)
    assert "not finite" in refused.message
    assert reproducible(audited, [GOOD])


def test_an_adapter_is_audited():
    if shutil.which("node") is None:
        pytest.skip("needs node")
    command = f"node {EXAMPLES / 'kondo.mjs'}"
    audited = subject(command, surface="logits", framework="subprocess")
    claimed = Claim("zero-price", Gate.named("zero-price"))
    assert audit(audited, claimed).verdict == "conforms"
    wrong = audit(audited, Claim("dg", Gate.named("dg")))
    assert wrong.verdict == "deviates"


def test_an_adapter_in_perl():
    if shutil.which("perl") is None:
        pytest.skip("needs perl")
    audited = subject(f"perl {EXAMPLES / 'gate.pl'}", surface="gate", framework="subprocess")
    assert audited.has == {"weights"}
    (seen,) = audited.observe([GOOD])
    dg = 1.0 / (1.0 + np.exp(-GOOD.advantages * GOOD.surprisal))
    assert ratio(seen.weights, dg) < 32
    assert audited.observe([masked(GOOD)])[0].message == "mask: the target takes none"


@pytest.mark.parametrize("surface", ["logits", "rewards"])
def test_coefficients(surface):
    audited = toy("coefficients", surface)
    assert audited.has == {"coefficients", "loss", "mask", "groups", "sequences"}
    seen = audited.observe([GOOD, sequences(), plain(groups=np.arange(32))])
    for one in seen:
        np.testing.assert_array_equal(one.coefficients.ravel(), EXPECTED)
    assert seen[1].coefficients.shape == (4, 8)
    # It remembers within a sequence and forgets at the next one.
    assert [one.metrics["calls"] for one in seen] == [0.0, 1.0, 2.0]
    assert audited.observe([GOOD])[0].metrics["calls"] == 0.0
    flipped = toy("coefficients", sign="objective").observe([GOOD])[0]
    np.testing.assert_array_equal(flipped.coefficients, EXPECTED)  # its coefficients, as it says


def test_gates_streams_and_lists():
    for surface in ("gate", "lists", "stream"):
        (seen,) = toy("gate", surface).observe([GOOD])
        np.testing.assert_array_equal(seen.weights, gate(GOOD))


@pytest.mark.parametrize("how", ["screen", "bools"])
def test_screen_and_loss(how):
    (seen,) = toy(how, "screen+loss").observe([GOOD])
    assert ratio(seen.coefficients, coefficients(GOOD)) < 32
    np.testing.assert_array_equal(seen.weights, gate(GOOD))
    assert (seen.executed_rows, seen.dense_rows, seen.loss) == (gate(GOOD).sum(), 32, 0.5)


def test_uniforms():
    audited = toy("uniforms", "gate")
    one, two = (seen.weights for seen in audited.observe([GOOD, GOOD], seed=3))
    assert not np.array_equal(one, two)
    np.testing.assert_array_equal(audited.observe([GOOD], seed=3)[0].weights, one)


def test_numbers_without_a_word_in_json():
    (seen,) = toy("nan").observe([GOOD])
    np.testing.assert_array_equal(seen.coefficients[:3], [np.nan, np.inf, -np.inf])
    assert np.isnan(seen.loss)
    message = {"a": np.array([1.0, np.nan, -np.inf]), "b": np.inf, "c": [True, None], "d": "x"}
    assert json.loads(protocol.line(message)) == {
        "a": [1.0, "nan", "-inf"], "b": "inf", "c": [True, None], "d": "x",
    }  # fmt: skip
    np.testing.assert_array_equal(protocol.array([["NaN", 1], ["-Infinity", True]], "x"),
                                  [[np.nan, 1.0], [-np.inf, 1.0]])  # fmt: skip
    with pytest.raises(Unreadable, match="where a number was expected"):
        protocol.number(None)


@pytest.mark.parametrize(
    ("how", "outcome", "message"),
    [
        ("dies", "crashed", "the process ended with exit status 5: no more memory"),
        ("hangs", "timed out", "no answer in 0.5 s"),
        ("refuses", "raised", "too loud"),
        ("forgets the id", "returned", "answered id None to id"),
        ("ragged", "returned", "answered coefficients that are not rectangular"),
        ("short", "returned", "returned coefficients of shape (31,), where 32 were expected"),
        ("words", "returned", "answered 'many' where a number was expected"),
        ("nothing", "returned", "answered neither dlogits nor coefficients"),
    ],
)
def test_what_goes_wrong(how, outcome, message):
    seen = broken(how, time_limit=0.5 if how == "hangs" else 10.0)
    assert (seen.outcome, seen.coefficients) == (outcome, None)
    assert seen.message.startswith(message)


def test_what_is_printed():
    seen = broken("chats")
    assert seen.outcome == "returned"
    for line in ("a word", "[1, 2]", "an error"):
        assert f"{line}\n" in seen.printed


def test_failures_are_not_waited_for_again():
    for how, outcome in (("dies", "crashed"), ("hangs", "timed out")):
        seen = toy(how, time_limit=0.5).observe([BAD] * 30)
        assert {one.outcome for one in seen} == {outcome}
        assert sum(one.message.startswith("not called") for one in seen) >= 27


@pytest.mark.parametrize(
    ("command", "surface", "options", "error"),
    [
        ("no-such-command", "logits", {}, "target: cannot start 'no-such-command'"),
        ("", "logits", {}, "target: expected a command"),
        (3, "logits", {}, "target: expected a command"),
        ("true", "logits", {}, "target: the process ended with exit status 0"),
        ("true", "step", {}, "surface: step has no place in the protocol"),
        ("true", "logits", {"names": {"logits": "x"}}, "names: a subprocess takes none"),
    ],
)
def test_refusals(command, surface, options, error):
    with pytest.raises((TypeError, ValueError), match=error):
        subject(command, surface=surface, framework="subprocess", options=Options(**options))


def test_a_protocol_of_the_future():
    with pytest.raises(ValueError, match="its hello speaks protocol 2, expected 1"):
        toy("future")


def test_a_command_that_says_nothing(monkeypatch):
    monkeypatch.setattr(external, "STARTING", 0.5)
    with pytest.raises(ValueError, match="target: no answer in"):
        toy("says nothing")
