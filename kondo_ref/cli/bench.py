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
            "against its forward pass alone: variants interleaved in one process, medians of CPU "
            "time, ratios. The policy is warmed up first and the rows really kept are printed."
        ),
    )
    p.add_argument("--batch", type=int, nargs="+", default=[100, 1000, 10000], metavar="B")
    p.add_argument("--rate", type=float, default=0.03, help="rate of kondo-top-k (default: .03)")
    p.add_argument("--dtype", default="float32", help="float32 or float64 (default: float32)")
    p.add_argument(
        "--seconds", type=float, default=5.0, help="time for each batch size (default: 5)"
    )
    p.add_argument("--json", action="store_true", help="print the results as JSON and nothing else")
    p.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Time the step; see `add_parser`."""
    from kondo_ref import files, runs
    from kondo_ref.bench import time_batch

    rows = [time_batch(b, args.rate, args.dtype, args.seconds) for b in args.batch]
    if args.json:
        report = {
            "schema": "kondo-ref/bench/1",
            "environment": runs.environment(),
            "rate": args.rate,
            "dtype": args.dtype,
            "rows": rows,
        }
        print(files.to_json(report))
        return 0
    print("MLP 784-100-100-10, Adam, CPU time of a step over the forward pass alone\n")
    print(" batch  kept rows     forward    gated   rate 1  gated/rate 1")
    for row in rows:
        print(
            f"{row['batch']:>6}  {row['kept_rows']:>9.1f}  {row['forward_seconds'] * 1e6:>7,.0f} us"
            f"  {row['gated_ratio']:>6.2f}x  {row['dense_ratio']:>6.2f}x"
            f"  {row['gated_to_dense']:.2f}"
        )
    return 0
