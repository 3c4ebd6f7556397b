"""A sweep that all executors are held to."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from executor_checks import SWEEP

from kondo_ref.cli import main


@pytest.fixture(scope="session", autouse=True)
def no_figures() -> Iterator[None]:
    """Draw nothing: figures take longer than all units together."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setitem(sys.modules, "matplotlib", None)
        yield


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the sweep, run in processes of this machine."""
    out = tmp_path_factory.mktemp("whole") / "run"
    assert main([*SWEEP, "--out", str(out)]) == 0
    return out
