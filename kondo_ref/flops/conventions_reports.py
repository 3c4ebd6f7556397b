"""What others report for a dense step, and the difference to our products, line by line.

A report has the number as the tool or the formula gives it, our products for the same step, and
items, theirs less ours, which are computed from the parts of the model and sum to the difference.
Formulas of papers are applied as printed, that is for as many key-value heads as heads and a
feed-forward of two products; where a model differs, items say so.
"""

from dataclasses import dataclass

from kondo_ref import checks
from kondo_ref.flops.conventions import SOURCES, Source
from kondo_ref.flops.conventions_formulas import FORMULAS, Terms
from kondo_ref.flops.decoder import Decoder
from kondo_ref.flops.decoder_kept import all_kept
from kondo_ref.models.mlp import MLP


@dataclass(frozen=True)
class Item:
    """A line of a difference, theirs less ours.

    Parameters
    ----------
    what : str
    forward, backward : int
    """

    what: str
    forward: int
    backward: int


@dataclass(frozen=True)
class Report:
    """What a tool or a formula gives for a dense step.

    Parameters
    ----------
    source : Source
    forward : int
    backward : int or None
        None where it counts a forward alone; the items' are 0 then.
    ours_forward, ours_backward : int
        Our products, in the unit of the source.
    items : tuple of Item
    """

    source: Source
    forward: int
    backward: int | None
    ours_forward: int
    ours_backward: int
    items: tuple[Item, ...]

    @property
    def total(self) -> int:
        """Forward and backward, as far as it counts them."""
        return self.forward + (self.backward or 0)


def decoder_report(
    name: str,
    decoder: Decoder,
    *,
    batch: int,
    length: int,
    attention: str = "dense",
    prompt: int = 0,
) -> Report:
    """Return what `name` gives for B sequences of T tokens through a decoder.

    Parameters
    ----------
    name : str
        Of `SOURCES`.
    decoder : Decoder
    batch, length : int
    attention : str
        How we count, dense or causal.
    prompt : int
        Positions without a decision. Our backward leaves them out of the head and of most of the
        last block, as nobody else's does.

    Raises
    ------
    TypeError, ValueError
        An argument out of its range.
    """
    checks.one_of("convention", name, tuple(SOURCES))
    pairs = int(all_kept(batch, length).scores(attention)[0])
    asked = int(all_kept(batch, length, prompt).scores(attention)[1])
    terms = Terms(decoder, batch * length, length, 4 * decoder.query_width * pairs)
    forward, lines = FORMULAS[name](terms)
    idle = 4 * batch * prompt * (decoder.query_weights + decoder.width * decoder.choices)
    idle += 8 * decoder.query_width * (pairs - asked)
    again = terms.all_pairs // 2 if name == "torch-fused" else 0
    items = [Item(what, n, 2 * n) for what, n in lines]
    items.append(Item("attention: its scores once more in the backward", 0, again))
    items.append(Item("prompt: its part of the last block and of the head", 0, idle))
    return _report(SOURCES[name], forward, again, terms.ours, 2 * terms.ours - idle, items)


def mlp_report(name: str, model: MLP, *, batch: int) -> Report:
    """Return what `name` gives for a batch of N rows through a multilayer perceptron.

    Parameters
    ----------
    name : str
        A tool, or 6nd: the other formulas are for transformers.
    model : MLP
    batch : int

    Raises
    ------
    TypeError, ValueError
        Another name, an empty batch.
    """
    checks.one_of("convention", name, MLP_SOURCES)
    checks.count("batch", batch, 1)
    weights = [m * n for m, n in zip(model.sizes, model.sizes[1:], strict=False)]
    biases = sum(model.sizes[1:])
    forward = ours = 2 * batch * sum(weights)
    first = 2 * batch * weights[0]
    items: list[Item] = []
    if name == "6nd":
        forward = 2 * batch * (sum(weights) + biases)
        items.append(Item("biases, as products", 2 * batch * biases, 4 * batch * biases))
        items.append(Item("first layer: the gradient of its input", 0, first))
        return _report(SOURCES[name], forward, 0, ours, 2 * ours - first, items)
    if name == "fvcore":
        forward //= 2
    return _report(SOURCES[name], forward, -first, ours, 2 * ours - first, items)


def _report(
    source: Source, forward: int, more: int, ours: int, ours_backward: int, items: list[Item]
) -> Report:
    """Return the report of a source whose backward is twice its forward and `more`."""
    if source.unit == "MAC":
        halves = tuple(Item(i.what, i.forward, 0) for i in items if i.forward)
        return Report(source, forward, None, ours // 2, ours_backward // 2, halves)
    kept = tuple(i for i in items if i.forward or i.backward)
    return Report(source, forward, 2 * forward + more, ours, ours_backward, kept)


MLP_SOURCES = ("torch", "fvcore", "6nd")
