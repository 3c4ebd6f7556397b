"""What a target is, where nobody says: also one that nothing but a named method leads to."""

import numpy as np
import pytest

from kondo_ref import Gate, policy_gradient
from kondo_ref.audit import check
from kondo_ref.audit.identify_unclaimed import near
from kondo_ref.checks import FloatArray, IntArray


def loss_of(gate: Gate, scale: float = 1.0):  # type: ignore[no-untyped-def]
    def loss(
        logits: FloatArray, actions: IntArray, advantages: FloatArray
    ) -> tuple[float, FloatArray]:
        done = policy_gradient(logits, actions, advantages, gate)
        return scale * done.loss, scale * done.dlogits

    return loss


def attached(
    logits: FloatArray, actions: IntArray, advantages: FloatArray
) -> tuple[float, FloatArray]:
    """Return DG with a gate that is differentiated, by the product rule."""
    shifted = logits - logits.max(-1, keepdims=True)
    log_pi = shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))
    logp = np.take_along_axis(log_pi, actions[..., None], -1)[..., 0]
    w = np.exp(-np.logaddexp(0.0, advantages * logp))
    leak = w * (1 - w) * -advantages * logp
    c = (w + leak) * advantages / logp.size
    direction = np.eye(logits.shape[-1])[actions] - np.exp(log_pi)
    return float(-(w * advantages * logp).mean()), -c[..., None] * direction


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (loss_of(Gate.named("dg", temperature=0.5)), {"method": "dg", "temperature": 0.5}),
        (loss_of(Gate.named("pg")), {"method": "pg", "detach": "constant"}),
        (loss_of(Gate.named("kondo-top-k", rate=0.25)), {"method": "kondo-top-k", "rate": 0.25}),
        (loss_of(Gate.named("zero-price"), 2.0), {"method": "zero-price", "gain": 2.0}),
        (attached, {"method": "dg", "detach": "gate"}),
    ],
)
def test_a_target_is_identified(target, expected) -> None:  # type: ignore[no-untyped-def]
    audit = check(target, claim=None, framework="numpy")
    assert audit.verdict == "identified"
    assert audit.findings == ()
    found = {name: audit.identified[name].value for name in expected}
    for name, value in expected.items():
        close = isinstance(value, float) and found[name] == pytest.approx(value, rel=0.02)
        assert close or found[name] == value, (name, found)


def test_the_rates_that_are_tried() -> None:
    assert near(0.11)[0] == 0.1
    assert 0.25 in near(0.27)
    assert near(0.9) == []
