"""Files and folders -> the results in them, known by their schema."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FAMILY = "kondo-ref/"
RESULT = "result.json"


@dataclass(frozen=True)
class Source:
    """A result as it was found.

    Parameters
    ----------
    path : Path
        Of the JSON file.
    schema : str
        Such as ``kondo-ref/run/1``.
    data : dict
        The JSON.
    """

    path: Path
    schema: str
    data: dict[str, Any]

    @property
    def name(self) -> str:
        """What to call it: the folder of a run, else the file."""
        return self.path.resolve().parent.name if self.path.name == RESULT else self.path.stem


def sources(paths: Iterable[Path]) -> list[Source]:
    """Return the results of files and folders, in their order.

    A run folder is one result. Any other folder stands for the results in it, by name: its JSON
    files of a schema of this project, and its run folders.

    Parameters
    ----------
    paths : iterable of Path

    Raises
    ------
    FileNotFoundError
        Nothing is there.
    ValueError
        A file that is no result, a folder without one, a run that was interrupted.
    """
    return [source for path in paths for source in _of(path)]


def _of(path: Path) -> list[Source]:
    if not path.exists():
        raise FileNotFoundError(f"PATH: no file or folder {path}")
    if path.is_file():
        return [_of_file(path)]
    if path.name.endswith(".partial"):
        raise ValueError(
            f"PATH: the run in {path} was interrupted; go on with it by kondo-ref run --resume"
        )
    if (path / RESULT).is_file():
        return [_of_file(path / RESULT)]
    inside = [*path.glob("*.json"), *path.glob(f"*/{RESULT}")]
    found = [_of_file(file) for file in sorted(inside) if _schema(_json(file))]
    if not found:
        raise ValueError(f"PATH: no result in the folder {path}: expected {RESULT}, or JSON files")
    return found


def _of_file(path: Path) -> Source:
    data = _json(path)
    schema = _schema(data)
    if schema is None:
        raise ValueError(
            f'PATH: {path} is no result: expected JSON with a "schema" that begins with {FAMILY}'
        )
    return Source(path, schema, data)


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text("utf-8"))
    except (UnicodeDecodeError, ValueError) as error:
        raise ValueError(f"PATH: {path} is no JSON ({error})") from None


def _schema(data: Any) -> str | None:
    schema = data.get("schema") if isinstance(data, dict) else None
    return schema if isinstance(schema, str) and schema.startswith(FAMILY) else None
