"""What the updates of many contexts ascend: sum p, sum log p, and sum log(1 + p) under DG."""

import numpy as np
import pytest

from kondo_ref import Gate
from kondo_ref.exact.contexts import block_update, cross_entropy_update

LOGITS = np.array([[0.3, -1.2, 0.5], [2.0, 0.1, -0.4], [-3.0, 1.0, 0.0]])
TARGETS = np.array([0, 0, 1])


def probabilities(logits):
    z = np.exp(logits)
    return z[np.arange(3), TARGETS] / z.sum(axis=1)


def slope(objective):
    """Differentiate by complex step; nothing in it is shared with the code under test."""
    found = np.empty(LOGITS.shape)
    for place in np.ndindex(*LOGITS.shape):
        moved = LOGITS.astype(complex)
        moved[place] += 1e-30j
        found[place] = objective(probabilities(moved)).sum().imag / 1e-30
    return found


def updated(gate):
    rewards = np.zeros(LOGITS.shape)
    rewards[np.arange(3), TARGETS] = 1.0
    return block_update(LOGITS, rewards, np.zeros(3), gate)


@pytest.mark.parametrize(
    ("objective", "update"),
    [
        (lambda p: p, lambda: updated(Gate.named("pg"))),
        (np.log, lambda: cross_entropy_update(LOGITS, TARGETS)),
        (np.log1p, lambda: updated(Gate.named("dg"))),
    ],
    ids=["pg: p", "cross-entropy: log p", "dg: log(1 + p)"],
)
def test_what_an_update_ascends(objective, update):
    np.testing.assert_allclose(update(), slope(objective), rtol=1e-12)


def test_they_ascend_different_things():
    assert not np.allclose(updated(Gate.named("dg")), slope(np.log), rtol=1e-2)
    assert not np.allclose(updated(Gate.named("dg", temperature=2.0)), slope(np.log1p), rtol=1e-2)
