"""The shape of a decoder-only language model, as far as counting needs it.

Wide enough for GPT-2 and for the Llama family: learned or rotary positions, LayerNorm or RMSNorm,
grouped-query attention, a gated feed-forward, a head tied to the embedding. The models themselves
are not here. V tokens read, D wide, L blocks, H query heads and G key-value heads of width W, F in
the feed-forward, A tokens chosen from. `decoder_step` counts a training step of it.
"""

from dataclasses import dataclass
from functools import cached_property

from kondo_ref import checks
from kondo_ref.models.transformer import Transformer

ACTIVATIONS = ("relu", "gelu", "gelu_tanh", "silu")
NORMS = ("layer", "rms")
POSITIONS = ("learned", "rotary")
BIASES = ("query_key_value", "projection", "feed_forward", "norm", "head")


@dataclass(frozen=True)
class Decoder:
    """A decoder-only transformer with pre-normalized blocks.

    Parameters
    ----------
    vocabulary : int
        V, the tokens that are read.
    length : int
        The longest sequence; with learned positions their number.
    width : int
        D.
    layers : int
        L.
    heads : int
        H, of the queries.
    feed_forward : int
        F.
    key_value_heads : int, optional
        G, a divisor of H; as many as query heads by default.
    head_width : int, optional
        W; D / H by default.
    actions : int, optional
        A, the tokens that are chosen from; all by default.
    activation : str
        relu, gelu (exact), gelu_tanh or silu.
    gated : bool
        Whether the feed-forward is activation(x @ gate) * (x @ up) @ down, three products, instead
        of activation(x @ up) @ down.
    norm : str
        layer or rms.
    final_norm : bool
        Whether a normalization stands before the head.
    positions : str
        learned (added to the embedding) or rotary (turning queries and keys in every block).
    biases : tuple of str
        Which have one, among query_key_value, projection, feed_forward, norm (its offset), head.
    tied : bool
        Whether the head is the token embedding.

    Raises
    ------
    TypeError, ValueError
        A size below 1, heads that do not divide, an unknown word, an offset of an RMSNorm, a tied
        head with other actions than tokens.
    """

    vocabulary: int
    length: int
    width: int
    layers: int
    heads: int
    feed_forward: int
    key_value_heads: int | None = None
    head_width: int | None = None
    actions: int | None = None
    activation: str = "gelu"
    gated: bool = False
    norm: str = "layer"
    final_norm: bool = True
    positions: str = "learned"
    biases: tuple[str, ...] = ()
    tied: bool = False

    def __post_init__(self) -> None:
        for name in ("vocabulary", "length", "width", "layers", "heads", "feed_forward"):
            checks.count(name, getattr(self, name), 1)
        self._default("key_value_heads", self.heads)
        self._default("actions", self.vocabulary)
        if self.head_width is None and self.width % self.heads:
            raise ValueError(
                f"heads: expected a divisor of the width {self.width}, got {self.heads}"
            )
        self._default("head_width", self.width // self.heads)
        if self.heads % self.kv_heads:
            raise ValueError(
                f"key_value_heads: expected a divisor of the {self.heads} heads, "
                f"got {self.key_value_heads}"
            )
        checks.one_of("activation", self.activation, ACTIVATIONS)
        checks.one_of("norm", self.norm, NORMS)
        checks.one_of("positions", self.positions, POSITIONS)
        object.__setattr__(self, "biases", tuple(self.biases))
        for name in self.biases:
            checks.one_of("biases", name, BIASES)
        for name in ("gated", "final_norm", "tied"):
            if not isinstance(getattr(self, name), bool):
                raise TypeError(f"{name}: expected a bool, got {getattr(self, name)!r}")
        if self.norm == "rms" and "norm" in self.biases:
            raise ValueError("biases: an RMSNorm has no offset, got norm")
        if self.tied and self.actions != self.vocabulary:
            raise ValueError(
                f"actions: a tied head has the {self.vocabulary} tokens, got {self.actions}"
            )

    def _default(self, name: str, value: int) -> None:
        given = getattr(self, name)
        object.__setattr__(self, name, value if given is None else checks.count(name, given, 1))

    @classmethod
    def of(cls, model: Transformer) -> "Decoder":
        """Return the shape of our own transformer."""
        return cls(
            vocabulary=model.vocabulary,
            length=model.length,
            width=model.width,
            layers=model.layers,
            heads=model.heads,
            feed_forward=model.feed_forward,
            actions=model.actions,
            activation=model.activation,
            final_norm=model.final_norm,
            biases=BIASES if model.biases else (),
        )

    @property
    def kv_heads(self) -> int:
        """G, an integer."""
        assert self.key_value_heads is not None
        return self.key_value_heads

    @property
    def choices(self) -> int:
        """A, an integer."""
        assert self.actions is not None
        return self.actions

    @property
    def query_width(self) -> int:
        """H W, what the queries and the context are wide."""
        assert self.head_width is not None
        return self.heads * self.head_width

    @property
    def key_width(self) -> int:
        """G W, what the keys are wide, and the values."""
        assert self.head_width is not None
        return self.kv_heads * self.head_width

    @property
    def expansions(self) -> int:
        """How many products lead into the feed-forward: gate and up, or up alone."""
        return 2 if self.gated else 1

    @property
    def key_weights(self) -> int:
        """Entries of a block's weights for keys and values, which every position needs."""
        return 2 * self.width * self.key_width

    @property
    def query_weights(self) -> int:
        """Entries of the other weights of a block, which only what is asked for needs."""
        feed_forward = (self.expansions + 1) * self.width * self.feed_forward
        return 2 * self.width * self.query_width + feed_forward

    @cached_property
    def parameters(self) -> dict[str, int]:
        """Number of parameters by part; a tied head has none of its own."""
        norm = self.width * (2 if "norm" in self.biases else 1)
        block_biases = {
            "query_key_value": self.query_width + 2 * self.key_width,
            "projection": self.width,
            "feed_forward": self.expansions * self.feed_forward + self.width,
        }
        biases = self.layers * sum(n for name, n in block_biases.items() if name in self.biases)
        head_bias = self.choices if "head" in self.biases else 0
        return {
            "token_embedding": self.vocabulary * self.width,
            "position_embedding": self.length * self.width * (self.positions == "learned"),
            "blocks": self.layers * (self.key_weights + self.query_weights),
            "norms": (2 * self.layers + self.final_norm) * norm,
            "biases": biases + head_bias,
            "head": 0 if self.tied else self.width * self.choices,
        }

    @property
    def parameter_count(self) -> int:
        """All parameters, a tied head once."""
        return sum(self.parameters.values())
