"""``kondo-ref bench``: what a gated step costs, as ratios to the forward pass alone."""

import argparse
from typing import Any

from kondo_ref.cli.foreign import blamed


def add_parser(subparsers: Any) -> None:
    """Add the subcommand."""
    p = subparsers.add_parser(
        "bench",
        allow_abbrev=False,
        help="time a gated step against the forward pass alone",
        description=(
            "Time the gated training step of the MNIST network (mlp) or of the token-reversal "
            "network (transformer), at the given rate and at rate 1, against its forward pass "
            "alone: variants take turns in one process, medians of CPU time, ratios. The policy "
            "is warmed up first and the rows really kept are printed."
        ),
    )
    p.add_argument("model", nargs="?", default="mlp", metavar="MODEL", help="mlp or transformer")
    p.add_argument(
        "--batch",
        type=int,
        nargs="+",
        metavar="B",
        help="samples or sequences (default: 100 1000 10000 for mlp, 100 for transformer)",
    )
    p.add_argument(
        "--length", type=int, nargs="+", metavar="T", help="tokens of a transformer (default: 20)"
    )
    p.add_argument(
        "--width", type=int, nargs="+", metavar="D", help="width of a transformer (default: 64)"
    )
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
    from kondo_ref import checks, files

    checks.one_of("model", args.model, MODELS)
    if not 0.0 < args.seconds <= 3600.0:
        raise ValueError(f"--seconds: expected a number in (0, 3600], got {args.seconds}")
    names = args.backends.split(",")
    with blamed(*names):
        report = MODELS_RUN[args.model](args, names)
    if args.json:
        print(files.to_json(report))
    return 0


def run_mlp(args: argparse.Namespace, names: list[str]) -> dict[str, Any]:
    """Time the MNIST network at each batch size; print tables unless JSON is asked for."""
    from kondo_ref.backend import load_backend
    from kondo_ref.bench.mlp import time_batch

    for option in ("length", "width"):
        if getattr(args, option) is not None:
            raise ValueError(f"--{option}: has no effect here; it belongs to bench transformer")
    backends = [load_backend(name) for name in names]
    masked = None
    if "torch" in names:
        from kondo_ref.bench.torch_masked import masked_variants

        masked = masked_variants
    sizes = [
        time_batch(backends, batch, args.rate, args.dtype, args.seconds, masked)
        for batch in args.batch or [100, 1000, 10000]
    ]
    rows = [row for size in sizes for row in ratios(size, [b.name for b in backends])]
    if not args.json:
        print(
            "MLP 784-100-100-10, Adam; CPU time as a ratio to the same backend's forward alone.\n"
            f"A gated step keeps a rate of {args.rate:g} of samples; {args.dtype}.\n"
        )
        print(table(rows, COLUMNS))
        if masked is not None:
            print(f"\n{MASKED}:\n\n{table(rows, MASKED_COLUMNS)}")
    return _report(args, names, sizes, rows)


def run_transformer(args: argparse.Namespace, names: list[str]) -> dict[str, Any]:
    """Time the token-reversal network at each shape; print tables unless JSON is asked for."""
    from kondo_ref.bench.transformer import settings_of, time_shape
    from kondo_ref.cli.progress import Progress

    masked = None
    if "torch" in names:
        from kondo_ref.bench.torch_masked_transformer import masked_variants

        masked = masked_variants
    shapes = [
        settings_of(batch, length, width, args.dtype)
        for length in args.length or [20]
        for width in args.width or [64]
        for batch in args.batch or [100]
    ]
    sizes: list[dict[str, Any]] = []
    with Progress(len(shapes) * 100, quiet=args.json, unit="%") as progress:

        def show(share: float) -> None:
            progress.show(100 * len(sizes) + round(100 * share))

        for settings in shapes:
            sizes.append(time_shape(names, settings, args.rate, args.seconds, masked, show))
    rows = [row for size in sizes for row in transformer_ratios(size, names)]
    if not args.json:
        print(
            "Transformer, 2 layers, 2 heads, feed-forward 4 D, token reversal, Adam; CPU time as a "
            "ratio to the same\nbackend's forward alone. A gated step keeps a rate of "
            f"{args.rate:g} of tokens or of sequences; {args.dtype}.\nRows are those of its "
            "backward, of B T. Held: activations kept for the backward, in MB.\n"
        )
        print(table(rows, TRANSFORMER_COLUMNS))
        if masked is not None:
            print(f"\n{MASKED}:\n\n{table(rows, TRANSFORMER_MASKED_COLUMNS)}")
    return _report(args, names, sizes, rows)


def _report(
    args: argparse.Namespace, names: list[str], sizes: list[Any], rows: list[Any]
) -> dict[str, Any]:
    from kondo_ref import runs
    from kondo_ref.backend import load_backend

    return {
        "schema": "kondo-ref/bench/1",
        "model": args.model,
        "environment": runs.environment(),
        "backends": {name: load_backend(name).versions() for name in names},
        "rate": args.rate,
        "dtype": args.dtype,
        "sizes": sizes,
        "rows": rows,
    }


MODELS_RUN = {"mlp": run_mlp, "transformer": run_transformer}
MODELS = tuple(MODELS_RUN)
MASKED = "Times faster than torch with a masked loss, which runs every row backward at any rate"
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


TRANSFORMER_COLUMNS = (
    ("batch", "batch", "{}"),
    ("length", "T", "{}"),
    ("width", "D", "{}"),
    ("backend", "backend", "{}"),
    ("forward_microseconds", "forward us", "{:,.0f}"),
    ("rollout_ratio", "rollout", "{:.2f}"),
    ("token_ratio", "tokens", "{:.2f}"),
    ("sequence_ratio", "sequences", "{:.2f}"),
    ("dense_ratio", "rate 1", "{:.2f}"),
    ("token_rows", "token rows", "{:,.0f}"),
    ("sequence_rows", "sequence rows", "{:,.0f}"),
    ("token_recompute_ratio", "tokens, recomputed", "{:.2f}"),
    ("sequence_recompute_ratio", "sequences, recomputed", "{:.2f}"),
    ("held_megabytes", "held", "{:.2f}"),
    ("token_recompute_megabytes", "tokens rec.", "{:.2f}"),
    ("sequence_recompute_megabytes", "sequences rec.", "{:.2f}"),
)
TRANSFORMER_MASKED_COLUMNS = (
    ("batch", "batch", "{}"),
    ("length", "T", "{}"),
    ("width", "D", "{}"),
    ("backend", "backend", "{}"),
    ("token_faster", "tokens", "{:.2f}"),
    ("sequence_faster", "sequences", "{:.2f}"),
    ("dense_faster", "rate 1", "{:.2f}"),
    ("token_faster_fused", "tokens, fused Adam", "{:.2f}"),
    ("sequence_faster_fused", "sequences, fused Adam", "{:.2f}"),
    ("dense_faster_fused", "rate 1, fused Adam", "{:.2f}"),
)


def transformer_ratios(size: dict[str, Any], names: list[str]) -> list[dict[str, Any]]:
    """Return one row a backend: the forward's time, the other variants over it, bytes and rows."""
    rows = []
    times = {name: variant["seconds"] for name, variant in size["variants"].items()}
    for name in names:
        forward = times[f"{name} forward"]
        row: dict[str, Any] = {key: size[key] for key in ("batch", "length", "width")}
        row |= {"backend": name, "forward_seconds": forward}
        row["forward_microseconds"] = forward * 1e6
        for kind in ("rollout", "token", "sequence", "dense", *RECOMPUTED):
            time = times.get(f"{name} {kind}")
            row[f"{kind.replace(' ', '_')}_ratio"] = None if time is None else time / forward
        for unit in ("token", "sequence"):
            row[f"{unit}_rows"] = size["variants"][f"{name} {unit}"]["rows"]
        for key, kind in (("held", "dense"), *((k.replace(" ", "_"), k) for k in RECOMPUTED)):
            held = size["bytes"].get(f"{name} {kind}")
            row[f"{key}_megabytes"] = None if held is None else held / 1e6
        for key, end in (("", ""), ("_fused", " fused")):
            for unit in ("token", "sequence"):
                other = times.get(f"torch masked {unit}{end}")
                if other is not None:
                    row[f"{unit}_faster{key}"] = other / times[f"{name} {unit}"]
            other = times.get(f"torch masked sequence{end}")
            if other is not None:
                row[f"dense_faster{key}"] = other / times[f"{name} dense"]
        rows.append(row)
    return rows


RECOMPUTED = ("token recompute", "sequence recompute")


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
    lines += [
        ["-" if row[key] is None else form.format(row[key]) for key, _, form in columns]
        for row in rows
    ]
    widths = [max(len(line[i]) for line in lines) for i in range(len(columns))]
    return "\n".join(
        "  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True))
        for line in lines
    )
