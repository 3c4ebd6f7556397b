"""A sweep that all executors are held to."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from executor_checks import SWEEP

from kondo_ref.cli import main


@contextmanager
def nothing_drawn() -> Iterator[None]:
    """Hide what draws: figures take longer than all units together."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setitem(sys.modules, "matplotlib", None)
        yield


@pytest.fixture(autouse=True)
def no_figures() -> Iterator[None]:
    """Draw nothing in a test; other tests of the same process do draw."""
    with nothing_drawn():
        yield


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the sweep, run in processes of this machine."""
    out = tmp_path_factory.mktemp("whole") / "run"
    with nothing_drawn():
        assert main([*SWEEP, "--out", str(out)]) == 0
    return out
