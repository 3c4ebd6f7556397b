"""Closed forms of a speculative step: the screener's look, the gate, the exact part, the lesson.

The dense exact forward is not among them, unless the screener makes it: the exact network runs on
the rows that were kept, and on those that the screener asks for. N rows of a batch, E of them
evaluated after the gate, K kept, S seen by the exact network for the look. Source: the modules of
`kondo_ref.screeners`, as they are written; the tests hold these forms against what runs.
"""

from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

from kondo_ref.flops import gate as station
from kondo_ref.flops import layers
from kondo_ref.flops.counts import Counts, Step
from kondo_ref.flops.mlp import executed_backward, network
from kondo_ref.gate import Gate
from kondo_ref.models.mlp import MLP
from kondo_ref.screeners.cached import Cached, CachedSignal
from kondo_ref.screeners.draft import Draft
from kondo_ref.screeners.exact import Exact, Noisy
from kondo_ref.screeners.quantised import FORMATS, Quantised
from kondo_ref.screeners.screener import Screener
from kondo_ref.screeners.speculation import EVERYTHING

NOTHING = Step.of()


@dataclass(frozen=True)
class SpeculationCounts:
    """The counts of a speculative step, part by part.

    Parameters
    ----------
    look : Step
        The screener's own forward, or the exact one of the rows it sees exactly.
    gate : Step
        Estimate, price, keep probability and draw.
    exact : Step
        The exact forward of the evaluated rows, and the backward and update from the kept ones.
    learn : Step
        What the screener does to learn.
    """

    look: Step = NOTHING
    gate: Step = NOTHING
    exact: Step = NOTHING
    learn: Step = NOTHING

    @property
    def total(self) -> Counts:
        """All parts together."""
        return (self.look + self.gate + self.exact + self.learn).total


def speculative_step(
    screener: Screener,
    model: MLP,
    gate: Gate,
    rows: int,
    kept: int,
    *,
    evaluated: int,
    seen: int = 0,
    proposed: int | None = None,
    optimizer: str = "adam",
    flush: bool = False,
    draft_flush: bool = False,
) -> SpeculationCounts:
    """Return the counts of `Speculation.look` and `update`.

    Parameters
    ----------
    screener : Screener
        Which kind, and its sizes.
    model : MLP
        The exact network.
    gate : Gate
        With a fixed or quantile price, or top_k; all rows are valid.
    rows, kept : int
        N and K.
    evaluated : int
        E, of the exact network after the gate: K, or more if the screener asks for it; 0 if its
        look has seen all.
    seen : int
        S, for a screener with a memory.
    proposed : int, optional
        P, where the choice is checked: how many of E the estimate proposed.
    optimizer : str
        sgd or adam; a draft's is adam.
    flush, draft_flush : bool
        As `layers.adam` takes it.
    """
    in_place = isinstance(screener, Exact) or (isinstance(screener, Cached) and seen == rows)
    stages = {"select": station.select(rows, kept)}
    if in_place:
        stages["screen"] = Counts(add=rows) + _price_and_keep(gate, rows)
    else:
        stages = _evaluation(model, rows, evaluated, kept)
        if proposed is not None:
            check = station.signal(gate, proposed) + station.price(gate, proposed)
            stages["select"] += check + Counts(cmp=rows)
    if kept:
        below = network(model, kept)
        stages["backward_input"] = station.dlogits(kept, model.sizes[-1]) + below.backward_input
        stages["backward_weight"] = below.backward_weight
        stages["update"] = layers.update(optimizer, model.shapes, flush=flush)
    gated = _estimate(screener, gate, rows, seen)
    if not in_place:
        gated += _price_and_keep(gate, rows)
    return SpeculationCounts(
        look_counts(screener, model, rows, seen),
        Step.of(screen=gated),
        Step.of(**stages),
        learn_counts(screener, rows if in_place else evaluated, flush=draft_flush),
    )


def look_counts(screener: Screener, model: MLP, rows: int, seen: int = 0) -> Step:
    """Return the counts of a look: a network's forward and the log-softmax, on the rows it sees.

    The network's own N D[1] add are how it finds input that is not finite. Quantised: no such, but
    for int8 the scales and the rounding, see `quantised.quantised_logits`.
    """
    actions = model.sizes[-1]
    if isinstance(screener, Cached):
        return _forward(model, seen) if seen else NOTHING
    if isinstance(screener, Draft):
        return _forward(screener.model, rows)
    if not isinstance(screener, Quantised):
        return _forward(model, rows)
    forward = network(model, rows).forward
    if screener.format == "int8":
        for inputs, outputs in pairwise(model.sizes):
            weights = Counts(cmp=inputs * outputs + outputs, div=inputs * outputs + outputs)
            values = Counts(cmp=rows * inputs + rows, div=rows * inputs + rows)
            forward += weights + values + Counts(mul=2 * rows * outputs)
    return Step.of(forward=forward, screen=station.log_softmax(rows, actions))


def learn_counts(screener: Screener, lesson: int, *, flush: bool = False) -> Step:
    """Return the counts of a lesson of so many rows.

    A draft: 2 A exp, A add, A div a row for its dlogits, its backward, its update. A remembered
    signal: 1 add a row. Others learn nothing, or only remember.
    """
    if isinstance(screener, CachedSignal):
        return Step.of(backward_input=Counts(add=lesson))
    if not isinstance(screener, Draft) or lesson == 0:
        return NOTHING
    below, actions = network(screener.model, lesson), screener.model.sizes[-1]
    dlogits = Counts(exp=2 * actions, add=actions, div=actions) * lesson
    return Step.of(
        backward_input=dlogits + below.backward_input,
        backward_weight=below.backward_weight,
        update=layers.update("adam", screener.model.shapes, flush=flush),
    )


def width(screener: Screener) -> Fraction:
    """Return the bits of the numbers in the products of a look, over 32.

    By this a FLOP of the look weighs in a count by width (ours): a convention for hardware whose
    rate of products is inverse to the width, beside the count of FLOP, which is free of dtypes.
    """
    return (
        Fraction(FORMATS[screener.format], 32) if isinstance(screener, Quantised) else Fraction(1)
    )


def step_flop(counts: SpeculationCounts, look_width: Fraction = Fraction(1)) -> Fraction:
    """Return the FLOP of matrix products of a step (2 m k n each), those of the look by width."""
    parts = counts.gate + counts.exact + counts.learn
    return look_width * counts.look.total.matmul + parts.total.matmul


def dense_step_flop(model: MLP, rows: int) -> int:
    """Return the FLOP of matrix products of forward and backward with everything kept."""
    return network(model, rows).forward.matmul + executed_backward(model, rows).matmul


def _forward(model: MLP, rows: int) -> Step:
    forward = network(model, rows).forward + Counts(add=rows * model.sizes[1])
    return Step.of(forward=forward, screen=station.log_softmax(rows, model.sizes[-1]))


def _estimate(screener: Screener, gate: Gate, rows: int, seen: int) -> Counts:
    """Return the counts of the estimate: surprisal, signal, and the noise of a noisy one."""
    surprisals = seen if isinstance(screener, CachedSignal) else rows
    noise = Counts()
    if isinstance(screener, Noisy):
        noise = Counts(mul=2, add=4 if screener.kind == "additive" else 1) * rows
    return Counts(add=surprisals) + station.signal(gate, rows) + noise


def _price_and_keep(gate: Gate, rows: int) -> Counts:
    return station.price(gate, rows) + station.keep(gate, rows, uniforms=gate.needs_uniforms)


def _evaluation(model: MLP, rows: int, evaluated: int, kept: int) -> dict[str, Counts]:
    """Return the stages up to the backward of an exact forward of the evaluated rows alone.

    Beside that forward: N cmp to find the kept, 1 add an evaluated row for its exact surprisal; and
    if any is kept, 1 mul and 1 div each for the coefficient, then the selection of an ordinary step
    of the evaluated rows, in which everything marked is kept: 1 add and 1 cmp a row more.
    """
    stages = {"select": Counts(cmp=rows)}
    if evaluated:
        forward = _forward(model, evaluated)
        stages["forward"] = forward["forward"]
        stages["screen"] = forward["screen"]
        stages["select"] += Counts(add=evaluated)
    if kept:
        again = Counts(add=evaluated) + station.keep(EVERYTHING, evaluated, uniforms=False)
        stages["screen"] += again
        stages["select"] += Counts(mul=1, div=1) * kept + station.select(evaluated, kept)
    return stages
