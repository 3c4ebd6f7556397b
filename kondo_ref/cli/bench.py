"""``kondo-ref bench``: what a gated step costs, as ratios to the forward pass alone."""

import argparse
from typing import Any


def add_parser(subparsers: Any) -> None:
    """Add the subcommand."""
    p = subparsers.add_parser(
        "bench",
        allow_abbrev=False,
        help="time a gated step against the forward pass alone",
        description=(
            "Time the gated training step of the MNIST network, at the given rate and at rate 1, "
            "against its forward pass alone: variants take turns in one process, medians of CPU "
            "time, ratios. The policy is warmed up first and the rows really kept are printed."
        ),
    )
    p.add_argument("--batch", type=int, nargs="+", default=[100, 1000, 10000], metavar="B")
    p.add_argument("--backends", default="numpy", help="names, by commas (default: numpy)")
    p.add_argument("--rate", type=float, default=0.03, help="rate of kondo-top-k (default: .03)")
    p.add_argument("--dtype", default="float32", help="float32 or float64 (default: float32)")
    p.add_argument(
        "--seconds", type=float, default=1.0, help="time for each variant and size (default: 1)"
    )
    p.add_argument("--json", action="store_true", help="print the results as JSON and nothing else")
    p.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Time the step; see `add_parser`."""
    from kondo_ref import files, runs
    from kondo_ref.backend import load_backend
    from kondo_ref.bench.mlp import time_batch

    if not 0.0 < args.seconds <= 3600.0:
        raise ValueError(f"--seconds: expected a number in (0, 3600], got {args.seconds}")
    names = args.backends.split(",")
    backends = [load_backend(name) for name in names]
    masked = None
    if "torch" in names:
        from kondo_ref.bench.torch_masked import masked_variants

        masked = masked_variants
    sizes = [
        time_batch(backends, batch, args.rate, args.dtype, args.seconds, masked)
        for batch in args.batch
    ]
    rows = [row for size in sizes for row in ratios(size, [b.name for b in backends])]
    if args.json:
        report = {
            "schema": "kondo-ref/bench/1",
            "environment": runs.environment(),
            "backends": {backend.name: backend.versions() for backend in backends},
            "rate": args.rate,
            "dtype": args.dtype,
            "sizes": sizes,
            "rows": rows,
        }
        print(files.to_json(report))
        return 0
    print("MLP 784-100-100-10, Adam; CPU time as a ratio to the same backend's forward alone\n")
    print(table(rows, COLUMNS))
    if masked is not None:
        print(
            "\nTimes faster than torch with a masked loss, which runs every row backward at any "
            "rate:\n"
        )
        print(table(rows, MASKED_COLUMNS))
    return 0


COLUMNS = (
    ("batch", "batch", "{}"),
    ("backend", "backend", "{}"),
    ("kept_rows", "kept rows", "{:.1f}"),
    ("forward_microseconds", "forward us", "{:,.0f}"),
    ("screening_ratio", "screening", "{:.2f}"),
    ("gated_ratio", "gated", "{:.2f}"),
    ("dense_ratio", "rate 1", "{:.2f}"),
    ("gated_to_dense", "gated/rate 1", "{:.2f}"),
)
MASKED_COLUMNS = (
    ("batch", "batch", "{}"),
    ("backend", "backend", "{}"),
    ("faster_than_masked", "default Adam", "{:.2f}"),
    ("faster_than_masked_fused", "fused Adam", "{:.2f}"),
)


def ratios(size: dict[str, Any], names: list[str]) -> list[dict[str, Any]]:
    """Return one row a backend: the forward's time, and the other variants over it."""
    rows = []
    for name in names:
        of = {
            kind: size["variants"][f"{name} {kind}"]["seconds"]
            for kind in ("forward", "screening", "gated", "dense")
        }
        row = {
            "batch": size["batch"],
            "backend": name,
            "kept_rows": size["variants"][f"{name} gated"]["rows"],
            "forward_seconds": of["forward"],
            "forward_microseconds": of["forward"] * 1e6,
            "screening_ratio": of["screening"] / of["forward"],
            "gated_ratio": of["gated"] / of["forward"],
            "dense_ratio": of["dense"] / of["forward"],
            "gated_to_dense": of["gated"] / of["dense"],
        }
        for key, other in (("", "torch masked"), ("_fused", "torch masked fused")):
            if other in size["variants"]:
                row[f"faster_than_masked{key}"] = size["variants"][other]["seconds"] / of["gated"]
        rows.append(row)
    return rows


def table(rows: list[dict[str, Any]], columns: tuple[tuple[str, str, str], ...]) -> str:
    """Return some columns of the rows as text."""
    lines = [[title for _, title, _ in columns]]
    lines += [[form.format(row[key]) for key, _, form in columns] for row in rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(columns))]
    return "\n".join(
        "  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True))
        for line in lines
    )
