"""A program that runs units which never end: what becomes of them when it is interrupted.

python executor_main.py EXECUTOR CLUSTER FOLDER; exit code 5 says that it was interrupted. The
executor `orphan` is a wrong one: its processes do not see their parent end.
"""

import sys
from pathlib import Path
from typing import Any

import executor_work as work

from kondo_ref.executors import local
from kondo_ref.workers import Where, run_units


def main() -> int:
    executor, cluster, folder = sys.argv[1:]
    if executor == "orphan":
        executor, local._begin = "local", work.orphaned

    def finished(unit: work.Unit, result: dict[str, Any]) -> None:
        del result
        (Path(folder) / f"finished-{unit[0]}.0").touch()

    try:
        run_units(
            work.endless,
            work.units(folder, "quick", "first", "second"),
            where=Where(executor, cluster or None, workers=2),
            progress=lambda _: None,
            finished=finished,
            died=lambda _: None,
            warn=lambda _: None,
        )
    except KeyboardInterrupt:
        return 5
    return 0


if __name__ == "__main__":
    sys.exit(main())
