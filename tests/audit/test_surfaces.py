"""Every surface in every framework: known coefficients and gates come out of what is observed."""

# A target has the arguments that its surface has.
# ruff: noqa: ARG001, ARG002

import example_targets as examples
import numpy as np
import pytest
import torch
from subject_batches import K, N, coefficients, gate, masked, plain, ratio, sequences

from kondo_ref.audit.batch import Batch
from kondo_ref.audit.observation import SURFACES
from kondo_ref.audit.target import Options, subject

LISTED = Options(returns=("coefficients",))
CASES = {
    ("logits", "torch"): examples.torch_logits,
    ("logits", "jax"): examples.jax_logits,
    ("logits", "numpy"): examples.numpy_logits,
    ("logits", "python"): examples.python_logits,
    ("logprobs", "torch"): examples.torch_logprobs,
    ("logprobs", "jax"): examples.jax_logprobs,
    ("logprobs", "numpy"): examples.numpy_logprobs,
    ("logprobs", "python"): examples.python_logprobs,
    ("rewards", "torch"): examples.torch_rewards,
    ("rewards", "jax"): examples.jax_rewards,
    ("rewards", "numpy"): examples.numpy_rewards,
    ("gate", "torch"): examples.torch_gate,
    ("gate", "jax"): examples.jax_gate,
    ("gate", "numpy"): examples.numpy_gate,
    ("gate", "python"): examples.python_gate,
    ("lists", "python"): examples.python_gate,
    ("stream", "torch"): examples.Stream,
    ("stream", "jax"): examples.Stream,
    ("stream", "numpy"): examples.Stream,
    ("stream", "python"): examples.Stream,
    ("screen+loss", "torch"): examples.TorchScreen,
    ("screen+loss", "jax"): examples.JaxScreen,
    ("screen+loss", "numpy"): examples.NumpyScreen,
    ("screen+loss", "python"): examples.PythonScreen,
    ("step", "torch"): examples.TorchTrainer,
    ("step", "jax"): examples.jax_step,
    ("step", "numpy"): examples.numpy_step,
}


def of(surface, framework, **options):
    chosen = Options(**options)
    return subject(CASES[surface, framework], surface=surface, framework=framework, options=chosen)


def test_every_surface_is_here():
    assert {surface for surface, _ in CASES} == set(SURFACES)


@pytest.mark.parametrize(("surface", "framework"), CASES, ids="-".join)
def test_known_coefficients(surface, framework):
    audited = of(surface, framework)
    batch, other = plain(), plain(20, 8)
    first, second = audited.observe([batch, other])
    for observed, given in ((first, batch), (second, other)):
        assert (observed.outcome, observed.message, observed.printed) == ("returned", "", "")
        assert (observed.warned, observed.mutated, observed.seeded) == ((), (), False)
        assert observed.seconds > 0
        if "coefficients" in audited.has:
            assert ratio(observed.coefficients, coefficients(given)) < 32
            assert observed.residual < 32 * 2.0**-52
        if "weights" in audited.has:
            np.testing.assert_array_equal(observed.weights, gate(given))
        assert {"coefficients", "weights"} & audited.has
    assert (audited.surface, audited.framework) == (surface, framework)


@pytest.mark.parametrize("framework", ["torch", "jax", "numpy"])
@pytest.mark.parametrize("surface", ["logits", "logprobs"])
def test_known_loss(surface, framework):
    (observed,) = of(surface, framework).observe([plain()])
    assert observed.loss == pytest.approx((coefficients(plain()) * plain().surprisal).sum(), 1e-14)


@pytest.mark.parametrize("framework", ["torch", "jax", "numpy"])
@pytest.mark.parametrize("surface", ["logits", "logprobs", "step"])
def test_sequences(surface, framework):
    audited = of(surface, framework)
    assert "sequences" in audited.has
    (observed,) = audited.observe([sequences()])
    assert observed.coefficients.shape == (4, 8)
    assert ratio(observed.coefficients, coefficients(sequences())) < 32


@pytest.mark.parametrize("mask_dtype", ["bool", "int64", "float32"])
@pytest.mark.parametrize(
    ("surface", "framework"),
    [("logits", "torch"), ("logprobs", "torch"), ("logprobs", "jax"), ("logprobs", "numpy")],
)
def test_masks(surface, framework, mask_dtype):
    audited = of(surface, framework, mask_dtype=mask_dtype)
    assert "mask" in audited.has
    batch = masked(plain())
    (observed,) = audited.observe([batch])
    assert ratio(observed.coefficients, coefficients(batch)) < 32


def test_a_mask_for_who_takes_none():
    audited = of("logits", "numpy")
    assert "mask" not in audited.has
    (observed,) = audited.observe([masked(plain())])
    assert (observed.coefficients, observed.message) == (None, "mask: the target takes none")


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
@pytest.mark.parametrize("framework", ["torch", "jax"])
def test_dtypes(framework, dtype):
    """The reference is taken at the rounded numbers; sums of 32 in a short dtype stay within."""
    batch = plain(dtype=dtype)
    (observed,) = of("logits", framework).observe([batch])
    assert ratio(observed.coefficients, coefficients(batch), dtype) < 32


def test_groups():
    audited = of("rewards", "torch")
    assert "groups" in audited.has
    batch = plain(groups=np.arange(N) // 4)
    (observed,) = audited.observe([batch])
    shifted = Batch(batch.logits, batch.actions, batch.advantages - 1.0)
    assert ratio(observed.coefficients, coefficients(shifted)) < 32


def test_rows_of_a_loss():
    """A loss on given logits hands a gradient row of every decision back, or none at all."""
    (dense,) = of("logits", "torch").observe([plain()])
    assert (dense.executed_rows, dense.dense_rows) == (N, N)

    def constant(logits, actions, advantages):
        return torch.zeros((), dtype=logits.dtype)

    (none,) = subject(constant, surface="logits", framework="torch").observe([plain()])
    assert (none.executed_rows, none.loss) == (0, 0.0)
    assert not none.coefficients.any()
    assert of("logits", "numpy").observe([plain()])[0].executed_rows is None


@pytest.mark.parametrize("framework", ["torch", "jax", "numpy", "python"])
def test_rows_of_a_subset(framework):
    (observed,) = of("screen+loss", framework).observe([plain()])
    assert observed.executed_rows == gate(plain()).sum() < observed.dense_rows == N


def test_rows_and_flop_of_a_step():
    kept = int(gate(plain()).sum())
    (compacted,) = of("step", "torch").observe([plain()])
    masking = subject(examples.torch_step, surface="step", framework="torch")
    (dense,) = masking.observe([plain()])
    assert (compacted.executed_rows, dense.executed_rows) == (kept, N)
    assert (compacted.dense_rows, dense.dense_rows) == (N, N)
    assert compacted.backward_flop == 2 * kept * K * K
    assert dense.backward_flop == 2 * N * K * K
    assert compacted.stepped
    assert dense.stepped
    assert ratio(dense.coefficients, coefficients(plain())) < 32
    assert compacted.metrics == {"kept": kept}


def test_an_empty_step():
    batch = plain()
    nothing = Batch(batch.logits, batch.actions, np.zeros(N))
    first, second = of("step", "torch").observe([batch, nothing])
    assert first.stepped
    assert (second.stepped, second.executed_rows) == (False, 0)
    assert not second.coefficients.any()


class StepsAnyway:
    """Masks, and lets Adam step with a gradient of 0: its momentum moves the weights."""

    def __init__(self, model):
        self.model, self.optimizer = model, torch.optim.Adam(model.parameters())

    def step(self, observations, actions, advantages):
        self.optimizer.zero_grad()
        examples.torch_logits(self.model(observations), actions, advantages).backward()
        self.optimizer.step()


def test_an_empty_step_that_moves():
    batch = plain()
    nothing = Batch(batch.logits, batch.actions, np.zeros(N))
    audited = subject(StepsAnyway, surface="step", framework="torch")
    moved = audited.observe([batch, nothing])[1]
    assert (moved.stepped, moved.executed_rows) == (True, N)
    assert not moved.coefficients.any()
    (still,) = audited.observe([nothing])
    assert still.stepped is False


def clipped_step(model, optimizer, obs, actions, adv):
    """Clip between backward and step: what the optimizer reads is what counts."""
    optimizer.zero_grad()
    examples.torch_logits(model(obs), actions, adv).backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1e-3)
    optimizer.step()


def test_what_the_optimizer_reads():
    (observed,) = subject(clipped_step, surface="step", framework="torch").observe([plain()])
    c = coefficients(plain())
    shrink = observed.coefficients[c != 0] / c[c != 0]
    assert np.ptp(shrink) < 1e-14
    assert shrink[0] < 0.1


def entropy_bonus(logits, actions, advantages):
    logp = logits.log_softmax(-1)
    entropy = -(logp.exp() * logp).sum(-1).mean()
    return examples.torch_logits(logits, actions, advantages) - 0.1 * entropy


def test_what_is_no_function_of_log_pi():
    """The mutant of the residual: it sees what the coefficients alone would swallow."""
    (observed,) = subject(entropy_bonus, surface="logits", framework="torch").observe([plain()])
    assert observed.residual > 1e-3


def test_attached_weights():
    def attached(logp, advantages):
        return torch.sigmoid(-advantages * logp)

    def refuses_graphs(logp, advantages):
        return torch.from_numpy(logp.numpy() * 0.0)

    for target, expected in (
        (examples.torch_gate, False),
        (attached, True),
        (refuses_graphs, None),
    ):
        (observed,) = subject(target, surface="gate", framework="torch").observe([plain()])
        assert observed.outcome == "returned"
        assert observed.attached is expected


def test_coefficients_from_lists():
    audited = subject(
        examples.python_coefficients, surface="lists", framework="python", options=LISTED
    )
    assert "coefficients" in audited.has
    (observed,) = audited.observe([plain()])
    assert ratio(observed.coefficients, coefficients(plain())) < 32
    assert observed.weights is None


def test_state_starts_anew():
    class Third:
        """Keeps every third decision that it ever saw."""

        def __init__(self):
            self.seen = 0

        def __call__(self, logp, advantages):
            places = self.seen + np.arange(logp.size)
            self.seen += logp.size
            return places % 3 == 0

    for target in (Third, Third()):  # a factory, and an object, which is copied
        audited = subject(target, surface="gate", framework="numpy")
        first, second = (one.weights for one in audited.observe([plain(), plain()]))
        assert not np.array_equal(first, second)
        again = audited.observe([plain()])[0].weights
        np.testing.assert_array_equal(first, again)


def test_certain_actions_show_nothing():
    """Where pi(a) is 1 the gradient is 0, whatever c is: 0 is said, not NaN."""
    batch = Batch(np.array([[800.0, 0.0], [0.0, 0.0]]), np.array([0, 1]), np.ones(2))

    def pg(logits, actions, advantages):
        return -(advantages * examples.torch_logp(logits, actions)).sum()

    (observed,) = subject(pg, surface="logits", framework="torch").observe([batch])
    np.testing.assert_allclose(observed.coefficients, [0.0, 1.0])
