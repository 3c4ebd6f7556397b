"""Small decoders as people write them in torch, from a `Decoder`, for counting tools to run on."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from kondo_ref.flops.decoder import Decoder


class RMSNorm(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * self.weight


def norm_of(d: Decoder) -> nn.Module:
    return RMSNorm(d.width) if d.norm == "rms" else nn.LayerNorm(d.width, bias="norm" in d.biases)


class Block(nn.Module):
    def __init__(self, d: Decoder, attention: str) -> None:
        super().__init__()
        self.d, self.attention = d, attention
        self.norm1, self.norm2 = norm_of(d), norm_of(d)
        bias = "query_key_value" in d.biases
        self.query = nn.Linear(d.width, d.query_width, bias=bias)
        self.key = nn.Linear(d.width, d.key_width, bias=bias)
        self.value = nn.Linear(d.width, d.key_width, bias=bias)
        self.projection = nn.Linear(d.query_width, d.width, bias="projection" in d.biases)
        bias = "feed_forward" in d.biases
        self.gate = nn.Linear(d.width, d.feed_forward, bias=bias) if d.gated else None
        self.up = nn.Linear(d.width, d.feed_forward, bias=bias)
        self.down = nn.Linear(d.feed_forward, d.width, bias=bias)

    def heads(self, x: Tensor, heads: int) -> Tensor:
        return x.unflatten(-1, (heads, self.d.head_width)).transpose(1, 2)

    def turn(self, x: Tensor) -> Tensor:
        if self.d.positions != "rotary":
            return x
        half = x.shape[-1] // 2
        steps = torch.arange(x.shape[-2], device=x.device)[:, None]
        angle = steps * torch.arange(half, device=x.device) / half
        a, b = x[..., :half], x[..., half:]
        return torch.cat([a * angle.cos() - b * angle.sin(), b * angle.cos() + a * angle.sin()], -1)

    def attend(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        group = self.d.heads // self.d.kv_heads
        if group > 1:
            key = key.repeat_interleave(group, 1)
            value = value.repeat_interleave(group, 1)
        if self.attention == "sdpa":
            return functional.scaled_dot_product_attention(query, key, value, is_causal=True)
        if self.attention == "flash":
            flash = torch.ops.aten._scaled_dot_product_flash_attention
            return flash(query, key, value, 0.0, True)[0]
        scores = query @ key.transpose(2, 3) / math.sqrt(self.d.head_width)
        later = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).triu(1)
        return scores.masked_fill(later, -math.inf).softmax(-1) @ value

    def forward(self, x: Tensor) -> Tensor:
        a = self.norm1(x)
        query = self.turn(self.heads(self.query(a), self.d.heads))
        key = self.turn(self.heads(self.key(a), self.d.kv_heads))
        value = self.heads(self.value(a), self.d.kv_heads)
        x = x + self.projection(self.attend(query, key, value).transpose(1, 2).flatten(2))
        b = self.norm2(x)
        activation = functional.silu if self.d.activation == "silu" else functional.gelu
        inner = activation(self.gate(b)) * self.up(b) if self.gate else activation(self.up(b))
        return x + self.down(inner)


class TorchDecoder(nn.Module):
    """attention: written (two products), sdpa, or flash (the kernel of CUDA)."""

    def __init__(self, d: Decoder, attention: str = "written") -> None:
        super().__init__()
        self.tokens = nn.Embedding(d.vocabulary, d.width)
        self.positions = nn.Embedding(d.length, d.width) if d.positions == "learned" else None
        self.blocks = nn.ModuleList(Block(d, attention) for _ in range(d.layers))
        self.norm = norm_of(d) if d.final_norm else nn.Identity()
        self.head = nn.Linear(d.width, d.choices, bias="head" in d.biases)
        if d.tied:
            self.head.weight = self.tokens.weight

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.tokens(tokens)
        if self.positions is not None:
            x = x + self.positions(torch.arange(tokens.shape[1], device=tokens.device))
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x))
