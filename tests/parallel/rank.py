"""One rank of data-parallel runs, as a program: `python rank.py RANK SIZE FOLDER JOB...`.

A job is a case of `cases.CASES`, or `CASE@EDIT` with a wrong version of `cases.EDITS` alive. Every
job has a group of its own; its ranks meet at a file, so no port is needed. What came out goes to
FOLDER/JOB.RANK.npz, an error to an array of that name.
"""

import sys
from contextlib import nullcontext
from datetime import timedelta
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist

sys.path.insert(0, str(Path(__file__).parents[1]))
import cases

# A rank that waits so long for another one ends with an error; shorter where that is the point.
PATIENT, SHORT = 40, 3


def main() -> None:
    rank, size, folder = int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]).absolute()
    torch.set_num_threads(1)
    for job in sys.argv[4:]:
        case, _, edit = job.partition("@")
        dist.init_process_group(
            "gloo",
            init_method=f"file://{folder}/{job.replace(' ', '-')}",
            rank=rank,
            world_size=size,
            timeout=timedelta(seconds=PATIENT),
        )
        dist.barrier()
        cases.GROUP = dist.new_group(timeout=timedelta(seconds=SHORT)) if edit else None
        try:
            with cases.EDITS[edit].alive() if edit else nullcontext():
                found = cases.CASES[case](rank, size)
        except Exception as error:
            found = {"error": np.asarray(repr(error))}
        dist.destroy_process_group()
        np.savez(folder / f"{job}.{rank}.npz", **found)


main()
