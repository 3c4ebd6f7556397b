"""What the ranks of a data-parallel run do, the same step in one process, and wrong versions.

A case is a function of (rank, size) and returns arrays by name. `whole` gives what one process
makes of the concatenated batch, which the torch backend does and the conformance suite holds.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from mutants import Mutant

from kondo_ref import MLP, Adam, Calibrated, Fixed, Gate, Quantile, Rolling
from kondo_ref.backends.torch_backend import TorchBackend
from kondo_ref.models.transformer import Transformer
from kondo_ref.randomness import Purpose, uniforms
from kondo_ref.step import TrainingState

SEED, ROWS, STEPS = 3, 26, 3
GROUP: Any = None  # of the ranks; the default one
GATES = {
    "pg": Gate.named("pg"),
    "dg": Gate.named("dg"),
    "zero-price": Gate.named("zero-price"),
    "nothing": Gate(price=Fixed(np.inf)),
    "quantile": Gate.named("kondo", rate=0.2, temperature=0.3),
    "calibrated": Gate.named("kondo", price=Calibrated(0.2), temperature=0.3),
    "rolling": Gate.named("kondo", price=Rolling(0.3, history=40, warmup=5), temperature=0.0),
    "soft-quantile": Gate(price=Quantile(0.3), temperature=0.1),
    "top-k": Gate.named("kondo-top-k", rate=0.1),
    "ties": Gate(signal="uniform", price=None, draw="top_k", rate=0.3),
    "sequences": Gate.named("kondo-top-k", rate=0.3, unit="sequence"),
}


@dataclass(frozen=True)
class Step:
    """A kind of step: gate, normalizer, which rows a rank has, and what the model is."""

    gate: str
    normalizer: str = "decisions"
    dtype: str = "float64"
    sequences: bool = False
    empty: bool = False
    masked: bool = False
    scope: str = "global"

    def state(self) -> TrainingState:
        model: Any = Transformer(5, 4, 6, width=8, heads=2, layers=2)
        if not self.sequences:
            model = MLP((9, 8, 5))
        return TrainingState(model, model.initialize(0, self.dtype), Adam(1e-2))

    def batch(self, step: int) -> tuple[Any, Any, Any, Any]:
        """Return observations, actions, advantages and mask of the whole batch."""
        shape: tuple[int, ...] = (ROWS, 6) if self.sequences else (ROWS,)
        draw = uniforms(SEED, 91, step, (*shape, 9))
        x = np.floor(5 * draw[..., 0]).astype(np.int64) if self.sequences else 2 * draw - 1
        actions = np.floor((4 if self.sequences else 5) * draw[..., 1]).astype(np.int64)
        # The second half is poor: a price of its own part alone would keep there all the same.
        scale = np.where(np.arange(ROWS) < ROWS // 2, 1.0, 0.05)
        advantages = ((2 * draw[..., 2] - 1).T * scale).T
        mask = draw[..., 3] > 0.3 if self.masked else None
        if mask is not None:
            mask[ROWS // 2 :] = False  # whole ranks without a valid decision
        return x.astype(x.dtype if self.sequences else self.dtype), actions, advantages, mask

    def part(self, rank: int, size: int) -> slice:
        """Return a rank's rows; with `empty`, the first rank has none and the last one has most."""
        if self.empty:
            return slice(max(0, rank - 1), ROWS if rank == size - 1 else rank)
        return slice(ROWS * rank // size, ROWS * (rank + 1) // size)

    def __call__(self, rank: int, size: int) -> dict[str, Any]:
        from kondo_ref.backends.torch_parallel import ParallelLearner

        subject = ParallelLearner(self.state(), group=GROUP, price_scope=self.scope)
        found: dict[str, Any] = self.run(subject, self.part(rank, size), subject.uniforms)
        subject.check_states()
        return found

    def whole(self) -> dict[str, Any]:
        """Return what one process makes of it."""
        return self.run(TorchBackend().learner(self.state()), slice(ROWS), uniforms)

    def run(self, subject: Any, rows: slice, uniforms: Any) -> dict[str, Any]:
        gate, history = GATES[self.gate], None
        found: dict[str, Any] = {}
        for step in range(STEPS):
            x, actions, advantages, mask = (
                None if a is None else a[rows] for a in self.batch(step)
            )
            shape = actions.shape[:1] if gate.unit == "sequence" else actions.shape
            u = uniforms(SEED, Purpose.GATE, step, shape)
            result = subject.update(
                subject.forward(x),
                actions,
                advantages,
                gate,
                normalizer=self.normalizer,
                uniforms=u,
                mask=mask,
                history=history,
            )
            screening = result.screening.convert(lambda t: t.detach().numpy())
            history = screening.history
            named = {
                "loss": result.loss,
                "updated": result.updated,
                "weight": screening.weight,
                "uniforms": u,
                "executed": result.executed_rows,
                "gradient": subject.gradient.flat,
                "parameters": subject.state().parameters.flat,
            }
            named |= {} if history is None else {"history": history}
            named |= {f"all_{k}": getattr(result, f"all_{k}", -1) for k in ("kept", "valid")}
            if isinstance(screening.price, float):
                named["price"] = screening.price
            found |= {f"{name}{step}": np.asarray(value) for name, value in named.items()}
        return found


def refused(rank: int, size: int) -> dict[str, Any]:
    """Collect the errors of calls that every rank has to refuse, one after the other."""
    from kondo_ref.backends.torch_parallel import ParallelLearner

    kind = Step("top-k")
    errors: dict[str, Any] = {}

    def attempt(name: str, call: Any) -> None:
        try:
            call()
            errors[name] = np.asarray("")
        except (TypeError, ValueError) as error:
            errors[name] = np.asarray(f"{type(error).__name__}: {error}")

    other = kind.state()
    if rank == size - 1:
        other.parameters.flat[3] += 1e-12
    rate = Adam(1e-2 if rank else 1e-3)
    attempt("parameters", lambda: ParallelLearner(other, group=GROUP))
    model, weights = kind.state().model, kind.state().parameters
    attempt("optimizer", lambda: ParallelLearner(TrainingState(model, weights, rate), group=GROUP))
    attempt(
        "scope",
        lambda: ParallelLearner(
            kind.state(), group=GROUP, price_scope="rank" if rank else "global"
        ),
    )
    subject = ParallelLearner(kind.state(), group=GROUP)
    before = subject.state().parameters.flat.copy()
    x, actions, advantages, _ = (None if a is None else a[:4] for a in kind.batch(0))

    def update(gate: Any = GATES["top-k"], mask: Any = None, **other: Any) -> None:
        given = {"actions": actions, "advantages": advantages} | other
        subject.update(subject.forward(x), *given.values(), gate, mask=mask)

    bad = advantages.copy()
    bad[2] = np.nan
    attempt("one-rank", lambda: update(advantages=bad if rank == 1 else advantages))
    attempt("gate", lambda: update(GATES["dg"] if rank else GATES["pg"]))
    attempt("no-gate", lambda: update("delight"))
    attempt("no-decision", lambda: update(mask=np.zeros(4, bool)))
    attempt("mask", lambda: update(mask=np.zeros(4)))
    attempt("overflow", lambda: update(GATES["pg"], advantages=np.full(4, 1.7e308)))
    errors["unchanged"] = np.asarray(np.array_equal(before, subject.state().parameters.flat))
    update()
    return errors


def one_refuses(rank: int, size: int) -> dict[str, Any]:
    """Return the error of a batch that only rank 1 has to refuse."""
    from kondo_ref.backends.torch_parallel import ParallelLearner

    del size
    subject = ParallelLearner(Step("dg").state(), group=GROUP)
    x, actions, advantages, _ = Step("dg").batch(0)
    advantages = advantages * (np.inf if rank == 1 else 1.0)
    try:
        subject.update(subject.forward(x), actions, advantages, GATES["dg"])
    except ValueError as error:
        return {"refused": np.asarray(str(error))}
    return {}


CASES: dict[str, Any] = {
    **{gate: Step(gate) for gate in GATES if gate != "sequences"},
    "kept": Step("quantile", "kept"),
    "none": Step("top-k", "none"),
    "float32": Step("top-k", dtype="float32"),
    "empty": Step("quantile", empty=True),
    "empty-top-k": Step("top-k", empty=True),
    "masked": Step("quantile", masked=True),
    "tokens": Step("top-k", sequences=True),
    "tokens-masked": Step("quantile", sequences=True, masked=True),
    "sequences": Step("sequences", sequences=True),
    "sequences-empty": Step("sequences", sequences=True, empty=True),
    "rank": Step("top-k", scope="rank"),
    "rank-empty": Step("quantile", "kept", scope="rank", empty=True),
    "rank-masked": Step("calibrated", scope="rank", masked=True),
    "refused": refused,
    "one-refuses": one_refuses,
}

PARALLEL = "backends.torch_parallel.ParallelLearner"
EDITS = {
    mutant.name: mutant
    for mutant in (
        Mutant("local price", f"{PARALLEL}._priced", "known is None", "True", "top-k"),
        Mutant(
            "local normalizer", f"{PARALLEL}.update", 'all_valid, "kept"', 'valid, "kept"', "dg"
        ),
        Mutant(
            "local normalizer of the kept",
            f"{PARALLEL}.update",
            '"kept": all_kept',
            '"kept": max(1, len(screening.kept))',
            "kept",
        ),
        Mutant(
            "no all-reduce where nothing is kept",
            f"{PARALLEL}.update",
            "self.ranks.add(own)",
            "self.ranks.add(own) if rows else own",
            "empty-top-k",
        ),
        Mutant(
            "uniforms of the rank",
            f"{PARALLEL}.uniforms",
            "drawn[start:]",
            "drawn[:own]",
            "quantile",
        ),
        Mutant(
            "gradient averaged",
            f"{PARALLEL}.update",
            "flat.view_as(parameter)",
            "flat.view_as(parameter) / self.ranks.size",
            "dg",
        ),
        Mutant("decisions of the first rank", f"{PARALLEL}._priced", "start + own", "own", "ties"),
        Mutant(
            "an error kept to itself",
            "backends.torch_collectives.Ranks.together",
            "except Exception",
            "except KeyError",
            "one-refuses",
        ),
    )
}
