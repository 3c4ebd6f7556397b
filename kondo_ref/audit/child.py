"""The process that an isolated target runs in: lines in, one line for each observation out.

Its standard input and output belong to the target from the beginning; the audit speaks through
copies of them.
"""

import json
import os
from typing import Any

from kondo_ref.audit.guard import described
from kondo_ref.audit.wire import pack_observation, unpack_batches


def main() -> None:
    """Answer until the input ends."""
    source = os.fdopen(os.dup(0), "r", encoding="utf-8")
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)

    def answer(value: dict[str, Any]) -> None:
        answers.write(json.dumps(value) + "\n")
        answers.flush()

    request = json.loads(source.readline())
    # A process ends on an interrupt when its parent says so.
    try:
        local = _subject(request)
    except (ImportError, TypeError, ValueError) as error:
        answer({"error": type(error).__name__, "message": str(error)})
        return
    except BaseException as error:  # whatever loading foreign code raises
        answer({"error": "ValueError", "message": f"target: cannot be loaded ({described(error)})"})
        return
    answer(
        {
            "name": local.name,
            "framework": local.framework,
            "has": sorted(local.has),
            "environment": local.environment(),
        }
    )
    for line in source:
        request = json.loads(line)
        batches = unpack_batches(request)
        seeded: list[bool] = []
        for observation in local.observing(batches, request["seed"], seeded):
            answer(pack_observation(observation))
        answer({"seeded": any(seeded)})


def _subject(request: dict[str, Any]) -> Any:
    from kondo_ref.audit.target import Options, subject

    options = Options(**request["options"])
    return subject(
        request["target"],
        surface=request["surface"],
        framework=request["framework"],
        options=options,
    )


if __name__ == "__main__":
    main()
