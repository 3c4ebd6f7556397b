"""Whose error it is: what a foreign backend raises is its own, and is said in one line."""

import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# What `kondo_ref.cli.main` says in one line as it stands.
REFUSALS = (ValueError, TypeError, OSError, ImportError, MemoryError)


@contextmanager
def blamed(*names: str) -> Iterator[None]:
    """Turn an error that passed through the code of a foreign backend into a refusal.

    A built-in backend is ours, and its errors keep their traceback, as do errors that the code of
    no backend took part in.

    Parameters
    ----------
    *names : str
        The backends in use, as `kondo_ref.backend.load_backend` takes them.

    Raises
    ------
    ValueError
        A foreign backend raised something other than a `REFUSALS`.
    """
    from kondo_ref.backend import BUILTIN

    try:
        yield
    except REFUSALS:
        raise
    except Exception as error:  # whatever foreign code raises
        # The text has the frames of a worker's process too.
        text = "".join(traceback.format_exception(error))
        for name in names:
            place = None if name in BUILTIN else _place(name)
            if place is not None and f'File "{place}' in text:
                message = " ".join(str(error).split())
                raise ValueError(
                    f"backend: {name!r} raised {type(error).__name__} ({message})"
                ) from error
        raise


def _place(name: str) -> str | None:
    """Return the file of a backend's module, or the folder of the package that it is in."""
    from kondo_ref.backend import backend_names

    top = backend_names().get(name, name).partition(":")[0].partition(".")[0]
    file = getattr(sys.modules.get(top), "__file__", None)
    if file is None or top == "kondo_ref":
        return None
    return str(Path(file).parent) if Path(file).name == "__init__.py" else file
