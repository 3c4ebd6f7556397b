"""Which mutant is reported as what: the kill matrix, computed, kept as JSON, shown as tables.

``python tests/audit/kill_matrix.py`` audits every mutant and every correct implementation, the held
out ones too, under every seed, and writes docs/results/audit/kill_matrix.json, from which the page
is made. It takes some 25 minutes on two cores; with ``--missing`` it computes what is not there
yet, with ``--again NAME ...`` (targets, or frameworks) these once more.
"""

import json
import os
import sys
import warnings
import zlib
from collections.abc import Iterable, Iterator
from multiprocessing import get_context
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parents[2] / "docs" / "results" / "audit" / "kill_matrix.json"
SEEDS = ("0", "1")
# Of each target, by its place: seed -> verdict and ids of findings.
Results = dict[str, dict[str, dict[str, Any]]]

# Audits of JAX compile each shape and each operation: these are done by every run of the tests, the
# others by this script.
JAX_SAMPLE = ("dg_stop_gradient", "advantages_over_deviation")
# Audits in torch, NumPy and Python of more than some seconds: by this script alone.
SLOW = (
    "AccumulatingTrainer",
    "AdamOnEmpty",
    "AtLeastThePrice",
    "BoundedExecutor",
    "CarriesTheRemainder",
    "DropsDuringWarmup",
    "GaussianPrice",
    "GroupRelative",
    "LaggedPrice",
    "NeverForgets",
    "NeverSilentForLong",
    "PricesAfterAppending",
    "RemembersOnlyTheKept",
    "SelectThenMean",
    "SmoothedPrice",
    "accumulated_means",
    "attached_in_the_trainer",
    "autocast_forward",
    "bisected_price",
    "budget_in_rows",
    "filtered_twice",
    "five_percent_reserve",
    "gate_dropout",
    "gated_kl_penalty",
    "gated_rewards",
    "half_detached",
    "half_precision_gate",
    "index_of_another_array",
    "indexed_after_the_forward",
    "jittered",
    "kth_largest_is_the_price",
    "last_of_the_ties",
    "lower_price",
    "mask_turns_tokens_into_rows",
    "masked_step",
    "never_fewer_than_four",
    "one_backward_a_row",
    "one_coin_for_all",
    "one_is_not_a_batch",
    "one_newton_step",
    "padded_mean",
    "padding_in_the_quantile",
    "quantile_of_the_advantage",
    "quantile_said_to_meet_the_rate",
    "random_tenth",
    "ranked_gate",
    "relaxed_bernoulli",
    "right_rate_blind_choice",
    "rounded_up",
    "skips_whole_micro_batches",
    "step_that_skips",
    "the_wrong_side_of_the_coin",
    "threshold_keeps_ties",
    "top_k_of_each_chunk",
    "topk_without_an_order",
    "ungated_when_degenerate",
    "weighted_cross_entropy",
)


def every_target() -> list[Any]:
    """Return all targets: of the library and held out, mutants and correct ones."""
    import targets

    tables = (targets.MUTANTS, targets.CORRECT, targets.HELD_OUT, targets.HELD_OUT_CORRECT)
    return [target for table in tables for target in table]


def in_ci(target: Any) -> bool:
    """Whether a target is audited whenever the tests run."""
    if target.framework == "jax":
        return target.name in JAX_SAMPLE
    return target.name not in SLOW


def seed_in_ci(target: Any) -> str:
    """Return the seed under which a target is audited whenever the tests run."""
    return SEEDS[zlib.crc32(target.name.encode()) % len(SEEDS)]


def found(place: str, seed: int = 0) -> dict[str, Any]:
    """Audit a target of the tables by its name, and return its verdict and its findings' ids."""
    from kondo_ref.audit.engine import audit
    from kondo_ref.audit.options import Options
    from kondo_ref.audit.target import subject

    target = next(t for t in every_target() if t.place == place)
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


def computed(
    wanted: Iterable[tuple[str, str]], workers: int = 2
) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield place, seed and what was found, as it is computed."""
    # What JAX has compiled it keeps: a process is ended before that fills the memory. (An executor
    # of concurrent.futures that ends processes can wait forever: python/cpython issue 115634.)
    pool = get_context("spawn").Pool(workers, _quiet, maxtasksperchild=20)
    with pool:
        yield from pool.imap(_found_of, wanted)


def _found_of(wanted: tuple[str, str]) -> tuple[str, str, dict[str, Any]]:
    place, seed = wanted
    return place, seed, found(place, int(seed))


def ids(results: Results, place: str) -> dict[str, list[str]]:
    """Return the ids that were found of a target, under each seed that was run."""
    return {seed: one["findings"] for seed, one in sorted(results.get(place, {}).items())}


def own(mutant: Any, results: Results) -> str:
    """Return whether a mutant is reported under its own id, and under which seeds."""
    seen = ids(results, mutant.place)
    with_it = [seed for seed, found_ids in seen.items() if mutant.finding in found_ids]
    if not seen:
        return f"{mutant.finding}: not run"
    if not with_it:
        return f"not {mutant.finding}"
    if len(with_it) < len(seen):
        return f"`{mutant.finding}` under seed {', '.join(with_it)} only"
    return f"`{mutant.finding}`"


def _row(mutant: Any, results: Results) -> str:
    from page_tables import escaped

    seen = ids(results, mutant.place).values()
    others = sorted({i for found_ids in seen for i in found_ids} - {mutant.finding})
    cells = (
        f"`{mutant.name}`",
        f"{mutant.framework}, {mutant.surface}",
        escaped(mutant.tells),
        own(mutant, results),
        ", ".join(f"`{i}`" for i in others),
    )
    return f"| {' | '.join(cells)} |"


HEAD = (
    "| mutant | how it is called | what is wrong | its finding | found besides |\n"
    "|---|---|---|---|---|\n"
)


def kill_table(results: Results) -> str:
    """Return the matrix in sparse form, a table a dimension: mutant, what is wrong, findings."""
    import targets

    from kondo_ref.audit.catalogue import DIMENSIONS

    parts = []
    for dimension in DIMENSIONS:
        rows = [_row(m, results) for m in targets.MUTANTS if m.dimension == dimension]
        if rows:
            parts.append(f"#### {dimension}\n\n{HEAD}" + "\n".join(rows))
    return "\n\n".join(parts)


def held_out_table(results: Results) -> str:
    """Return the same of the mutants that were written apart from the audit."""
    import targets

    return HEAD + "\n".join(_row(mutant, results) for mutant in targets.HELD_OUT)


def dimension_table(results: Results) -> str:
    """Return the matrix by dimensions: of the mutants in a row, how many show in a column."""
    import targets

    from kondo_ref.audit.catalogue import DIMENSIONS

    lines = [
        "| mutants in | " + " | ".join(name[:4] for name in ("n", *DIMENSIONS)) + " |",
        "|---|" + "---|" * (1 + len(DIMENSIONS)),
    ]
    for row in DIMENSIONS:
        mutants = [mutant for mutant in targets.MUTANTS if mutant.dimension == row]
        seen = [
            {i.partition(".")[0] for found_ids in ids(results, m.place).values() for i in found_ids}
            for m in mutants
        ]
        counts = [sum(column in dimensions for dimensions in seen) for column in DIMENSIONS]
        told = " | ".join(str(n or "") for n in counts)
        lines.append(f"| {row} | {len(mutants)} | {told} |")
    return "\n".join(lines)


def summary(results: Results) -> str:
    """Return how many mutants and correct implementations are told as what, under each seed."""
    import targets

    lines = ["| | seed | audited | found to deviate | under their own id | conform |"]
    lines.append("|---|---|---|---|---|---|")
    for what, table in (
        ("mutants", targets.MUTANTS),
        ("mutants, held out", targets.HELD_OUT),
        ("correct", targets.CORRECT),
        ("correct, held out", targets.HELD_OUT_CORRECT),
    ):
        for seed in SEEDS:
            run = [t for t in table if seed in results.get(t.place, {})]
            told = {t.place: results[t.place][seed] for t in run}
            conform = sum(one["verdict"] == "conforms" for one in told.values())
            seen = sum(bool(one["findings"]) for one in told.values())
            if what.startswith("mutants"):
                named = sum(t.finding in told[t.place]["findings"] for t in run)
                cells = [f"{seen}", f"{named}", ""]
            else:
                cells = ["", "", f"{conform}"]
            many = f"{len(run)} of {len(table)}"
            lines.append(f"| {what} | {seed} | {many} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    """Compute the matrix and write it, after every target."""
    _quiet()
    from kondo_ref.files import write_json

    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    kept = sys.argv[1:2] in (["--missing"], ["--again"]) and RESULTS.exists()
    results: Results = committed() if kept else {}
    again = set(sys.argv[2:])
    wanted = [
        (target.place, seed)
        for target in every_target()
        for seed in SEEDS
        if (
            {target.name, target.framework} & again
            if again
            else seed not in results.get(target.place, {})
        )
    ]
    for place, seed, one in computed(wanted):
        results.setdefault(place, {})[seed] = one
        write_json(RESULTS, results)
    sys.stdout.write(summary(results) + "\n")


def committed() -> Results:
    """Return the matrix that is committed."""
    read: Results = json.loads(RESULTS.read_text("utf-8"))
    return read


if __name__ == "__main__":
    main()
