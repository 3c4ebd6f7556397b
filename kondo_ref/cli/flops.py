"""``kondo-ref flops``: what a training step computes, dense or behind a gate, by stage."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fractions import Fraction

    from kondo_ref.flops.study import Study
    from kondo_ref.flops.study_batches import Batch

Results = tuple[dict[str, Any], str]

RATES = ("0.001", "0.003", "0.01", "0.03", "0.1", "0.3", "1")


def add_parser(subparsers: Any) -> None:
    """Add the subcommand."""
    p = subparsers.add_parser(
        "flops",
        allow_abbrev=False,
        help="count a training step by stage, dense or behind a gate",
        description=(
            "Count what a training step computes, by stage: of an MLP or of our transformer, of a "
            "published decoder (--preset) or of one that a Hugging Face config.json describes "
            "(--config). Without --rate the step is dense; with it the numbers are expectations "
            "over a gate that keeps every unit with that chance. Exit codes: 0 counted, 2 could "
            "not run."
        ),
    )
    p.add_argument("model", nargs="?", metavar="MODEL", help="mlp or transformer")
    p.add_argument("--batch", type=int, default=1, help="samples or sequences (default: 1)")
    p.add_argument("--optimizer", default="adam", help="adam or sgd (default: adam)")
    p.add_argument(
        "--convention",
        default="matmul",
        help="matmul, macs, scalar (all operations); for a dense step also a tool or formula by "
        "name, or all of them (default: matmul)",
    )
    own = p.add_argument_group("options of mlp")
    own.add_argument("--sizes", type=int, nargs="+", metavar="D", help="from inputs to actions")
    own = p.add_argument_group("options of transformer")
    own.add_argument("--vocab", type=int, metavar="V", help="tokens that are read")
    own.add_argument("--actions", type=int, metavar="A", help="tokens to choose from (default: V)")
    own.add_argument("--d-model", type=int, metavar="D", help="(default: 64)")
    own.add_argument("--layers", type=int, metavar="L", help="(default: 3)")
    own.add_argument("--heads", type=int, metavar="H", help="(default: 4)")
    own.add_argument("--d-ff", type=int, metavar="F", help="(default: 128)")
    own.add_argument("--activation", help="relu or gelu (default: relu)")
    own.add_argument("--biases", action="store_true", default=None, help="with biases")
    own.add_argument("--final-norm", action="store_true", default=None, help="a norm at the end")
    own = p.add_argument_group("options of decoders (--preset, --config)")
    own.add_argument("--preset", metavar="NAME", help="a published decoder, such as llama-3-8b")
    own.add_argument("--config", type=Path, metavar="FILE", help="config.json of a decoder")
    own = p.add_argument_group("options of transformer and of decoders")
    own.add_argument("--length", type=int, metavar="T", help="tokens (default: a decoder's most)")
    own.add_argument("--prompt", type=int, metavar="P", help="of them before the first decision")
    own.add_argument("--attention", help="dense or causal (default: dense)")
    gate = p.add_argument_group("gate")
    gate.add_argument("--rate", help="chance of a unit to be kept, in [0, 1]")
    gate.add_argument("--unit", help="sample for mlp, else token or sequence (default: token)")
    gate.add_argument("--screen", help="cached, recompute or draft (default: cached)")
    gate.add_argument("--draft-ratio", metavar="D", help="cost of a draft, in forwards")
    gate.add_argument(
        "--backward-cost", type=float, metavar="R", help="in forwards: given, not counted"
    )
    more = p.add_argument_group("studies")
    more.add_argument(
        "--sweep",
        action="store_true",
        help="rates x units x ways to screen; draft is among them only with --draft-ratio",
    )
    more.add_argument("--rates", nargs="+", metavar="RATE", help=f"(default: {' '.join(RATES)})")
    more.add_argument(
        "--curves",
        type=Path,
        metavar="FILE",
        help="curves.csv of kondo-ref run mnist: the time to 5 %% error beside the published one",
    )
    output = p.add_argument_group("output")
    output.add_argument("--csv", type=Path, metavar="FILE", help="write the rows of a study")
    output.add_argument("--figure", type=Path, metavar="FILE", help="draw a study")
    output.add_argument("--json", action="store_true", help="print JSON and nothing else")
    p.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Count, and print; see `add_parser`."""
    from kondo_ref.flops import study_options

    kind = study_options.kind_of(args)
    study_options.check_options(args, kind)
    with study_options.as_typed(kind):
        _print(args, kind)
    return 0


def _print(args: argparse.Namespace, kind: str) -> None:
    """Print what is asked for, as text or as JSON."""
    from kondo_ref import checks, files
    from kondo_ref.flops import conventions, study_json, study_text
    from kondo_ref.flops.study_models import batch_of

    checks.one_of("convention", args.convention, (*conventions.NAMES, "all"))
    batch, model = batch_of(kind, vars(args))
    heading = study_text.heading(model, batch)
    if args.convention not in conventions.VIEWS:
        results, text = _reported(args, batch)
    elif args.sweep:
        results, text = _swept(args, batch, heading)
    elif args.curves is not None:
        results, text = _timed(args, batch)
    else:
        results, text = _counted(args, batch)
    if args.json:
        shape = ("batch", "length", "prompt", "attention")
        schema = study_json.SWEEP_SCHEMA if args.sweep else study_json.SCHEMA
        report = {"schema": schema, "model": model, "convention": args.convention}
        report |= {name: getattr(batch, name) for name in shape if hasattr(batch, name)}
        report["expectation"] = False
        print(files.to_json({**report, **results}))
    else:
        print(f"{heading}\n{study_text.convention_line(args.convention)}\n\n{text}")


def _studies(
    args: argparse.Namespace,
    batch: "Batch",
    units: Sequence[str],
    screens: Sequence[str],
) -> list["Study"]:
    """Return a study a unit and way to screen."""
    from kondo_ref.flops.conventions import view
    from kondo_ref.flops.study import Study

    ratio = None if args.draft_ratio is None else _share("draft_ratio", args.draft_ratio)
    return [
        Study(batch, view(args.convention), unit, screen, ratio if screen == "draft" else None)
        for unit in units
        for screen in screens
    ]


def _counted(args: argparse.Namespace, batch: "Batch") -> Results:
    """Return the counts of a step."""
    from kondo_ref.flops import study_json, study_text
    from kondo_ref.flops.study import PaperCost

    study = _studies(args, batch, [args.unit or ""], [args.screen or "cached"])[0]
    if args.rate is None:
        return study_json.dense_json(study), study_text.dense_text(study)
    paper = None
    if args.backward_cost is not None:
        paper = PaperCost(args.backward_cost, float(study.forward_share), study.again)
    cost = study.cost(_share("rate", args.rate))
    return study_json.gated_json(study, cost, paper), study_text.gated_text(study, cost, paper)


def _swept(args: argparse.Namespace, batch: "Batch", heading: str) -> Results:
    """Return a sweep, and write what is asked for."""
    from kondo_ref import files
    from kondo_ref.flops import study_figure, study_json, study_text
    from kondo_ref.flops.study import sweep

    screens = [args.screen] if args.screen else ["cached", "recompute"]
    if args.draft_ratio is not None and not args.screen:
        screens.append("draft")
    chosen = _studies(args, batch, [args.unit] if args.unit else batch.units, screens)
    points = sweep(chosen, [_share("rates", rate) for rate in args.rates or RATES])
    rows = [study_json.flat_row(study, cost) for study, cost in points]
    if args.csv is not None:
        files.write_text(args.csv, study_text.csv_text(rows))
    if args.figure is not None:
        executed = getattr(batch, "attention", "dense") == "dense"
        label = f"{'executed ' if executed else ''}step, {chosen[0].convention.unit}"
        title = heading.replace("), ", ")\n", 1)
        study_figure.sweep_figure(rows, title, f"{label} ({args.convention})", args.figure)
    drafted = args.screen is not None or "draft" in screens
    return study_json.sweep_json(points), study_text.sweep_text(rows, drafted=drafted)


def _timed(args: argparse.Namespace, batch: "Batch") -> Results:
    """Return the times to an error, published and ours, and write what is asked for."""
    from kondo_ref import files
    from kondo_ref.flops import study_figure, study_text
    from kondo_ref.flops.study import dense_backward, ratio
    from kondo_ref.flops.study_time import ERRORS, read_times, time_rows

    if args.rate is None:
        raise ValueError("--rate: needed by --curves, the rate of the gate that was run")
    dense = _studies(args, batch, [""], ["cached"])[0].dense()
    r, rate = ratio(dense_backward(dense), dense["forward"]), float(_share("rate", args.rate))
    times = [read_times(args.curves, error) for error in ERRORS]
    rows = time_rows(times, rate, r)
    if args.csv is not None:
        files.write_text(args.csv, study_text.csv_text(rows))
    if args.figure is not None:
        study_figure.time_figure(times, rate, r, args.figure)
    forward = {own.error: dict(own.forward) for own in times}
    results = {"rate": rate, "backward_to_forward": r, "forward_samples": forward, "rows": rows}
    return results, study_text.time_text(rows)


def _reported(args: argparse.Namespace, batch: "Batch") -> Results:
    """Return what others report for the dense step."""
    from kondo_ref.flops import study_json, study_text

    if args.rate is not None or args.sweep or args.curves is not None:
        raise ValueError(f"--convention: {args.convention} counts a dense step alone")

    if args.convention != "all":
        report = batch.report(args.convention)
        return study_json.convention_json(report), study_text.convention_text(report)
    reports = [batch.report(name) for name in batch.sources]
    content = {r.source.name: study_json.convention_json(r) for r in reports}
    return {"conventions": content}, study_text.conventions_text(reports)


def _share(option: str, word: str) -> "Fraction":
    """Return a share in [0, 1] from how it is typed: .03 is 3/100 exactly."""
    from kondo_ref.flops.decoder_kept import as_fraction
    from kondo_ref.flops.study_options import flag

    try:
        number = float(word)
    except ValueError:
        raise ValueError(f"{flag(option)}: expected a number in [0, 1], got {word!r}") from None
    return as_fraction(flag(option), number)
