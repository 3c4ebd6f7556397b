"""The images of the MNIST bandit: a packaged cut of 10,000, or the full 70,000.

First step of the data's way: pixels become observations, labels become the actions that pay.
`load("embedded")` reads the packaged file with NumPy alone; `load("full")` reads a folder or
npz that the user has, or downloads the four original IDX files once (extra `data`).
`idx` beside it reads and checks the files, `fetch` downloads them.
"""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kondo_ref.tasks.mnist.fetch import DATA_VARIABLE, read_cache_or_mirrors
from kondo_ref.tasks.mnist.idx import IDX_FILES, SIDE, DataError, read_npz, read_path

EMBEDDED_PATH = Path(__file__).with_name("mnist-10k.npz")
EMBEDDED_SHA256: Mapping[str, str] = {
    "x_train": "3496ee82b5cfbaf6cc031845bd2fd85bba36ebf0eb988a413ee9b0e311fba5c6",
    "y_train": "34f13ceee194c7f8e7cd4768b527844972af1ac4b3be2911fc235fb5bcae82c2",
    "x_test": "170ff6838184f9ec6aaa1bbb5932ed59b7463585418d2da081525165ef21edae",
    "y_test": "949a3782a9c308bf8ca08ff720810fe1de358fe09887727264c684c785d1ec53",
}


@dataclass(frozen=True, eq=False)
class Mnist:
    """Images and labels, read-only; `pixels` turns images into observations.

    Attributes
    ----------
    x_train : (N, 784) uint8
        Training images, row by row, 0 (paper) to 255 (ink).
    y_train : (N,) int64
        Training labels, 0 to 9; int64 so that arithmetic on them cannot wrap around.
    x_test : (M, 784) uint8
        Test images.
    y_test : (M,) int64
        Test labels.
    provenance : str
        Where the data are from, and their licence.
    name : str
        "embedded" or "full".
    """

    x_train: npt.NDArray[np.uint8]
    y_train: npt.NDArray[np.int64]
    x_test: npt.NDArray[np.uint8]
    y_test: npt.NDArray[np.int64]
    provenance: str
    name: str


def pixels(images: npt.NDArray[np.uint8], dtype: npt.DTypeLike) -> npt.NDArray[np.floating[Any]]:
    """Divide pixel values by 255, in the precision asked for.

    Parameters
    ----------
    images : (N, 784) or (N, 28, 28) uint8
        Pixel values, 0 to 255.
    dtype : float32 or float64
        Precision of the result and of the division.

    Returns
    -------
    (N, 784) float
        Pixel values in [0, 1]; a new array.

    Raises
    ------
    ValueError
        If the images have another shape or dtype, or `dtype` is another one.

    Notes
    -----
    Source: ours.
    """
    target = np.dtype(dtype)
    if target not in (np.dtype(np.float32), np.dtype(np.float64)):
        raise ValueError(f"dtype must be float32 or float64, not {target}")
    if images.dtype != np.uint8 or images.shape[1:] not in ((SIDE**2,), (SIDE, SIDE)):
        raise ValueError(
            f"images must be (N, 784) or (N, 28, 28) uint8, not {images.shape} {images.dtype}"
        )
    result: npt.NDArray[np.floating[Any]] = images.reshape(-1, SIDE**2).astype(target)
    result /= np.array(255, target)
    return result


def load(name: str = "embedded", data_dir: str | os.PathLike[str] | None = None) -> Mnist:
    """Load MNIST: the packaged 8,000 + 2,000 images, or all 60,000 + 10,000.

    Parameters
    ----------
    name : {"embedded", "full"}
        Which set. The full one is looked for in `data_dir`, then in the path that the environment
        variable KONDO_REF_DATA names, then in the download cache, then on public mirrors. The
        first of these that is given is used or refused; the next one is no substitute for it.
    data_dir : path, optional
        For the full set: a folder with the four IDX files (plain or .gz) or with mnist.npz, or
        the path of such an npz.

    Returns
    -------
    Mnist
        The images and labels, in the original order.

    Raises
    ------
    ValueError
        If `name` is unknown, or `data_dir` is given for the embedded set.
    FileNotFoundError
        If `data_dir` or KONDO_REF_DATA names nothing, or a folder without the files.
    DataError
        If a file is damaged or is not MNIST's, or the download is not possible.

    Notes
    -----
    Source: Y. LeCun, C. Cortes, C. J. C. Burges, "The MNIST database of handwritten digits".
    """
    if name == "embedded":
        if data_dir is not None:
            raise ValueError('data_dir is for the full set: pass name="full" with it')
        return _load_embedded(EMBEDDED_PATH)
    if name != "full":
        raise ValueError(f'name must be "embedded" or "full", not {name!r}')
    if data_dir is not None:
        arrays, source = read_path(os.fspath(data_dir), "data_dir"), os.fspath(data_dir)
    elif variable := os.environ.get(DATA_VARIABLE):
        arrays, source = read_path(variable, DATA_VARIABLE), variable
    else:
        arrays, source = read_cache_or_mirrors()
    provenance = (
        "MNIST (Y. LeCun, C. Cortes, C. J. C. Burges), CC BY-SA 3.0, complete and unchanged "
        f"(sha256 of the four IDX files checked), read from {source}"
    )
    return _assemble(arrays, provenance, "full")


def _assemble(arrays: Mapping[str, npt.NDArray[np.uint8]], provenance: str, name: str) -> Mnist:
    """Flatten images, widen labels, and make all four read-only."""
    images = {key: arrays[key].reshape(-1, SIDE**2) for key in ("x_train", "x_test")}
    labels = {key: arrays[key].astype(np.int64) for key in ("y_train", "y_test")}
    for image in images.values():
        image.setflags(write=False)
    for label in labels.values():
        label.setflags(write=False)
    return Mnist(
        images["x_train"], labels["y_train"], images["x_test"], labels["y_test"], provenance, name
    )


def _load_embedded(path: Path) -> Mnist:
    """Read the packaged npz and check each array's bytes."""
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing: install kondo-ref again")
    content = read_npz(path, (*IDX_FILES, "provenance", "licence"))
    for key, expected in EMBEDDED_SHA256.items():
        if hashlib.sha256(content[key].tobytes()).hexdigest() != expected:
            raise DataError(f"{path}: {key} is not the packaged one: install kondo-ref again")
    provenance = f"{content['provenance']} Licence: {content['licence']}"
    return _assemble(content, provenance, "embedded")
