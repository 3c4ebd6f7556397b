"""Checkpoints: a training state in one file that every backend reads and writes.

An npz archive without pickled objects: ``header`` is JSON text (schema, kind and settings of the
model, optimizer and its settings, steps), ``parameters`` the flat buffer, ``first`` and ``second``
Adam's moments if it has any. Every number is stored as it is: reading gives back the same bits.
"""

import io
import json
import zipfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from kondo_ref import files
from kondo_ref.models.kinds import describe, model_of
from kondo_ref.optim import SGD, Adam
from kondo_ref.parameters import Parameters
from kondo_ref.step import TrainingState

SCHEMA = "kondo-ref/checkpoint/1"


def save(path: Path, state: TrainingState) -> None:
    """Write a state, whole or not at all.

    Raises
    ------
    TypeError
        The optimizer is neither SGD nor Adam.
    """
    optimizer = state.optimizer
    if not isinstance(optimizer, SGD | Adam):
        raise TypeError(f"state: expected the optimizer SGD or Adam, got {optimizer!r}")
    settings = asdict(optimizer)
    moments = {name: settings.pop(name, None) for name in ("first", "second")}
    header = {
        "schema": SCHEMA,
        "model": describe(state.model),
        "optimizer": {"kind": type(optimizer).__name__.lower(), **settings},
    }
    arrays = {name: moment for name, moment in moments.items() if moment is not None}
    buffer = io.BytesIO()
    np.savez(buffer, header=json.dumps(header), parameters=state.parameters.flat, **arrays)
    files.write_bytes(path, buffer.getvalue())


def load(path: Path) -> TrainingState:
    """Read a state.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    ValueError
        Not a checkpoint, or a damaged one; the message says what is wrong.
    """
    try:
        # From memory, so that no file stays open where the archive is damaged.
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        header = json.loads(str(arrays["header"]))
        if header["schema"] != SCHEMA:
            raise ValueError(f"expected schema {SCHEMA}, got {header['schema']!r}")
        return _state(header, arrays)
    except FileNotFoundError:
        raise
    except (OSError, EOFError, KeyError, TypeError, ValueError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path}: not a checkpoint ({type(error).__name__}: {error})") from error


def _state(header: dict[str, Any], arrays: dict[str, np.ndarray]) -> TrainingState:
    model = model_of(header["model"])
    parameters = Parameters.wrap(arrays["parameters"], model.shapes)
    settings = dict(header["optimizer"])
    kind = settings.pop("kind")
    if kind == "sgd":
        return TrainingState(model, parameters, SGD(**settings))
    if kind != "adam":
        raise ValueError(f"expected the optimizer sgd or adam, got {kind!r}")
    steps = settings.pop("steps")
    optimizer = Adam(**settings)
    optimizer.steps = steps
    for name in ("first", "second"):
        moment = arrays.get(name)
        if moment is not None and (moment.shape, moment.dtype) != (
            parameters.flat.shape,
            parameters.dtype,
        ):
            raise ValueError(f"{name}: {moment.shape} {moment.dtype} does not fit the parameters")
        setattr(optimizer, name, moment)
    return TrainingState(model, parameters, optimizer)
