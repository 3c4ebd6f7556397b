"""Held-out mutants in torch: policy losses as language-model trainers write them."""

import torch
import torch.nn.functional as F

from targets.register import DG, PG, TOP_K, ZERO, mutant

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
    "advantage.positive-only",
    "The gate multiplies the ratio before the clip: failures, all with gates below 0.8, are lost.",
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
