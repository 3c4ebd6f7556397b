"""The models of a cost study from options, as the command line has them."""

from collections.abc import Mapping
from dataclasses import asdict
from math import prod
from typing import Any

from kondo_ref.flops.config import read_config
from kondo_ref.flops.decoder import Decoder
from kondo_ref.flops.presets import PRESETS, preset
from kondo_ref.flops.study_batches import Batch, DecoderBatch, MLPBatch
from kondo_ref.models.kinds import describe
from kondo_ref.models.mlp import MLP
from kondo_ref.models.transformer import Transformer


def batch_of(kind: str, options: Mapping[str, Any]) -> tuple[Batch, dict[str, Any]]:
    """Return a batch, and a description of its model as JSON values.

    Parameters
    ----------
    kind : str
        mlp, transformer, preset or config.
    options : mapping
        As the command line names them, with their defaults filled in.

    Raises
    ------
    TypeError, ValueError, OSError
        An option out of its range, a configuration that cannot be read.
    """
    if kind == "mlp":
        mlp = MLP(tuple(options["sizes"]))
        model = {**describe(mlp), "parameters": sum(map(prod, mlp.shapes.values()))}
        return MLPBatch(mlp, options["batch"], options["optimizer"]), model
    if kind == "transformer":
        transformer = _transformer(options)
        decoder, model = Decoder.of(transformer), describe(transformer)
    else:
        name, path = options["preset"], options["config"]
        decoder = preset(name) if kind == "preset" else read_config(path)
        source = PRESETS[name].source if kind == "preset" else str(path)
        model = {"kind": "decoder", "source": source, **asdict(decoder)}
    length = decoder.length if options["length"] is None else options["length"]
    batch = DecoderBatch(
        decoder,
        options["batch"],
        length,
        options["prompt"],
        options["attention"],
        options["optimizer"],
    )
    return batch, {**model, "parameters": decoder.parameter_count}


def _transformer(options: Mapping[str, Any]) -> Transformer:
    actions = options["actions"]
    return Transformer(
        vocabulary=options["vocab"],
        actions=options["vocab"] if actions is None else actions,
        length=options["length"],
        width=options["d_model"],
        layers=options["layers"],
        heads=options["heads"],
        feed_forward=options["d_ff"],
        activation=options["activation"],
        biases=options["biases"],
        final_norm=options["final_norm"],
    )
