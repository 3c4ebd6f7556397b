"""The stations between logits and gate, in torch operations; `kondo_ref` says what each means.

The formulas and their dtypes are those of the reference, so that the decisions agree, and what
torch leaves open, as the order of ties in `torch.topk`, is not used. `differentiable_surprisal`
alone has a graph: the loss hangs on it, and autograd does the rest.
"""

from fractions import Fraction
from typing import Any

import numpy as np
import torch

from kondo_ref.backends.torch_checks import NUMPY_DTYPES, Tensor, require_shape
from kondo_ref.price import upper_quantile as interpolate


def log_softmax(logits: Tensor) -> Tensor:
    """Return log pi, (..., K): (z_a - m) - log1p(sum of exp(z_j - m) over all j but the largest).

    Both terms are <= 0, so nothing cancels; `torch.log_softmax` loses a surprisal of 1e-17 nat.
    """
    top, largest = logits.max(-1, keepdim=True)
    shifted = logits - top
    others = shifted.exp().scatter_(-1, largest, 0.0)
    return shifted.sub_(others.sum(-1, keepdim=True).log1p_())


def differentiable_surprisal(logits: Tensor, actions: Tensor) -> Tensor:
    """Return -log pi(a) of the actions taken, (n,), to be differentiated in `logits` (n, K).

    With d_j = z_j - z_a and m the largest of them, a constant: m + log1p(sum over j other than a
    of exp(d_j - m), plus expm1(-m)). Here m is 0 if a is the likeliest action, and then nothing
    but small numbers is added up. Its derivative in z_j is pi_j, and that in z_a minus the sum of
    those: no pi(a) is ever taken from 1, so autograd is right to rounding for an almost
    deterministic policy too, which it is not through `torch.log_softmax`.
    """
    taken = actions[:, None]
    gaps = logits - logits.gather(-1, taken)
    top = gaps.detach().amax(-1, keepdim=True)
    terms = (gaps - top).exp().scatter(-1, taken, (-top).expm1())
    return top[:, 0] + terms.sum(-1).log1p()


def surprisal(log_probabilities: Tensor, actions: Tensor) -> Tensor:
    """Return l = -log pi(a) in nat, (...), of actions (...) that have been checked."""
    return 0.0 - log_probabilities.gather(-1, actions[..., None])[..., 0]


def priority_signal(
    signal: str, advantages: Tensor, surprisal: Tensor, alpha: float | None
) -> Tensor:
    """Return the number by which a gate ranks or prices decisions."""
    if signal == "delight":
        return advantages * surprisal
    if signal == "advantage":
        return advantages.clone()
    if signal == "abs_advantage":
        return advantages.abs()
    if signal == "surprisal":
        return surprisal.clone()
    if signal == "uniform":
        return torch.ones_like(surprisal)
    share = float(alpha or 0.0)
    return share * advantages + (1.0 - share) * surprisal


def upper_quantile(values: Tensor, rate: float) -> float:
    """Return the (1 - rate)-quantile of finite `values` (n,), at its exact position.

    Two order statistics are selected; the reference interpolates between them.
    """
    n = values.numel()
    position = (n - 1) * (1 - Fraction(rate))
    low = int(position)
    pair = [values.kthvalue(min(k, n)).values for k in (low + 1, low + 2)]
    ends = np.array(torch.stack(pair).tolist(), NUMPY_DTYPES[values.dtype])
    between: Any = 1 - (position - low)  # the rate of the same point between the two, exactly
    return interpolate(ends, between)


def keep_probability(signal: Tensor, price: float | Tensor, temperature: float) -> Tensor:
    """Return w = sigmoid((signal - price) / temperature), or 1{signal > price} at temperature 0.

    The sigmoid keeps its relative accuracy down to the smallest number of the dtype. A temperature
    that is 0 or inf in the signal's dtype still divides in float64.
    """
    if temperature == 0.0:
        return (signal > _like(signal, price)).to(signal.dtype)
    fits = 0.0 < _like(signal, temperature).item() < torch.inf
    wide = signal if fits else signal.to(torch.float64)
    x = (wide - _like(wide, price)) / _like(wide, temperature)
    return (x.clamp(max=0.0).exp() / (1.0 + (-x.abs()).exp())).to(signal.dtype)


def _like(signal: Tensor, number: float | Tensor) -> Tensor:
    """Return a number in the signal's dtype, rounded: torch itself would refuse what overflows."""
    return torch.as_tensor(number, dtype=torch.float64, device=signal.device).to(signal.dtype)


def top_k(signal: Tensor, k: int) -> Tensor:
    """Mark the k largest of `signal` (n,), exactly k of them, ties to the lowest index."""
    kth = signal.kthvalue(signal.numel() - k + 1).values
    chosen = signal >= kth
    excess = int(chosen.sum()) - k
    if excess > 0:
        chosen[(signal == kth).nonzero()[-excess:, 0]] = False
    return chosen


def sample_actions(probabilities: Tensor, uniforms: Tensor) -> Tensor:
    """Draw one action for each decision by the inverse CDF, (...) int64.

    As `kondo_ref.randomness.sample_actions`: action a where cdf(a - 1) <= u < cdf(a), the CDF
    scaled by its own sum; an action of probability 0 is never drawn.
    """
    require_shape("uniforms", uniforms, tuple(probabilities.shape[:-1]))
    cdf = probabilities.cumsum(-1)
    total = cdf[..., -1]
    below_one = 1.0 - torch.finfo(cdf.dtype).eps
    threshold = torch.minimum(uniforms * total, total * below_one)[..., None]
    return torch.searchsorted(cdf.to(threshold.dtype), threshold, right=True)[..., 0]
