"""``kondo-ref reproduce``: a study of the papers, run anew and put beside the published numbers."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kondo_ref.cli import where
from kondo_ref.cli.foreign import blamed
from kondo_ref.cli.progress import Progress
from kondo_ref.cli.streams import warn

if TYPE_CHECKING:
    from kondo_ref.reproduce.study import Study

SUMMARY = "run a study of the papers, and put ours beside the published numbers"
NOT_THE_STUDY = "QUICK: this is not the study, and says nothing about the published numbers."


def add_parser(subparsers: Any) -> None:
    """Add the subcommand."""
    p = subparsers.add_parser(
        "reproduce",
        help=SUMMARY,
        description=f"{SUMMARY[0].upper()}{SUMMARY[1:]}: tidy results, a table with bootstrap "
        "intervals, and a figure. --list names the studies. Exit code 0 says that it ran, "
        "whatever the verdicts are.",
        allow_abbrev=False,
    )
    p.add_argument("study", nargs="?", metavar="NAME", help="of the study, see --list")
    p.add_argument("--list", action="store_true", help="list the studies and run none")
    p.add_argument("--quick", action="store_true", help="a small run that is not the study")
    p.add_argument("--seeds", type=int, help="number of seeds, from 0 (default: the study's)")
    p.add_argument("--backend", default="numpy", help="as of run (default: numpy)")
    where.add_arguments(p)
    p.add_argument("--data-dir", metavar="DIR", help="where the full MNIST is")
    p.add_argument(
        "--out", type=Path, metavar="DIR", help="folder (default: runs/reproduce-NAME[-quick])"
    )
    p.add_argument("--resume", action="store_true", help="go on with an interrupted study")
    p.add_argument(
        "--reuse",
        type=Path,
        metavar="DIR",
        nargs="+",
        default=[],
        help="take finished units of the same configuration out of these run folders, or folders "
        "of such; whether the code has changed since is not looked at",
    )
    p.add_argument("--json", action="store_true", help="print the results as JSON and nothing else")
    p.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run a study, or list them."""
    if args.list:
        return _list(as_json=args.json)
    if args.study is None:
        raise ValueError("NAME: expected the name of a study; --list has them")
    with blamed(args.backend):
        return _run(args)


def _list(*, as_json: bool) -> int:
    from kondo_ref import files
    from kondo_ref.reproduce.register import STUDIES, load_study

    studies = [load_study(name) for name in STUDIES]
    if as_json:
        print(files.to_json([{k: getattr(s, k) for k in _LISTED} for s in studies]))
        return 0
    width = max(map(len, STUDIES)) + 2
    for study in studies:
        print(f"{study.name:<{width}}{study.summary}\n{'':<{width}}{study.source}")
    return 0


_LISTED = ("name", "summary", "source")


def _run(args: argparse.Namespace) -> int:
    from kondo_ref import files
    from kondo_ref.backend import load_backend
    from kondo_ref.reproduce import results, units
    from kondo_ref.reproduce.register import load_study
    from kondo_ref.runs import RunFolder

    study = load_study(args.study)
    if args.data_dir is not None and ("data_dir" not in study.places or args.quick):
        raise ValueError("--data-dir: has no effect here; it belongs to studies of the full MNIST")
    plans = units.plan(
        study, quick=args.quick, seeds=args.seeds, places={"data_dir": args.data_dir}
    )
    place = where.of(args)
    versions = load_backend(args.backend).versions()
    elsewhere = units.finished_elsewhere(args.reuse)
    out = args.out or Path("runs") / f"reproduce-{study.name}{'-quick' if args.quick else ''}"
    folder = RunFolder.open(out, configuration(args, plans), resume=args.resume)
    if folder.complete:
        report = folder.report()
    else:
        try:
            every = units.units_of(plans, args.backend)
            left = units.missing(folder, every)
            reused = sum(unit.digest in elsewhere for unit in left)
            if args.reuse and left and not reused:
                warn("--reuse: no finished unit of this study is in there; all are run")
            steps = sum(u.plan.work for u in left if u.digest not in elsewhere)
            with Progress(steps, quiet=args.json) as progress:
                done = units.run(
                    folder,
                    every,
                    elsewhere,
                    args.backend,
                    where=place,
                    progress=progress.show,
                    warn=warn,
                )
            report = results.write(study, folder, done, versions, warn, reused=reused)
        finally:
            folder.release()
    print(files.to_json(report)) if args.json else _show(study, report)
    return 0


def configuration(args: argparse.Namespace, plans: Any) -> dict[str, Any]:
    """Return what determines a study's numbers, as JSON values."""
    return {
        "study": args.study,
        "quick": args.quick,
        "backend": args.backend,
        "parts": [
            {"name": p.part.name, "task": p.part.task, "settings": p.settings} for p in plans
        ],
    }


def _show(study: "Study", report: dict[str, Any]) -> None:
    from kondo_ref.reproduce import compare
    from kondo_ref.tasks.grid import grid_text

    quick = report["configuration"]["quick"]
    print(f"{study.name}: {study.summary}\npublished: {study.source}\n")
    rows = report["table"]
    if quick:
        print(f"{NOT_THE_STUDY}\n")
    if rows:
        print(grid_text(compare.HEAD, [compare.cells(row) for row in rows]))
        seeds = sorted({row["seeds"] for row in rows})
        print(
            f"\n{' or '.join(map(str, seeds))} seeds; intervals: BCa bootstrap over seeds, "
            f"{report['level']:.0%}.\nThe published value is taken as exact in the verdict."
        )
    reused = f", {report['reused']} of them taken from other runs" if report["reused"] else ""
    print(f"\n{report['units']} units{reused}: {report['folder']}")
