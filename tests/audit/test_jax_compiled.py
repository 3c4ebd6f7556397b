"""Pure JAX targets are compiled, and nothing that a target does is hidden by that."""

import functools
import sys
import time

import numpy as np
import pytest

from kondo_ref.audit.frameworks.pure import pure

jax = pytest.importorskip("jax")
jnp = jax.numpy

import subject_batches  # noqa: E402

from kondo_ref.audit.frameworks.jax_arrays import JaxArrays  # noqa: E402
from kondo_ref.audit.frameworks.jax_compiled import Compiled  # noqa: E402
from kondo_ref.audit.options import Options  # noqa: E402
from kondo_ref.audit.target import subject  # noqa: E402

RATE = 0.1
SEEN: list = []
CALLS = 0


def plain(logp, advantages):
    return -(jax.nn.sigmoid(-jax.lax.stop_gradient(logp) * advantages) * advantages * logp).mean()


def of_others(logp, advantages, rate=RATE):
    def one(level, u):
        return plain(level, u) * rate

    return jax.vmap(one)(logp, advantages).sum()


def counts(logp, advantages):
    global CALLS  # noqa: PLW0603
    CALLS += 1
    return plain(logp, advantages) / CALLS


def appends(logp, advantages):
    SEEN.append(0)
    return plain(logp, advantages) / len(SEEN)


def on_itself(logp, advantages):
    on_itself.calls = getattr(on_itself, "calls", 0) + 1
    return plain(logp, advantages) / on_itself.calls


def draws(logp, advantages):
    return plain(logp, advantages) * np.random.default_rng().uniform()


def prints(logp, advantages):
    sys.stdout.write("called")
    return plain(logp, advantages)


def calls_back(logp, advantages):
    jax.debug.print("called")
    return plain(logp, advantages)


def swallows(logp, advantages):
    try:
        return plain(logp, advantages) * float(advantages[0])
    except Exception:
        return plain(logp, advantages)


def closed_over():
    seen: list = []

    def remembers(logp, advantages):
        seen.append(0)
        return plain(logp, advantages) / len(seen)

    return remembers


def branches(logp, advantages):
    return plain(logp, advantages) * (2.0 if float(advantages.sum()) > 0 else 1.0)


class Remembers:
    def __init__(self):
        self.calls = 0

    def __call__(self, logp, advantages):
        self.calls += 1
        return plain(logp, advantages) / self.calls


@pytest.mark.parametrize("function", [plain, of_others, branches, jax.jit(plain), jnp.tanh])
def test_a_function_of_its_arguments_is_pure(function):
    assert pure(function)


@pytest.mark.parametrize(
    "function",
    [
        counts,
        appends,
        on_itself,
        draws,
        prints,
        calls_back,
        swallows,
        closed_over(),
        Remembers(),
        Remembers().__call__,
        functools.partial(plain, advantages=1.0),
        jax.jit(appends),
    ],
)
def test_what_acts_or_remembers_is_not_pure(function):
    assert not pure(function)


@pytest.mark.parametrize("target", [counts, appends, on_itself, Remembers()])
def test_a_target_that_remembers_is_called_every_time(target):
    batch = subject_batches.plain()
    seen = subject(target, surface="logprobs", framework="jax").observe([batch] * 4)
    assert len({one.loss for one in seen}) == 4


def slow(logp, advantages):
    time.sleep(2.0)
    return plain(logp, advantages)


def test_the_first_call_with_a_shape_may_take_longer():
    batch = subject_batches.plain()
    target = subject(slow, surface="logprobs", framework="jax", options=Options(time_limit=1.0))
    first, second = target.observe([batch] * 2)
    assert (first.outcome, first.message) == ("returned", "")
    assert (second.outcome, second.message) == ("timed out", "no answer in 1 s")


def test_a_branch_on_a_value_is_followed():
    batch = subject_batches.plain()
    target = subject(branches, surface="logprobs", framework="jax")
    reference = subject(plain, surface="logprobs", framework="jax")
    sums = batch.advantages.sum()
    (seen,), (usual,) = target.observe([batch]), reference.observe([batch])
    assert seen.loss == pytest.approx(usual.loss * (2.0 if sums > 0 else 1.0), rel=1e-14)


def test_what_is_computed_is_what_the_target_computes():
    compiled = Compiled(jax, plain)
    written: list = []

    def differentiate(given):
        if not isinstance(given["logp"], jax.core.Tracer):
            written.append(0)
        loss, gradient = jax.value_and_grad(plain)(given["logp"], given["advantages"])
        return loss, gradient, {}

    with JaxArrays().during():
        for scale in (1.0, 2.0, 3.0):
            logp = -scale * jnp.linspace(0.1, 3.0, 7)
            values = {"logp": logp, "advantages": jnp.ones(7)}
            loss, gradient, _ = compiled(plain, differentiate, values)
            expected = jax.value_and_grad(plain)(logp, jnp.ones(7))
            np.testing.assert_allclose(gradient, expected[1], rtol=1e-13)
            assert float(loss) == pytest.approx(float(expected[0]), rel=1e-13)
    assert compiled.able
    assert len(written) == 1  # for comparison


def test_a_compiled_function_that_gives_something_else_is_not_used():
    compiled = Compiled(jax, plain)

    def differentiate(given):
        traced = isinstance(given["logp"], jax.core.Tracer)
        return given["logp"].sum() * (2.0 if traced else 1.0), given["logp"], {}

    with JaxArrays().during():
        values = {"logp": jnp.linspace(-3.0, -0.1, 7)}
        for _ in range(2):
            found = compiled(plain, differentiate, values)
            assert float(found[0]) == pytest.approx(float(values["logp"].sum()))
            assert not compiled.able
