"""Correct implementations in torch, each in a style of its own."""

import numpy as np
import torch
import torch.nn.functional as F

from kondo_ref import Fixed
from targets.register import DG, KONDO, PG, TOP_K, ZERO, correct


@correct("torch", "logits", DG)
def dg_sum_over_n(logits, actions, advantages):
    logp = torch.log_softmax(logits, dim=-1).gather(-1, actions.unsqueeze(-1)).squeeze(-1)
    delight = (advantages * -logp).detach()
    return -(torch.sigmoid(delight) * advantages * logp).sum() / actions.numel()


@correct("torch", "logits", DG)
def dg_weighted_cross_entropy(logits, actions, advantages, mask=None):
    nll = F.cross_entropy(
        logits.reshape(-1, logits.shape[-1]), actions.reshape(-1), reduction="none"
    ).view_as(advantages)
    weight = advantages * torch.sigmoid(advantages * nll.detach())
    if mask is None:
        return (weight * nll).mean()
    m = mask.to(nll.dtype)
    return (weight * nll * m).sum() / m.sum().clamp(min=1.0)


@correct("torch", "logprobs", DG)
def dg_softplus_potential(logp, advantages):
    """The slope of softplus(U l) in log pi is -sigmoid(U l) U: nothing needs to be detached."""
    return F.softplus(advantages * -logp).mean()


@correct("torch", "logits", {**DG, "temperature": 0.5, "price": Fixed(0.25)})
def dg_where_masked(logits, actions, advantages, mask, price=0.25, temperature=0.5):
    logp = torch.distributions.Categorical(logits=logits).log_prob(actions)
    with torch.no_grad():
        gate = torch.special.expit((advantages * -logp - price) / temperature)
    valid = mask != 0
    loss = torch.where(valid, -gate * advantages * logp, torch.zeros_like(logp))
    return loss.sum() / valid.sum().clamp(min=1)


@correct("torch", "logits", {**DG, "normalizer": "none"})
def dg_summed(logits, actions, advantages):
    logp = torch.log_softmax(logits, -1).gather(-1, actions[..., None])[..., 0]
    gate = torch.sigmoid(advantages * logp.detach().neg())
    return torch.sum(gate * advantages * logp).neg()


@correct("torch", "logits", DG, dtype="float32")
def dg_float32(logits, actions, advantages):
    logits, advantages = logits.float(), advantages.float()
    logp = logits.log_softmax(-1).gather(-1, actions.unsqueeze(-1)).squeeze(-1)
    delight = -advantages * logp.detach()
    return -(delight.sigmoid() * advantages * logp).mean()


@correct("torch", "logprobs", {**DG, "unit": "sequence"})
def dg_of_sequences(logp, advantages, mask):
    m = mask.to(logp.dtype)
    delight = (advantages * -logp.detach() * m).sum(1) / m.sum(1).clamp(min=1)
    gate = torch.sigmoid(delight)[:, None] * m
    return -(gate * advantages * logp).sum() / m.sum().clamp(min=1)


@correct("torch", "logits", DG)
def dg_as_ppo_ratio(logits, actions, advantages, clip=0.2):
    """On-policy: the ratio is 1, so the clip is never active."""
    logp = torch.distributions.Categorical(logits=logits).log_prob(actions)
    gated = advantages * torch.sigmoid(advantages * -logp.detach())
    ratio = torch.exp(logp - logp.detach())
    clipped = ratio.clamp(1 - clip, 1 + clip)
    return -torch.minimum(ratio * gated, clipped * gated).mean()


@correct("torch", "logits", ZERO)
def zero_price_boolean_index(logits, actions, advantages):
    if not (torch.isfinite(logits).all() and torch.isfinite(advantages).all()):
        raise ValueError("logits and advantages have to be finite")
    logp = logits.log_softmax(-1).gather(-1, actions.unsqueeze(-1)).squeeze(-1)
    keep = (advantages * -logp.detach()) > 0
    return -(advantages[keep] * logp[keep]).sum() / keep.numel()


@correct("torch", "logprobs", {**ZERO, "normalizer": "kept"})
def zero_price_mean_of_kept(logp, advantages):
    keep = ((advantages * -logp.detach()) > 0).to(logp.dtype)
    return -(keep * advantages * logp).sum() / keep.sum().clamp(min=1)


@correct("torch", "logits", KONDO)
def kondo_bernoulli(logits, actions, advantages, rate=0.1):
    logp = logits.log_softmax(-1).gather(-1, actions.unsqueeze(-1)).squeeze(-1)
    with torch.no_grad():
        delight = -advantages * logp
        price = torch.quantile(delight.flatten(), 1 - rate)
        gate = torch.bernoulli(torch.sigmoid(delight - price))
    return -(gate * advantages * logp).mean()


@correct("torch", "logprobs", {**KONDO, "rate": 0.3, "temperature": 0.5})
def kondo_numpy_round_trip(logp, advantages, uniforms, rate=0.3, temperature=0.5):
    chi = -(advantages * logp).detach().cpu().numpy()
    price = np.quantile(chi, 1 - rate)
    w = 1.0 / (1.0 + np.exp((price - chi) / temperature))
    gate = torch.from_numpy((uniforms.detach().cpu().numpy() < w).astype(chi.dtype))
    return -(gate * advantages * logp).sum() / logp.numel()


@correct("torch", "logits", {**TOP_K, "rate": 0.25})
def top_k_stable_sort(logits, actions, advantages, rate=0.25):
    logp = torch.log_softmax(logits, -1).gather(-1, actions.unsqueeze(-1)).squeeze(-1).flatten()
    u = advantages.flatten()
    k = max(1, round(rate * logp.numel()))
    order = torch.sort((u * -logp).detach(), descending=True, stable=True).indices
    kept = order[:k]
    return -(u[kept] * logp[kept]).sum() / logp.numel()


@correct("torch", "logits", {**TOP_K, "rate": 0.3, "unit": "sequence"})
def top_k_of_sequences(logits, actions, advantages, mask=None, rate=0.3):
    logp = logits.log_softmax(-1).gather(-1, actions.unsqueeze(-1)).squeeze(-1)
    m = torch.ones_like(logp) if mask is None else mask.to(logp.dtype)
    length = m.sum(-1)
    score = (advantages * -logp.detach() * m).sum(-1) / length.clamp(min=1)
    score = score.masked_fill(length == 0, -torch.inf)
    k = max(1, round(rate * int((length > 0).sum())))
    chosen = torch.zeros_like(score)
    chosen[score.argsort(descending=True, stable=True)[:k]] = 1.0
    gate = chosen.unsqueeze(-1) * m
    return -(gate * advantages * logp).sum() / m.sum().clamp(min=1)


@correct("torch", "logits", PG)
def pg_micro_batches(logits, actions, advantages, micro_batch_size=8):
    total = 0.0
    for z, a, u in zip(
        logits.split(micro_batch_size),
        actions.split(micro_batch_size),
        advantages.split(micro_batch_size),
        strict=True,
    ):
        total = total - (u * torch.distributions.Categorical(logits=z).log_prob(a)).sum()
    return total / actions.numel()


@correct("torch", "logprobs", PG)
def pg_per_decision(logp, advantages):
    """One loss for each decision, already divided: the caller sums."""
    return -(advantages * logp) / logp.numel()


@correct("torch", "rewards", PG, baseline="group")
def reinforce_with_group_mean(logits, actions, rewards, groups):
    logp = F.log_softmax(logits, -1).gather(-1, actions[:, None]).squeeze(1)
    same = (groups[:, None] == groups[None, :]).to(rewards.dtype)
    advantages = rewards - same @ rewards / same.sum(1)
    return -(advantages * logp).mean()


@correct("torch", "rewards", ZERO, baseline="expected")
def zero_price_with_expected_confidence(logits, actions, rewards):
    log_pi = F.log_softmax(logits, -1)
    logp = log_pi.gather(-1, actions[:, None]).squeeze(1)
    with torch.no_grad():
        advantages = rewards - log_pi.exp().square().sum(-1)
        keep = (advantages * -logp > 0).to(logp.dtype)
    return -(keep * advantages * logp).mean()


@correct("torch", "screen+loss", {**TOP_K, "rate": 0.25})
class TopKSubset:
    def __init__(self, rate=0.25):
        self.rate, self.n = rate, 0

    @torch.no_grad()
    def screen(self, logp, advantages):
        if logp.dim() != 1:
            raise ValueError(f"logp: expected shape (N,), got {tuple(logp.shape)}")
        if not torch.isfinite(advantages * logp).all():
            raise ValueError("delight: expected finite numbers")
        self.n = logp.numel()
        k = max(1, round(self.rate * self.n))
        return torch.argsort(advantages * logp, stable=True)[:k]

    def loss(self, logp, advantages):
        return -(advantages * logp).sum() / self.n


@correct("torch", "step", {**TOP_K, "rate": 0.25, "skips": True})
def step_that_skips(model, observations, actions, advantages, rate=0.25):
    (n,) = actions.shape
    with torch.no_grad():
        logp = model(observations).log_softmax(-1).gather(-1, actions[:, None])[:, 0]
        order = torch.argsort(-advantages * logp, descending=True, stable=True)
        kept = order[: max(1, round(rate * n))].sort().values
    picked = observations.index_select(0, kept)
    logp = model(picked).log_softmax(-1).gather(-1, actions[kept, None])[:, 0]
    loss = -(advantages[kept] * logp).sum() / n
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


@correct("torch", "step", {**ZERO, "skips": True})
class AdamThatWaits:
    """No backward and no step where nothing is kept: momentum must not move the weights."""

    def __init__(self):
        self.optimizer = None

    def __call__(self, model, observations, actions, advantages):
        assert actions.dim() == 1, "one decision a row"
        if self.optimizer is None:
            self.optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
        with torch.no_grad():
            logp = model(observations).log_softmax(-1).gather(-1, actions[:, None])[:, 0]
            delight = -advantages * logp
            if not delight.isfinite().all():
                raise ValueError("delight: expected finite numbers")
            kept = torch.nonzero(delight > 0).flatten()
        if kept.numel() == 0:
            return 0.0
        self.optimizer.zero_grad()
        logp = model(observations[kept]).log_softmax(-1).gather(-1, actions[kept, None])[:, 0]
        loss = -(advantages[kept] * logp).sum() / actions.shape[0]
        loss.backward()
        self.optimizer.step()
        return loss.item()


@correct("torch", "step", DG)
def masked_step_that_claims_no_saving(model, observations, actions, advantages):
    logp = torch.distributions.Categorical(logits=model(observations)).log_prob(actions)
    gate = torch.sigmoid(-advantages * logp.detach())
    model.zero_grad()
    (-(gate * advantages * logp).mean()).backward()
    torch.optim.SGD(model.parameters(), lr=0.1).step()
