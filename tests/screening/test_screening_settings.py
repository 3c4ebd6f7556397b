"""Settings of the screening study, and screeners by word."""

from typing import Any

import numpy as np
import pytest

from kondo_ref import MLP, Adam, Gate, Learner, TrainingState
from kondo_ref.models.transformer import Transformer
from kondo_ref.screeners.cached import CachedPolicy, CachedSignal
from kondo_ref.screeners.draft import Draft
from kondo_ref.screeners.exact import Exact, Noisy
from kondo_ref.screeners.fidelity import fidelity
from kondo_ref.screeners.named import Setting, screener_named, speculation_named
from kondo_ref.screeners.quantised import Quantised, exact_dtype
from kondo_ref.screeners.screener import Screener
from kondo_ref.screeners.speculation import Speculation
from kondo_ref.screeners.stale import Stale
from kondo_ref.tasks.screening.settings import Settings
from kondo_ref.tasks.screening.task import TASK
from kondo_ref.tasks.screening.train import train

MODEL = MLP((6, 5, 4))
SETTING = Setting(MODEL, 20, np.float32)


def learner() -> Learner:
    return Learner(TrainingState(MODEL, MODEL.initialize(0), Adam(0.1)))


def test_screeners_by_word() -> None:
    assert type(screener_named("exact", SETTING)) is Exact
    assert screener_named("additive:0.5", SETTING) == Noisy("additive", 0.5)
    assert screener_named("multiplicative:2", SETTING) == Noisy("multiplicative", 2.0)
    assert screener_named("stale:7", SETTING) == Stale(7)
    assert screener_named("int8", SETTING) == Quantised("int8")
    assert screener_named("bfloat16", SETTING) == Quantised("bfloat16")
    cached = screener_named("cached:3", SETTING)
    assert isinstance(cached, CachedPolicy)
    assert (cached.refresh, cached.known.shape, cached.known.dtype) == (3, (20, 4), np.float32)
    signal = screener_named("cached-signal:3", SETTING)
    assert isinstance(signal, CachedSignal)
    assert not signal.has_policy
    for word, teach in (("draft:3", 10), ("draft:3:0", 0)):
        draft = screener_named(word, SETTING)
        assert isinstance(draft, Draft)
        assert (draft.model.sizes, draft.teach) == ((6, 3, 4), teach)
    assert speculation_named("int8@0.2", learner(), SETTING).propose == 0.2
    assert speculation_named("int8", learner(), SETTING).propose is None


def test_a_draft_does_not_begin_as_the_exact_network() -> None:
    draft = screener_named("draft:5", SETTING)
    assert isinstance(draft, Draft)
    assert not np.array_equal(draft.parameters.flat, MODEL.initialize(0, np.float32).flat)


@pytest.mark.parametrize(
    "word",
    ["", "exakt", "exact:1", "stale", "stale:0", "stale:x", "stale:1.5", "additive", "additive:-1",
     "additive:nan", "additive:inf", "int8:4", "cached:0", "cached-signal", "draft:0",
     "draft:1:2:3", "draft:4:-1"],
)  # fmt: skip
def test_a_word_that_is_none_is_refused_by_name(word: str) -> None:
    with pytest.raises(ValueError, match=r"^screener: ") as caught:
        screener_named(word, SETTING)
    assert repr(word) in str(caught.value)
    assert "\n" not in str(caught.value)


def raising(word: str) -> None:
    speculation_named(word, learner(), SETTING)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: raising("int8@x"), "screener: expected a rate after @, got 'int8@x'"),
        (lambda: raising("int8@0"), "propose: expected a number in (0, 1], got 0"),
        (lambda: raising("exact@0.5"), "propose: a screener that looks exactly has nothing"),
        (lambda: Noisy("pink", 1.0), "kind: expected one of additive, multiplicative; got 'pink'"),
        (lambda: Quantised("int4"), "format: expected one of int8, bfloat16; got 'int4'"),
        (lambda: CachedPolicy(4, 1, 2, "float64").look(learner(), np.zeros((2, 6)), None), "index"),
        (
            lambda: CachedPolicy(4, 1, 2, "float64").look(
                learner(), np.zeros((2, 6)), np.arange(3)
            ),
            "index: expected shape (2,), got (3,)",
        ),
    ],
)
def test_what_a_screener_refuses(call: Any, message: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the message is compared below
        call()
    assert message in str(caught.value)


def test_what_a_speculation_refuses() -> None:
    x, actions, gains = np.zeros((3, 6)), np.zeros(3, int), np.ones(3)
    subject = Speculation(learner(), Noisy("additive", 1.0))
    with pytest.raises(ValueError, match=r"^normals: needed by a noisy screener, shape \(3,\)"):
        subject.update(subject.look(x), actions, gains, Gate())
    with pytest.raises(ValueError, match=r"^normals: expected shape \(3,\), got \(2,\)"):
        subject.update(subject.look(x), actions, gains, Gate(), normals=np.zeros(2))
    with pytest.raises(ValueError, match=r"^advantages: expected shape \(3,\), got \(2,\)"):
        subject.update(subject.look(x), actions, gains[:2], Gate())
    with pytest.raises(ValueError, match=r"^actions: 9 at index \(0,\) is not in 0..3"):
        subject.update(subject.look(x), actions + 9, gains, Gate())
    with pytest.raises(ValueError, match=r"^normalizer: expected one of"):
        subject.update(subject.look(x), actions, gains, Gate(), normalizer="all")
    checked = Speculation(learner(), Stale(1), 0.5)
    for gate in (Gate(), Gate.named("kondo-top-k", rate=0.6)):
        with pytest.raises(ValueError, match=r"^propose: needs the draw top_k at a rate of at mo"):
            checked.update(checked.look(x), actions, gains, gate)
    with pytest.raises(NotImplementedError):
        Screener().look(learner(), x, None)
    model = Transformer(4, 3, 5, 4, 1, 1, 4)
    sequences = Learner(TrainingState(model, model.initialize(0), Adam(0.1)))
    with pytest.raises(TypeError, match=r"^learner: expected one of an MLP, got Transformer"):
        Speculation(sequences, Exact())
    with pytest.raises(TypeError, match=r"^start: expected an MLP, got Transformer"):
        Draft(sequences.state(), 1)
    plain = Speculation(learner(), Exact())
    result = plain.update(plain.look(x), actions, gains, Gate())
    with pytest.raises(ValueError, match=r"^exact_signal: expected shape \(3,\)"):
        fidelity(result.screening, np.ones(4))


def test_a_look_serves_one_update() -> None:
    x, actions, gains = np.ones((3, 6)), np.zeros(3, int), np.ones(3)
    subject = Speculation(learner(), Exact())
    look = subject.look(x)
    subject.update(look, actions, gains, Gate())
    with pytest.raises(ValueError, match=r"^policy: expected that of this learner's last forward"):
        subject.update(look, actions, gains, Gate())


def test_sums_of_int8_products_are_exact() -> None:
    """At the largest inner dimension that float32 is used for, with the largest numbers."""
    inputs = (2**24 - 1) // 127**2
    assert exact_dtype(inputs) is np.float32
    assert exact_dtype(inputs + 1) is np.float64
    full = np.full(inputs, 127.0, np.float32)
    assert float(full @ full) == 127**2 * inputs


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"methods": ("exact", "exact")}, "methods: expected distinct screeners"),
        ({"methods": ()}, "methods: expected distinct screeners"),
        ({"methods": ("stale:0",)}, "screener: 'stale:0'"),
        ({"methods": ("cached-signal:4",), "actor": "screener"}, "actor: cached-signal:4 has no"),
        ({"methods": ("exact@0.5",)}, "methods: exact@0.5 needs an estimate to be checked"),
        ({"methods": ("int8@0.01",)}, "methods: int8@0.01 needs an estimate to be checked"),
        ({"methods": ("int8@0.1",), "gate": "dg"}, "methods: int8@0.1 needs an estimate"),
        ({"methods": ("int8@2",)}, "methods: expected a number in (0, 1]"),
        ({"gate": "pg"}, "gate: expected one of kondo-top-k"),
        ({"actor": "me"}, "actor: expected one of exact, screener"),
        ({"rate": 0.0}, "rate: expected a number in (0, 1]"),
        ({"steps": 0}, "steps: expected at least 1"),
        ({"data": "half"}, "data: expected one of embedded, full"),
    ],
)
def test_settings_out_of_range(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the message is compared below
        Settings(**given)
    assert str(caught.value).startswith(message)


def test_options_that_nothing_looks_at() -> None:
    with pytest.raises(ValueError, match=r"^--rate: has no effect here"):
        TASK.configure({"rate": 0.1, "gate": "dg", "methods": ("exact",)}, {"data_dir": None})
    with pytest.raises(ValueError, match=r"^batch: expected at most the 8000 training images"):
        TASK.configure({"batch": 9000}, {"data_dir": None})


def test_another_backend_is_refused() -> None:
    settings = Settings(methods=("exact",), steps=1)
    with pytest.raises(ValueError, match=r"^--backend: the task screening needs numpy, got torch"):
        train(settings.to_dict(), {"data_dir": None}, "torch", "exact", 0, lambda _: None)
