"""Closed forms of the transformer for a real kept set, and the three backwards that never mix.

B sequences with R tokens; K of them kept, in the prefixes of S sequences. V, A, D, F, H, L as in
`models.transformer`, from which the formulas are, as it is written; the tests hold them against
what runs. Attention is counted dense, all q k scores of a prefix, which is what the reference runs,
or causal, the scores of keys at or before their query alone.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from kondo_ref import checks
from kondo_ref.flops import decoder_step, layers
from kondo_ref.flops import gate as station
from kondo_ref.flops.counts import Counts, Step
from kondo_ref.flops.decoder import Decoder
from kondo_ref.flops.layers import Layer, causal_scores, dense_scores
from kondo_ref.gate import Gate
from kondo_ref.models.packing import Prefixes
from kondo_ref.models.transformer import Transformer

ATTENTION = ("dense", "causal")
ACTIVATIONS = ("cache", "recompute")


@dataclass(frozen=True)
class Rows:
    """The rows that a network runs on, and those of them that have logits.

    Parameters
    ----------
    keys : tuple of int
        Rows of each sequence.
    places : tuple of tuple of int
        Where in each sequence the last block is asked, from 0, ascending.
    """

    keys: tuple[int, ...]
    places: tuple[tuple[int, ...], ...]

    @classmethod
    def whole(cls, lengths: Iterable[int]) -> "Rows":
        """Return all rows of sequences of these lengths, all asking."""
        keys = tuple(int(length) for length in lengths)
        return cls(keys, tuple(tuple(range(length)) for length in keys))

    @classmethod
    def prefixes(cls, kept: Iterable[Iterable[int]]) -> "Rows":
        """Return what a backward touches: by sequence, the places of its kept tokens."""
        places = tuple(tuple(sorted(map(int, sequence))) for sequence in kept)
        places = tuple(sequence for sequence in places if sequence)
        return cls(tuple(sequence[-1] + 1 for sequence in places), places)

    @classmethod
    def of(cls, prefixes: Prefixes) -> "Rows":
        """Return the same of packed prefixes."""
        starts = prefixes.offsets[:-1]
        places = prefixes.queries - np.repeat(starts, prefixes.counts)
        cuts = np.cumsum(prefixes.counts)[:-1]
        return cls(
            tuple(np.diff(prefixes.offsets).tolist()),
            tuple(tuple(piece.tolist()) for piece in np.split(places, cuts)),
        )

    @property
    def rows(self) -> int:
        """R, of all sequences."""
        return sum(self.keys)

    @property
    def queries(self) -> int:
        """The rows with logits, of all sequences."""
        return sum(map(len, self.places))

    def scores(self, attention: str) -> tuple[int, int]:
        """Return the scores of one head in a block where all rows ask, and in the last block."""
        checks.one_of("attention", attention, ATTENTION)
        if attention == "dense":
            return dense_scores(self.keys, self.keys), dense_scores(
                [len(places) for places in self.places], self.keys
            )
        below = sum(causal_scores(range(length)) for length in self.keys)
        return below, sum(map(causal_scores, self.places))


def network(model: Transformer, where: Rows, attention: str = "dense") -> Layer:
    """Return the counts of the network on some rows, with logits where the last block is asked.

    Matmul of the forward, a block: 4 R D^2 for keys and values, 4 Q D^2 for queries and projection,
    4 Q D F for the feed-forward, 4 D a score of the attention; and 2 Q D A for the head.
    """
    below, last = where.scores(attention)
    return decoder_step.network(Decoder.of(model), where.rows, where.queries, below, last)


def transformer_step(
    model: Transformer,
    lengths: Iterable[int],
    kept: Iterable[Iterable[int]],
    gate: Gate,
    *,
    cells: int | None = None,
    attention: str = "dense",
    activations: str = "cache",
    optimizer: str = "adam",
    flush: bool = False,
    valid: int | None = None,
    uniforms: bool | None = None,
    history: int = 0,
    evaluations: int | None = None,
) -> Step:
    """Return the counts of a training step of the reference: `Learner.forward` and `update`.

    Parameters
    ----------
    model : Transformer
    lengths : iterable of int
        Of the B sequences.
    kept : iterable of iterables of int
        By sequence, the places of its kept tokens, from 0; empty where none is.
    gate : Gate
    cells : int, optional
        Cells of the (B, T) grid, all of which are screened; B times the longest by default.
    attention : str
        dense, as the reference runs it, or causal.
    activations : str
        cache or recompute, as `Learner` takes it.
    optimizer : str
        sgd or adam.
    flush : bool
        As `layers.adam` takes it.
    valid, uniforms, history, evaluations
        As `gate.screen` takes them; all tokens or sequences are valid by default.

    Raises
    ------
    ValueError
        No sequence, kept places outside of theirs, an unknown word.

    Notes
    -----
    With nothing kept there is neither backward nor update. The recomputed forward runs the head on
    the kept rows too, though nothing uses these logits.
    """
    checks.one_of("activations", activations, ACTIVATIONS)
    whole, part = _rows(lengths, kept)
    grid = len(whole.keys) * max(whole.keys) if cells is None else cells
    units = len(whole.keys) if gate.unit == "sequence" else whole.rows
    stages = {
        "forward": network(model, whole, attention).forward,
        "screen": station.screen(
            gate,
            grid,
            model.actions,
            sequences=len(whole.keys),
            valid=units if valid is None else valid,
            uniforms=uniforms,
            history=history,
            evaluations=evaluations,
        ),
        "select": station.select(grid, part.queries),
    }
    if part.queries:
        again = activations == "recompute"
        partial = part.queries if again else _partial(whole, part)
        stages |= backward_stages(model, part, attention, partial, again=again)
        stages["update"] = layers.update(optimizer, model.shapes, flush=flush)
    return Step.of(**stages)


def backward_stages(
    model: Transformer, where: Rows, attention: str = "dense", partial: int = 0, *, again: bool
) -> dict[str, Counts]:
    """Return recompute, backward_input and backward_weight of a backward on some rows.

    Parameters
    ----------
    model : Transformer
    where : Rows
    attention : str
        dense or causal.
    partial : int
        Rows at which dx of keys and values and dx of queries, two products, are added: those that
        ask where not all rows of the batch do.
    again : bool
        Whether the rows run forward once more for it.
    """
    below, last = where.scores(attention)
    sums = (where.rows, where.queries, below, last, partial)
    return decoder_step.backward_stages(Decoder.of(model), *sums, again=again)


def backward_flop(model: Transformer, prefixes: Prefixes, attention: str = "dense") -> int:
    """Return the FLOP of the products of a backward: (m, k) @ (k, n) is 2 m k n.

    Every weight product has two, one for the weight and one for the input; the attention has four
    for the forward's two.

    Parameters
    ----------
    model : Transformer
    prefixes : Prefixes
        Of the kept tokens.
    attention : str
        dense: later keys are counted, as they are executed. causal: they are not; the least.
    """
    return _backward(model, Rows.of(prefixes), attention).matmul


def executed_backward(
    model: Transformer, lengths: Iterable[int], kept: Iterable[Iterable[int]]
) -> Counts:
    """Return what the reference's backward computes, with activations kept: dense attention."""
    whole, part = _rows(lengths, kept)
    return _backward(model, part, "dense", _partial(whole, part))


def structural_backward(model: Transformer, kept: Iterable[Iterable[int]]) -> Counts:
    """Return the least that this gate allows: the kept tokens' prefixes, causal attention.

    The head, and in the last block all but keys and values, on the kept tokens alone; nothing for
    a sequence without one. The least in products; what is elementwise is as the reference has it.
    """
    return _backward(model, Rows.prefixes(kept), "causal")


def logical_backward(
    model: Transformer,
    lengths: Iterable[int],
    rate: float | Fraction,
    attention: str = "dense",
) -> Counts:
    """Return the rate times the backward of all tokens, rounded: the papers' axis."""
    return layers.share(_backward(model, Rows.whole(lengths), attention), rate)


def _backward(model: Transformer, where: Rows, attention: str, partial: int = 0) -> Counts:
    stages = backward_stages(model, where, attention, partial, again=False)
    return stages["backward_input"] + stages["backward_weight"]


def _partial(whole: Rows, part: Rows) -> int:
    return 0 if part.queries == whole.rows else part.queries


def _rows(lengths: Iterable[int], kept: Iterable[Iterable[int]]) -> tuple[Rows, Rows]:
    """Return all rows and those of the kept prefixes; refuse what does not belong together."""
    whole, places = Rows.whole(lengths), [tuple(sequence) for sequence in kept]
    if not whole.keys or min(whole.keys) < 1:
        raise ValueError(f"lengths: expected at least one, each at least 1, got {whole.keys}")
    if len(places) != len(whole.keys):
        raise ValueError(f"kept: expected {len(whole.keys)} sequences, got {len(places)}")
    for length, sequence in zip(whole.keys, places, strict=True):
        if not set(sequence) <= set(range(length)) or len(set(sequence)) < len(sequence):
            raise ValueError(f"kept: expected places in 0..{length - 1}, got {sequence}")
    return whole, Rows.prefixes(places)
