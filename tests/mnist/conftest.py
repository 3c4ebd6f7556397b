"""What all tests of the MNIST files have: real code on tiny files, no network.

Only the table of expected sha256, the list of mirrors and the cache folder are replaced.
"""

import hashlib

import numpy as np
import pytest
from mnist_files import Arrays, Contents, make_idx

from kondo_ref.tasks.mnist import fetch, idx


@pytest.fixture
def arrays() -> Arrays:
    rng = np.random.default_rng(7)
    return {
        "x_train": rng.integers(0, 256, (12, 28, 28), dtype=np.uint8),
        "y_train": rng.integers(0, 10, 12, dtype=np.uint8),
        "x_test": rng.integers(0, 256, (5, 28, 28), dtype=np.uint8),
        "y_test": rng.integers(0, 10, 5, dtype=np.uint8),
    }


@pytest.fixture(autouse=True)
def contents(arrays: Arrays, monkeypatch: pytest.MonkeyPatch) -> Contents:
    """Make the four tiny IDX files the originals, and forget the user's own variable."""
    contents = {key: make_idx(array) for key, array in arrays.items()}
    sums = {key: hashlib.sha256(content).hexdigest() for key, content in contents.items()}
    monkeypatch.setattr(idx, "IDX_SHA256", sums)
    monkeypatch.setattr(fetch, "MIRRORS", ())
    monkeypatch.delenv(fetch.DATA_VARIABLE, raising=False)
    return contents
