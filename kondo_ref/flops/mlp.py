"""Closed forms of the MLP: a training step, and the three backwards that are never mixed.

D[0]..D[L] sizes, N rows, K of them kept. Source of the formulas: the layers of `models.mlp`, as
they are written; the tests hold them against what runs.
"""

from fractions import Fraction

from kondo_ref import checks
from kondo_ref.flops import gate as station
from kondo_ref.flops import layers
from kondo_ref.flops.counts import Counts, Step
from kondo_ref.flops.layers import Layer
from kondo_ref.gate import Gate
from kondo_ref.models.mlp import MLP


def network(model: MLP, rows: int) -> Layer:
    """Return the counts of the network on so many rows.

    Matmul: forward 2 N sum D[i] D[i+1]; backward the same for the weights, and all of it but the
    first layer's for the inputs.
    """
    result = Layer()
    for layer in range(model.layers):
        inputs, outputs = model.sizes[layer : layer + 2]
        result += layers.linear(rows, inputs, outputs, bias=True, need_dx=layer > 0)
        if layer < model.layers - 1:
            result += layers.relu(rows * outputs)
    return result


def mlp_step(
    model: MLP,
    rows: int,
    kept: int,
    gate: Gate,
    *,
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
    model : MLP
    rows, kept : int
        N and K.
    gate : Gate
    optimizer : str
        sgd or adam.
    flush : bool
        As `layers.adam` takes it.
    valid, uniforms, history, evaluations
        As `gate.screen` takes them.

    Raises
    ------
    TypeError, ValueError
        No row, more kept than there are, an unknown optimizer.

    Notes
    -----
    In the forward are N D[1] add by which it finds input that is not finite. With nothing kept
    there is neither backward nor update.
    """
    if checks.count("kept", kept, 0) > checks.count("rows", rows, 1):
        raise ValueError(f"kept: expected at most {rows} rows, got {kept}")
    stages = {
        "forward": network(model, rows).forward + Counts(add=rows * model.sizes[1]),
        "screen": station.screen(
            gate,
            rows,
            model.sizes[-1],
            valid=valid,
            uniforms=uniforms,
            history=history,
            evaluations=evaluations,
        ),
        "select": station.select(rows, kept),
    }
    if kept:
        below = network(model, kept)
        stages["backward_input"] = station.dlogits(kept, model.sizes[-1]) + below.backward_input
        stages["backward_weight"] = below.backward_weight
        stages["update"] = layers.update(optimizer, model.shapes, flush=flush)
    return Step.of(**stages)


def executed_backward(model: MLP, kept: int) -> Counts:
    """Return what the reference's backward computes: everything on K rows."""
    return station.dlogits(kept, model.sizes[-1]) + network(model, kept).backward


def structural_backward(model: MLP, kept: int) -> Counts:
    """Return the least that this gate allows: rows are independent, so what the reference runs."""
    return executed_backward(model, kept)


def logical_backward(model: MLP, rows: int, rate: float | Fraction) -> Counts:
    """Return the rate times the backward of all N rows, rounded: the papers' axis."""
    return layers.share(executed_backward(model, rows), rate)
