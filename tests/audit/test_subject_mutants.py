"""Each check of the subjects has a mutant that it kills: the check is run on a wrong version."""

import numpy as np
import pytest
import test_survival as survival
from subject_batches import K, coefficients, ratio, sequences
from test_isolate import test_what_crosses_comes_out_the_same as crosses
from test_surfaces import of
from test_surfaces import test_an_empty_step_that_moves as moves
from test_surfaces import test_what_the_optimizer_reads as reads

import kondo_ref.audit.recover
from kondo_ref.audit import repeat, seeds, wire
from kondo_ref.audit.frameworks.numpy_arrays import NumpyArrays
from kondo_ref.audit.printed import Printed
from kondo_ref.audit.surfaces import arguments
from kondo_ref.audit.surfaces.steps_torch import TorchTable
from kondo_ref.delight import log_softmax


def near_certain():
    """Where pi(a) is 1 - 8e-9, 1 - pi(a) still balances the other actions to rounding."""
    logits = np.zeros((32, K))
    logits[:, 0] = 20.0
    actions = np.zeros(32, dtype=np.int64)
    rows = arguments.directions(log_softmax(logits), actions)
    assert (np.abs(rows.sum(axis=1)) < 32 * 2.0**-52 * np.abs(rows).max(axis=1)).all()


def rough(log_probabilities, actions):
    onehot = np.eye(log_probabilities.shape[1])[actions]
    return onehot - np.exp(log_probabilities.astype(np.float32)).astype(np.float64)


def known():
    (seen,) = of("logits", "torch").observe([sequences()])
    assert ratio(seen.coefficients, coefficients(sequences())) < 32


def reproducible():
    survival.test_what_is_not_reproducible()


def seeded():
    assert survival.observe(survival.bad.seeds_numpy).seeded


def through_float32(array):
    return wire_pack(None if array is None else array.astype(np.float32))


def forgets_the_rows(self, _):
    """Compare the table with itself."""
    self._before = self.module.table


wire_pack = wire.pack
MUTANTS = [
    (near_certain, arguments, "directions", rough),
    (known, arguments, "directions", lambda lp, a: -kondo_ref.audit.recover.directions(lp, a)),
    (survival.test_arguments_changed_in_place, NumpyArrays, "content", lambda *_: None),
    (seeded, seeds, "_reached", lambda *_: True),
    (survival.test_drawing_is_not_seeding, seeds, "BLOCKS", 1),
    (reproducible, repeat, "_equal", lambda *_: True),
    (crosses, wire, "pack", through_float32),
    (reads, TorchTable, "gradient", lambda _, record, n, __: record.gradients[0][:n]),
    (moves, TorchTable, "fill", forgets_the_rows),
    (lambda: survival.observe(survival.bad.prints_without_end), Printed, "take", lambda _: "x"),
]


@pytest.mark.parametrize(("check", "owner", "name", "wrong"), MUTANTS)
def test_a_mutant_is_killed(check, owner, name, wrong, monkeypatch):
    check()
    monkeypatch.setattr(owner, name, wrong)
    with pytest.raises(AssertionError):
        check()
