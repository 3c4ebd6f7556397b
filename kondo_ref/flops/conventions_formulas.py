"""The forward of a decoder as tools and papers count it, and how that differs from our products.

Each function returns the number, by the formula in its docstring and in the unit of its source, and
the lines of the difference. N parameters, R rows (tokens), T tokens a sequence, V tokens, D wide, L
blocks, H heads of width W, F in the feed-forward. The backward is twice the forward for all.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from kondo_ref.flops.decoder import Decoder

Lines: TypeAlias = list[tuple[str, int]]

PARAMETERS = {
    "token_embedding": "token embedding, as a product",
    "position_embedding": "position embedding, as a product",
    "norms": "gains and offsets, as products",
    "biases": "biases, as products",
}


@dataclass(frozen=True)
class Terms:
    """A decoder on a batch, and the parts of our forward's products.

    Parameters
    ----------
    decoder : Decoder
    rows : int
        R = B T.
    length : int
        T.
    block_attention : int
        Our FLOP of the two products of a block's attention.
    """

    decoder: Decoder
    rows: int
    length: int
    block_attention: int

    @property
    def attention(self) -> int:
        """Our FLOP of the products of the attention."""
        return self.decoder.layers * self.block_attention

    @property
    def all_pairs(self) -> int:
        """The same with all pairs of positions, 4 L H W T R."""
        return 4 * self.decoder.layers * self.decoder.query_width * self.length * self.rows

    @property
    def blocks(self) -> int:
        """FLOP of the other products of the blocks."""
        return 2 * self.rows * self.decoder.parameters["blocks"]

    @property
    def head(self) -> int:
        """FLOP of the head, tied or not."""
        return 2 * self.rows * self.decoder.width * self.decoder.choices

    @property
    def ours(self) -> int:
        """FLOP of all products of the forward."""
        return self.blocks + self.attention + self.head


def torch(t: Terms) -> tuple[int, Lines]:
    """Return 2 m k n of every product, later keys of the attention too."""
    return t.blocks + t.all_pairs + t.head, _later_keys(t)


def torch_cpu(t: Terms) -> tuple[int, Lines]:
    """Return 2 m k n of every product but those of the attention."""
    return t.blocks + t.head, [("attention", -t.attention)]


def fvcore(t: Terms) -> tuple[int, Lines]:
    """Return m k n of every product and 5 operations an entry of a LayerNorm; no RMSNorm."""
    norms = _layer_norms(t)
    lines = [(what, n // 2) for what, n in _later_keys(t)]
    return (t.blocks + t.all_pairs + t.head) // 2 + norms, [*lines, (NORMS, norms)]


def fvcore_sdpa(t: Terms) -> tuple[int, Lines]:
    """Return the same without the attention."""
    norms = _layer_norms(t)
    return (t.blocks + t.head) // 2 + norms, [("attention", -t.attention // 2), (NORMS, norms)]


def palm(t: Terms) -> tuple[int, Lines]:
    """Return (2 N + 4 L H W T) R, a third of (6 N + 12 L H Q T) R; N all parameters."""
    d = t.decoder
    flop = (2 * d.parameter_count + 4 * d.layers * d.query_width * t.length) * t.rows
    return flop, [*_no_products(t), *_later_keys(t)]


def six_nd(t: Terms) -> tuple[int, Lines]:
    """Return 2 N R, a third of 6 N D; N all parameters."""
    return 2 * t.decoder.parameter_count * t.rows, [*_no_products(t), ("attention", -t.attention)]


def kaplan(t: Terms) -> tuple[int, Lines]:
    """Return (2 N + 2 n_layer n_ctx d_attn) R with N = 2 d_model n_layer (2 d_attn + d_ff)."""
    d = t.decoder
    half = 2 * d.layers * t.length * d.query_width * t.rows
    lines = [
        *_as_printed(t),
        ("head", -t.head),
        ("attention: half of all pairs", half - t.attention),
    ]
    return 2 * _kaplan_parameters(d) * t.rows + half, lines


def kaplan_6n(t: Terms) -> tuple[int, Lines]:
    """Return 2 N R, a third of 6 N R, with the same N, without embeddings."""
    lines = [*_as_printed(t), ("head", -t.head), ("attention", -t.attention)]
    return 2 * _kaplan_parameters(t.decoder) * t.rows, lines


def chinchilla(t: Terms) -> tuple[int, Lines]:
    """Return the table of Appendix F, a sequence: embeddings, L times a block, logits.

    embeddings 2 T V D; block: query, key, value 6 T D H W, logits 2 T T H W, softmax 3 H T T,
    reduction 2 T T H W, linear 2 T H W D, dense 2 T (D F + D F); final logits 2 T D V.
    """
    d, n = t.decoder, t.length
    heads = d.query_width
    block = 6 * n * d.width * heads + 2 * n * n * heads + 3 * d.heads * n * n
    block += 2 * n * n * heads + 2 * n * heads * d.width
    block += 2 * n * (d.width * d.feed_forward + d.width * d.feed_forward)
    embedding, logits = 2 * n * d.vocabulary * d.width, 2 * n * d.width * d.vocabulary
    sequence = embedding + d.layers * block + logits
    lines = [
        ("token embedding, as a product", 2 * t.rows * d.vocabulary * d.width),
        ("softmax of the attention", 3 * d.heads * n * t.rows * d.layers),
        ("head: to tokens that are no actions", t.rows * 2 * d.width * (d.vocabulary - d.choices)),
        *_as_printed(t),
        *_later_keys(t),
    ]
    return sequence * t.rows // n, lines


FORMULAS: Mapping[str, Callable[[Terms], tuple[int, Lines]]] = {
    "torch": torch,
    "torch-fused": torch,
    "torch-cpu": torch_cpu,
    "fvcore": fvcore,
    "fvcore-sdpa": fvcore_sdpa,
    "palm": palm,
    "kaplan": kaplan,
    "kaplan-6n": kaplan_6n,
    "chinchilla": chinchilla,
    "6nd": six_nd,
}
NORMS = "LayerNorm, 5 operations an entry"


def _later_keys(t: Terms) -> Lines:
    return [("attention: later keys", t.all_pairs - t.attention)]


def _layer_norms(t: Terms) -> int:
    d = t.decoder
    norms = 2 * d.layers + d.final_norm if d.norm == "layer" else 0
    return 5 * norms * t.rows * d.width


def _no_products(t: Terms) -> Lines:
    """Return the parameters that are in no product; a tied embedding is, in the head's."""
    parts = t.decoder.parameters
    return [
        (what, 2 * t.rows * parts[name])
        for name, what in PARAMETERS.items()
        if not (name == "token_embedding" and t.decoder.tied)
    ]


def _kaplan_parameters(d: Decoder) -> int:
    return 2 * d.width * d.layers * (2 * d.query_width + d.feed_forward)


def _as_printed(t: Terms) -> Lines:
    """Return what formulas for equal heads and two products have too much, and too little."""
    d = t.decoder
    shared = 2 * t.rows * d.layers * 2 * d.width * (d.query_width - d.key_width)
    gate = 2 * t.rows * d.layers * d.width * d.feed_forward * (d.expansions - 1)
    return [("keys and values, as of all heads", shared), ("feed-forward: its gate", -gate)]
