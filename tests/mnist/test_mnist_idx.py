"""Tests of the reading of MNIST files: folders of IDX files, and npz archives."""

import gzip
import zipfile
from pathlib import Path

import numpy as np
import pytest
from mnist_files import IMAGES, Arrays, Contents, assert_same, error_of, write_folder

from kondo_ref.tasks.mnist import data, fetch, idx


class TestFolder:
    @pytest.mark.parametrize("dotted", [False, True], ids=["dash", "dot"])
    @pytest.mark.parametrize("packed", [False, True], ids=["idx", "gz"])
    def test_file_names(
        self, tmp_path: Path, contents: Contents, arrays: Arrays, dotted: bool, packed: bool
    ) -> None:
        for key, content in contents.items():
            name = idx.IDX_FILES[key].replace("-idx", ".idx" if dotted else "-idx")
            path = tmp_path / (name + ".gz" if packed else name)
            path.write_bytes(gzip.compress(content) if packed else content)
        loaded = data.load("full", str(tmp_path))
        assert loaded.name == "full"
        assert str(tmp_path) in loaded.provenance
        assert_same(loaded, arrays)

    def test_unpacked_file_that_kept_its_gz_name(
        self, tmp_path: Path, contents: Contents, arrays: Arrays
    ) -> None:
        for key, content in contents.items():
            (tmp_path / f"{idx.IDX_FILES[key]}.gz").write_bytes(content)
        assert_same(data.load("full", tmp_path), arrays)

    def test_environment_variable_and_precedence(
        self, tmp_path: Path, contents: Contents, arrays: Arrays, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        folder = write_folder(tmp_path / "idx", contents)
        monkeypatch.setenv(fetch.DATA_VARIABLE, str(folder))
        assert_same(data.load("full"), arrays)
        assert "data_dir: there is no file" in error_of(
            FileNotFoundError, data_dir=tmp_path / "absent"
        )
        monkeypatch.setenv(fetch.DATA_VARIABLE, str(tmp_path / "absent"))
        assert "KONDO_REF_DATA: there is no file" in error_of(FileNotFoundError)
        assert_same(data.load("full", folder), arrays)

    def test_missing_files_are_listed(self, tmp_path: Path, contents: Contents) -> None:
        write_folder(tmp_path, contents)
        (tmp_path / idx.IDX_FILES["y_test"]).unlink()
        message = error_of(FileNotFoundError, data_dir=tmp_path)
        for name in ("mnist.npz", "t10k-labels-idx1-ubyte", "t10k-labels.idx1-ubyte", ".gz"):
            assert name in message
        assert "train" not in message.replace(str(tmp_path), "")

    @pytest.mark.parametrize(
        ("damage", "message"),
        [
            (lambda good: good[:-1], "truncated, 9423 of 9424 bytes"),
            (lambda good: good[:10], "not the IDX file"),
            (lambda _: b"", "not the IDX file"),
            (lambda _: b"<html>not found</html>", "it begins with '3c 68 74 6d'"),
            (lambda good: good[:-1] + b"\0", "Fashion-MNIST"),
            (lambda good: good + b"\0", "Fashion-MNIST"),
            (lambda good: gzip.compress(good)[:-20], "truncated gzip"),
            (lambda good: gzip.compress(good)[:-8] + b"\0" * 8, "damaged gzip"),
            (lambda good: gzip.compress(good)[:12] + b"\xff" * 50, "damaged gzip"),
            (lambda _: b"\x1f\x8b", "truncated gzip"),
            (lambda _: b"\x1f\x8b\xff\xff" * 9, "damaged gzip"),
        ],
    )
    def test_damaged_file(self, tmp_path, contents, damage, message) -> None:
        write_folder(tmp_path, contents)
        (tmp_path / IMAGES).write_bytes(damage(contents["x_train"]))
        found = error_of(data_dir=tmp_path)
        assert message in found
        assert str(tmp_path / IMAGES) in found

    def test_labels_in_the_place_of_images(self, tmp_path: Path, contents: Contents) -> None:
        write_folder(tmp_path, {**contents, "x_train": contents["y_train"]})
        assert "not '00 00 08 03'" in error_of(data_dir=tmp_path)

    def test_unreadable_file(
        self, tmp_path: Path, contents: Contents, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(*_: object, **__: object) -> None:
            raise PermissionError(13, "Permission denied")

        write_folder(tmp_path, contents)
        monkeypatch.setattr(Path, "open", refuse)
        assert "cannot be read (Permission denied)" in error_of(data_dir=tmp_path)


class TestNpz:
    def write(self, path: Path, arrays: Arrays) -> Path:
        np.savez_compressed(path, **arrays)
        return path

    def test_path_and_folder(self, tmp_path: Path, arrays: Arrays) -> None:
        path = self.write(tmp_path / "mnist.npz", arrays)
        assert_same(data.load("full", path), arrays)
        assert_same(data.load("full", tmp_path), arrays)

    def test_flat_images(self, tmp_path: Path, arrays: Arrays) -> None:
        flat = {key: array.reshape(len(array), -1) for key, array in arrays.items()}
        flat |= {key: arrays[key] for key in ("y_train", "y_test")}
        assert_same(data.load("full", self.write(tmp_path / "flat.npz", flat)), arrays)

    def test_cut_set_is_refused(self, tmp_path: Path, arrays: Arrays) -> None:
        cut = {**arrays, "x_test": arrays["x_test"][:4], "y_test": arrays["y_test"][:4]}
        message = error_of(data_dir=self.write(tmp_path / "cut.npz", cut))
        assert "cut.npz (x_test): not MNIST's" in message
        assert "t10k-images-idx3-ubyte" in message

    def test_packaged_set_is_no_full_set(self) -> None:
        assert "or a cut or changed file" in error_of(data_dir=data.EMBEDDED_PATH)

    def test_pickled_objects_are_never_loaded(self, tmp_path: Path, arrays: Arrays) -> None:
        class Trap:
            def __reduce__(self) -> tuple[object, ...]:
                return (Path.touch, (tmp_path / "trapped",))

        pickled = {**arrays, "y_test": np.array([Trap()], dtype=object)}
        message = error_of(data_dir=self.write(tmp_path / "trap.npz", pickled))
        assert "pickled objects, which are never loaded" in message
        assert not (tmp_path / "trapped").exists()

    def test_missing_array(self, tmp_path: Path, arrays: Arrays) -> None:
        del arrays["y_train"]
        message = error_of(data_dir=self.write(tmp_path / "short.npz", arrays))
        assert "no array y_train; it holds ['x_train', 'x_test', 'y_test']" in message

    @pytest.mark.parametrize(
        ("key", "array", "message"),
        [
            ("x_train", np.zeros((12, 28, 28)), r"x_train must be \(N, 28, 28\) uint8"),
            ("x_train", np.zeros((12, 27, 28), np.uint8), r"not \(12, 27, 28\) uint8"),
            ("y_train", np.zeros((12, 10), np.uint8), r"y_train must be \(N,\) uint8"),
            ("y_test", np.zeros((), np.uint8), r"not \(\) uint8"),
        ],
    )
    def test_wrong_shape_or_dtype(
        self, tmp_path: Path, arrays: Arrays, key: str, array: np.ndarray, message: str
    ) -> None:
        path = self.write(tmp_path / "odd.npz", {**arrays, key: array})
        with pytest.raises(idx.DataError, match=message):
            data.load("full", path)

    def test_member_that_is_no_array(self, tmp_path: Path, arrays: Arrays) -> None:
        path = tmp_path / "text.npz"
        with zipfile.ZipFile(path, "w") as archive:
            for key in arrays:
                archive.writestr(f"{key}.npy", b"plain text, no array at all")
        assert str(path) in error_of(data_dir=path)

    def test_not_an_npz(self, tmp_path: Path, arrays: Arrays) -> None:
        path = tmp_path / "mnist.npz"
        for content in (b"", b"\x80\x04.", b"<html>"):
            path.write_bytes(content)
            assert "not an npz file, or a truncated one" in error_of(data_dir=path)
        np.save(tmp_path / "one.npy", arrays["x_train"])
        assert "not an npz" in error_of(data_dir=tmp_path / "one.npy")

    @pytest.mark.parametrize("keep", [0.02, 0.3, 0.6, 0.99])
    def test_truncated(self, tmp_path: Path, arrays: Arrays, keep: float) -> None:
        path = self.write(tmp_path / "mnist.npz", arrays)
        whole = path.read_bytes()
        path.write_bytes(whole[: int(keep * len(whole))])
        assert "truncated" in error_of(data_dir=path)

    def test_any_flipped_byte_is_refused_or_harmless(self, tmp_path: Path, arrays: Arrays) -> None:
        path = self.write(tmp_path / "mnist.npz", arrays)
        whole = path.read_bytes()
        places = np.random.default_rng(3).integers(0, len(whole), 150)
        for place in [*places, *range(100), *range(len(whole) - 150, len(whole))]:
            damaged = bytearray(whole)
            damaged[place] ^= 0x55
            path.write_bytes(damaged)
            message = ""
            try:
                assert_same(data.load("full", path), arrays)
            except idx.DataError as error:
                message = str(error)
            assert "\n" not in message
