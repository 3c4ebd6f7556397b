"""The download of the full MNIST: a cache, and public mirrors that fill it.

The last resort of `kondo_ref.tasks.mnist.data.load`, for who names no files of their own. Needs
the extra `data`; every file is checked by `kondo_ref.tasks.mnist.idx` before it enters the cache.
"""

import importlib.util
import logging
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import numpy.typing as npt

from kondo_ref.tasks.mnist.idx import IDX_FILES, DataError, read_idx, reason

MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
    "https://systemds.apache.org/assets/datasets/mnist/",
)
DATA_VARIABLE = "KONDO_REF_DATA"

_INSTALL = 'python -m pip install "kondo-ref[data]"'
_BY_HAND = f"put the four files in a folder and pass --data-dir FOLDER or set {DATA_VARIABLE}"


def read_cache_or_mirrors() -> tuple[dict[str, npt.NDArray[np.uint8]], str]:
    """Read the four files from pooch's cache, downloading those that are not there."""
    try:
        import pooch
    except ImportError as error:
        raise DataError(
            f"the full MNIST must be downloaded, which needs pooch: {_INSTALL}; or {_BY_HAND}"
        ) from error
    cache = Path(pooch.os_cache("kondo-ref"))
    arrays = {}
    for key, file in IDX_FILES.items():
        cached = cache / f"{file}.gz"
        with suppress(DataError):  # not there yet, or damaged: a good download replaces it
            arrays[key] = read_idx(cached, key)
        if key not in arrays:
            arrays[key] = _download(key, cached)
    return arrays, str(cache)


def _download(key: str, cached: Path) -> npt.NDArray[np.uint8]:
    """Fetch one file from the first mirror that has it whole, and put it in the cache."""
    import pooch

    terminal = sys.stderr is not None and sys.stderr.isatty()
    progress = terminal and importlib.util.find_spec("tqdm") is not None
    failures = []
    try:
        cached.unlink(missing_ok=True)
        cached.parent.mkdir(parents=True, exist_ok=True)
        # Checked in a folder of its own, then renamed: nobody ever sees a half or wrong file.
        with tempfile.TemporaryDirectory(dir=cached.parent) as folder, _quiet(pooch.get_logger()):
            for number, url in enumerate(mirror + cached.name for mirror in MIRRORS):
                try:
                    fetched = pooch.retrieve(
                        url,
                        known_hash=None,  # of the .gz, which differs between mirrors
                        fname=f"{number}-{cached.name}",
                        path=folder,
                        downloader=pooch.HTTPDownloader(
                            progressbar=progress, chunk_size=1 << 16, timeout=30
                        ),
                    )
                    array = read_idx(Path(fetched), key, url)
                except DataError as error:
                    failures.append(str(error))
                except ImportError as error:
                    raise DataError(
                        f"pooch cannot import {error.name or error}: {_INSTALL}; or {_BY_HAND}"
                    ) from error
                except Exception as error:  # of requests, urllib3, http, ssl or pooch
                    failures.append(f"{url}: {reason(error)}")
                else:
                    Path(fetched).replace(cached)
                    return array
    except OSError as error:
        raise DataError(
            f"the cache {cached.parent} cannot be written ({error.strerror or error}); {_BY_HAND}"
        ) from error
    raise DataError(f"no mirror gave {cached.name}: {' | '.join(failures)}; {_BY_HAND}")


@contextmanager
def _quiet(logger: logging.Logger) -> Iterator[None]:
    """Let a logger pass on nothing below ERROR, for a while."""
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
