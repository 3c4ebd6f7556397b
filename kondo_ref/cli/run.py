"""``kondo-ref run``: the main job. Train methods side by side, compare them, keep the results."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kondo_ref.runs import RunFolder
    from kondo_ref.tasks.mnist.settings import Settings

TASKS = ("mnist",)

SETTINGS = (
    "seeds",
    "steps",
    "batch",
    "rate",
    "price",
    "temperature",
    "baseline",
    "baseline_value",
    "data",
    "hidden",
    "learning_rate",
    "dtype",
    "normalizer",
)


def add_parser(subparsers: Any) -> None:
    """Add the subcommand."""
    p = subparsers.add_parser(
        "run",
        help="train methods side by side on a task and compare them",
        description=(
            "Train PG, DG and the Kondo gate side by side on a task. Prints one table and writes "
            "a folder with tidy CSV, JSON and a figure. Without options: embedded MNIST, "
            "pg, dg and kondo-top-k at 3 %, three seeds, under a minute on two cores."
        ),
        argument_default=argparse.SUPPRESS,
        allow_abbrev=False,
    )
    p.add_argument("task", nargs="?", metavar="TASK", help=f"one of {', '.join(TASKS)}")
    p.add_argument("--task", dest="task_option", metavar="TASK", help="the same, as an option")
    p.add_argument(
        "--methods",
        nargs="+",
        metavar="METHOD",
        help="of pg, dg, kondo, zero-price, kondo-top-k, ce (default: pg dg kondo-top-k)",
    )
    p.add_argument("--rate", type=float, help="target rate of kondo and kondo-top-k (default: .03)")
    p.add_argument(
        "--price",
        help="of kondo: quantile, calibrated, rolling, or a number (default: quantile)",
    )
    p.add_argument("--temperature", type=float, help="of kondo (default: 1)")
    p.add_argument("--steps", type=int, help="training steps (default: 5000)")
    p.add_argument("--batch", type=int, help="samples a step (default: 100)")
    p.add_argument("--seeds", type=int, help="number of seeds, from 0 (default: 3)")
    p.add_argument(
        "--baseline",
        help="expected, zero, constant, batch-mean, leave-one-out or oracle (default: expected)",
    )
    p.add_argument("--baseline-value", type=float, help="of the constant baseline (default: .5)")
    p.add_argument("--normalizer", help="decisions, kept or none (default: decisions)")
    p.add_argument("--hidden", type=int, nargs="*", help="hidden widths (default: 100 100)")
    p.add_argument("--learning-rate", type=float, help="of Adam (default: .001)")
    p.add_argument("--dtype", help="float32 or float64 (default: float32)")
    p.add_argument("--data", help="embedded or full (default: embedded)")
    p.add_argument("--data-dir", metavar="DIR", help="where the full data set is, as IDX or npz")
    p.add_argument(
        "--backend", default="numpy", help="a backend's name, or module:object (default: numpy)"
    )
    p.add_argument("--workers", type=int, help="processes (default: the cores there are)")
    p.add_argument("--out", type=Path, metavar="DIR", help="folder of the results (default: new)")
    p.add_argument("--resume", action="store_true", help="go on with an interrupted run")
    p.add_argument("--json", action="store_true", help="print the results as JSON and nothing else")
    p.set_defaults(run=run, task=None, task_option=None, out=None, resume=False, json=False)
    p.set_defaults(workers=None, data_dir=None, methods=None)


def run(args: argparse.Namespace) -> int:
    """Run the main job; see `add_parser`."""
    from kondo_ref import checks, files, workers
    from kondo_ref.backend import load_backend
    from kondo_ref.runs import RunFolder
    from kondo_ref.tasks.mnist import data
    from kondo_ref.tasks.mnist.settings import Settings

    _check_task(args)
    given = {name: getattr(args, name) for name in SETTINGS if hasattr(args, name)}
    if args.methods is not None:
        given["methods"] = [m for word in args.methods for m in word.split(",") if m]
    settings = Settings(**given)
    _check_used(given, settings)
    processes = workers.default_workers() if args.workers is None else args.workers
    checks.count("workers", processes, 1)
    if args.data_dir is not None and settings.data != "full":
        raise ValueError("--data-dir: has no effect here; it belongs to --data full")
    settings.check_data(len(data.load(settings.data, args.data_dir).y_train))

    values = settings.to_dict()
    versions = load_backend(args.backend).versions()
    configuration = {"task": "mnist", "backend": args.backend, **values}
    folder = RunFolder.open(args.out, configuration, resume=args.resume)
    if folder.complete:
        report = folder.report()
    else:
        try:
            units = _run_units(folder, settings, args, processes)
            report = _write(folder, units, versions)
        finally:
            folder.release()
    if args.json:
        print(files.to_json(report))
    else:
        _show(report)
    return 0


def _run_units(
    folder: "RunFolder", settings: "Settings", args: argparse.Namespace, processes: int
) -> list[dict[str, Any]]:
    """Run the units that are missing, and return the results of all."""
    from kondo_ref import workers
    from kondo_ref.tasks.mnist.train import train

    units = [(m, seed) for seed in range(settings.seeds) for m in settings.methods]
    results = {unit: folder.finished(*unit) for unit in units}
    missing = [unit for unit in units if results[unit] is None]

    def finished(unit: tuple[Any, ...], result: dict[str, Any]) -> None:
        method, seed = unit[-2:]
        folder.keep(method, seed, result)
        results[method, seed] = result

    with _Progress(len(missing) * settings.steps, quiet=args.json) as progress:
        try:
            workers.run_units(
                train,
                [(settings.to_dict(), args.data_dir, args.backend, *unit) for unit in missing],
                workers=processes,
                progress=progress.show,
                finished=finished,
            )
        except KeyboardInterrupt:
            there = sum(result is not None for result in results.values())
            raise KeyboardInterrupt(
                f"interrupted; {there} of {len(units)} units are kept in {folder.partial}; "
                f"go on with --resume --out {folder.final} and the same options"
                if there
                else "interrupted before a unit was finished; nothing is kept"
            ) from None
    return [result for unit in units if (result := results[unit]) is not None]


def _check_task(args: argparse.Namespace) -> None:
    if args.task and args.task_option and args.task != args.task_option:
        raise ValueError(f"--task: {args.task_option} contradicts the task {args.task}")
    task = args.task or args.task_option or TASKS[0]
    if task not in TASKS:
        raise ValueError(f"--task: expected one of {', '.join(TASKS)}; got {task!r}")


def _check_used(given: dict[str, Any], settings: "Settings") -> None:
    """Refuse an option that none of the chosen methods looks at."""
    users = {
        "price": "kondo" in settings.methods,
        "temperature": "kondo" in settings.methods,
        "rate": "kondo-top-k" in settings.methods
        or ("kondo" in settings.methods and settings.price_has_rate),
        "baseline_value": settings.baseline == "constant",
    }
    for name, used in users.items():
        if name in given and not used:
            option = "--" + name.replace("_", "-")
            needed = {
                "baseline_value": "--baseline constant",
                "rate": "--methods kondo-top-k, or kondo without a fixed price",
            }.get(name, "--methods kondo")
            raise ValueError(f"{option}: has no effect here; it belongs to {needed}")


def _write(
    folder: "RunFolder", units: list[dict[str, Any]], versions: dict[str, str]
) -> dict[str, Any]:
    """Write tables and figure, name the folder, and return the report."""
    from kondo_ref import files, runs
    from kondo_ref.tasks.mnist import analysis

    rows = analysis.summarize(units)
    partial = folder.partial
    files.write_text(
        partial / "curves.csv", runs.csv_text(point for unit in units for point in unit["curve"])
    )
    files.write_text(partial / "summary.csv", runs.csv_text(rows))
    figures = []
    # A run is not lost for its picture, whatever is wrong with the library that draws it.
    try:
        analysis.figure(units, partial / "figure.png")
        figures.append("figure.png")
    except ModuleNotFoundError as error:
        remedy = 'python -m pip install "kondo-ref[plots]"'
        print(f"kondo-ref: no figure without {error.name}: {remedy}", file=sys.stderr)
    except Exception as error:
        print(f"kondo-ref: no figure ({' '.join(str(error).split())})", file=sys.stderr)
    report = {
        "schema": runs.SCHEMA,
        "hash": folder.digest,
        "configuration": folder.configuration,
        "environment": {**runs.environment(), "backend": versions},
        "methods": rows,
        "figures": figures,
    }
    files.write_json(partial / "result.json", report)
    folder.finish()
    return {**report, "folder": str(folder.final)}


def _show(report: dict[str, Any]) -> None:
    from kondo_ref.tasks.mnist import analysis

    settings = report["configuration"]
    print(
        f"{settings['task']} ({settings['data']}), {settings['steps']:,} steps of "
        f"{settings['batch']}, baseline {settings['baseline']}; "
        f"at the last log point, mean ± standard error over {settings['seeds']} seed(s)\n"
    )
    print(analysis.table(report["methods"]))
    print(f"\n{analysis.LEGEND}")
    what = "Results and figure" if report["figures"] else "Results"
    print(f"\n{what}: {report['folder']}")


class _Progress:
    """A progress bar of steps; silent when standard error is not a terminal."""

    def __init__(self, total: int, *, quiet: bool) -> None:
        self.bar = None
        if quiet or not sys.stderr.isatty() or total == 0:
            return
        try:
            from tqdm import tqdm
        except ModuleNotFoundError:
            print("kondo-ref: running; kondo-ref[plots] shows progress", file=sys.stderr)
            return
        self.bar = tqdm(total=total, unit="step", unit_scale=True, dynamic_ncols=True)

    def __enter__(self) -> "_Progress":
        return self

    def __exit__(self, *error: object) -> None:
        if self.bar is not None:
            self.bar.close()

    def show(self, done: int) -> None:
        """Show the number of steps done."""
        if self.bar is not None:
            self.bar.update(done - self.bar.n)
