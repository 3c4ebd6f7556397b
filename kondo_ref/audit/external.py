"""A subject in any language: a command that speaks `kondo_ref.audit.protocol`."""

import json
import shlex
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kondo_ref.audit import protocol
from kondo_ref.audit.batch import Batch
from kondo_ref.audit.frameworks.numpy_arrays import NumpyArrays
from kondo_ref.audit.guard import TIME_OUTS, Unreadable, one_line
from kondo_ref.audit.isolate import DEATHS
from kondo_ref.audit.observation import Observation
from kondo_ref.audit.options import Options
from kondo_ref.audit.process import Ended, Process, Silent
from kondo_ref.audit.recover import coefficients
from kondo_ref.audit.rounding import rounded
from kondo_ref.audit.surfaces.arguments import View, of_decisions
from kondo_ref.audit.surfaces.screens import chosen_rows
from kondo_ref.checks import FloatArray
from kondo_ref.randomness import Purpose, uniforms

STARTING = 30.0
GRADIENTS = {"logits": "dlogits", "rewards": "dlogits", "logprobs": "dlogp"}


class ExternalSubject:
    """A command that answers lines with lines.

    Parameters
    ----------
    command : str or sequence of str
        Words, or a line that is split as a shell does; no shell runs it.
    surface : str
    options : Options

    Raises
    ------
    ValueError
        The surface has no place in the protocol, or the command does not answer as it must.
    """

    framework = "subprocess"

    def __init__(self, command: str | Sequence[str], surface: str, options: Options) -> None:
        if surface not in protocol.HANDED:
            raise ValueError(
                f"surface: {surface} has no place in the protocol; "
                f"expected one of {', '.join(protocol.HANDED)}"
            )
        for name in ("names", "arguments", "init", "methods", "returns", "give"):
            if getattr(options, name):
                raise ValueError(f"{name}: a subprocess takes none, its adapter decides")
        self._words = shlex.split(command) if isinstance(command, str) else list(command)
        if not self._words:
            raise ValueError("target: expected a command, got nothing")
        self.name = shlex.join(self._words)
        self.surface = surface
        self._options = options
        self._process: Process | None = None
        self._id = 0
        self._noise: list[str] = []
        self._said = ""
        try:
            hello = self._start()
        except (Ended, Silent, Unreadable) as error:
            raise ValueError(f"target: {error}") from None
        takes = hello.get("takes", [])
        if not isinstance(takes, list) or not all(word in protocol.TAKES for word in takes):
            raise ValueError(
                f"target: its hello takes {takes!r}, expected some of {', '.join(protocol.TAKES)}"
            )
        self._takes = frozenset(takes)
        self._versions = hello.get("versions", {})
        seen = {
            "gate": {"weights"},
            "lists": {"weights"},
            "stream": {"weights"},
            "screen+loss": {"coefficients", "weights", "rows", "loss"},
        }.get(surface, {"coefficients", "loss"})
        self.has = frozenset(seen | self._takes)

    def _start(self) -> dict[str, Any]:
        self._process = Process(self._words)
        self._said = ""
        message = {"type": "hello", "protocol": protocol.PROTOCOL, "surface": self.surface}
        self._process.send(protocol.line(message), STARTING)
        hello = self._answer(STARTING)
        if hello.get("error"):
            raise Unreadable(one_line(str(hello["error"])))
        if hello.get("protocol") != protocol.PROTOCOL:
            raise Unreadable(
                f"its hello speaks protocol {hello.get('protocol')!r}, expected {protocol.PROTOCOL}"
            )
        return hello

    def _answer(self, seconds: float) -> dict[str, Any]:
        """Return the next line that is a JSON object; others are kept as printed."""
        assert self._process is not None
        deadline = time.monotonic() + seconds
        while True:
            line = self._process.receive(max(deadline - time.monotonic(), 0.0))
            try:
                answer = json.loads(line)
            except ValueError:
                answer = None
            if isinstance(answer, dict):
                return answer
            self._noise.append(line)

    def _ask(self, message: dict[str, Any]) -> dict[str, Any]:
        assert self._process is not None
        self._id += 1
        self._process.send(protocol.line({**message, "id": self._id}), self._options.time_limit)
        answer = self._answer(self._options.time_limit)
        if answer.get("id") != self._id:
            raise Unreadable(f"answered id {answer.get('id')!r} to id {self._id}")
        if answer.get("error") is not None:
            raise Refused(one_line(str(answer["error"])))
        return answer

    def observe(self, batches: Sequence[Batch], *, seed: int = 0) -> list[Observation]:
        """Call the target on the batches in order, its state fresh before the first."""
        seen: list[Observation] = []
        fresh, deaths, silences = True, 0, 0
        view: tuple[Batch, View] | None = None
        for number, batch in enumerate(batches):
            if deaths >= DEATHS or silences >= TIME_OUTS:
                outcome = "crashed" if deaths >= DEATHS else "timed out"
                seen.append(Observation(outcome, message="not called: it failed so before"))
                continue
            if view is None or view[0] is not batch:
                view = batch, View(batch, self._options)
            self._noise.clear()
            began = time.perf_counter()
            found: dict[str, Any] = {}
            try:
                if self._process is None or not self._process.alive:
                    self._start()
                    fresh = True
                found = self._observe(view[1], seed, number, fresh)
                fresh = False
            except Refused as error:
                found = {"outcome": "raised", "message": str(error)}
                fresh = False
            except Unreadable as error:
                found = {"message": one_line(str(error))}
                fresh = False
            except Silent as error:
                silences += 1
                found = {"outcome": "timed out", "message": str(error)}
            except Ended as error:
                deaths += 1
                found = {"outcome": "crashed", "message": str(error)}
            seconds = time.perf_counter() - began
            seen.append(Observation(**found, seconds=seconds, printed=self._printed()))
        return seen

    def _printed(self) -> str:
        said = self._process.errors() if self._process and self._process.alive else self._said
        new, self._said = said.removeprefix(self._said), said
        return "".join(text + "\n" for text in self._noise) + new

    def _observe(self, view: View, seed: int, number: int, fresh: bool) -> dict[str, Any]:
        """Return the parts of an observation of one batch."""
        batch = view.batch
        message: dict[str, Any] = {
            "type": "call", "fresh": fresh, "seed": seed, "dtype": batch.dtype
        }  # fmt: skip
        for role in protocol.HANDED[self.surface]:
            if role == "actions":
                message[role] = batch.actions.reshape(view.shape)
            elif role == "uniforms":
                draw = uniforms(seed, Purpose.GATE, number, view.shape)
                message[role] = rounded(draw, batch.dtype)
            else:
                message[role] = view.floats(role)
        for role, value in (("mask", batch.mask), ("groups", batch.groups)):
            if role in self._takes:
                message[role] = None if value is None else self._beside(role, value, view)
            elif value is not None:
                raise Unreadable(f"{role}: the target takes none")
        answer = self._ask(message)
        if self.surface == "screen+loss":
            return self._screened(answer, view)
        found = self._told(answer)
        shape = batch.shape
        gradient = GRADIENTS.get(self.surface)
        if answer.get("coefficients") is not None:
            c = protocol.array(answer["coefficients"], "coefficients")
            found["coefficients"] = of_decisions(c, shape, "coefficients")
        elif gradient is not None and answer.get(gradient) is not None:
            values = protocol.array(answer[gradient], gradient)
            found |= self._recovered(values, view)
        weights = answer.get("weights", answer.get("gate"))
        if weights is not None:
            found["weights"] = of_decisions(protocol.array(weights, "weights"), shape, "weights")
        if "coefficients" not in found and (gradient is not None or "weights" not in found):
            wanted = f"{gradient} nor coefficients" if gradient else "weights nor coefficients"
            raise Unreadable(f"answered neither {wanted}")
        return found

    def _recovered(self, gradient: FloatArray, view: View) -> dict[str, Any]:
        if self.surface == "logprobs":
            c = of_decisions(0.0 - gradient, view.batch.shape, "dlogp")
            return {"coefficients": self._sign * c}
        if gradient.size != view.direction.size:
            raise Unreadable(f"answered dlogits of shape {gradient.shape}")
        c, residual = coefficients(gradient.reshape(view.size, -1), view.direction)
        return {"coefficients": (self._sign * c).reshape(view.batch.shape), "residual": residual}

    def _screened(self, answer: dict[str, Any], view: View) -> dict[str, Any]:
        """Return what the loss gives for the kept decisions."""
        kept = answer.get("kept")
        if not isinstance(kept, list):
            raise Unreadable("answered no kept: a list of indices or booleans was expected")
        rows, weights = chosen_rows(kept, view.shape, NumpyArrays())
        if weights is None:
            weights = np.bincount(rows, minlength=view.size).astype(np.float64)
        second = self._ask(self._subset(rows, view))
        found = self._told(second)
        gradient = second.get("dlogp")
        if gradient is None:
            raise Unreadable("answered no dlogp")
        c = np.zeros(view.size)
        values = protocol.array(gradient, "dlogp")
        np.add.at(c, rows, -self._sign * of_decisions(values, (rows.size,), "dlogp"))
        shape = view.batch.shape
        return found | {
            "coefficients": (c + 0.0).reshape(shape),
            "weights": weights.reshape(shape),
            "executed_rows": rows.size,
            "dense_rows": view.size,
        }

    def _subset(self, rows: NDArray[np.intp], view: View) -> dict[str, Any]:
        chosen = {name: view.floats(name).reshape(-1)[rows] for name in ("logp", "advantages")}
        valid = int(np.count_nonzero(view.batch.valid))
        return {"type": "loss", **chosen, "decisions": valid}

    def _beside(self, role: str, value: NDArray[Any], view: View) -> NDArray[Any]:
        if role == "groups":
            return value
        return value.reshape(view.shape).astype(view.mask_dtype)

    @property
    def _sign(self) -> float:
        return 1.0 if self._options.sign == "loss" else -1.0

    def _told(self, answer: dict[str, Any]) -> dict[str, Any]:
        """Return loss and metrics."""
        loss, metrics = answer.get("loss"), answer.get("metrics") or {}
        if not isinstance(metrics, dict):
            raise Unreadable("answered metrics that are no object")
        return {
            "loss": None if loss is None else self._sign * protocol.number(loss),
            "metrics": {str(name): protocol.number(value) for name, value in metrics.items()},
        }

    def environment(self) -> dict[str, Any]:
        """Versions of what ran, as it says."""
        return {"command": self.name, "protocol": protocol.PROTOCOL, **dict(self._versions)}

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()


class Refused(Exception):
    """The target answered with an error."""
