"""What a target returned is read as what it is: a tuple of weights, a loss without a graph."""

import math

import torch

from kondo_ref.audit.door import check


def a_tuple_of_weights(logp, advantages):  # type: ignore[no-untyped-def]
    if not all(map(math.isfinite, (*logp, *advantages))):
        raise ValueError("not finite")
    return tuple(
        1.0 / (1.0 + math.exp(min(700.0, u * own))) for own, u in zip(logp, advantages, strict=True)
    )


def test_a_tuple_of_numbers_is_a_list_of_weights() -> None:
    audit = check(a_tuple_of_weights, surface="lists", framework="python")
    assert audit.verdict == "conforms", audit.identified


def loss_of(logits, actions, advantages):  # type: ignore[no-untyped-def]
    own = logits.log_softmax(-1).gather(-1, actions[..., None])[..., 0]
    return -(torch.sigmoid(-advantages * own).detach() * advantages * own).mean()


def in_no_grad(logits, actions, advantages):  # type: ignore[no-untyped-def]
    with torch.no_grad():
        return loss_of(logits, actions, advantages)


def switches_gradients_off(logits, actions, advantages):  # type: ignore[no-untyped-def]
    torch.set_grad_enabled(False)
    return loss_of(logits, actions, advantages)


def test_a_loss_without_a_gradient_is_unusable() -> None:
    for target in (in_no_grad, switches_gradients_off):
        audit = check(target, framework="torch")
        assert audit.verdict == "unusable"
        assert audit.identified["unusable"].evidence == "the loss has no gradient (grad_fn)"
        assert torch.is_grad_enabled()
