"""Run folders: what a run was, what it finished, what came out of it.

A run works in ``NAME.partial`` and is renamed to ``NAME`` when it is whole. Each unit (a method
and a seed) is one JSON file, written when it is finished; a run that was interrupted goes on with
the units that are missing. Nothing is ever unpickled: JSON, CSV and pictures only.
"""

import csv
import hashlib
import io
import json
import os
import platform
import shutil
import time
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Self

from kondo_ref import files

SCHEMA = "kondo-ref/run/1"
LOCK = "lock"


@dataclass(frozen=True)
class RunFolder:
    """A run in the making.

    Parameters
    ----------
    final : Path
        Where the whole run will be.
    configuration : dict
        What determines the numbers; JSON values only.
    digest : str
        `configuration_hash` of it.
    """

    final: Path
    configuration: dict[str, Any]
    digest: str

    @property
    def partial(self) -> Path:
        """Where the run is while it is being made."""
        return self.final.with_name(self.final.name + ".partial")

    @classmethod
    def open(cls, out: Path | None, configuration: dict[str, Any], *, resume: bool) -> Self:
        """Make the folder of a new run, or find the one to go on with.

        Parameters
        ----------
        out : Path or None
            The run's folder; None for a new name under ``runs/``, or with `resume` for the newest
            interrupted run there that has this configuration.
        configuration : dict
        resume : bool

        Raises
        ------
        FileExistsError
            The folder is there already, whole or interrupted, and `resume` is false.
        FileNotFoundError
            Nothing to resume.
        ValueError
            The run to resume has another configuration.
        """
        digest = configuration_hash(configuration)
        out = None if out is None else out.expanduser()
        if out is None:
            final = _newest_partial(digest) if resume else _new_name(configuration["task"], digest)
        else:
            final = out
        folder = cls(final, configuration, digest)
        if resume:
            folder._check_resumable()
            if not folder.complete:
                folder._lock()
            return folder
        if final.exists() or final.is_symlink():
            raise FileExistsError(f"--out: {final} exists; choose another folder")
        try:
            final.parent.mkdir(parents=True, exist_ok=True)
            folder.partial.mkdir()
        except FileExistsError:
            if not folder.partial.is_dir():
                raise NotADirectoryError(f"--out: cannot make a folder in {final.parent}") from None
            folder._refuse_if_running()
            raise FileExistsError(
                f"--out: {folder.partial} holds an interrupted run; --resume goes on with it, "
                f"or remove it, or choose another folder"
            ) from None
        except OSError as error:
            raise OSError(f"--out: cannot make {folder.partial} ({error.strerror})") from None
        folder._lock()
        (folder.partial / "units").mkdir()
        files.write_json(
            folder.partial / "configuration.json",
            {"schema": SCHEMA, "hash": digest, "configuration": configuration},
        )
        return folder

    @property
    def complete(self) -> bool:
        """Whether the whole run is already there."""
        return (self.final / "result.json").exists()

    def report(self) -> dict[str, Any]:
        """Return the report of the whole run.

        Raises
        ------
        ValueError
            The file is damaged.
        """
        try:
            report = json.loads((self.final / "result.json").read_text())
        except (OSError, ValueError) as error:
            raise ValueError(f"{self.final}: result.json is damaged ({error})") from None
        return {**report, "folder": str(self.final)}

    def finished(self, method: str, seed: int) -> dict[str, Any] | None:
        """Return a finished unit, or None if it is not there or not whole."""
        path = self.partial / "units" / f"{method}-{seed}.json"
        try:
            unit = json.loads(path.read_text())
        except (OSError, ValueError):
            return None
        if not isinstance(unit, dict) or unit.get("hash") != self.digest:
            return None
        result: dict[str, Any] = unit["result"]
        return result

    def keep(self, method: str, seed: int, result: dict[str, Any]) -> None:
        """Store a finished unit."""
        files.write_json(
            self.partial / "units" / f"{method}-{seed}.json",
            {"schema": SCHEMA, "hash": self.digest, "result": result},
        )

    def finish(self) -> None:
        """Give the folder its final name."""
        self.release()
        self.partial.rename(self.final)

    def release(self) -> None:
        """Let go of an unfinished folder; one without a finished unit is removed."""
        if not self.partial.is_dir():
            return
        if not any((self.partial / "units").glob("*.json")):
            shutil.rmtree(self.partial)
            return
        (self.partial / LOCK).unlink(missing_ok=True)

    def _lock(self) -> None:
        """Mark the folder as in use by this process; a mark that a dead process left is taken."""
        self._refuse_if_running()
        (self.partial / LOCK).unlink(missing_ok=True)
        try:
            with (self.partial / LOCK).open("x") as file:
                file.write(str(os.getpid()))
        except FileExistsError:
            raise FileExistsError(f"--out: {self.partial} is in use by another run") from None

    def _refuse_if_running(self) -> None:
        try:
            pid = int((self.partial / LOCK).read_text())
            os.kill(pid, 0)
        except (OSError, ValueError):
            return
        raise FileExistsError(f"--out: {self.partial} is in use by a run of process {pid}")

    def _check_resumable(self) -> None:
        where = self.final if self.complete else self.partial
        try:
            known = json.loads((where / "configuration.json").read_text())
            if not isinstance(known, dict):
                raise ValueError("expected an object")
        except (OSError, ValueError):
            if self.final.is_dir():
                raise FileNotFoundError(
                    f"--resume: {self.final} is damaged; remove it and run again"
                ) from None
            raise FileNotFoundError(
                f"--resume: no interrupted run at {self.partial}; run without --resume"
            ) from None
        if known.get("hash") != self.digest:
            theirs = known.get("configuration", {})
            differing = [k for k, v in self.configuration.items() if theirs.get(k) != v]
            raise ValueError(
                f"--resume: the run at {where} has another configuration; "
                f"it differs in {', '.join(differing) or 'version'}"
            )


def configuration_hash(configuration: dict[str, Any]) -> str:
    """Return the first 12 digits of the sha256 of the configuration as canonical JSON."""
    text = json.dumps(configuration, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def csv_text(rows: Iterable[dict[str, Any]]) -> str:
    """Return tidy CSV: a header, one observation a line, empty where a value is None."""
    table = list(rows)
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, fieldnames=list(table[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(table)
    return buffer.getvalue()


def environment() -> dict[str, Any]:
    """Return what ran: versions, machine, BLAS and its threads."""
    import numpy as np

    packages: dict[str, str | None] = {}
    for name in ("kondo-ref", "numpy", "scipy", "matplotlib"):
        try:
            packages[name] = version(name)
        except PackageNotFoundError:
            packages[name] = None
    blas = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
    return {
        "python": platform.python_version(),
        "packages": packages,
        "platform": platform.platform(),
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "blas": {
            "name": blas.get("name"),
            "version": blas.get("version"),
            "threads": os.environ.get("OPENBLAS_NUM_THREADS"),
        },
    }


def _new_name(task: str, digest: str) -> Path:
    return Path("runs") / f"{task}-{time.strftime('%Y%m%d-%H%M%S')}-{digest[:6]}"


def _newest_partial(digest: str) -> Path:
    interrupted = sorted(
        Path("runs").glob("*.partial/configuration.json"), key=lambda path: path.stat().st_mtime
    )
    for path in reversed(interrupted):
        try:
            if json.loads(path.read_text()).get("hash") == digest:
                return path.parent.with_suffix("")
        except (OSError, ValueError):
            continue
    raise FileNotFoundError("--resume: no interrupted run of this configuration under runs/")
