"""Tiny synthetic MNIST files, and how to load and compare them."""

import struct
from pathlib import Path

import numpy as np
import pytest

from kondo_ref.tasks.mnist import data, idx

KEYS = tuple(idx.IDX_FILES)
IMAGES = idx.IDX_FILES["x_train"]

Arrays = dict[str, np.ndarray]
Contents = dict[str, bytes]


def make_idx(array: np.ndarray) -> bytes:
    header = struct.pack(f">I{array.ndim}I", 0x0800 | array.ndim, *array.shape)
    return header + array.tobytes()


def write_folder(folder: Path, contents: Contents) -> Path:
    folder.mkdir(exist_ok=True)
    for key, content in contents.items():
        (folder / idx.IDX_FILES[key]).write_bytes(content)
    return folder


def assert_same(loaded: data.Mnist, arrays: Arrays) -> None:
    for key in KEYS:
        expected = arrays[key].reshape(len(arrays[key]), -1)
        expected = expected if key.startswith("x") else expected[:, 0]
        np.testing.assert_array_equal(getattr(loaded, key), expected, strict=False)
        assert getattr(loaded, key).shape == expected.shape


def error_of(error: type[Exception] = idx.DataError, **arguments: object) -> str:
    with pytest.raises(error) as caught:
        data.load("full", **arguments)
    assert type(caught.value) is error
    assert "\n" not in str(caught.value)
    return str(caught.value)
