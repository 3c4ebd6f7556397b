"""MNIST's bytes: IDX files and npz archives, read without trust.

First half of the first step of the data's way, files -> arrays; `kondo_ref.tasks.mnist.data` makes
observations of them. Whatever the source, the sha256 of the decompressed IDX bytes is compared
with the original's: mirrors compress anew, other data sets use the same file names, and a cut file
looks like a whole. Nothing is ever unpickled.
"""

import gzip
import hashlib
import struct
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

IDX_FILES: Mapping[str, str] = {
    "x_train": "train-images-idx3-ubyte",
    "y_train": "train-labels-idx1-ubyte",
    "x_test": "t10k-images-idx3-ubyte",
    "y_test": "t10k-labels-idx1-ubyte",
}
IDX_SHA256: Mapping[str, str] = {
    "x_train": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "y_train": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "x_test": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "y_test": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}

SIDE = 28
_LARGEST_FILE = 1 << 26  # bytes; the largest original has 47,040,016


class DataError(ValueError):
    """A data file is damaged, is not what its name says, or cannot be fetched."""


def read_path(name: str, origin: str) -> dict[str, npt.NDArray[np.uint8]]:
    """Read the full set from a folder or an npz; `origin` says who named the path."""
    try:
        path = Path(name).expanduser()
        if path.is_file():
            return _read_full_npz(path)
        if path.is_dir():
            return _read_folder(path, origin)
    except (PermissionError, RuntimeError) as error:  # RuntimeError: ~user without a home
        raise DataError(f"{origin}: {name} cannot be read ({error})") from error
    raise FileNotFoundError(f"{origin}: there is no file or folder {path}")


def _read_folder(path: Path, origin: str) -> dict[str, npt.NDArray[np.uint8]]:
    """Read the four IDX files of a folder, or else its mnist.npz."""
    names = {
        key: [stem + end for stem in (file, file.replace("-idx", ".idx")) for end in ("", ".gz")]
        for key, file in IDX_FILES.items()
    }
    found = {
        key: next((path / name for name in names[key] if (path / name).is_file()), None)
        for key in names
    }
    missing = [" or ".join(names[key][::2]) for key, file in found.items() if file is None]
    if missing and (path / "mnist.npz").is_file():
        return _read_full_npz(path / "mnist.npz")
    if missing:
        raise FileNotFoundError(
            f"{origin}: folder {path} has neither mnist.npz nor {', '.join(missing)} (plain or .gz)"
        )
    return {key: read_idx(file, key) for key, file in found.items() if file is not None}


def read_idx(path: Path, key: str, where: str = "") -> npt.NDArray[np.uint8]:
    """Read one IDX file, plain or gzip, and check it; errors call it `where`, or by its path."""
    where = where or str(path)
    try:
        with path.open("rb") as raw:
            # By content, not by name: browsers and some servers unpack a .gz and keep its name.
            packed = raw.read(2) == b"\x1f\x8b"
            raw.seek(0)
            if packed:
                with gzip.open(raw) as unpacked:
                    content = unpacked.read(_LARGEST_FILE)
            else:
                content = raw.read(_LARGEST_FILE)
    except EOFError as error:
        raise DataError(f"{where}: truncated gzip file; fetch it again") from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"{where}: damaged gzip file ({error}); fetch it again") from error
    except OSError as error:
        raise DataError(f"{where}: cannot be read ({error.strerror or error})") from error
    return _check_idx(content, key, where)


def _check_idx(content: bytes, key: str, where: str) -> npt.NDArray[np.uint8]:
    """Check the bytes of an IDX file and return its array, without a copy.

    Parameters
    ----------
    content : bytes
        The decompressed file: big-endian magic and dimensions of 4 bytes each, then uint8 data.
    key : str
        Which of the four files it should be, a key of IDX_FILES.
    where : str
        The file's name for the error.

    Returns
    -------
    (N, 28, 28) or (N,) uint8
        Images or labels, read-only.

    Raises
    ------
    DataError
        If magic, length or sha256 are not as in the original.
    """
    rank = 3 if key.startswith("x") else 1
    start = 4 + 4 * rank
    if len(content) < start or content[:4] != struct.pack(">I", 0x0800 | rank):
        raise DataError(
            f"{where}: not the IDX file {IDX_FILES[key]} (it begins with {content[:4].hex(' ')!r}, "
            f"not {struct.pack('>I', 0x0800 | rank).hex(' ')!r}); fetch it again"
        )
    shape = struct.unpack(f">{rank}I", content[4:start])
    announced = start + int(np.prod(shape, dtype=object))
    if len(content) < announced:
        raise DataError(
            f"{where}: truncated, {len(content)} of {announced} bytes of {IDX_FILES[key]}; "
            "fetch it again"
        )
    digest = hashlib.sha256(content).hexdigest()
    if digest != IDX_SHA256[key] or len(content) > announced:
        raise DataError(
            f"{where}: not MNIST's {IDX_FILES[key]} (sha256 {digest[:16]}..., not "
            f"{IDX_SHA256[key][:16]}...): another data set such as Fashion-MNIST, or a cut or "
            "changed file; fetch the original"
        )
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


def _read_full_npz(path: Path) -> dict[str, npt.NDArray[np.uint8]]:
    """Read a full npz; its IDX bytes are rebuilt, so that the same sha256 decide."""
    content = read_npz(path, tuple(IDX_FILES))
    result = {}
    for key in IDX_FILES:
        array = content[key]
        shape = (len(array), SIDE, SIDE) if key.startswith("x") else (len(array),)
        header = struct.pack(f">I{len(shape)}I", 0x0800 | len(shape), *shape)
        result[key] = _check_idx(header + array.tobytes(), key, f"{path} ({key})")
    return result


def read_npz(path: Path, wanted: tuple[str, ...]) -> dict[str, npt.NDArray[Any]]:
    """Read the wanted arrays of an npz, never unpickling, and check dtypes and shapes."""
    shapes = {"x": ((SIDE, SIDE), (SIDE**2,)), "y": ((),)}
    try:
        with path.open("rb") as stream:
            if not zipfile.is_zipfile(stream):
                raise DataError(f"{path}: not an npz file, or a truncated one")
            stream.seek(0)
            with np.load(stream, allow_pickle=False) as npz:
                if missing := [key for key in wanted if key not in npz.files]:
                    raise DataError(
                        f"{path}: no array {', '.join(missing)}; it holds {npz.files[:8]}"
                    )
                arrays = {key: npz[key] for key in wanted}
    except DataError:
        raise
    except Exception as error:  # NumPy and zipfile fail on damaged files in a dozen ways
        if "allow_pickle" in str(error):
            raise DataError(
                f"{path}: holds pickled objects, which are never loaded; save plain uint8 arrays"
            ) from error
        raise DataError(f"{path}: damaged npz file ({reason(error)})") from error
    for key in IDX_FILES:
        array = arrays[key]
        is_uint8 = isinstance(array, np.ndarray) and array.dtype == np.uint8 and array.ndim > 0
        if not is_uint8 or array.shape[1:] not in shapes[key[0]]:
            raise DataError(
                f"{path}: {key} must be {'(N, 28, 28)' if key[0] == 'x' else '(N,)'} uint8, not "
                f"{getattr(array, 'shape', '')} {getattr(array, 'dtype', type(array).__name__)}"
            )
    return arrays


def reason(error: BaseException) -> str:
    """Say in one short line what a library's exception says, or the one that it wraps."""
    inner = getattr(error, "reason", None) or next(iter(error.args), None)
    if isinstance(inner, BaseException):
        return reason(inner)
    line = next(iter(str(error).splitlines()), "")
    return f"{type(error).__name__}: {line[:200]}"
