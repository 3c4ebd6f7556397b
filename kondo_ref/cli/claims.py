"""``kondo-ref claims``: every claim with its exact values, and where it stops being true."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kondo_ref.claims.register import Claim


def add_parser(subparsers: Any) -> None:
    """Add the subcommand."""
    p = subparsers.add_parser(
        "claims",
        allow_abbrev=False,
        help="the claims of the papers, and ours: exact values, and where each stops being true",
        description=(
            "Evaluate every claim without sampling: both sides for a small instance, and one "
            "counterexample for each hypothesis, which must fail. Exit codes: 0 all is as claimed, "
            "1 a claim does not hold, a counterexample does not fail or a published number is not "
            "met, 2 could not run."
        ),
    )
    p.add_argument(
        "--claim", action="append", default=[], metavar="ID", help="this one; may be repeated"
    )
    p.add_argument("--group", metavar="NAME", help="those of one group, such as zero-price")
    p.add_argument("--brief", action="store_true", help="one line a claim, and what is wrong")
    p.add_argument(
        "--show",
        action="store_true",
        help="with --claim: the derivation in steps, with the numbers of a small instance",
    )
    p.add_argument(
        "--numbers", action="store_true", help="published numbers beside ours, which takes longer"
    )
    p.add_argument("--figures", type=Path, metavar="DIR", help="draw the figures into this folder")
    p.add_argument("--json", action="store_true", help="print JSON and nothing else")
    p.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Evaluate, and print; see `add_parser`."""
    from kondo_ref import files
    from kondo_ref.claims import register, report
    from kondo_ref.cli.progress import Progress

    if args.show and not args.claim:
        raise ValueError("--show: shows one derivation; name it with --claim ID")
    claims = report.chosen(register.all_claims(), args.claim, args.group)
    records = []
    with Progress(len(claims), quiet=args.json, unit="claim") as progress:
        for done, claim in enumerate(claims, 1):
            records.append(report.evaluate(claim, numbers=args.numbers, steps=args.show))
            progress.show(done)
    result = report.report(records)
    if args.figures is not None:
        result["figures"] = [str(path) for path in _draw(args.figures, quiet=args.json)]
    if args.json:
        print(files.to_json(result))
    else:
        print(_text(result, claims, show=args.show, brief=args.brief))
    return 0 if result["holds"] else 1


def _text(result: dict[str, Any], claims: "list[Claim]", *, show: bool, brief: bool) -> str:
    from kondo_ref.cli import claims_text

    if not show:
        return claims_text.table(result, brief=brief)
    derivations = [
        claims_text.derivation(record, claim.function)
        for record, claim in zip(result["claims"], claims, strict=True)
    ]
    return "\n\n".join([*derivations, *claims_text.written(result)])


def _draw(folder: Path, *, quiet: bool) -> list[Path]:
    """Draw the figures, and return where they are."""
    from kondo_ref.claims import figures
    from kondo_ref.cli.progress import Progress

    try:
        import matplotlib as _  # noqa: F401
    except ModuleNotFoundError:
        raise ModuleNotFoundError("--figures: needs matplotlib, of kondo-ref[plots]") from None
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    with Progress(len(figures.FIGURES), quiet=quiet, unit="figure") as progress:
        for name, draw in figures.FIGURES.items():
            written.append(folder / f"{name}.png")
            draw(written[-1])
            progress.show(len(written))
    return written
