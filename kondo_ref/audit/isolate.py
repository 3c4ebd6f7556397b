"""A subject in a process of its own: what kills that process does not kill the audit.

One process serves all calls of a target; it is started again when it dies. A call that ends it is
observed as crashed, one that cannot be interrupted as timed out. The batches behind such a call
meet a target that starts anew.
"""

import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from kondo_ref.audit.batch import Batch
from kondo_ref.audit.observation import Observation
from kondo_ref.audit.options import Options
from kondo_ref.audit.process import Ended, Process, Silent
from kondo_ref.audit.wire import pack_batches, unpack_observation

# Deaths in one sequence of batches before the rest is given up.
DEATHS = 3
# The process keeps the time limit itself, where it can; it is killed only after more.
GRACE = 5.0
STARTING = 180.0
CODE = (
    "import json, sys; sys.path[:] = json.loads(sys.argv.pop(1)); "
    "from kondo_ref.audit.child import main; main()"
)


class IsolatedSubject:
    """A target, by its name, in a process of its own.

    Parameters
    ----------
    target : str
    surface : str
    framework : str or None
    options : Options

    Raises
    ------
    ImportError, TypeError, ValueError
        As `kondo_ref.audit.target.subject`.
    """

    def __init__(self, target: str, surface: str, framework: str | None, options: Options) -> None:
        inside = replace(options, isolate=False)
        self._hello = {
            "target": target,
            "surface": surface,
            "framework": framework,
            "options": inside.to_json(),
        }
        try:
            self._line = json.dumps(self._hello)
        except TypeError as error:
            raise ValueError(
                f"arguments: an isolated target takes JSON values alone ({error})"
            ) from None
        self._time_limit = options.time_limit
        self._process: Process | None = None
        try:
            answer = self._start()
        except (Ended, Silent) as error:
            raise ValueError(f"target: cannot be loaded, {error}") from None
        self.name = str(answer["name"])
        self.surface = surface
        self.framework = str(answer["framework"])
        self.has = frozenset(map(str, answer["has"]))
        self._environment = dict(answer["environment"])

    def _start(self) -> dict[str, Any]:
        """Start the process and return what it says of the target."""
        self._process = Process([sys.executable, "-c", CODE, json.dumps(sys.path)])
        answer: dict[str, Any] = json.loads(self._process.ask(self._line, STARTING))
        if "error" in answer:
            kinds: dict[str, type[Exception]] = {"ImportError": ImportError, "TypeError": TypeError}
            raise kinds.get(str(answer["error"]), ValueError)(str(answer["message"]))
        return answer

    def observe(self, batches: Sequence[Batch], *, seed: int = 0) -> list[Observation]:
        """Call the target on the batches in order, its state fresh before the first."""
        seen: list[Observation] = []
        deaths, seeded = 0, False
        while len(seen) < len(batches):
            if deaths >= DEATHS:
                gone = replace(seen[-1], message=f"not called: {seen[-1].message}", seconds=0.0)
                return seen + [gone] * (len(batches) - len(seen))
            try:
                seeded |= self._observe(batches[len(seen) :], seed, seen)
            except Ended as error:
                deaths += 1
                seen.append(Observation("crashed", message=str(error)))
            except Silent:
                deaths += 1
                message = f"no answer in {self._time_limit:g} s, and no interrupt reached it"
                seen.append(
                    Observation("timed out", message=message, seconds=self._time_limit + GRACE)
                )
        return [replace(one, seeded=True) for one in seen] if seeded else seen

    def _observe(self, batches: Sequence[Batch], seed: int, seen: list[Observation]) -> bool:
        """Append observations as they come; return whether the target set a global seed.

        Raises
        ------
        Ended, Silent
            In the middle of the batch after the last one seen.
        """
        if self._process is None or not self._process.alive:
            try:
                self._start()
            except (ImportError, TypeError, ValueError) as error:
                raise Ended(f"it could not be loaded again: {error}") from None
        assert self._process is not None
        process, wait = self._process, self._time_limit + GRACE
        process.send(json.dumps({"seed": seed, **pack_batches(batches)}), wait)
        for _ in batches:
            line = process.receive(wait)
            try:
                seen.append(unpack_observation(json.loads(line)))
            except (KeyError, TypeError, ValueError) as error:
                process.kill()
                raise Ended("something else than an observation came out of the process") from error
        try:
            return bool(json.loads(process.receive(wait))["seeded"])
        except (Ended, Silent, KeyError, TypeError, ValueError):
            process.kill()
            return False  # it died between two sequences; the next one starts it again

    def environment(self) -> dict[str, Any]:
        """Versions of what ran."""
        return {**self._environment, "isolated": True}

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
