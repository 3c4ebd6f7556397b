"""Tests of the MNIST loader: the packaged set, the arguments, the pixels, the real full set."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from mnist_files import KEYS, Arrays

from kondo_ref.tasks.mnist import data, embed, fetch, idx

FULL_SET = os.environ.get(fetch.DATA_VARIABLE) or None


class TestEmbedded:
    def test_sizes_shapes_and_dtypes(self) -> None:
        mnist = data.load()
        assert mnist.name == "embedded"
        assert (mnist.x_train.shape, mnist.x_test.shape) == ((8000, 784), (2000, 784))
        assert (mnist.y_train.shape, mnist.y_test.shape) == ((8000,), (2000,))
        assert mnist.x_train.dtype == mnist.x_test.dtype == np.uint8
        assert mnist.y_train.dtype == mnist.y_test.dtype == np.int64
        assert mnist.y_train[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
        assert mnist.y_test[:5].tolist() == [7, 2, 1, 0, 4]
        assert set(mnist.y_train) == set(mnist.y_test) == set(range(10))
        assert 0.12 < data.pixels(mnist.x_train, np.float64).mean() < 0.14
        assert "LeCun" in mnist.provenance
        assert "CC BY-SA 3.0" in mnist.provenance

    def test_is_read_only(self) -> None:
        mnist = data.load()
        for key in KEYS:
            assert not getattr(mnist, key).flags.writeable

    def test_is_under_two_mebibytes(self) -> None:
        assert data.EMBEDDED_PATH.stat().st_size < 2 * 2**20

    def test_sums_are_in_the_provenance_page(self) -> None:
        page = data.EMBEDDED_PATH.with_name("DATA.md").read_text("utf-8")
        assert all(digest in page for digest in data.EMBEDDED_SHA256.values())

    def test_needs_no_extra_package(self) -> None:
        code = (
            "import sys; from kondo_ref.tasks.mnist.data import load; load(); "
            "print([m for m in ('pooch', 'requests', 'tqdm', 'scipy') if m in sys.modules])"
        )
        paths = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        done = subprocess.run(
            [sys.executable, "-c", code], env=paths, capture_output=True, text=True, check=True
        )
        assert set(ast.literal_eval(done.stdout)) <= {"scipy"}

    def test_another_file_in_its_place_is_refused(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, arrays: Arrays
    ) -> None:
        other = tmp_path / "other.npz"
        embed.write_npz(other, {**arrays, "provenance": np.array(""), "licence": np.array("")})
        monkeypatch.setattr(data, "EMBEDDED_PATH", other)
        with pytest.raises(idx.DataError, match="x_train is not the packaged one"):
            data.load()
        other.unlink()
        with pytest.raises(FileNotFoundError, match="install kondo-ref again"):
            data.load()


class TestArguments:
    def test_unknown_name(self) -> None:
        with pytest.raises(ValueError, match='"embedded" or "full", not \'fashion\''):
            data.load("fashion")

    def test_embedded_takes_no_folder(self, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match="data_dir is for the full set"):
            data.load("embedded", tmp_path)


class TestPixels:
    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    def test_divides_in_the_precision_asked_for(self, dtype: type) -> None:
        images = np.arange(784, dtype=np.int64).astype(np.uint8).reshape(1, 28, 28)
        result = data.pixels(images, dtype)
        assert result.shape == (1, 784)
        assert result.dtype == dtype
        assert (result.min(), result.max()) == (0, 1)
        np.testing.assert_array_equal(result[0, :256], np.arange(256, dtype=dtype) / dtype(255))
        np.testing.assert_array_equal(result, data.pixels(images.reshape(1, 784), dtype))

    def test_leaves_the_images_alone(self) -> None:
        images = np.full((2, 784), 255, np.uint8)
        data.pixels(images, np.float32)[:] = 0
        assert (images == 255).all()

    def test_no_images(self) -> None:
        assert data.pixels(np.zeros((0, 784), np.uint8), np.float32).shape == (0, 784)

    @pytest.mark.parametrize("dtype", [np.float16, np.int64, np.uint8])
    def test_other_precision(self, dtype: type) -> None:
        with pytest.raises(ValueError, match="float32 or float64"):
            data.pixels(np.zeros((2, 784), np.uint8), dtype)

    @pytest.mark.parametrize(
        "images", [np.zeros((2, 784)), np.zeros((2, 783), np.uint8), np.zeros(784, np.uint8)]
    )
    def test_other_images(self, images: np.ndarray) -> None:
        with pytest.raises(ValueError, match="images must be"):
            data.pixels(images, np.float32)


@pytest.mark.skipif(FULL_SET is None, reason="KONDO_REF_DATA does not name a full MNIST")
def test_the_real_full_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.undo()
    full, small = data.load("full"), data.load()
    assert (full.x_train.shape, full.x_test.shape) == ((60000, 784), (10000, 784))
    np.testing.assert_array_equal(np.bincount(full.y_test)[:3], [980, 1135, 1032])
    np.testing.assert_array_equal(full.x_train[:8000], small.x_train)
    np.testing.assert_array_equal(full.y_train[:8000], small.y_train)
    np.testing.assert_array_equal(full.x_test[:2000], small.x_test)
    np.testing.assert_array_equal(full.y_test[:2000], small.y_test)
    assert embed.main([FULL_SET or "", str(tmp_path / "out.npz")]) == 0
    assert data.EMBEDDED_SHA256["x_train"] in capsys.readouterr().out
    monkeypatch.setattr(data, "EMBEDDED_PATH", tmp_path / "out.npz")
    np.testing.assert_array_equal(data.load().x_train, small.x_train)
