"""Tests of the cut that made the packaged MNIST set."""

import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
from mnist_files import KEYS, Arrays, Contents, assert_same, write_folder

from kondo_ref.tasks.mnist import data, embed


class TestEmbed:
    def test_cut_keeps_the_first_in_order(
        self, tmp_path: Path, contents: Contents, arrays: Arrays
    ) -> None:
        full = data.load("full", write_folder(tmp_path / "idx", contents))
        small = embed.cut(full, 6, 3)
        for key in KEYS:
            n = 6 if key.endswith("train") else 3
            np.testing.assert_array_equal(small[key], arrays[key][:n], strict=True)
        assert "first 6 training and the first 3 test" in str(small["provenance"])
        with pytest.raises(ValueError, match=r"cannot cut 13 \+ 3 images out of 12 \+ 5"):
            embed.cut(full, 13, 3)

    def test_same_bytes_each_time(self, tmp_path: Path, arrays: Arrays) -> None:
        for name in ("a.npz", "b.npz"):
            embed.write_npz(tmp_path / name, arrays)
        first = (tmp_path / "a.npz").read_bytes()
        assert first == (tmp_path / "b.npz").read_bytes()
        with zipfile.ZipFile(tmp_path / "a.npz") as archive:
            assert {info.date_time[0] for info in archive.infolist()} == {1980}
        assert_same(data.load("full", tmp_path / "a.npz"), arrays)

    def test_no_objects(self, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match="allow_pickle"):
            embed.write_npz(tmp_path / "a.npz", {"x": np.array([{}], dtype=object)})
        assert list(tmp_path.iterdir()) == []

    def test_command_line_that_cannot(self, tmp_path: Path, capsys) -> None:
        shutil.copy(data.EMBEDDED_PATH, tmp_path / "full.npz")
        assert embed.main([str(tmp_path / "full.npz"), str(tmp_path / "out.npz")]) == 2
        assert "not MNIST's" in capsys.readouterr().err
        assert not (tmp_path / "out.npz").exists()
