"""``kondo-ref flops-audit``: whether a foreign gate executes the saving that it claims."""

import argparse
from typing import Any

from kondo_ref.cli.streams import stdout_is_stderr


def add_parser(subparsers: Any) -> None:
    """Add the subcommand."""
    p = subparsers.add_parser(
        "flops-audit",
        allow_abbrev=False,
        help="hold the saving that foreign code claims to the FLOP that it executes",
        description=(
            "Run a training step at two rates and compare the claimed saving of the backward, "
            "which is logical, with the executed one, which is counted. Exit codes: 0 the executed "
            "saving is the claimed one, 1 it is not, 2 could not run."
        ),
    )
    p.add_argument(
        "target",
        metavar="TARGET",
        help="module:callable or path.py:callable, of the rate: for torch one training step, or "
        "the loss; for jax a pair (loss, arguments)",
    )
    p.add_argument("--framework", default="torch", help="torch or jax (default: %(default)s)")
    p.add_argument(
        "--rates",
        type=float,
        nargs=2,
        default=[1.0, 0.03],
        metavar=("DENSE", "GATED"),
        help="the two rates (default: 1.0 0.03)",
    )
    p.add_argument(
        "--repeats", type=int, default=2, help="counted runs of each rate (default: %(default)s)"
    )
    p.add_argument(
        "--warmup", type=int, default=1, help="runs before them, of torch (default: %(default)s)"
    )
    p.add_argument(
        "--tolerance",
        type=float,
        default=0.01,
        help="between the two savings, as a share of the dense backward (default: %(default)s)",
    )
    p.add_argument(
        "--row-dimensions",
        type=int,
        metavar="D",
        help="leading dimensions of an output that index its rows (default: all but the last of "
        "two or three, else one)",
    )
    p.add_argument("--json", action="store_true", help="print JSON and nothing else")
    p.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Audit the target and print the report; see `add_parser`."""
    from kondo_ref import files, runs
    from kondo_ref.flops.foreign import audit_flops, require
    from kondo_ref.flops.foreign_target import load_callable

    require(args.framework)
    with stdout_is_stderr():  # what the target prints is not the report
        audit = audit_flops(
            load_callable(args.target),
            tuple(args.rates),
            framework=args.framework,
            repeats=args.repeats,
            warmup=args.warmup,
            tolerance=args.tolerance,
            row_dimensions=args.row_dimensions,
        )
    if args.json:
        report = {**audit.to_dict(), "target": args.target, "environment": runs.environment()}
        print(files.to_json(report))
    else:
        print(f"target     {args.target}")
        print(text(audit))
    return 0 if audit.holds else 1


def text(audit: Any) -> str:
    """Return an audit as text: FLOP by stage, rows by module, the two savings, the verdict."""
    versions = ", ".join(f"{name} {version}" for name, version in audit.versions.items())
    dense, gated = (f"{rate:g}" for rate in audit.rates)
    lines = [
        f"framework  {versions}",
        f"FLOP       {audit.convention}",
        "",
        *columns([("", f"rate {dense}", f"rate {gated}", "ratio"), *stage_rows(audit)]),
        "",
    ]
    modules = module_rows(audit)
    if modules:
        heads = ("backward of", "rows", f"rows at {gated}", "non-zero", "FLOP", f"FLOP at {gated}")
        lines += [*columns([heads, *modules]), ""]
    lines += [
        f"claimed saving of the backward   {audit.claimed_saving:7.2%}  (1 - {gated}/{dense})",
        f"executed saving of the backward  {audit.executed_saving:7.2%}",
        f"verdict: {audit.verdict} (tolerance {audit.tolerance:g} of the dense backward)",
    ]
    return "\n".join(lines + [f"note: {note}" for note in audit.notes])


def stage_rows(audit: Any) -> list[tuple[str, ...]]:
    """Return FLOP by stage, as means over the runs, and the ratio of the two rates."""
    rows = []
    for stage, name in STAGES.items():
        means = [audit.mean(stage, rate) for rate in (0, 1)]
        ratio = audit.ratio(stage)
        if any(means):
            shown = "" if ratio is None else f"{ratio:.4f}"
            rows.append((name, *(f"{mean:,.0f}" for mean in means), shown))
    return rows


def module_rows(audit: Any) -> list[tuple[str, ...]]:
    """Return what entered the backward of each module that multiplies; of the last runs."""
    dense, gated = ({m.name: m for m in runs[-1].modules} for runs in audit.runs)
    rows = []
    for name in [*dense, *(n for n in gated if n not in dense)]:
        one, other = dense.get(name), gated.get(name)
        if any(m is not None and m.backward for m in (one, other)):
            cells = [_cell(one, "backward_rows"), _cell(other, "backward_rows")]
            cells += [_cell(other, "nonzero_rows"), _cell(one, "backward")]
            rows.append((name, *cells, _cell(other, "backward")))
    return rows


def _cell(module: Any, name: str) -> str:
    value = 0 if module is None else getattr(module, name)
    return "?" if value is None else f"{value:,}"


def columns(rows: list[tuple[str, ...]]) -> list[str]:
    """Return rows as lines, the first column to the left and the others to the right."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return [
        "  ".join(
            cell.rjust(width) if i else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


STAGES = {
    "forward": "forward FLOP",
    "backward": "backward FLOP",
    "recompute": "recomputed FLOP",
    "update": "update FLOP",
    "total": "step FLOP",
}
