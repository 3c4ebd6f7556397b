"""Two losses of the Delightful Policy Gradient for the tutorial: one is right, one is not."""

import torch


def dg_loss(logits, actions, advantages):
    """Return the DG loss: each decision weighs sigmoid(U * l)."""
    logp = torch.log_softmax(logits, -1).gather(-1, actions[..., None])[..., 0]
    delight = advantages * -logp.detach()
    return -(torch.sigmoid(delight) * advantages * logp).mean()


def attached_dg_loss(logits, actions, advantages):
    """Return the same loss, its gate not detached: another estimator."""
    logp = torch.log_softmax(logits, -1).gather(-1, actions[..., None])[..., 0]
    delight = advantages * -logp
    return -(torch.sigmoid(delight) * advantages * logp).mean()
