"""``kondo-ref bench``: what a gated step costs, as ratios to the forward pass alone."""

import argparse
from typing import Any


def add_parser(subparsers: Any) -> None:
    """Add the subcommand."""
    p = subparsers.add_parser(
        "bench",
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

    backends = [load_backend(name) for name in args.backends.split(",")]
    sizes = [
        time_batch(backends, batch, args.rate, args.dtype, args.seconds) for batch in args.batch
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
    head = (
        "batch",
        "backend",
        "kept rows",
        "forward",
        "screening",
        "gated",
        "rate 1",
        "gated/rate 1",
    )
    print("  ".join(f"{title:>9}" for title in head))
    for row in rows:
        cells = (
            f"{row['batch']:>9}",
            f"{row['backend']:>9}",
            f"{row['kept_rows']:>9.1f}",
            f"{row['forward_seconds'] * 1e6:>6,.0f} us",
            f"{row['screening_ratio']:>8.2f}x",
            f"{row['gated_ratio']:>8.2f}x",
            f"{row['dense_ratio']:>8.2f}x",
            f"{row['gated_to_dense']:>12.2f}",
        )
        print("  ".join(cells))
    return 0


def ratios(size: dict[str, Any], names: list[str]) -> list[dict[str, Any]]:
    """Return one row a backend: the forward's time, and the other variants over it."""
    rows = []
    for name in names:
        of = {kind: size["variants"][f"{name} {kind}"] for kind in _KINDS}
        forward, gated = of["forward"]["seconds"], of["gated"]["seconds"]
        rows.append(
            {
                "batch": size["batch"],
                "backend": name,
                "kept_rows": of["gated"]["rows"],
                "forward_seconds": forward,
                "screening_ratio": of["screening"]["seconds"] / forward,
                "gated_ratio": gated / forward,
                "dense_ratio": of["dense"]["seconds"] / forward,
                "gated_to_dense": gated / of["dense"]["seconds"],
            }
        )
    return rows


_KINDS = ("forward", "screening", "gated", "dense")
