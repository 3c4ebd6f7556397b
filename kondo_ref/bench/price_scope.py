"""What a price of each rank's own part does to a batch, beside the price of the whole batch.

``python -m kondo_ref.bench.price_scope``: prints JSON. The ranks are slices of the batch, gated one
by one by the reference; that processes do the same is the test of the torch backend. Batches are of
MNIST, from a policy trained for a while by the gate with the global price.
"""

import json
import sys
from typing import Any

import numpy as np

from kondo_ref.baselines import expected_confidence
from kondo_ref.delight import log_softmax
from kondo_ref.gate import Gate
from kondo_ref.gradient import policy_gradient
from kondo_ref.models.mlp import MLP
from kondo_ref.optim import Adam
from kondo_ref.price import Calibrated
from kondo_ref.randomness import Purpose, sample_actions, uniforms
from kondo_ref.step import Learner, TrainingState

BATCH, BATCHES, WARMUP, SEED = 400, 10, 200, 0
RANKS = (2, 4, 16, 40)
GATES = {
    "top-k, 3 %": Gate.named("kondo-top-k", rate=0.03),
    "calibrated, 3 %": Gate.named("kondo", price=Calibrated(0.03), temperature=0.1),
}


def measure() -> list[dict[str, Any]]:
    """Return a row for each gate, way to cut and number of ranks; means over the batches."""
    batches = _batches()
    rows = []
    for name, gate in GATES.items():
        for cut in ("mixed", "by label"):
            for ranks in RANKS:
                found = [_compare(gate, ranks, cut, *batch) for batch in batches]
                mean = np.mean(found, axis=0)
                rows.append(
                    {
                        "gate": name,
                        "parts": cut,
                        "ranks": ranks,
                        "kept_global": float(mean[0]),
                        "kept_rank": float(mean[1]),
                        "share_of_global": float(mean[2]),
                        "cosine": float(mean[3]),
                        "norm": float(mean[4]),
                    }
                )
    return rows


def _batches() -> list[tuple[Any, ...]]:
    """Return logits, actions, advantages, labels and uniforms of batches of a warm policy."""
    from kondo_ref.tasks.mnist import data
    from kondo_ref.tasks.mnist.environment import Bandit, rewards

    bandit = Bandit.of(data.load(), "float64")
    model = MLP((784, 100, 100, 10))
    learner = Learner(TrainingState(model, model.initialize(SEED), Adam(1e-3)))
    stream = bandit.batches(SEED, BATCH)
    found = []
    for step in range(WARMUP + BATCHES):
        x, labels = next(stream)
        policy = learner.forward(x)
        draws = uniforms(SEED, Purpose.ACTIONS, step, labels.shape)
        actions = sample_actions(policy.probabilities, draws)
        paid = rewards(actions, labels, "float64")
        advantages = paid - learner.confidence(policy)
        if step < WARMUP:
            learner.update(policy, actions, advantages, GATES["top-k, 3 %"])
            continue
        logits = learner.logits(x).copy()
        advantages = paid - expected_confidence(np.exp(log_softmax(logits)))
        u = uniforms(SEED, Purpose.GATE, step, labels.shape)
        found.append((logits, actions, advantages, labels, u))
    return found


def _compare(
    gate: Gate,
    ranks: int,
    cut: str,
    logits: Any,
    actions: Any,
    advantages: Any,
    labels: Any,
    u: Any,
) -> tuple[float, ...]:
    """Return kept globally, kept by ranks, share of the first in the second, cosine, norm ratio."""
    order = np.arange(BATCH) if cut == "mixed" else np.argsort(labels, kind="stable")
    logits, actions, advantages = logits[order], actions[order], advantages[order]
    u = u[order] if gate.needs_uniforms else None
    whole = policy_gradient(logits, actions, advantages, gate, uniforms=u)
    parts, kept = [], []
    for rank in range(ranks):
        rows = slice(BATCH * rank // ranks, BATCH * (rank + 1) // ranks)
        own = None if u is None else u[rows]
        part = policy_gradient(
            logits[rows], actions[rows], advantages[rows], gate, normalizer="none", uniforms=own
        )
        parts.append(part.dlogits / BATCH)
        kept.append(part.screening.kept + rows.start)
    local, chosen = np.concatenate(parts), np.concatenate(kept)
    both = np.intersect1d(chosen, whole.screening.kept).size
    norms = np.linalg.norm(local), np.linalg.norm(whole.dlogits)
    cosine = float(np.sum(local * whole.dlogits) / (norms[0] * norms[1]))
    count = whole.screening.kept.size
    return count, chosen.size, both / count, cosine, float(norms[0] / norms[1])


if __name__ == "__main__":
    sys.stdout.write(json.dumps(measure(), indent=1) + "\n")
