"""Cut the packaged MNIST set out of the full one: `python -m kondo_ref.tasks.mnist.embed`.

Run by hand, once, before the data's way begins: it wrote `mnist-10k.npz`, which
`kondo_ref.tasks.mnist.data` loads, and prints the sha256 that the loader compares.
The first images of each split are kept, in their order, so that anyone can cut the same set.
The same input gives the same bytes (with the same zlib): no time stamps, fixed order of members.
"""

import argparse
import hashlib
import io
import sys
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kondo_ref.tasks.mnist.data import Mnist, load
from kondo_ref.tasks.mnist.idx import IDX_FILES

N_TRAIN = 8_000
N_TEST = 2_000
LICENCE = (
    "Creative Commons Attribution-ShareAlike 3.0 (CC BY-SA 3.0), "
    "https://creativecommons.org/licenses/by-sa/3.0/"
)


def cut(full: Mnist, n_train: int = N_TRAIN, n_test: int = N_TEST) -> dict[str, npt.NDArray[Any]]:
    """Take the first images and labels of each split.

    Parameters
    ----------
    full : Mnist
        The full set.
    n_train, n_test : int
        How many of each split.

    Returns
    -------
    dict of arrays
        x_train (n_train, 28, 28), y_train (n_train,), x_test (n_test, 28, 28), y_test (n_test,),
        all uint8, and the strings provenance and licence.

    Raises
    ------
    ValueError
        If a split has fewer images than asked for.

    Notes
    -----
    Source: ours.
    """
    if len(full.x_train) < n_train or len(full.x_test) < n_test:
        raise ValueError(
            f"cannot cut {n_train} + {n_test} images out of {len(full.x_train)} + "
            f"{len(full.x_test)}"
        )
    provenance = (
        f"The first {n_train} training and the first {n_test} test images of the MNIST database "
        "of handwritten digits (Y. LeCun, C. Cortes, C. J. C. Burges), in their order; pixels and "
        "labels unchanged."
    )
    return {
        "x_train": full.x_train[:n_train].reshape(-1, 28, 28),
        "y_train": full.y_train[:n_train].astype(np.uint8),
        "x_test": full.x_test[:n_test].reshape(-1, 28, 28),
        "y_test": full.y_test[:n_test].astype(np.uint8),
        "provenance": np.array(provenance),
        "licence": np.array(LICENCE),
    }


def write_npz(path: Path, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
    """Write an npz as `numpy.savez_compressed` does, but smaller and without time stamps.

    Parameters
    ----------
    path : Path
        The file to write or replace.
    arrays : mapping of str to array
        The members, written in this order; none may hold Python objects.

    Raises
    ------
    ValueError
        If an array could only be pickled.
    OSError
        If the file cannot be written.

    Notes
    -----
    Source: ours.
    """
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, array in arrays.items():
            member = io.BytesIO()
            np.lib.format.write_array(member, np.asarray(array), (1, 0), allow_pickle=False)
            info = zipfile.ZipInfo(f"{name}.npy", date_time=(1980, 1, 1, 0, 0, 0))
            info.create_system = 3  # ZipInfo takes the running system's number otherwise
            archive.writestr(info, member.getvalue(), zipfile.ZIP_DEFLATED, compresslevel=9)
    path.write_bytes(packed.getvalue())


def main(argv: Sequence[str] | None = None) -> int:
    """Cut and write the packaged set; print the sha256 of its arrays.

    Parameters
    ----------
    argv : sequence of str, optional
        FULL and OUT; the command line's by default.

    Returns
    -------
    int
        0 when written, 2 when it could not be done.

    Notes
    -----
    Source: ours.
    """
    parser = argparse.ArgumentParser(prog="python -m kondo_ref.tasks.mnist.embed")
    parser.add_argument("full", type=Path, metavar="FULL.npz", help="the full set, or its folder")
    parser.add_argument("out", type=Path, metavar="OUT.npz", help="the file to write")
    options = parser.parse_args(argv)
    try:
        arrays = cut(load("full", options.full))
        write_npz(options.out, arrays)
    except (ValueError, OSError) as error:
        sys.stderr.write(f"{parser.prog}: {error}\n")
        return 2
    for key in IDX_FILES:
        sys.stdout.write(f"{key} {hashlib.sha256(arrays[key].tobytes()).hexdigest()}\n")
    sys.stdout.write(f"{options.out} {options.out.stat().st_size} bytes\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
