"""The masked step of a transformer in torch, as public implementations write it.

What skipping is measured against: one forward with a graph over all tokens of a (B, T) batch, a
gate of zeros and ones, a masked mean as the loss, one backward over everything, Adam. The gate
saves nothing here, whatever its rate and unit. Plain eager torch at its fastest: fused attention,
tensors from the start, nothing checked.
"""

from collections.abc import Callable
from itertools import cycle
from typing import TYPE_CHECKING, Any

from kondo_ref.gate import Gate
from kondo_ref.layers import NORM_EPSILON
from kondo_ref.models.transformer import Transformer
from kondo_ref.optim import Adam
from kondo_ref.parameters import Parameters
from kondo_ref.step import TrainingState

if TYPE_CHECKING:
    from kondo_ref.bench.transformer import Rollout


def masked_variants(
    state: TrainingState, rollouts: list["Rollout"], gate: Gate
) -> dict[str, Callable[[], int]]:
    """Return the masked step of a unit, with torch's default Adam and with its fused one.

    Parameters
    ----------
    state : TrainingState
        Of a Transformer; parameters and Adam settings to start from, torch's moments start at zero.
    rollouts : list of Rollout
        Taken in turn; every sequence has all T tokens.
    gate : Gate
        A kondo-top-k: it keeps the ``max(1, round(rate * units))`` largest delights, and ties with
        the last.

    Returns
    -------
    dict
        By name, a step that returns the rows that entered the backward: all of them.
    """
    return {
        f"torch masked {gate.unit}": masked_step(state, rollouts, gate, fused=None),
        f"torch masked {gate.unit} fused": masked_step(state, rollouts, gate, fused=True),
    }


def masked_step(
    state: TrainingState, rollouts: list["Rollout"], gate: Gate, *, fused: bool | None
) -> Callable[[], int]:
    """Return the masked step of a network of its own; ``step.network`` is that network."""
    import torch
    from torch.nn import functional as F

    assert isinstance(state.optimizer, Adam)
    assert isinstance(state.model, Transformer)
    network = build(state.model, state.parameters)
    optimizer = torch.optim.Adam(
        network.parameters(),
        lr=state.optimizer.learning_rate,
        betas=(state.optimizer.beta1, state.optimizer.beta2),
        eps=state.optimizer.epsilon,
        fused=fused,
    )
    batches = cycle(
        [
            tuple(torch.tensor(array) for array in (r.tokens, r.actions, r.advantages, r.mask))
            for r in rollouts
        ]
    )
    rate = gate.rate or 0.0

    def keep(delight: Any, mask: Any) -> Any:
        """Return the gate, (B, T) bool."""
        if gate.unit == "sequence":
            valid = mask.sum(1)
            means = (delight * mask).sum(1) / valid.clamp(min=1)
            means = means.masked_fill(valid == 0, -torch.inf)
            k = max(1, round(rate * int((valid > 0).sum())))
            return (means >= means.topk(k).values[-1])[:, None] & mask
        scores = delight.masked_fill(~mask, -torch.inf)
        k = max(1, round(rate * int(mask.sum())))
        return scores >= scores.flatten().topk(k).values[-1]

    def step() -> int:
        tokens, actions, advantages, mask = next(batches)
        log_probs = F.log_softmax(network(tokens), dim=-1)
        log_prob = log_probs.gather(-1, actions[..., None])[..., 0]
        with torch.no_grad():
            weight = keep(advantages * -log_prob, mask).to(log_prob.dtype)
        loss = -(weight * advantages * log_prob).sum() / mask.sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        rows: int = tokens.numel()
        return rows

    step.network = network  # type: ignore[attr-defined]
    return step


def build(model: Transformer, parameters: Parameters) -> Any:
    """Return a plain torch module with a copy of some parameters; tokens (B, T) to logits."""
    import torch
    from torch import nn
    from torch.nn import functional as F

    def product(inputs: int, outputs: int) -> Any:
        return nn.Linear(inputs, outputs, bias=model.biases)

    def norm() -> Any:
        return nn.LayerNorm(model.width, eps=NORM_EPSILON, bias=model.biases)

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm1, self.norm2 = norm(), norm()
            self.query_key_value = product(model.width, 3 * model.width)
            self.projection = product(model.width, model.width)
            self.expand = product(model.width, model.feed_forward)
            self.contract = product(model.feed_forward, model.width)

        def forward(self, x: Any) -> Any:
            batch, length, width = x.shape
            qkv = self.query_key_value(self.norm1(x)).view(batch, length, 3, model.heads, -1)
            q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind()
            context = F.scaled_dot_product_attention(q, k, v, is_causal=True)
            x = x + self.projection(context.transpose(1, 2).reshape(batch, length, width))
            inner = self.expand(self.norm2(x))
            hidden = F.relu(inner) if model.activation == "relu" else F.gelu(inner)
            return x + self.contract(hidden)

    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.token_embedding = nn.Embedding(model.vocabulary, model.width)
            self.position_embedding = nn.Embedding(model.length, model.width)
            self.blocks = nn.Sequential(*(Block() for _ in range(model.layers)))
            self.final_norm = norm() if model.final_norm else nn.Identity()
            self.head = product(model.width, model.actions)

        def forward(self, tokens: Any) -> Any:
            places = torch.arange(tokens.shape[1])
            x = self.token_embedding(tokens) + self.position_embedding(places)
            return self.head(self.final_norm(self.blocks(x)))

    with torch.device("meta"):  # no initialization, which would move torch's global generator
        network = Network()
    network = network.to_empty(device="cpu").to(torch.from_numpy(parameters.flat[:0]).dtype)
    for name, parameter in network.named_parameters():
        view = parameters[reference_name(name)]
        transposed = view.ndim == 2 and "embedding" not in name
        parameter.data.copy_(torch.tensor(view.T if transposed else view))
    return network


def reference_name(name: str) -> str:
    """Return the reference's name of a parameter, block1_norm1_gain of blocks.0.norm1.weight."""
    *where, layer, kind = name.split(".")
    prefix = f"block{int(where[1]) + 1}_" if where else ""
    if "norm" in layer:
        return prefix + layer + {"weight": "_gain", "bias": "_offset"}[kind]
    return prefix + layer + {"weight": "", "bias": "_bias"}[kind]
