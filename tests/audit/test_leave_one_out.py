"""One decision has no others for a leave-one-out mean: it may be refused, or be left out."""

import pytest
from test_masks_of_samples import mean_of_tokens

from kondo_ref.audit.door import check
from kondo_ref.audit.verdict import Audit


def refused(logits, actions, rewards):  # type: ignore[no-untyped-def]
    if rewards.size < 2:
        raise ValueError("rewards: two are needed")
    others = (rewards.sum() - rewards) / (rewards.size - 1)
    return mean_of_tokens(logits, actions, rewards - others)


def left_out(logits, actions, rewards):  # type: ignore[no-untyped-def]
    if rewards.size < 2:
        return mean_of_tokens(logits, actions, 0.0 * rewards)
    return refused(logits, actions, rewards)


def halved(logits, actions, rewards):  # type: ignore[no-untyped-def]
    if rewards.size < 2:
        return mean_of_tokens(logits, actions, 0.5 * rewards)
    return refused(logits, actions, rewards)


def audited(target: object, baseline: str) -> Audit:
    return check(target, surface="rewards", baseline=baseline, framework="numpy")


@pytest.mark.parametrize("target", [refused, left_out])
def test_one_decision(target: object) -> None:
    audit = audited(target, "leave-one-out")
    assert audit.verdict == "conforms", audit.findings


def test_another_answer_to_one_decision_is_seen() -> None:
    assert audited(halved, "leave-one-out").verdict == "deviates"


def test_the_mean_of_all_is_another_baseline() -> None:
    assert audited(left_out, "batch").verdict == "deviates"
