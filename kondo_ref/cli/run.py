"""``kondo-ref run``: the main job. Train methods side by side, compare them, keep the results."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kondo_ref.cli import where
from kondo_ref.cli.arguments import ArgumentParser
from kondo_ref.cli.foreign import blamed
from kondo_ref.cli.progress import Progress
from kondo_ref.cli.streams import warn
from kondo_ref.task import DEFAULT, TASKS, Option, load_task

if TYPE_CHECKING:
    from kondo_ref.runs import RunFolder
    from kondo_ref.task import Settings, Task
    from kondo_ref.workers import Where

SUMMARY = "train methods side by side on a task and compare them"


def add_parser(subparsers: Any) -> None:
    """Add the subcommand."""
    listed = subparsers.add_parser("run", help=SUMMARY)
    # The class of a subcommand's parser cannot be chosen, only exchanged.
    subparsers.choices["run"] = RunParser(prog=listed.prog)


class RunParser(ArgumentParser):
    """Finds the task among the words first: each task has options of its own."""

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """Parse the words with the options of the task that they name, or of the default one."""
        words = list(sys.argv[1:] if args is None else args)
        for name in dict.fromkeys(word.removeprefix("--task=") for word in words):
            if name in TASKS:
                of_task = task_parser(self.prog, name)
                parsed, rest = of_task.parse_some(words)
                # It is no task where it is an option's value, as in ``--out mnist``.
                if name in (parsed.task, parsed.task_option):
                    return of_task.whole(parsed, rest), []
        named = None if {"-h", "--help"} & set(words) else DEFAULT
        of_task = task_parser(self.prog, named)
        parsed, rest = of_task.parse_some(words, namespace)
        # Without a known task, the help to see is the one that lists the tasks.
        known = {parsed.task, parsed.task_option} <= {None, *TASKS}
        return (of_task if known else self).whole(parsed, rest), []


def task_parser(prog: str, name: str | None) -> ArgumentParser:
    """Return the parser of a task's run; None for the help on what all tasks have."""
    task = None if name is None else load_task(name)
    p = ArgumentParser(
        prog=f"{prog} {name}" if name else prog,
        usage=f"{prog} {name or '[TASK]'} [OPTION]...",
        description=_all_tasks(prog) if task is None else task.description,
        formatter_class=(
            argparse.RawDescriptionHelpFormatter if task is None else argparse.HelpFormatter
        ),
        argument_default=argparse.SUPPRESS,
        allow_abbrev=False,
    )
    p.add_argument("task", nargs="?", metavar="TASK", help=f"one of {', '.join(TASKS)}")
    p.add_argument("--task", dest="task_option", metavar="TASK", help="the same, as an option")
    if task is not None:
        own = p.add_argument_group(f"options of {name}")
        for option in task.options:
            _add_option(own, option)
    p.add_argument(
        "--backend", default="numpy", help="a backend's name, or module:object (default: numpy)"
    )
    where.add_arguments(p)
    p.add_argument("--out", type=Path, metavar="DIR", help="folder of the results (default: new)")
    p.add_argument("--resume", action="store_true", help="go on with an interrupted run")
    p.add_argument("--json", action="store_true", help="print the results as JSON and nothing else")
    p.set_defaults(run=run, task=None, task_option=None, out=None, resume=False, json=False)
    return p


def _all_tasks(prog: str) -> str:
    tasks = "\n".join(f"  {name:<16}{load_task(name).summary}" for name in TASKS)
    return (
        "Train methods side by side on a task. Prints one table and writes a folder with tidy\n"
        f"CSV, JSON and figures. Without TASK it is {DEFAULT}. All tasks have --methods, --seeds\n"
        "and --steps.\n\n"
        f"tasks, with options of their own ({prog} TASK --help):\n{tasks}"
    )


def _add_option(group: Any, option: Option) -> None:
    chosen = {"type": option.type, "nargs": option.nargs, "metavar": option.metavar}
    known = {key: value for key, value in chosen.items() if value is not None}
    group.add_argument(option.flag, dest=option.name, help=option.help.replace("%", "%%"), **known)


def run(args: argparse.Namespace) -> int:
    """Run the main job; see `task_parser`."""
    with blamed(args.backend):
        return _run(args)


def _run(args: argparse.Namespace) -> int:
    from kondo_ref import files, unit_runs
    from kondo_ref.backend import load_backend
    from kondo_ref.runs import RunFolder

    name = _task_name(args)
    task = load_task(name)
    options = {option.name: option for option in task.options}
    given = {o: getattr(args, o) for o in options if hasattr(args, o) and not options[o].place}
    places = {o: getattr(args, o, None) for o in options if options[o].place}
    if "methods" in given:
        given["methods"] = [m for word in given["methods"] for m in word.split(",") if m]
    settings = task.configure(given, places)
    place = where.of(args)

    versions = load_backend(args.backend).versions()
    configuration = {"task": name, "backend": args.backend, **settings.to_dict()}
    folder = RunFolder.open(args.out, configuration, resume=args.resume)
    if folder.complete:
        report = folder.report()
    else:
        try:
            units = _units(folder, task, settings, places, args, place)
            report = unit_runs.write(folder, task, units, versions, warn)
        finally:
            folder.release()
    if args.json:
        print(files.to_json(report))
    else:
        _show(report, task)
    return 0


def _task_name(args: argparse.Namespace) -> str:
    if args.task and args.task_option and args.task != args.task_option:
        raise ValueError(f"--task: {args.task_option} contradicts the task {args.task}")
    return str(args.task or args.task_option or DEFAULT)


def _units(
    folder: "RunFolder",
    task: "Task",
    settings: "Settings",
    places: dict[str, Any],
    args: argparse.Namespace,
    place: "Where",
) -> list[dict[str, Any]]:
    """Run the units that are missing, behind a progress bar, and return the results of all."""
    from kondo_ref import unit_runs

    values = settings.to_dict()
    units = {
        (method, seed): (values, places, args.backend, method, seed)
        for seed in range(settings.seeds)
        for method in settings.methods
    }
    steps = len(unit_runs.missing(folder, units)) * settings.work
    with Progress(steps, quiet=args.json) as progress:
        return unit_runs.run_missing(
            folder,
            task.train,
            units,
            where=place,
            progress=progress.show,
            warn=warn,
            go_on=f"--resume --out {folder.final} and the same options",
        )


def _show(report: dict[str, Any], task: "Task") -> None:
    settings = report["configuration"]
    print(
        f"{task.analysis.headline(settings)}, "
        f"mean ± standard error over {settings['seeds']} seed(s)\n"
    )
    print(task.analysis.table(report["methods"]))
    for name, table in report.get("tables", {}).items():
        print("\n" + getattr(task.analysis, f"show_{name}")(table))
    print(f"\n{task.analysis.LEGEND}")
    drawn = {0: "Results", 1: "Results and figure"}
    print(f"\n{drawn.get(len(report['figures']), 'Results and figures')}: {report['folder']}")
