"""Training on token reversal: its counts, its identities between methods, its numbers again."""

from typing import Any, ClassVar

import numpy as np
import pytest
from dying import dies

from kondo_ref.backends.numpy_backend import NumpyBackend
from kondo_ref.step import Learner
from kondo_ref.tasks.token_reversal import environment
from kondo_ref.tasks.token_reversal.settings import METHODS, Settings
from kondo_ref.tasks.token_reversal.train import train

SMALL: dict[str, Any] = {
    "steps": 40, "prompts": 4, "samples": 5, "length": 4, "width": 16, "feed_forward": 32,
    "learning_rate": 3e-3, "rate": 0.1,
}  # fmt: skip
COUNTS = (
    "forward_sequences", "forward_tokens", "backward_sequences", "backward_tokens",
    "backward_rows", "forward_flop", "logical_flop", "structural_flop", "backward_flop",
    "dense_flop", "step_flop",
)  # fmt: skip
PRECISION = (
    "kept_correct", "sequence_correct", "kept_after_error", "sequence_after_error",
    "batch_correct", "kept_surprisal", "batch_surprisal",
)  # fmt: skip


def run(method: str, seed: int = 0, backend: str = "numpy", **changed: Any) -> dict[str, Any]:
    settings = Settings(methods=(method,), **{**SMALL, **changed})
    done: list[int] = []
    result = train(settings.to_dict(), {}, backend, method, seed, done.append)
    assert sum(done) == settings.steps
    return result


def learned(result: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the curve without the method's name."""
    return [{k: v for k, v in row.items() if k != "method"} for row in result["curve"]]


class RecordingLearner(Learner):
    """Keeps what every update was given and did."""

    def update(self, policy: Any, actions: Any, advantages: Any, gate: Any, **more: Any) -> Any:
        seen = {"actions": actions.copy(), "advantages": np.array(advantages), **more}
        result = super().update(policy, actions, advantages, gate, **more)
        RecordingBackend.seen.append({**seen, "result": result, "gate": gate})
        return result


class RecordingBackend(NumpyBackend):
    """The NumPy backend with such a learner."""

    seen: ClassVar[list[dict[str, Any]]] = []

    def learner(self, state: Any) -> Learner:
        RecordingBackend.seen.clear()
        return RecordingLearner(state)


@pytest.mark.parametrize("method", METHODS)
def test_every_method_runs_and_gives_the_same_numbers_again(method: str) -> None:
    result = run(method)
    assert run(method)["curve"] == result["curve"]
    assert run(method, seed=1)["curve"] != result["curve"]
    first = result["curve"][0]
    assert list(first) == ["method", "seed", "step", *COUNTS, "error", *PRECISION]
    assert (first["method"], first["seed"], first["step"]) == (method, 0, 1)
    last, totals = result["curve"][-1], result["totals"]
    assert {name: totals[name] for name in COUNTS} == {name: last[name] for name in COUNTS}
    assert (last["forward_sequences"], last["forward_tokens"]) == (800, 3200)
    assert 0 < totals["optimizer_steps"] <= 40
    assert totals["flop_share"] == totals["backward_flop"] / totals["dense_flop"]
    assert 0 < totals["flop_share"] <= 1
    assert totals["logical_share"] <= totals["structural_share"] + 1e-12
    assert totals["structural_flop"] <= totals["backward_flop"]
    assert totals["step_flop"] == totals["forward_flop"] + totals["backward_flop"]
    assert 0 < totals["executed_rate"] <= 1
    if method in ("pg", "dg", "ppo", "pmpo"):
        assert totals["flop_share"] == totals["executed_rate"] == 1
        assert totals["logical_share"] == totals["structural_share"] == 1
        assert last["backward_tokens"] == last["forward_tokens"]
        assert last["kept_correct"] == last["batch_correct"]


def check_counts(method: str = "kondo-top-k-token") -> None:
    """Add up what the updates of a recording backend did, token by token."""
    result = run(method, backend=f"{__name__}:RecordingBackend")
    h = SMALL["length"]
    tokens = sequences = rows = 0
    for seen in RecordingBackend.seen:
        for weights in seen["result"].screening.weight:
            kept = [place for place, weight in enumerate(weights) if weight > 0]
            tokens += len(kept)
            sequences += bool(kept)
            rows += max(kept) + 1 if kept else 0
            assert not any(place < h for place in kept)
        assert not seen["advantages"][:, :h].any()
        assert (seen["mask"].sum(axis=1) == h).all()
        assert seen["mask"][:, h:].all()
    last, totals = result["curve"][-1], result["totals"]
    found = [last[name] for name in ("backward_tokens", "backward_sequences", "backward_rows")]
    assert found == [tokens, sequences, rows]
    assert totals["executed_rate"] == pytest.approx(rows / (800 * 2 * h))


@pytest.mark.parametrize("method", ["kondo-top-k", "kondo-top-k-token", "zero-price", "kondo"])
def test_counts_are_those_of_the_updates(method: str) -> None:
    check_counts(method)


def test_top_k_keeps_exactly_k_of_its_unit() -> None:
    sequences = run("kondo-top-k")["curve"][-1]
    assert (sequences["backward_sequences"], sequences["backward_tokens"]) == (2 * 40, 8 * 40)
    assert run("kondo-top-k-token")["curve"][-1]["backward_tokens"] == 8 * 40


@pytest.mark.parametrize(
    ("method", "changed"),
    [
        ("ppo", {}),
        ("kondo", {"price": "-inf"}),
        ("kondo-token", {"price": "-inf"}),
        ("kondo-top-k", {"rate": 1.0}),
        ("kondo-top-k-token", {"rate": 1.0}),
    ],
)
def test_what_keeps_everything_is_the_policy_gradient(method: str, changed: dict[str, Any]) -> None:
    assert learned(run(method, **changed)) == learned(run("pg"))


def check_ppo_epochs() -> None:
    result = run("ppo", epochs=3, backend=f"{__name__}:RecordingBackend", learning_rate=0.02)
    assert len(RecordingBackend.seen) == 3 * 40
    h, clipped = SMALL["length"], 0
    for step in range(40):
        first, *later = RecordingBackend.seen[3 * step : 3 * step + 3]
        gain = first["advantages"][:, h:]
        before = first["result"].screening.surprisal[:, h:]
        for update in later:
            assert (update["actions"] == first["actions"]).all()
            ratio = np.exp(before - update["result"].screening.surprisal[:, h:])
            beyond = (gain > 0) & (ratio > 1.1) | (gain < 0) & (ratio < 0.9)
            clipped += int(beyond.sum())
            numbers = update["advantages"][:, h:]
            assert not numbers[beyond].any()
            assert numbers[~beyond] == pytest.approx((ratio * gain)[~beyond], rel=1e-5)
    assert clipped > 30
    assert result["curve"][-1]["forward_sequences"] == 3 * 800


def test_ppo_uses_a_batch_again_with_the_ratio_to_its_first_policy() -> None:
    check_ppo_epochs()


def test_pmpo_is_given_its_coefficients() -> None:
    run("pmpo", backend=f"{__name__}:RecordingBackend", normalizer="none")
    h = SMALL["length"]
    for seen in RecordingBackend.seen:
        numbers = seen["advantages"][:, h:]
        assert seen["normalizer"] == "decisions"
        good = numbers > 0
        if good.any():
            assert numbers[good].sum() / numbers.size == pytest.approx(0.6, rel=1e-5)
        assert numbers[~good].sum() / numbers.size == pytest.approx(-0.4, rel=1e-5)


def check_advantages_of_a_sequence() -> None:
    run("pg", backend=f"{__name__}:RecordingBackend", dtype="float64", noisy_zero=0.0)
    settings = Settings(methods=("pg",), **{**SMALL, "dtype": "float64"})
    h = settings.length
    for step, seen in enumerate(RecordingBackend.seen, start=1):
        asked = environment.prompts(settings, 0, step)
        gain = []
        for question, answer in zip(asked, seen["actions"][:, h:], strict=True):
            prefix = 0
            while prefix < h and answer[prefix] == question[h - 1 - prefix]:
                prefix += 1
            gain.append(prefix / h)
        groups = np.reshape(gain, (settings.prompts, settings.samples))
        expected = (groups - groups.mean(axis=1, keepdims=True)).ravel()
        for place in range(h, 2 * h):
            assert seen["advantages"][:, place] == pytest.approx(expected, abs=1e-15)


def test_all_tokens_share_the_advantage_of_their_sequence() -> None:
    check_advantages_of_a_sequence()


def test_the_error_is_the_one_since_the_last_log_point_without_noise() -> None:
    noisy = {"noisy_zero": 50.0, "zero_prompts": 0.5}
    curve = run("dg", **noisy)["curve"]
    steps = [row["step"] for row in curve]
    widths = [b - a for a, b in zip([0, *steps], steps, strict=False)]
    for row, width in zip(curve, widths, strict=True):
        lost = row["error"] * width * 20 * 4
        assert abs(lost - round(lost)) < 1e-6
        assert 0 <= row["error"] <= 1
    assert steps == sorted({*steps})
    assert run("dg", noisy_zero=0.0, zero_prompts=0.5)["curve"] != curve


def test_a_small_task_is_learned() -> None:
    """Two tokens of two: an uniform guess has an error of 5 in 8; half of it is far off."""
    for method in ("dg", "kondo-top-k"):
        curve = run(method, length=2, steps=120, rate=0.2)["curve"]
        assert curve[0]["error"] > 0.4
        assert curve[-1]["error"] < 0.1


def test_a_price_that_nothing_meets_keeps_nothing() -> None:
    result = run("kondo", price="inf", steps=3)
    assert result["totals"]["optimizer_steps"] == result["totals"]["backward_flop"] == 0
    assert result["curve"][-1]["kept_correct"] is None


@pytest.mark.parametrize(
    ("function", "old", "new", "check"),
    [
        ("_Work.add", "weight.any(axis=1)", "weight.all(axis=1)", check_counts),
        ("_Work.add", "+= screening.kept.size", "+= result.executed_rows", check_counts),
        ("_Trial._learn", "chosen if old is None else old", "chosen", check_ppo_epochs),
        ("_Trial._chosen", "[:, self.settings.length :]", "[:, : self.settings.length]",
         check_ppo_epochs),
        ("_Trial.step", "reward.astype(dtype)", "np.sqrt(reward).astype(dtype)",
         check_advantages_of_a_sequence),
        ("_Trial._learn", "np.repeat(gain[:, None], self.settings.length, axis=1)",
         "np.resize(gain, answers.shape)", check_advantages_of_a_sequence),
    ],
)  # fmt: skip
def test_wrong_trainings_are_seen(function: str, old: str, new: str, check: Any) -> None:
    dies(f"tasks.token_reversal.train.{function}", old, new, check)
