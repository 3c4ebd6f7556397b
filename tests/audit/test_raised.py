"""Exceptions on ordinary batches are reported; refusals that a target may make are not."""

import numpy as np
import pytest
from test_masks_of_samples import mean_of_tokens

from kondo_ref.audit.door import check


def more_than_64(logits, actions, advantages):  # type: ignore[no-untyped-def]
    if advantages.size > 64:
        raise RuntimeError("more than 64")
    return mean_of_tokens(logits, actions, advantages)


class EveryThirdCall:
    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, logits, actions, advantages):  # type: ignore[no-untyped-def]
        self.calls += 1
        if self.calls % 3 == 0:
            raise RuntimeError("third")
        return mean_of_tokens(logits, actions, advantages)


def a_mask_with_holes(logits, actions, advantages, mask=None):  # type: ignore[no-untyped-def]
    if mask is not None and actions.size == 32:
        raise ValueError("32 with a mask")
    return mean_of_tokens(logits, actions, advantages, mask)


@pytest.mark.parametrize(
    ("target", "told"),
    [
        (more_than_64, "N = 96): RuntimeError: more than 64"),
        (EveryThirdCall, "first fourth (N = 24): RuntimeError: third"),
        (a_mask_with_holes, "N = 32): ValueError: 32 with a mask"),
    ],
)
def test_an_ordinary_batch_that_raises(target: object, told: str) -> None:
    audit = check(target, framework="numpy")
    assert audit.verdict == "deviates"
    (found,) = (f for f in audit.findings if f.id == "robustness.raises")
    assert told in found.found
    assert 0 < found.evidence["raised"] < found.evidence["batches"]
    assert f"{found.evidence['raised']} of {found.evidence['batches']} ordinary" in found.found


def refuses_sequences(logits, actions, advantages):  # type: ignore[no-untyped-def]
    if actions.ndim > 1:
        raise ValueError("actions: expected (N,)")
    return mean_of_tokens(logits, actions, advantages)


def refuses_not_a_number(logits, actions, advantages):  # type: ignore[no-untyped-def]
    if not (np.isfinite(logits).all() and np.isfinite(advantages).all()):
        raise ValueError("not finite")
    return mean_of_tokens(logits, actions, advantages)


def refuses_nothing_kept(logp, advantages):  # type: ignore[no-untyped-def]
    gate = (-logp * advantages > 0).astype(float)
    if not np.isfinite(logp * advantages).all() or not gate.any():
        raise ValueError("nothing to keep")
    return gate


def test_refusals_by_design() -> None:
    for target in (refuses_sequences, refuses_not_a_number):
        audit = check(target, framework="numpy")
        assert audit.verdict == "conforms", audit.findings
    audit = check(refuses_nothing_kept, claim="zero-price", surface="gate", framework="numpy")
    assert "robustness.raises" not in {f.id for f in audit.findings}
