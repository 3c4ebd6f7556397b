"""Which mutant is reported as what: the kill matrix, computed, kept as JSON, shown as tables.

``python tests/audit/kill_matrix.py`` audits every mutant and every correct implementation and
writes docs/results/audit/kill_matrix.json, from which the page is made. It takes minutes.
"""

import json
import os
import sys
import warnings
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parents[2] / "docs" / "results" / "audit" / "kill_matrix.json"
Results = dict[str, dict[str, Any]]


def found(place: str, seed: int = 0) -> dict[str, Any]:
    """Audit a target of the tables by its name, and return its verdict and its findings' ids."""
    import targets

    from kondo_ref.audit.engine import audit
    from kondo_ref.audit.options import Options
    from kondo_ref.audit.target import subject

    tables = (targets.MUTANTS, targets.CORRECT, targets.HELD_OUT, targets.HELD_OUT_CORRECT)
    target = next(t for table in tables for t in table if t.place == place)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = subject(
            target.place,
            surface=target.surface,
            framework=target.framework,
            options=Options(**target.options),
        )
        done = audit(made, target.claimed(), seed=seed)
    return {"verdict": done.verdict, "findings": sorted(f.id for f in done.findings)}


def _quiet() -> None:
    for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
        os.environ[variable] = "1"
    sys.path.insert(0, str(Path(__file__).parent))
    import torch

    torch.set_num_threads(1)


def computed(places: Iterable[str], seed: int = 0, workers: int = 2) -> Results:
    """Return what was found of each target, by its place."""
    listed = list(places)
    with ProcessPoolExecutor(workers, initializer=_quiet) as pool:
        done = pool.map(found, listed, [seed] * len(listed))
        return dict(zip(listed, done, strict=True))


def kill_table(results: Results) -> str:
    """Return the matrix in sparse form, a table a dimension: mutant, what is wrong, findings."""
    import targets
    from page_tables import escaped

    from kondo_ref.audit.catalogue import DIMENSIONS

    parts = []
    for dimension in DIMENSIONS:
        rows = []
        for mutant in targets.MUTANTS:
            if mutant.dimension == dimension:
                ids = results[mutant.place]["findings"]
                others = ", ".join(f"`{i}`" for i in ids if i != mutant.finding)
                own = f"`{mutant.finding}`" if mutant.finding in ids else f"not {mutant.finding}"
                called = f"{mutant.framework}, {mutant.surface}"
                rows.append(
                    f"| `{mutant.name}` | {called} | {escaped(mutant.tells)} | {own} | {others} |"
                )
        if rows:
            head = "| mutant | how it is called | what is wrong | its finding | found besides |"
            parts.append(f"#### {dimension}\n\n{head}\n|---|---|---|---|---|\n" + "\n".join(rows))
    return "\n\n".join(parts)


def dimension_table(results: Results) -> str:
    """Return the matrix by dimensions: of the mutants in a row, how many show in a column."""
    import targets

    from kondo_ref.audit.catalogue import DIMENSIONS

    lines = [
        "| mutants in | " + " | ".join(name[:4] for name in ("n", *DIMENSIONS)) + " |",
        "|---|" + "---|" * (1 + len(DIMENSIONS)),
    ]
    for row in DIMENSIONS:
        own = [mutant for mutant in targets.MUTANTS if mutant.dimension == row]
        seen = [{i.partition(".")[0] for i in results[m.place]["findings"]} for m in own]
        counts = [sum(column in dimensions for dimensions in seen) for column in DIMENSIONS]
        lines.append(f"| {row} | {len(own)} | " + " | ".join(str(n or "") for n in counts) + " |")
    return "\n".join(lines)


def summary(results: Results) -> str:
    """Return in a sentence how many mutants and correct implementations are told as what."""
    import targets

    seen = sum(bool(results[m.place]["findings"]) for m in targets.MUTANTS)
    named = sum(m.finding in results[m.place]["findings"] for m in targets.MUTANTS)
    conforming = sum(results[c.place]["verdict"] == "conforms" for c in targets.CORRECT)
    return (
        f"Of {len(targets.MUTANTS)} mutants {seen} are found to deviate, {named} of them under "
        f"their own id; of {len(targets.CORRECT)} correct implementations {conforming} conform."
    )


def main() -> None:
    """Compute the matrix and write it."""
    _quiet()
    import targets

    from kondo_ref.files import write_json

    places = [target.place for target in (*targets.MUTANTS, *targets.CORRECT)]
    results = computed(places)
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    write_json(RESULTS, results)
    sys.stdout.write(summary(results) + "\n")


def committed() -> Results:
    """Return the matrix that is committed."""
    read: Results = json.loads(RESULTS.read_text("utf-8"))
    return read


if __name__ == "__main__":
    main()
