"""The family predicts for any batch: numbers or none, never a warning of the arithmetic."""

from dataclasses import replace

import numpy as np
import pytest

from kondo_ref.audit.known import variants
from kondo_ref.audit.known_family import Member, coefficients
from kondo_ref.audit.probes import flat_probes, with_advantages

BASES = {
    "dg": Member(temperature=0.5),
    "kondo": Member(draw="bernoulli", price=("quantile", 0.1, "linear")),
    "top-k": Member(draw="top-k", rate=0.25, temperature=0.0),
    "rolling": Member(draw="hard", temperature=0.0, price=("rolling", 0.1, 16.0, 2.0)),
    "rewards": Member(baseline=("batch",)),
}


def batches():
    """Return batches that overflow, or hold what is no number."""
    probes = {p.name: p.batch for p in flat_probes(0, masks=False)}
    plain = replace(probes["surprising"])
    u = plain.advantages.copy()
    u[3], u[5] = np.inf, -np.inf
    impossible = plain.logits.copy()
    np.put_along_axis(impossible, plain.actions[..., None], -np.inf, axis=-1)
    empty = np.zeros(plain.shape, dtype=np.bool_)
    return {
        "huge advantages": with_advantages(plain, plain.advantages * 1e30),
        "huge logits": replace(plain, logits=plain.logits * 1e300),
        "infinite advantages": replace(plain, advantages=u),
        "impossible actions": replace(plain, logits=impossible),
        "an empty mask": replace(plain, mask=empty),
    }


@pytest.mark.parametrize("name", BASES)
@pytest.mark.parametrize("which", batches())
def test_no_batch_makes_a_prediction_warn(which, name):
    batch = batches()[which]
    base = BASES[name]
    for variant in variants(base):
        member = variant.apply(base)
        if not member.leak:
            with np.errstate(all="raise", under="ignore"):
                assert coefficients(member, batch).shape == batch.shape, variant.name
