"""Every mutant is wrong in the way it says, and every correct implementation is right.

Nothing of the auditor is used: coefficients come from autograd (`target_runs`), what a claim allows
from its formulas (`target_reference`), and the correct ones are held to `kondo_ref` itself. Draws
are judged by exact binomial tests over at most 400 calls with fixed keys: a decision of a correct
target fails with probability 1e-9, and a mutant is convicted below 1e-12.
"""

import inspect
import warnings
from dataclasses import replace
from importlib import import_module

import numpy as np
import pytest

pytest.importorskip("torch", reason="the extra torch is not installed")
pytest.importorskip("jax", reason="the extra jax is not installed")

from scipy.stats import binomtest
from target_batches import BATCHES, nothing, ragged, random_batch, with_mask
from target_reference import Allowed, allowed, with_baseline
from target_runs import Seen, load, run
from targets import CORRECT, HELD_OUT, HELD_OUT_CORRECT, MUTANTS, Mutant, Target

from kondo_ref import policy_gradient
from kondo_ref.audit.batch import Batch
from kondo_ref.audit.catalogue import DIMENSIONS
from kondo_ref.audit.observation import FRAMEWORKS, SURFACES
from kondo_ref.audit.options import Options

REPEATS = 400
LOOKS = (50, 100, 200, REPEATS)
CONVICTED = 1e-12
ALL = [*MUTANTS, *CORRECT, *HELD_OUT, *HELD_OUT_CORRECT]
named = pytest.mark.parametrize


def observed(target: Target, batches: list[Batch], seed: int = 0) -> list[Seen]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return run(target, batches, seed)


def judged_batches(target: Target, batches: list[Batch], seen: list[Seen]) -> list[Batch]:
    """Return the batches with what the gate is claimed to see: advantages, the model's logits."""
    judged = []
    for batch, found in zip(batches, seen, strict=True):
        known = batch
        if target.surface == "rewards":
            known = with_baseline(target.baseline, known)
        if found.logits is not None:
            known = replace(known, logits=found.logits)
        judged.append(known)
    return judged


def masked_for(target: Target, batch: Batch) -> Batch:
    """Return the batch without a mask where the target takes none, and with one where it must."""
    thing = load(target)
    call = getattr(thing, "forward", thing.__call__) if inspect.isclass(thing) else thing
    if not {"mask", "response_mask"} & set(inspect.signature(call).parameters):
        return replace(batch, mask=None)
    return batch if batch.mask is not None else with_mask(batch)


def distance(found: np.ndarray, allow: Allowed) -> float:
    """Return how far c is from anything allowed, over the norm of what is allowed."""
    assert np.isfinite(found).all()
    if allow.drawn:
        error = np.minimum(np.abs(found), np.abs(found - allow.full))
        error[allow.keep == 0] = np.abs(found[allow.keep == 0])
        size = np.linalg.norm(np.where(found != 0, allow.full, 0.0))
    else:
        error = np.abs(found - allow.keep * allow.full)
        size = np.linalg.norm(allow.keep * allow.full)
    return float(np.linalg.norm(error) / max(size, 1e-300)) if np.any(error) else 0.0


def worst_keep(target: Target, batch: Batch) -> float:
    """Return the least p-value of a decision's kept count; four looks, until one convicts."""
    kept = np.zeros(batch.shape)
    allow = allowed(target.claim, [batch])[0]
    least = 1.0
    for seed in range(REPEATS):
        seen = observed(target, [batch], seed)[0]
        assert not seen.error, seen.error
        of_gate = seen.weights is not None
        kept += (seen.weights if of_gate else seen.coefficients) != 0
        if seed + 1 not in LOOKS:
            continue
        matters = batch.valid & (of_gate | (allow.full != 0))
        least = min(
            binomtest(int(k), seed + 1, float(min(max(w, 0.0), 1.0))).pvalue
            for k, w in zip(kept[matters], allow.keep[matters], strict=True)
        )
        if least < CONVICTED:
            break
    return least


def spread_ratio(target: Target, batch: Batch) -> float:
    """Return the variance of the number kept over that of independent draws."""
    w = allowed(target.claim, [batch])[0].keep
    kept = [np.count_nonzero(observed(target, [batch], s)[0].weights) for s in range(REPEATS)]
    return float(np.var(kept) / (w * (1 - w)).sum())


def shows_coefficients(mutant: Mutant, batches: list[Batch], seen: list[Seen]) -> bool:
    allow = allowed(mutant.claim, judged_batches(mutant, batches, seen))
    assert not any(found.error for found in seen), [found.error for found in seen]
    return any(distance(s.coefficients, a) > 1e-6 for s, a in zip(seen, allow, strict=True))


def shows_weights(mutant: Mutant, batches: list[Batch], seen: list[Seen]) -> bool:
    allow = allowed(mutant.claim, batches)
    assert not any(found.error for found in seen), [found.error for found in seen]
    return any(np.abs(s.weights - a.keep).max() > 1e-6 for s, a in zip(seen, allow, strict=True))


def shows_share(mutant: Mutant, batches: list[Batch], _: list[Seen]) -> bool:
    return worst_keep(mutant, batches[0]) < CONVICTED


def shows_count(mutant: Mutant, batches: list[Batch], _: list[Seen]) -> bool:
    # 400 normal counts give a ratio within 1 +- .35 in all but one of 1e6 experiments.
    return not 0.5 < spread_ratio(mutant, batches[0]) < 2.0


def shows_residual(mutant: Mutant, _: list[Batch], seen: list[Seen]) -> bool:
    del mutant
    return all(found.residual > 1e-4 for found in seen)


def shows_gradients(mutant: Mutant, batches: list[Batch], seen: list[Seen]) -> bool:
    """Of the last step."""
    found = seen[-1]
    allow = allowed(mutant.claim, judged_batches(mutant, batches, seen))[-1]
    ours = np.concatenate([g.ravel() for g in found.expected_of(allow.keep * allow.full)])
    theirs = np.concatenate([g.ravel() for g in found.gradients])
    return float(np.linalg.norm(theirs - ours)) > 1e-6 * float(np.linalg.norm(ours))


def shows_rows(mutant: Mutant, batches: list[Batch], seen: list[Seen]) -> bool:
    """More rows in the backward than a gate of this claim keeps, or can keep by chance."""
    allow = allowed(mutant.claim, judged_batches(mutant, batches, seen))
    slack = 5 * max(np.sqrt((a.keep * (1 - a.keep)).sum()) for a in allow)
    return all(s.rows > (a.keep > 0.5).sum() + slack for s, a in zip(seen, allow, strict=True))


def shows_moved(mutant: Mutant, batches: list[Batch], seen: list[Seen]) -> bool:
    last = allowed(mutant.claim, judged_batches(mutant, batches, seen))[-1]
    return seen[-1].moved and not last.keep.any()


def shows_broken(mutant: Mutant, _: list[Batch], seen: list[Seen]) -> bool:
    del mutant
    found = seen[-1]
    c = found.coefficients
    return bool(found.error) or not np.isfinite(found.loss) or not np.isfinite(c).all()


def shows_silent(mutant: Mutant, _: list[Batch], seen: list[Seen]) -> bool:
    del mutant
    found = seen[-1]
    finite = np.isfinite(found.loss) and np.isfinite(found.coefficients).all()
    return not found.error and bool(finite)


def shows_metrics(mutant: Mutant, batches: list[Batch], seen: list[Seen]) -> bool:
    (said,) = seen[0].metrics.values()
    valid = batches[0].valid
    kept = np.count_nonzero(seen[0].coefficients[valid]) / valid.sum()
    allow = allowed(mutant.claim, batches[:1])[0]
    assert distance(seen[0].coefficients, allow) < 1e-12, "only the metric should be wrong"
    return abs(said - kept) > 0.02


def shows_arguments(mutant: Mutant, _: list[Batch], seen: list[Seen]) -> bool:
    del mutant
    return seen[0].changed


def shows_seed(mutant: Mutant, _: list[Batch], seen: list[Seen]) -> bool:
    del mutant
    return seen[0].seeded


WITNESSES = {name[6:]: f for name, f in dict(globals()).items() if name.startswith("shows_")}


@named("mutant", [*MUTANTS, *HELD_OUT], ids=lambda m: m.name)
def test_a_mutant_is_wrong_where_it_says(mutant: Mutant):
    batches = [masked_for(mutant, b) for b in BATCHES[mutant.on]()]
    assert WITNESSES[mutant.shows](mutant, batches, observed(mutant, batches))


def batches_for(target: Target) -> list[Batch]:
    """Return random batches that a correct target of this claim is held to the reference on."""
    if target.surface == "rewards":
        grouped = [replace(random_batch(31 + i, 24)) for i in range(3)]
        return [replace(b, groups=np.repeat(np.arange(6), 4)) for b in grouped]
    if target.surface == "stream":
        return [random_batch(31 + i, 60) for i in range(4)]
    flat = [masked_for(target, random_batch(31 + n, n)) for n in (1, 7, 40)]
    rows = [masked_for(target, ragged(41)), masked_for(target, random_batch(42, 5, 5))]
    if target.claim.get("unit") == "sequence":
        return rows
    if observed(target, rows)[0].error:  # written for (N,) alone
        return flat
    return [*flat, *rows]


@named("target", [*CORRECT, *HELD_OUT_CORRECT], ids=lambda t: t.name)
def test_a_correct_target_agrees_with_the_reference(target: Target):
    """To test ratio 32; at the draws it made itself, where it draws."""
    batches = batches_for(target)
    seen = observed(target, batches)
    claim = target.claimed()
    history = None
    gate = claim.gate
    for batch, found in zip(judged_batches(target, batches, seen), seen, strict=True):
        assert not found.error, found.error
        dtype = target.options.get("dtype", "float64")
        one = allowed(target.claim, [batch])[0]
        uniforms = None
        if one.drawn:
            kept = found.coefficients if found.weights is None else found.weights
            # A uniform of 0 keeps whatever was kept, one next to 1 drops the others.
            uniforms = np.where(kept != 0, 0.0, np.nextafter(1.0, 0.0))
        stated = policy_gradient(
            batch.logits.astype(dtype).astype(np.float64),
            batch.actions,
            batch.advantages.astype(dtype).astype(np.float64),
            gate,
            normalizer=claim.normalizer,
            uniforms=uniforms,
            mask=batch.mask,
            history=history,
        )
        history = stated.screening.history
        g = stated.screening.weight
        c = g * batch.advantages / stated.normalizer
        limit = 32 * np.finfo(dtype).eps
        if found.weights is not None:
            assert np.linalg.norm(found.weights - g) <= limit * np.linalg.norm(g)
        if found.coefficients is not None:
            assert found.residual < 1e-6
            assert np.linalg.norm(found.coefficients - c) <= limit * np.linalg.norm(c)
        if found.gradients and found.moved:
            for ours, theirs in zip(found.expected_of(c), found.gradients, strict=True):
                assert np.linalg.norm(theirs - ours) <= limit * np.linalg.norm(ours)


@named(
    "target",
    [t for t in [*CORRECT, *HELD_OUT_CORRECT] if allowed(t.claim, [ragged(1)])[0].drawn],
    ids=lambda t: t.name,
)
def test_a_correct_draw_has_its_keep_probability(target: Target):
    batch = random_batch(51, 12)
    assert worst_keep(target, batch) > 1e-9


@named(
    "target",
    [t for t in [*CORRECT, *HELD_OUT_CORRECT] if t.claim.get("skips")],
    ids=lambda t: t.name,
)
def test_a_correct_step_executes_what_it_keeps(target: Target):
    batches = [random_batch(61, 20), nothing(20)]
    seen = observed(target, batches)
    judged = judged_batches(target, batches, seen)
    for found, allow in zip(seen, allowed(target.claim, judged), strict=True):
        assert found.rows == np.count_nonzero(allow.keep)
        assert found.moved == bool(allow.keep.any())


@named("target", ALL, ids=lambda t: t.name)
def test_a_target_is_well_described(target: Target):
    assert target.surface in SURFACES
    assert target.framework in FRAMEWORKS
    assert target.claimed().method == target.claim["method"]
    Options(**target.options)
    assert (target.baseline != "") == (target.surface == "rewards")
    if isinstance(target, Mutant):
        assert target.dimension in DIMENSIONS
        assert target.tells.endswith(".")
    module, _, name = target.place.partition(":")
    assert getattr(import_module(module), name).__module__ == module


def test_the_library_covers_every_dimension_and_surface():
    assert len(MUTANTS) >= 75
    assert len(CORRECT) >= 16
    for dimension in DIMENSIONS:
        assert len({m.name for m in MUTANTS if m.dimension == dimension}) >= 3, dimension
    assert {m.surface for m in MUTANTS} == set(SURFACES)
    assert {m.framework for m in MUTANTS} == {"torch", "jax", "numpy", "python"}
    assert {t.claim["method"] for t in CORRECT} == {
        "dg",
        "kondo",
        "kondo-top-k",
        "zero-price",
        "pg",
    }
