"""The reference's models as they are written in torch by hand: explicit attention, packed rows."""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from kondo_ref import MLP, Parameters
from kondo_ref.flops.transformer import Rows
from kondo_ref.models.transformer import Transformer


def tensors(parameters: Parameters) -> dict[str, Tensor]:
    """Return the parameters as leaves."""
    return {n: torch.tensor(v, requires_grad=True) for n, v in parameters.views.items()}


def mlp(model: MLP, p: dict[str, Tensor], x: Tensor) -> Tensor:
    """Return the logits (N, K)."""
    for layer in range(1, model.layers + 1):
        x = x @ p[f"weight{layer}"] + p[f"bias{layer}"]
        x = torch.relu(x) if layer < model.layers else x
    return x


def transformer(model: Transformer, p: dict[str, Tensor], tokens: list[Any], where: Rows) -> Tensor:
    """Return the logits (Q, A) of the asked rows, of sequences cut to `where.keys`."""
    lengths = list(where.keys)
    flat = torch.tensor([t for row, n in zip(tokens, lengths, strict=True) for t in row[:n]])
    place = torch.cat([torch.arange(n) for n in lengths])
    x = p["token_embedding"][flat] + p["position_embedding"][place]
    starts = [sum(lengths[:i]) for i in range(len(lengths))]
    asked = [s + j for s, row in zip(starts, where.places, strict=True) for j in row]
    for block in range(1, model.layers + 1):
        last = block == model.layers and len(asked) < x.shape[0]
        x = _block(model, p, f"block{block}_", x, lengths, torch.tensor(asked) if last else None)
    if model.final_norm:
        x = _norm(p, "final_norm", x)
    return _linear(p, "head", x)


def _block(
    model: Transformer,
    p: dict[str, Tensor],
    name: str,
    x: Tensor,
    lengths: list[int],
    asked: Tensor | None,
) -> Tensor:
    d = model.width
    a = _norm(p, f"{name}norm1", x)
    weight, bias = p[f"{name}query_key_value"], p.get(f"{name}query_key_value_bias")
    rows = torch.arange(x.shape[0]) if asked is None else asked
    query = a[rows] @ weight[:, :d]
    key_value = a @ weight[:, d:]
    if bias is not None:
        query, key_value = query + bias[:d], key_value + bias[d:]
    pieces, start = [], 0
    for n in lengths:
        mine = (rows >= start) & (rows < start + n)
        keys, values = key_value[start : start + n].split(d, 1)
        pieces.append(_attention(model.heads, query[mine], keys, values, rows[mine] - start))
        start += n
    middle = x[rows] + _linear(p, f"{name}projection", torch.cat(pieces))
    inner = _linear(p, f"{name}expand", _norm(p, f"{name}norm2", middle))
    hidden = torch.relu(inner) if model.activation == "relu" else functional.gelu(inner)
    return middle + _linear(p, f"{name}contract", hidden)


def _attention(heads: int, query: Tensor, key: Tensor, value: Tensor, places: Tensor) -> Tensor:
    q, k, v = (t.unflatten(1, (heads, -1)).transpose(0, 1) for t in (query, key, value))
    scores = q @ k.transpose(1, 2) / q.shape[2] ** 0.5
    later = torch.arange(k.shape[1]) > places[:, None]
    return (scores.masked_fill(later, -torch.inf).softmax(2) @ v).transpose(0, 1).flatten(1)


def _linear(p: dict[str, Tensor], name: str, x: Tensor) -> Tensor:
    out = x @ p[name]
    return out + p[f"{name}_bias"] if f"{name}_bias" in p else out


def _norm(p: dict[str, Tensor], name: str, x: Tensor) -> Tensor:
    offset = p.get(f"{name}_offset")
    return functional.layer_norm(x, x.shape[1:], p[f"{name}_gain"], offset, 1e-6)
