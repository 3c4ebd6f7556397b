"""Subjects and audits made by hand, for the doors and the reports: no probe, no foreign code."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kondo_ref import Gate, policy_gradient
from kondo_ref.audit.batch import Batch
from kondo_ref.audit.observation import Observation
from kondo_ref.audit.replay import replay_json
from kondo_ref.audit.verdict import Audit, Claim, Finding, Trait

BATCH = Batch(
    np.log([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.3, 0.3, 0.4], [0.5, 0.4, 0.1]]),
    np.array([2, 1, 0, 1]),
    np.array([1.0, 0.5, -0.5, 0.5]),
)
HAS = frozenset({"coefficients", "rows"})


@dataclass(frozen=True)
class FakeSubject:
    """A subject that applies a gate of ours.

    Parameters
    ----------
    gate : Gate
    normalizer : str
    skips : bool
        Whether only kept rows count as executed.
    change : callable
        Of the observation, to make it deviate.
    """

    gate: Gate
    normalizer: str = "decisions"
    skips: bool = True
    change: Callable[[Observation], Observation] = lambda seen: seen
    name: str = "targets.py:loss"
    surface: str = "logits"
    framework: str = "numpy"
    has: frozenset[str] = HAS

    def observe(self, batches: Sequence[Batch], *, seed: int = 0) -> list[Observation]:
        numbers = np.random.default_rng(seed)
        return [self.change(self._one(batch, numbers)) for batch in batches]

    def _one(self, batch: Batch, numbers: np.random.Generator) -> Observation:
        try:
            done = policy_gradient(
                batch.logits,
                batch.actions,
                batch.advantages,
                self.gate,
                normalizer=self.normalizer,
                uniforms=numbers.random(batch.shape) if self.gate.needs_uniforms else None,
                mask=batch.mask,
            )
        except ValueError as error:
            return Observation("raised", message=str(error))
        weight = done.screening.weight
        rows = np.count_nonzero(weight) if self.skips else weight.size
        return Observation(
            coefficients=weight * batch.advantages / done.normalizer,
            weights=weight if "weights" in self.has else None,
            loss=done.loss,
            executed_rows=int(rows),
            dense_rows=weight.size,
        )

    def environment(self) -> dict[str, Any]:
        return {"python": "3"}


KEPT = Finding(
    "normalizer.kept",
    "normalizer",
    "wrong estimator",
    "The mean is over the kept decisions: the step grows by about 1/rate.",
    "Z is the number of valid decisions, kept or not, unless the claim says otherwise",
    "Z = 1 of 4 decisions",
    {
        "norm_ratio": 4.0,
        "cosine": 1.0,
        "coefficient_ratio": np.float64(3.4e16),
        "rates": {"target": 0.25, "realised": float("nan")},
        "coefficients": np.array([1.0, 0.0, 0.0, 0.0]),
        "replay": replay_json([BATCH]),
    },
    "mean-over-kept",
)
NAN = Finding(
    "robustness.nan-silent",
    "robustness",
    "fragile on edge inputs",
    "A NaN becomes a silent 0, or is skipped without a word.",
    "an edge input is computed as any other, or refused loudly; never a silent 0 or NaN",
    "coefficient 0 where the advantage is NaN",
)
CLAIM = Claim("kondo-top-k", Gate.named("kondo-top-k", rate=0.25))
IDENTIFIED = {
    "method": Trait("kondo-top-k", "tested", "1 of 4 kept, the largest delight"),
    "rate": Trait(0.25, "tested", "k = 1, 3, 25 of 4, 10, 100"),
    "detach": Trait(True, "exact", "residual 2 eps"),
    "baseline": Trait(None, "assumed", "not part of this surface"),
}


def audit(
    verdict: str = "deviates",
    findings: tuple[Finding, ...] = (NAN, KEPT),
    claim: Claim | None = CLAIM,
    **others: Any,
) -> Audit:
    """Return an audit that came to this."""
    return Audit(
        "targets.py:loss",
        "logits",
        "numpy",
        claim,
        verdict,
        others.pop("identified", IDENTIFIED),
        findings,
        environment={"python": "3.11.2", "packages": {"numpy": "2.0", "torch": None}},
        **others,
    )
