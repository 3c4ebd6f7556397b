"""The figures of the claims are drawn, are small, and rest on what they say."""

import itertools
from pathlib import Path

import fake_claims as fake
import numpy as np
import pytest

from kondo_ref import Gate, policy_gradient
from kondo_ref.claims import figures, register
from kondo_ref.cli import main
from kondo_ref.exact.cosine import expected_cosine

COMMITTED = Path(__file__).parents[2] / "docs" / "results" / "claims"
PNG = b"\x89PNG\r\n\x1a\n"


def test_the_figures_are_drawn(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(figures, "ARMS", 20)
    monkeypatch.setattr(figures, "RARE", (0.1, 0.3))
    monkeypatch.setattr(register, "all_claims", lambda: (fake.HOLDS,))
    assert main(["claims", "--figures", str(tmp_path / "new")]) == 0
    out = capsys.readouterr().out
    for name in figures.FIGURES:
        assert f"wrote {tmp_path / 'new' / name}.png" in out
        assert (tmp_path / "new" / f"{name}.png").read_bytes().startswith(PNG)


@pytest.mark.parametrize("name", figures.FIGURES)
def test_the_committed_figures_are_small(name):
    data = (COMMITTED / f"{name}.png").read_bytes()
    assert data.startswith(PNG)
    assert len(data) < 120_000


@pytest.mark.parametrize("p", [0.05, 0.3, 0.8])
def test_dg_is_pg_at_another_baseline(p):
    """The cosine of DG over all batches of three, each run by the core."""
    pi = np.array([p, (1 - p) / 2, (1 - p) / 2])
    logits, direction = np.log(np.tile(pi, (3, 1))), np.eye(3)[0] - pi
    total = 0.0
    for actions in itertools.product(range(3), repeat=3):
        chosen = np.array(actions)
        advantages = np.where(chosen == 0, 0.5, -0.5)
        update = -policy_gradient(logits, chosen, advantages, Gate.named("dg")).dlogits.sum(axis=0)
        size = np.linalg.norm(update) * np.linalg.norm(direction)
        total += pi[chosen].prod() * (update @ direction) / size
    assert total == pytest.approx(expected_cosine(p, 3, figures.dg_baseline(p, 3), 3), abs=1e-9)
    assert total != pytest.approx(expected_cosine(p, 3, 0.5, 3), abs=1e-3)
