"""A subject in this process: a Python target behind its surface and framework."""

import platform
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from kondo_ref.audit.batch import Batch
from kondo_ref.audit.frameworks.interface import Framework
from kondo_ref.audit.fresh import Maker
from kondo_ref.audit.guard import described, guarded, one_line
from kondo_ref.audit.observation import Observation
from kondo_ref.audit.options import Options
from kondo_ref.audit.surfaces.arguments import Call
from kondo_ref.audit.surfaces.prepared import Surface

# Making an object may take longer than a call.
LOADING = 120.0
# A call that a framework compiles may take so many times longer than one that it does not.
COMPILING = 6.0


class LocalSubject:
    """A target in this process.

    Parameters
    ----------
    name : str
    maker : Maker
    surface : Surface
    framework : Framework
    options : Options

    Raises
    ------
    ValueError
        The target cannot be called on this surface.
    """

    def __init__(
        self, name: str, maker: Maker, surface: Surface, framework: Framework, options: Options
    ) -> None:
        self.name = name
        self.surface = surface.name
        self.framework = framework.name
        self._arrays = framework
        self._options = options
        try:
            with guarded(0, LOADING, []) as guard, framework.during(), guard.limit():
                self._prepared = surface.prepare(maker, framework, options)
        except (TypeError, ValueError) as error:
            raise ValueError(one_line(str(error))) from error
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # whatever a target does while it is made
            raise ValueError(f"target: cannot be made ({described(error)})") from error
        self.has = self._prepared.has
        self._compiled: set[tuple[object, ...]] = set()

    def observe(self, batches: Sequence[Batch], *, seed: int = 0) -> list[Observation]:
        """Call the target on the batches in order, its state fresh before the first."""
        seeded: list[bool] = []
        observations = list(self.observing(batches, seed, seeded))
        if any(seeded):
            return [replace(observation, seeded=True) for observation in observations]
        return observations

    def observing(
        self, batches: Sequence[Batch], seed: int, seeded: list[bool]
    ) -> Iterator[Observation]:
        """Yield the observations one by one.

        Parameters
        ----------
        batches : sequence of Batch
        seed : int
        seeded : list of bool
            Afterwards, whether the target set a global seed.
        """
        observe: Callable[[Call], Observation] | None = None

        def one(number: int, batch: Batch) -> Observation:
            nonlocal observe
            if observe is None:
                observe = self._prepared.start(batches, seed)
            return observe(Call(batch, seed, number))

        with guarded(seed, self._options.time_limit, seeded) as guard, self._arrays.during():
            for number, batch in enumerate(batches):
                yield guard.run(partial(one, number, batch), self._patience(batch))

    def _patience(self, batch: Batch) -> float:
        """Return times the limit of a call: longer for the first with a shape, if it compiles."""
        shape = (batch.logits.shape, batch.mask is None, batch.dtype, batch.mask_dtype)
        if not self._arrays.compiles or shape in self._compiled:
            return 1.0
        self._compiled.add(shape)
        return COMPILING

    def environment(self) -> dict[str, Any]:
        """Versions of what ran."""
        return {"python": platform.python_version(), **self._arrays.versions()}
