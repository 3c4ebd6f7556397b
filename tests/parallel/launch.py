"""Start the ranks of data-parallel jobs as processes, and read what came out."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parent
SECONDS = 240  # for all jobs, on a busy machine; a hang inside a job ends much sooner

Arrays = dict[str, Any]


def launch(folder: Path, size: int, jobs: list[str]) -> dict[str, list[Arrays]]:
    """Return the arrays of every rank, by job."""
    one = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL")}
    ranks = [
        subprocess.Popen(
            [sys.executable, HERE / "rank.py", str(rank), str(size), folder, *jobs],
            env=os.environ | one,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(size)
    ]
    try:
        errors = [process.communicate(timeout=SECONDS)[1] for process in ranks]
    finally:
        for process in ranks:
            process.kill()
            process.wait()
            assert process.stderr is not None
            process.stderr.close()
    assert not any(process.returncode for process in ranks), errors
    return {job: [read(folder / f"{job}.{rank}.npz") for rank in range(size)] for job in jobs}


def read(path: Path) -> Arrays:
    with np.load(path) as arrays:
        return dict(arrays)
