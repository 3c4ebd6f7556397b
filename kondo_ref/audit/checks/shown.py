"""What the checks beyond the estimator have in common: batches of their own, and what came.

They hold a target to the member that was identified, not to the claim: what the estimator does
otherwise has its findings already, and an edge is judged by itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from kondo_ref.audit.batch import Batch
from kondo_ref.audit.identify import Identity
from kondo_ref.audit.identify_evidence import EPS, Evidence, distance
from kondo_ref.audit.identify_trial import RANDOM, realised
from kondo_ref.audit.known_family import Member
from kondo_ref.audit.observation import Observation
from kondo_ref.audit.probes import Probe, generic
from kondo_ref.audit.replay import replay_json
from kondo_ref.checks import FloatArray

GATES = ("gate", "stream", "lists")
N = 16


@dataclass(frozen=True, eq=False)
class Shown:
    """A target, what it was identified as, and a way to show it more.

    Parameters
    ----------
    identity : Identity
    """

    identity: Identity

    @property
    def evidence(self) -> Evidence:
        """The subject, and what was seen of it."""
        return self.identity.trial.evidence

    @property
    def member(self) -> Member | None:
        """What the target was identified as."""
        return self.identity.member

    @property
    def random(self) -> bool:
        """Whether it draws."""
        return self.identity.random

    @property
    def row_only(self) -> bool:
        """Whether it takes (B, T) batches alone."""
        return all(len(p.batch.shape) > 1 for p in self.identity.trial.probes)

    def batch(self, n: int, key: int = 0) -> Batch:
        """Return n ordinary decisions, as the target takes them."""
        return self.fitted(generic(n, np.random.default_rng((self.evidence.seed, key, n))))

    def fitted(self, batch: Batch) -> Batch:
        """Return an (N,) batch as (N, 1), where the target takes only sequences."""
        if not self.row_only or len(batch.shape) > 1:
            return batch
        return replace(
            batch,
            logits=batch.logits[:, None],
            actions=batch.actions[:, None],
            advantages=batch.advantages[:, None],
            mask=None if batch.mask is None else batch.mask[:, None],
        )

    def observe(self, batches: Sequence[Batch], repeat: int = 0) -> list[Observation]:
        """Show it batches in order, its state fresh before the first."""
        return self.evidence.subject.observe(
            list(batches), seed=1_000_003 * self.evidence.seed + repeat
        )

    def response(self, seen: Observation) -> FloatArray | None:
        """Return coefficients, or weights where there are none."""
        return self.evidence.of(seen)

    def expected(self, batch: Batch, seen: FloatArray | None = None) -> FloatArray | None:
        """Return what the member does with a batch; None outside the family.

        Parameters
        ----------
        batch : Batch
        seen : (...) float, optional
            What came, whose gate is taken where the member draws.
        """
        if self.member is None or self.member.leak:
            return None
        probe = Probe("", (batch,))
        gate = None
        if self.member.draw in RANDOM:
            if seen is None:
                return None
            gate = realised(seen, probe)
        try:
            with np.errstate(all="ignore"):
                # The cache of an evidence is by name, and these batches have none.
                fresh = Evidence(self.evidence.subject, self.evidence.seed, batch.dtype)
                return fresh.predict(self.member, probe, gate)
        except (ValueError, ArithmeticError, IndexError, KeyError):
            return None

    def limit(self, batch: Batch) -> float:
        """Return the relative distance from which on a batch is computed wrongly.

        The test ratio of the definition, 32, with room for a sigmoid of large arguments.
        """
        narrow = max(EPS[batch.dtype], EPS[self.evidence.precision])
        probe = Probe("", (batch,))
        if self.member is None:
            return 32 * narrow
        fresh = Evidence(self.evidence.subject, self.evidence.seed, batch.dtype)
        fresh.precision = batch.dtype if EPS[batch.dtype] == narrow else self.evidence.precision
        with np.errstate(all="ignore"):
            return max(1e-6, fresh.limit(self.member, probe))


def gap(seen: FloatArray, expected: FloatArray) -> float:
    """Return the relative distance, inf where only one of the two is finite."""
    if not np.isfinite(seen).all():
        return np.inf
    return distance(seen, expected)


def half(batch: Batch) -> Any:
    """Return a mask that leaves out every other decision of the second half."""
    n = batch.actions.size
    mask = np.ones(n, dtype=np.bool_)
    mask[n // 2 :: 2] = False
    return mask.reshape(batch.shape)


def numbers(seen: Observation, batch: Batch) -> dict[str, Any]:
    """Return the evidence of one batch: the loss, and what is needed to run it again."""
    return {"loss": seen.loss, "replay": replay_json([batch], 0)}
