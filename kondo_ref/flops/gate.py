"""Closed forms from the logits to the gate, and from the gate to what the backward is fed with.

N decisions with A actions each; n valid units of the gate (decisions, or for the unit sequence the
B sequences), K kept decisions. In units of operations, by type; the rules are those of `layers`.
Prices are solved on valid units alone, everything else is computed for all.
"""

from kondo_ref.flops.counts import Counts
from kondo_ref.flops.executed_rules import search_comparisons, sort_comparisons
from kondo_ref.gate import Gate
from kondo_ref.price import Calibrated, Quantile, Rolling


def screen(
    gate: Gate,
    decisions: int,
    actions: int,
    *,
    sequences: int | None = None,
    valid: int | None = None,
    uniforms: bool | None = None,
    history: int = 0,
    evaluations: int | None = None,
) -> Counts:
    """Return the counts of a screening, from the logits to the gate.

    Parameters
    ----------
    gate : Gate
    decisions, actions : int
        N, cells past the end of a sequence among them, and A.
    sequences : int, optional
        B, needed by the unit sequence.
    valid : int, optional
        n; all units by default.
    uniforms : bool, optional
        Whether uniforms are given; by default, where the gate needs them.
    history : int
        Signals that a rolling price knows before this batch.
    evaluations : int, optional
        How often the solver of a calibrated price evaluates its function; it depends on the data.

    Raises
    ------
    ValueError
        A number that the gate needs is missing.

    Notes
    -----
    Log-softmax a decision: A cmp, 3 A add, A exp, 1 log. Surprisal: 1 add. Then the signal, the
    price, the keep probability and the draw. The checks of the arguments are not in it.
    """
    units = decisions
    if gate.unit == "sequence":
        if sequences is None:
            raise ValueError("sequences: needed by the unit sequence, got None")
        units = sequences
    n = units if valid is None else valid
    given = gate.needs_uniforms if uniforms is None else uniforms
    return (
        log_softmax(decisions, actions)
        + Counts(add=decisions)
        + signal(gate, decisions, sequences)
        + price(gate, n, history=history, evaluations=evaluations)
        + keep(gate, units, uniforms=given)
    )


def log_softmax(decisions: int, actions: int) -> Counts:
    """Return the counts of log pi: A cmp, 3 A add, A exp, 1 log a decision."""
    return Counts(cmp=actions, add=3 * actions, exp=actions, log=1) * decisions


def signal(gate: Gate, decisions: int, sequences: int | None = None) -> Counts:
    """Return the counts of a signal: delight 1 mul a decision, additive 2 mul and 1 add.

    The others are there already. A sequence's mean: 1 add a decision, 1 div a sequence.
    """
    each = {"delight": Counts(mul=1), "additive": Counts(mul=2, add=1)}.get(gate.signal, Counts())
    if gate.unit == "token":
        return each * decisions
    return (each + Counts(add=1)) * decisions + Counts(div=sequences or 0)


def price(gate: Gate, valid: int, *, history: int = 0, evaluations: int | None = None) -> Counts:
    """Return the counts of a price, or of choosing the largest, among n valid units.

    top_k: partition n cmp, and 2 n cmp to mark who is above and who ties. quantile: partition,
    n cmp. rolling: the same for every unit, on the signals known then. calibrated: sort
    n ceil(log2 n) cmp, and an evaluation ceil(log2(n + 1)) cmp, 3 n add, 2 n div, n exp. The few
    operations on single numbers are not counted.
    """
    if gate.draw == "top_k":
        return Counts(cmp=3 * valid)
    if isinstance(gate.price, Quantile):
        return Counts(cmp=valid)
    if isinstance(gate.price, Rolling):
        longest, warmup = gate.price.history, gate.price.warmup
        past = min(history, longest)
        known = (min(past + i, longest) for i in range(valid))
        return Counts(cmp=sum(size for size in known if size >= warmup))
    if not isinstance(gate.price, Calibrated) or gate.price.rate == 1.0:
        return Counts()
    if evaluations is None:
        raise ValueError("evaluations: needed by a calibrated price, got None")
    once = Counts(cmp=search_comparisons(valid), add=3 * valid, div=2 * valid, exp=valid)
    return Counts(cmp=sort_comparisons(valid)) + once * evaluations


def keep(gate: Gate, units: int, *, uniforms: bool) -> Counts:
    """Return the counts of keep probability and draw.

    A unit: 1 cmp at temperature 0, else 2 add, 2 div, 1 exp; 1 cmp with its uniform. Nothing for
    top_k.
    """
    if gate.draw == "top_k":
        return Counts()
    each = Counts(cmp=1) if gate.temperature == 0.0 else Counts(add=2, div=2, exp=1)
    drawn = Counts(cmp=1) if gate.draw == "bernoulli" and uniforms else Counts()
    return (each + drawn) * units


def select(decisions: int, kept: int) -> Counts:
    """Return the counts of selecting: N cmp to find the kept; each 2 mul, 1 add, 1 div.

    Those are the coefficient G U / Z, whatever Z, and the loss; the gathers are free.
    """
    return Counts(cmp=decisions) + Counts(mul=2, add=1, div=1) * kept


def dlogits(kept: int, actions: int) -> Counts:
    """Return the counts of dloss/dlogits: A + 1 exp (one an expm1) and A mul a kept decision."""
    return Counts(exp=actions + 1, mul=actions) * kept
