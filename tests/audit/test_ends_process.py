"""A target that ends the process: the audit goes on, and says so."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from kondo_ref.audit.guard import EndsProcess, kept_alive

LEAVES = """
import os
import numpy as np

def dg(logp, advantages):
    os._exit(0)
"""
AT_IMPORT = "import os\nos._exit(0)\n"


def run(path: Path, text: str, *words: str) -> subprocess.CompletedProcess[str]:
    path.write_text(text, "utf-8")
    return subprocess.run(
        [sys.executable, "-m", "kondo_ref", "audit", f"{path}:dg", "--surface", "logprobs", *words],
        capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": ""},
    )  # fmt: skip


@pytest.mark.parametrize("text", [LEAVES, AT_IMPORT])
def test_it_never_reads_as_conforming(text: str, tmp_path: Path) -> None:
    done = run(tmp_path / "leaves.py", text, "--claim", "dg", "--framework", "numpy")
    assert done.returncode == 2
    assert "os._exit(0)" in done.stdout + done.stderr


def test_without_the_guard_it_would() -> None:
    done = subprocess.run([sys.executable, "-c", AT_IMPORT], capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_it_is_an_exception_inside() -> None:
    with kept_alive(), pytest.raises(EndsProcess, match=r"os._exit\(3\)"):
        os._exit(3)


FORKS = """
import os
from kondo_ref.audit.guard import kept_alive

with kept_alive():
    child = os.fork()
    if not child:
        os._exit(5)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_children_end_as_they_ask_to() -> None:
    # In a process without threads, where a fork is safe.
    done = subprocess.run([sys.executable, "-c", FORKS], capture_output=True, check=True)
    assert done.stdout == b"5\n"


def test_nothing_is_left_open(tmp_path: Path) -> None:
    good = "import numpy as np\n\ndef dg(logp, advantages):\n    raise ValueError('no')\n"
    assert "ResourceWarning" not in run(tmp_path / "closes.py", good, "--framework", "numpy").stderr
