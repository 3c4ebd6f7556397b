"""Held-out mutants in torch: policy losses as language-model trainers write them."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

from targets.register import DG, KONDO, PG, TOP_K, ZERO, mutant

QUARTER = {**TOP_K, "rate": 0.25}


def gather_log_probs(logits, labels):
    return -F.cross_entropy(logits.movedim(-1, 1), labels, reduction="none")


@mutant(
    "torch",
    "logprobs",
    DG,
    "normalizer.sequence-mean",
    "Rows are averaged, then the batch; and the surprisal is capped at 4 nat.",
    on="ragged",
    also=("surprisal.clamped",),
)
class AggregatedPolicyLoss:
    """With the loss aggregation mode of a config, as verl has it."""

    def __init__(self, mode="seq-mean-token-mean", cap=4.0):
        self.mode, self.cap = mode, cap

    def aggregate(self, loss, mask):
        if self.mode == "token-mean":
            return (loss * mask).sum() / mask.sum()
        if self.mode == "seq-mean-token-sum":
            return (loss * mask).sum(-1).mean()
        return ((loss * mask).sum(-1) / mask.sum(-1).clamp(min=1)).mean()

    def __call__(self, logp, advantages, response_mask):
        nll = (-logp.detach()).clamp(max=self.cap)
        gate = (advantages * nll).sigmoid()
        return self.aggregate(-gate * advantages * logp, response_mask.to(logp.dtype))


@mutant(
    "torch",
    "logprobs",
    DG,
    "units.shared",
    "Packed rows with cu_seqlens: each segment of 4 tokens is gated as one, tokens are claimed.",
)
def packed_segments(logp, advantages, segment=4):
    total = logp.numel()
    cu_seqlens = torch.arange(0, total + segment, segment).clamp(max=total)
    lengths = cu_seqlens.diff()
    owner = torch.repeat_interleave(torch.arange(lengths.numel()), lengths)
    delight = (advantages * -logp.detach()).flatten()
    per_segment = torch.zeros(lengths.numel(), dtype=logp.dtype).index_add(0, owner, delight)
    gate = torch.sigmoid(per_segment / lengths.clamp(min=1))[owner].view_as(logp)
    return -(gate * advantages * logp).mean()


@mutant(
    "torch",
    "logprobs",
    DG,
    "placement.after-clip",
    "The gate multiplies the ratio before the clip: failures with a gate below 0.8 lose theirs.",
)
def gated_ratio_is_clipped(logp, advantages, clip=0.2):
    gate = torch.sigmoid(advantages * -logp.detach())
    ratio = gate * torch.exp(logp - logp.detach())
    clipped = torch.clamp(ratio, 1 - clip, 1 + clip)
    return -torch.min(ratio * advantages, clipped * advantages).mean()


@mutant(
    "torch",
    "logprobs",
    PG,
    "dynamics.stale",
    "The old log-probabilities are those of the first batch: later ratios are clipped away.",
    on="two batches",
)
class EpochsOverOneRollout:
    def __init__(self, clip=0.2):
        self.clip, self.old = clip, None

    def __call__(self, logp, advantages):
        if self.old is None or self.old.shape != logp.shape:
            self.old = logp.detach()
        ratio = (logp - self.old).exp()
        surrogate = torch.min(
            ratio * advantages, ratio.clamp(1 - self.clip, 1 + self.clip) * advantages
        )
        return -surrogate.mean()


@mutant(
    "torch",
    "logits",
    ZERO,
    "placement.extra-term",
    "A KL penalty to the uniform policy, gated too: kept rows have a gradient of their own.",
    shows="residual",
)
def gated_kl_penalty(logits, actions, advantages, beta=0.04):
    log_pi = logits.log_softmax(-1)
    logp = log_pi.gather(-1, actions.unsqueeze(-1)).squeeze(-1)
    keep = (advantages * -logp.detach() > 0).to(logp.dtype)
    uniform = torch.full_like(log_pi, -torch.log(torch.tensor(float(log_pi.shape[-1]))).item())
    kl = F.kl_div(uniform, log_pi, log_target=True, reduction="none").sum(-1)
    return (keep * (-advantages * logp + beta * kl)).mean()


@mutant(
    "torch",
    "rewards",
    DG,
    "advantage.standardised",
    "GRPO in one class: group deviation in the advantage, and a whitened delight.",
    on="groups",
    also=("signal.whitened",),
    baseline="group",
)
class GroupRelative:
    def advantages(self, rewards, groups):
        table = {g: rewards[groups == g] for g in groups.unique().tolist()}
        mean = torch.stack([table[g].mean() for g in groups.tolist()])
        std = torch.stack([table[g].std() for g in groups.tolist()])
        return (rewards - mean) / (std + 1e-6)

    def __call__(self, logits, actions, rewards, groups):
        adv = self.advantages(rewards, groups)
        logp = gather_log_probs(logits, actions)
        delight = (adv * -logp).detach()
        delight = (delight - delight.mean()) / (delight.std() + 1e-6)
        return -(torch.sigmoid(delight) * adv * logp).mean()


@mutant(
    "torch",
    "rewards",
    PG,
    "advantage.baseline",
    "The baseline leaves the sample out, although the group mean is documented.",
    on="groups",
    baseline="group",
)
def leave_one_out_in_disguise(logits, actions, rewards, groups):
    logp = gather_log_probs(logits, actions)
    same = groups.unsqueeze(0).eq(groups.unsqueeze(1)).to(rewards.dtype)
    others = same - torch.eye(len(groups), dtype=rewards.dtype)
    baseline = others @ rewards / others.sum(1).clamp(min=1)
    return -((rewards - baseline) * logp).mean()


@mutant(
    "torch",
    "logits",
    DG,
    "normalizer.other",
    "Means of micro-batches of 8 are averaged: rows of a short last one weigh more.",
    on="sizes",
)
def accumulated_means(logits, actions, advantages, micro=8):
    parts = (x.split(micro) for x in (logits, actions, advantages))
    chunks = list(zip(*parts, strict=True))
    loss = logits.new_zeros(())
    for z, a, u in chunks:
        logp = gather_log_probs(z, a)
        gate = torch.sigmoid(u * -logp.detach())
        loss = loss + (-(gate * u * logp).mean()) / len(chunks)
    return loss


@mutant(
    "torch",
    "logits",
    QUARTER,
    "count.per-part",
    "Each micro-batch of 10 keeps its own best quarter, rounded by itself.",
)
def top_k_of_each_chunk(logits, actions, advantages, rate=0.25, chunk=10):
    kept_loss = []
    for rows in torch.arange(actions.shape[0]).split(chunk):
        z, a, u = logits[rows], actions[rows], advantages[rows]
        logp = gather_log_probs(z, a)
        best = (-u * logp).detach().argsort(descending=True, stable=True)
        best = best[: max(1, round(rate * len(a)))]
        kept_loss.append(-(u * logp)[best].sum())
    return torch.stack(kept_loss).sum() / actions.numel()


@mutant(
    "torch",
    "logprobs",
    {**KONDO, "rate": 0.25, "temperature": 0.0},
    "price.history",
    "A registered buffer follows the quantile with a decay of 0.9, and is what is compared.",
    on="two batches",
)
class SmoothedPrice(nn.Module):
    def __init__(self, rate=0.25, decay=0.9):
        super().__init__()
        self.rate, self.decay = rate, decay
        self.register_buffer("price", torch.zeros((), dtype=torch.float64))
        self.register_buffer("steps", torch.zeros((), dtype=torch.long))

    def forward(self, logp, advantages):
        delight = (advantages * -logp).detach()
        now = torch.quantile(delight.double(), 1 - self.rate)
        self.price = now if self.steps == 0 else torch.lerp(now, self.price, self.decay)
        self.steps += 1
        keep = (delight > self.price).to(logp.dtype)
        return -(keep * advantages * logp).mean()


@mutant(
    "torch",
    "logits",
    QUARTER,
    "dynamics.warm-up",
    "The rate falls from 1 to 0.25 over the first four calls.",
)
@dataclass
class AnnealedRate:
    final: float = 0.25
    calls: int = 0

    def __call__(self, logits, actions, advantages):
        rate = max(self.final, 1.0 - 0.25 * self.calls)
        self.calls += 1
        logp = gather_log_probs(logits, actions)
        delight = (advantages * -logp).detach()
        k = max(1, round(rate * delight.numel()))
        kept = delight.argsort(descending=True, stable=True)[:k]
        return -(advantages[kept] * logp[kept]).sum() / delight.numel()


@mutant(
    "torch",
    "logits",
    TOP_K,
    "count.minimum",
    "At least four rows are kept, so that the batch norm of the head has something to see.",
    on="small",
)
def never_fewer_than_four(logits, actions, advantages, rate=0.1, least=4):
    logp = gather_log_probs(logits, actions)
    ranks = torch.argsort(advantages * logp.detach(), stable=True)
    k = min(max(least, round(rate * len(ranks))), len(ranks))
    keep = torch.isin(torch.arange(len(ranks)), ranks[:k])
    return -torch.where(keep, advantages * logp, 0.0).sum() / len(ranks)


@mutant(
    "torch",
    "logprobs",
    QUARTER,
    "count.other",
    "Of the k largest only those with positive delight are kept: none of a batch of failures.",
    on="nothing",
)
def positive_top_k(logp, advantages, rate=0.25):
    delight = (advantages * -logp).detach()
    values, order = delight.sort(descending=True, stable=True)
    k = max(1, round(rate * len(delight)))
    kept = order[:k][values[:k] > 0]
    return -(advantages[kept] * logp[kept]).sum() / len(delight)


@mutant(
    "torch",
    "logits",
    QUARTER,
    "robustness.mask-ignored",
    "Indices into the valid tokens are used on the padded ones: with padding, others are kept.",
    on="ragged",
)
def index_of_another_array(logits, actions, advantages, mask, rate=0.25):
    logp = gather_log_probs(logits, actions)
    valid = mask.bool()
    delight = (advantages * -logp).detach()[valid]
    k = max(1, round(rate * delight.numel()))
    kept = delight.argsort(descending=True, stable=True)[:k]
    return -(advantages.flatten()[kept] * logp.flatten()[kept]).sum() / valid.sum()


@mutant(
    "torch",
    "logits",
    DG,
    "robustness.precision",
    "The log-softmax runs in bfloat16, as under autocast; the loss has two digits.",
)
def autocast_forward(logits, actions, advantages):
    logp = gather_log_probs(logits.to(torch.bfloat16), actions).to(logits.dtype)
    gate = torch.sigmoid(-advantages * logp.detach())
    return -(gate * advantages * logp).mean()


@mutant(
    "torch",
    "logprobs",
    DG,
    "draw.other",
    "Dropout on the gates: a tenth of them is 0, the others are scaled up.",
)
def gate_dropout(logp, advantages):
    gate = torch.sigmoid(advantages * -logp.detach())
    gate = F.dropout(gate, p=0.1, training=True)
    return torch.mean(-gate * advantages * logp)


@mutant(
    "torch",
    "gate",
    QUARTER,
    "draw.fixed-count",
    "Gumbel top-k: noise is added to the delight, so the k largest are a sample.",
    shows="share",
)
def gumbel_top_k(log_probs, advantages, rate=0.25):
    u = torch.rand_like(log_probs).clamp_min(1e-12)
    noisy = -log_probs * advantages - torch.log(-torch.log(u))
    k = max(1, round(rate * noisy.numel()))
    kth = noisy.kthvalue(noisy.numel() - k + 1).values
    return (noisy >= kth).to(log_probs.dtype)


@mutant(
    "torch",
    "logprobs",
    ZERO,
    "ties.margin",
    "A decision has to beat the price by 0.2: small delights are lost.",
)
def with_a_margin(logp, advantages, margin=0.2):
    keep = torch.gt(advantages * -logp.detach(), margin)
    return -torch.masked_select(advantages * logp, keep).sum() / keep.numel()
