"""Where a sweep runs, from the command line: refusals in a line, and what is missing in the end."""

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import executor_checks as checks
import executor_work as work
import pytest
from dying import dies

from kondo_ref.cli import main

RUN = checks.SWEEP
SMALL = ["--methods", "dg", "--seeds", "1", "--workers", "1"]
STUDY = ["reproduce", "many-contexts", "--quick"]


def check_refusal(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A line that names the option, code 2, and nothing is left behind."""
    assert main(words) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith(f"kondo-ref: {said}")
    assert printed.err.count("\n") == 1
    assert [path for path in Path("runs").glob("*") if path.is_dir()] == []


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for variable in ("DASK_SCHEDULER_ADDRESS", "RAY_ADDRESS"):
        monkeypatch.delenv(variable, raising=False)


@pytest.mark.parametrize("command", [RUN, STUDY], ids=["run", "reproduce"])
@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--executor", "mpi"], "executor: expected one of local, joblib, dask, ray; got 'mpi'"),
        (["--cluster", "tcp://here:1"], "--cluster: has no effect here; it belongs to --executor"),
        (["--executor", "joblib", "--cluster", "x"], "--cluster: has no effect here; it belongs"),
        (["--executor", "joblib", "--workers", "0"], "workers: expected at least 1, got 0"),
    ],
)
def test_what_makes_no_sense_is_refused(
    command: list[str], options: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    check_refusal([*command, *options], said, capsys)


@pytest.mark.parametrize(
    ("executor", "missing"),
    [("joblib", "joblib"), ("dask", "distributed"), ("ray", "ray"), ("ray", "joblib")],
)
def test_what_is_not_installed_is_named(
    executor: str,
    missing: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if missing != executor and missing == "joblib":
        pytest.importorskip(executor, reason=f"{executor} is not installed")
    monkeypatch.setitem(sys.modules, missing, None)
    remedy = 'is not installed; python -m pip install "kondo-ref[cluster]"'
    check_refusal([*RUN, "--executor", executor], f"executor: {missing} {remedy}", capsys)


@pytest.mark.parametrize(
    ("address", "said"),
    [
        (None, "cluster: --executor dask needs the address of a scheduler, --cluster tcp://"),
        ("tcp://127.0.0.1:1", "cluster: no dask scheduler at tcp://127.0.0.1:1 ("),
        ("pigeon://here:1", "cluster: no dask scheduler at pigeon://here:1 ("),
        ("nonsense", "cluster: expected tcp://HOST:PORT, got 'nonsense'"),
    ],
)
def test_no_scheduler(
    address: str | None,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pytest.importorskip("distributed", reason="dask is not installed")
    pytest.importorskip("joblib", reason="joblib is not installed")
    monkeypatch.setattr("kondo_ref.executors.dask_cluster.SECONDS", 0.5)
    options = [] if address is None else ["--cluster", address]
    check_refusal([*RUN, "--executor", "dask", *options], said, capsys)


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("127.0.0.1:1", "cluster: no ray cluster at 127.0.0.1:1 ("),
        ("ray://127.0.0.1:1", "cluster: no ray cluster at ray://127.0.0.1:1 ("),
        ("local", "cluster: expected HOST:PORT or ray://HOST:PORT, got 'local'"),
    ],
)
def test_no_ray_there(
    address: str, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("ray", reason="ray is not installed")
    pytest.importorskip("joblib", reason="joblib is not installed")
    check_refusal([*RUN, "--executor", "ray", "--cluster", address], said, capsys)
    monkeypatch.setenv("RAY_ADDRESS", address)
    check_refusal([*RUN, "--executor", "ray"], said, capsys)


def test_no_ray_here(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    ray = pytest.importorskip("ray", reason="ray is not installed")
    pytest.importorskip("joblib", reason="joblib is not installed")

    def init(*, address: str, **_: object) -> None:
        # The tests of ray itself may have a cluster running on this machine.
        assert address == "auto", "another address starts one"
        raise ConnectionError("Could not find any running Ray instance.")

    monkeypatch.setattr(ray, "init", init)
    said = "cluster: no ray cluster runs here; start one with `ray start --head`, or give"
    check_refusal([*RUN, "--executor", "ray"], said, capsys)


@pytest.mark.parametrize(
    ("target", "old", "new", "options", "said"),
    [
        (
            "workers.Where.__post_init__",
            "not in _CLUSTERS",
            "in ()",
            ["--cluster", "x"],
            "--cluster",
        ),
        (
            "cli.main",
            "return 2\n    except Exception:",
            "return 1\n    except Exception:",
            ["--executor", "mpi"],
            "executor: ",
        ),
    ],
)
def test_the_check_sees(
    target: str,
    old: str,
    new: str,
    options: list[str],
    said: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def check() -> None:
        capsys.readouterr()
        check_refusal([*RUN, *SMALL, *options], said, capsys)

    dies(target, old, new, check)


def test_a_cluster_that_is_started_is_seen(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    distributed = pytest.importorskip("distributed", reason="dask is not installed")
    pytest.importorskip("joblib", reason="joblib is not installed")
    started = []

    def client(address: str | None, **_: object) -> None:
        started.append(address)
        raise OSError("not in a test")

    def check() -> None:
        capsys.readouterr()
        check_refusal([*RUN, "--executor", "dask"], "cluster: --executor dask needs", capsys)

    monkeypatch.setattr(distributed, "Client", client)
    nothing, none = (
        "if not address:",
        "if not address:\n        return address\n    if not address:",
    )
    dies("executors.dask_cluster._address", nothing, none, check)
    assert started == [None]


def check_missing(whole: Path, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A unit that is killed twice is named; all others are kept, and --resume runs just that one.

    Parameters
    ----------
    whole : Path
        The sweep when nobody is killed.
    folder : Path
    capsys : pytest.CaptureFixture
    """
    kill, out = folder / "kill", folder / "run"
    kill.touch()
    words = [*RUN, "--workers", "2", "--out", str(out)]
    assert main(words) == 2
    first, last = capsys.readouterr().err.splitlines()
    assert first == "kondo-ref: a worker process died; pg with seed 1 is run again"
    assert last.startswith("kondo-ref: 1 of 4 units are missing, their worker processes died: pg w")
    partial = out.with_name("run.partial")
    assert last.endswith(
        f"pg with seed 1; the others are kept in {partial}; run just what is missing with "
        f"--resume --out {out} and the same options"
    )
    kept = {path.name: path.stat().st_mtime_ns for path in (partial / "units").iterdir()}
    assert kept.keys() == {"dg-0.json", "dg-1.json", "pg-0.json"}
    kill.unlink()
    assert main([*words, "--resume"]) == 0
    capsys.readouterr()
    for name in checks.TABLES:
        assert (out / name).read_bytes() == (whole / name).read_bytes()
    assert {name: (out / "units" / name).stat().st_mtime_ns for name in kept} == kept


def test_what_is_missing_is_named_and_run(
    whole: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("kondo_ref.tasks.bandit.train.train", work.train_or_be_killed)
    monkeypatch.setenv("KILL", str(tmp_path / "kill"))
    check_missing(whole, tmp_path, capsys)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("if lost:", "if False:"),
        ("folder.keep(name, seed, result)", "folder.keep(name, 0, result)"),
        ("for unit in missing(folder, units)]", "for unit in units]"),
    ],
)
def test_a_loss_that_is_not_said_is_seen(
    old: str,
    new: str,
    whole: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def run_units(
        _: Any, units: list[Any], *, finished: Any, died: Any, **__: Any
    ) -> list[tuple[Any, ...]]:
        """Take what a real run made of the units, but for the one that is killed."""
        lost = []
        for unit in units:
            if unit[:2] == ("pg", 1) and (folders[-1] / "kill").exists():
                died(unit)
                lost.append(unit)
            else:
                kept = json.loads((whole / "units" / f"{unit[0]}-{unit[1]}.json").read_text())
                finished(unit, kept["result"])
        return lost

    def check() -> None:
        capsys.readouterr()
        folders.append(tmp_path / str(len(folders)))
        folders[-1].mkdir()
        check_missing(whole, folders[-1], capsys)

    folders: list[Path] = []
    monkeypatch.setattr("kondo_ref.workers.run_units", run_units)
    dies("unit_runs.run_missing", old, new, check)


def test_a_connection_that_is_lost_says_what_is_kept(
    whole: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def run_units(_: Any, units: list[Any], *, finished: Any, **__: Any) -> None:
        for name, seed, *_ in units[:finish]:
            kept = json.loads((whole / "units" / f"{name}-{seed}.json").read_text())
            finished((name, seed), kept["result"])
        raise ConnectionError("cluster: the connection is lost (x)")

    def check() -> None:
        shutil.rmtree(partial, ignore_errors=True)
        assert main([*RUN, "--out", "run"]) == 2
        told = ""
        if finish:
            told = (
                f"; {finish} of 4 units are kept in run.partial; go on with --resume --out run and"
            )
        said = capsys.readouterr().err
        assert said.startswith(f"kondo-ref: cluster: the connection is lost (x){told}")
        assert partial.exists() == bool(finish)

    partial = tmp_path / "run.partial"
    monkeypatch.setattr("kondo_ref.workers.run_units", run_units)
    finish = 0
    check()
    finish = 3
    dies(
        "unit_runs.run_missing", "(ConnectionError, ChildProcessError)", "ProcessLookupError", check
    )


def test_nothing_is_kept_of_a_run_that_loses_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("kondo_ref.tasks.bandit.train.train", work.train_or_be_killed)
    monkeypatch.setattr("kondo_ref.executors.local._begin", work.killed_when_begun)
    monkeypatch.setattr("kondo_ref.unit_runs.NAMED", 1)
    out = tmp_path / "run"
    assert main([*RUN, "--methods", "dg", "--workers", "2", "--out", str(out)]) == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert "2 of 2 units are missing" in last
    assert "and 1 more; nothing is kept" in last
    assert list(tmp_path.iterdir()) == []
