"""How targets are named and called: names, places, shapes, signs, returned values, refusals."""

# A target has the arguments that its surface has.
# ruff: noqa: ARG001, ARG005, PLW0108

import types

import example_targets as examples
import numpy as np
import pytest
import torch
from subject_batches import K, N, coefficients, gate, plain, ratio, sequences

from kondo_ref.audit.rounding import rounded
from kondo_ref.audit.signature import plan
from kondo_ref.audit.target import Options, guess_framework, subject

ROLES = ("logits", "actions", "advantages")


def observe(target, surface="logits", batch=None, framework="torch", **options):
    audited = subject(target, surface=surface, framework=framework, options=Options(**options))
    return audited.observe([plain() if batch is None else batch])[0]


def agrees(observed, batch=None):
    assert observed.message == ""
    return ratio(observed.coefficients, coefficients(plain() if batch is None else batch)) < 32


def test_names_that_are_known_by_themselves():
    def f(adv, *, labels, policy_logits):
        return examples.torch_logits(policy_logits, labels, adv)

    assert agrees(observe(f))


def test_places_where_no_name_is_known():
    assert agrees(observe(lambda x1, x2, x3: examples.torch_logits(x1, x2, x3)))
    assert agrees(observe(lambda *given: examples.torch_logits(*given)))
    assert agrees(observe(lambda **given: examples.torch_logits(**given)))


def test_one_unknown_name_takes_what_is_left():
    assert agrees(observe(lambda adv, z, actions: examples.torch_logits(z, actions, adv)))


def test_names_that_are_mapped():
    def f(mask, first, advantages):
        """Take the advantages as `mask` and the other way round: names that mislead."""
        return examples.torch_logits(first, advantages, mask)

    names = {"advantages": "mask", "actions": "advantages", "logits": "1"}
    assert agrees(observe(f, names=names))


def test_constants_and_extras():
    def f(logits, actions, advantages, old_log_probs, ratio, *, scale, temperature=3.0):
        torch.testing.assert_close(old_log_probs, examples.torch_logp(logits, actions))
        assert bool((ratio == 1).all())
        assert temperature == 1.0
        return scale * examples.torch_logits(logits, actions, advantages)

    options = {"arguments": {"scale": 2.0, "temperature": 1.0}}
    observed = observe(f, **options)
    assert ratio(observed.coefficients, 2.0 * coefficients(plain())) < 32


def test_defaults_are_left_unless_asked():
    def f(logits, actions, advantages, old_logp=None):
        assert old_logp is not None
        return examples.torch_logits(logits, actions, advantages)

    assert observe(f).outcome == "raised"
    assert agrees(observe(f, give=("old_logp",)))


def test_what_the_target_makes_itself():
    """Its own delight and its own optimizer are part of what is audited."""

    def own_delight(logp, advantages, delight=None):
        assert delight is None
        return -advantages * logp > 0

    assert observe(own_delight, "gate").outcome == "returned"

    def of_delight(delight):
        return delight > 0

    np.testing.assert_array_equal(observe(of_delight, "gate").weights, gate(plain()))

    class Trainer(examples.TorchTrainer):
        def __init__(self, model, optimizer=None):
            assert optimizer is None
            super().__init__(model)

    assert agrees(observe(Trainer, "step"))


def test_a_normalizer_that_is_asked_for():
    def f(logits, actions, advantages, mask, normalizer):
        assert mask.dtype == torch.bool
        return examples.torch_logits(logits, actions, advantages) * mask.sum() / normalizer

    assert agrees(observe(f))


def test_randomness_that_is_asked_for():
    def uniform(logp, advantages, uniforms):
        return uniforms < 0.5

    def generated(logp, advantages, generator=None):
        return torch.rand(logp.shape, generator=generator) < 0.5

    def numpy_generated(logp, advantages, rng):
        return rng.random(logp.shape) < 0.5

    def keyed(logp, advantages, key):
        import jax

        return jax.random.bernoulli(key, 0.5, logp.shape)

    def listed(logp, advantages, rng):
        return [rng.random() < 0.5 for _ in logp]

    for f, framework in (
        (uniform, "torch"),
        (generated, "torch"),
        (numpy_generated, "numpy"),
        (keyed, "jax"),
        (listed, "python"),
        (lambda logp, advantages: torch.rand(logp.shape) < 0.5, "torch"),  # global
        (lambda logp, advantages: np.random.rand(logp.size) < 0.5, "numpy"),  # noqa: NPY002
    ):
        audited = subject(f, surface="gate", framework=framework)
        one, two = (o.weights for o in audited.observe([plain(), plain()], seed=1))
        again = audited.observe([plain()], seed=1)[0].weights
        other = audited.observe([plain()], seed=2)[0].weights
        np.testing.assert_array_equal(one, again)
        assert not np.array_equal(one, two)
        assert not np.array_equal(one, other)


@pytest.mark.parametrize(
    ("shape", "handed", "sequenced"),
    [
        ("decisions", (N,), (4, 8)),
        ("(N,1)", (N, 1), (4, 8)),
        ("(1,N)", (1, N), (4, 8)),
        ("flat", (N,), (32,)),
    ],
)
def test_shapes(shape, handed, sequenced):
    seen = []

    def f(logits, actions, advantages):
        seen.append((tuple(actions.shape), tuple(logits.shape)))
        return examples.torch_logits(logits, actions, advantages)

    assert agrees(observe(f, shape=shape))
    assert agrees(observe(f, shape=shape, batch=sequences()), sequences())
    assert seen == [(handed, (*handed, K)), (sequenced, (*sequenced, K))]


def test_sign_and_reduction():
    def objective(logits, actions, advantages):
        logp = examples.torch_logp(logits, actions)
        return examples.torch_gate(logp, advantages) * advantages * logp

    observed = observe(objective, sign="objective", reduction="mean")
    assert agrees(observed)
    assert observed.loss == pytest.approx(observe(examples.torch_logits).loss, 1e-14)
    wrong = observe(objective, reduction="mean")
    np.testing.assert_array_equal(wrong.coefficients, -observed.coefficients)
    summed = observe(objective, sign="objective")
    assert ratio(summed.coefficients, N * observed.coefficients) < 32


def result(loss, form):
    return {
        "dict": {"policy_loss": loss, "entropy": 0.5, "name": "x", "nested": {"a": 1}},
        "tuple": (loss, {"entropy": 0.5}),
        "tuple of numbers": (loss, 0.5),
        "object": types.SimpleNamespace(loss=loss, entropy=torch.tensor(0.5)),
    }[form]


@pytest.mark.parametrize("form", ["dict", "tuple", "tuple of numbers", "object"])
def test_what_is_returned(form):
    observed = observe(lambda z, a, u: result(examples.torch_logits(z, a, u), form))
    assert agrees(observed)
    assert observed.metrics == {"returned 1" if form == "tuple of numbers" else "entropy": 0.5}


def test_what_is_returned_under_odd_names():
    def f(logits, actions, advantages):
        loss = examples.torch_logits(logits, actions, advantages)
        return {"wanted": loss, "loss": 2.0 * loss}

    assert agrees(observe(f, returns=("loss=wanted",)))
    observed = observe(lambda z, a, u: (0.5, f(z, a, u)["wanted"]), returns=("_", "loss"))
    assert agrees(observed)
    assert "no 'lost', only wanted, loss" in observe(f, returns=("loss=lost",)).message


def test_methods_through_their_class():
    class Gated:
        def __init__(self, scale=1.0):
            self.scale = scale

        def compute(self, logits, actions, advantages):
            return self.scale * examples.torch_logits(logits, actions, advantages)

    assert agrees(observe(Gated, methods={"call": "compute"}))
    twice = observe(Gated, methods={"call": "compute"}, init={"scale": 2.0})
    assert ratio(twice.coefficients, 2.0 * coefficients(plain())) < 32
    assert agrees(observe(Gated(), methods={"call": "compute"}))
    assert agrees(observe(Gated().compute))
    assert agrees(observe(lambda scale: Gated(scale).compute, factory=True, init={"scale": 1.0}))


def test_the_adapter_of_ten_lines():
    assert agrees(observe(examples.adapter))


def test_names_of_targets(tmp_path):
    path = tmp_path / "losses.py"
    path.write_text(
        "import torch\n"
        "from helper import twice\n"
        "class Screen:\n"
        "    def gate(self, logp, advantages):\n"
        "        return twice(advantages)\n"
    )
    (tmp_path / "helper.py").write_text("def twice(x):\n    return 2 * x\n")
    audited = subject(f"{path}:Screen.gate", surface="gate")
    assert (audited.framework, audited.name) == ("torch", f"{path}:Screen.gate")
    np.testing.assert_array_equal(audited.observe([plain()])[0].weights, 2.0 * plain().advantages)
    named = subject("example_targets:python_gate", surface="lists")
    assert named.framework == "python"
    np.testing.assert_array_equal(named.observe([plain()])[0].weights, gate(plain()))


def test_frameworks_that_can_be_told():
    here = types.ModuleType("here")
    for held, expected in (
        ({"np": np}, "numpy"),
        ({"np": np, "torch": torch}, "torch"),
        ({"F": torch.nn.functional}, "torch"),
    ):
        vars(here).clear()
        vars(here).update(held, __name__="here")
        assert guess_framework(here, "logits") == expected
    vars(here).clear()
    with pytest.raises(ValueError, match="framework: cannot be told"):
        guess_framework(here, "logits")
    with pytest.raises(ValueError, match="imports torch and jax"):
        guess_framework(examples, "logits")


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"names": {"logit": "x"}}, "names: expected roles among logits"),
        ({"names": {"logits": "nowhere"}}, "names: logits=nowhere: the target has only"),
        ({"names": {"logits": "7"}}, "names: logits=7: the target has 4 positional parameters"),
        ({"arguments": {"temprature": 1.0}}, "arguments: the target has no parameter 'temprature'"),
        ({"arguments": 3}, "arguments: expected a mapping"),
        ({"returns": "loss"}, "returns: expected a tuple"),
        ({"returns": ("lost",)}, "returns: expected words among loss"),
        ({"shape": "(N, 1)"}, r"shape: expected one of decisions, \(N,1\)"),
        ({"sign": "up"}, "sign: expected one of loss, objective"),
        ({"reduction": "max"}, "reduction: expected one of sum, mean"),
        ({"dtype": "float8"}, "dtype: expected one of"),
        ({"mask_dtype": "str"}, "mask_dtype: expected one of"),
        ({"time_limit": 0.0}, "time_limit: expected a finite number > 0"),
        ({"time_limit": "long"}, "time_limit: expected a number"),
        ({"learning_rate": -1.0}, "learning_rate: expected a finite number > 0"),
        ({"init": {"a": 1}}, "init: the target is no class"),
        ({"methods": {"call": "nothing"}}, "methods: the target has no method 'nothing'"),
        ({"give": ("lopg",)}, "names: expected roles"),
    ],
)
def test_bad_options(options, error):
    with pytest.raises((TypeError, ValueError), match=error) as caught:
        observe(examples.torch_logits, **options)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("target", "surface", "framework", "error"),
    [
        (examples.torch_logits, "logit", "torch", "surface: expected one of logits"),
        (examples.torch_logits, "logits", "tensorflow", "framework: expected one of torch"),
        ("example_targets", "logits", "torch", "target: expected module:callable"),
        ("example_targets:nothing", "logits", "torch", "target: cannot load"),
        ("no_such_module:f", "logits", "torch", "target: cannot load"),
        ("no_such_file.py:f", "logits", "torch", "no file no_such_file.py"),
        (lambda logits, actions, advantages, q: 0, "logits", "torch", "the parameter 'q'"),
        (3, "logits", "torch", "target: int cannot be called"),
        (lambda obs, actions, advantages, z, w: 0, "step", "torch", "the parameter 'w'"),
        (examples.torch_logits, "logits", None, "framework: cannot be told"),
    ],
)
def test_bad_targets(target, surface, framework, error):
    with pytest.raises(ValueError, match=error) as caught:
        subject(target, surface=surface, framework=framework)
    assert "\n" not in str(caught.value)


def test_options_from_a_command_line():
    options = Options.from_words(
        names=["logits=policy_logits"],
        arguments=["temperature=0.5", "kind=soft", "flag=true", "sizes=[1, 2]"],
        methods=["decide=keep"],
        returns="loss, info",
        give="old_logp",
        time_limit=3.0,
    )
    assert options.names == {"logits": "policy_logits"}
    assert options.arguments == {"temperature": 0.5, "kind": "soft", "flag": True, "sizes": [1, 2]}
    assert (options.methods, options.returns) == ({"decide": "keep"}, ("loss", "info"))
    assert Options(**options.to_json()) == options
    for words in ("temperature", "=3", "x="):
        with pytest.raises(ValueError, match="arg: expected name=value"):
            Options.from_words(arguments=[words])


def test_plans():
    layout = plan(lambda logits, actions, advantages, mask=None: 0, ROLES, ("mask",), Options())
    assert layout.positional == ROLES
    assert layout.keywords == {"mask": "mask"}
    assert plan(print, ROLES, (), Options()).positional == ROLES
    assert plan(min, ROLES, (), Options()).positional == ROLES  # which tells nothing of itself


@pytest.mark.parametrize("dtype", ["float64", "float32", "bfloat16", "float16"])
def test_rounding_is_that_of_torch(dtype):
    generator = np.random.default_rng(0)
    values = np.concatenate(
        [
            generator.normal(size=2000) * 10.0 ** generator.integers(-30, 30, 2000),
            [0.0, -0.0, np.inf, -np.inf, np.nan, 1e300, 3.4e38, 1.00390625, 1.01171875, 1e-40],
        ]
    )
    expected = torch.tensor(values).to(getattr(torch, dtype)).double().numpy()
    np.testing.assert_array_equal(rounded(values, dtype), expected)
