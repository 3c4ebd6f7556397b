"""What every command does with what it cannot run: one line on standard error, exit code 2."""

import os
import sys
from pathlib import Path

import pytest

from kondo_ref import cli
from kondo_ref.cli import main
from kondo_ref.cli.streams import stdout_is_stderr

FOREIGN = """
import sys
from kondo_ref.backends.numpy_backend import NumpyBackend


class Exit:
    def __init__(self):
        sys.exit(0)


class Broken(NumpyBackend):
    name = "broken"

    def learner(self, state):
        raise RuntimeError("no\\nkernel")
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the name of a module of foreign backends in the folder that one stands in."""
    name = f"foreign_{tmp_path.name}"
    (tmp_path / f"{name}.py").write_text(FOREIGN)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.chdir(tmp_path)
    return name


def one_line(capsys: pytest.CaptureFixture[str]) -> str:
    """Return the only line that was printed, which is on standard error."""
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    return err


@pytest.mark.parametrize("command", [["backends", "check"], ["bench", "--backends"]])
def test_a_constructor_that_exits(
    command: list[str], module: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*command, f"{module}:Exit"]) == 2
    assert one_line(capsys) == "kondo-ref: the code that was run called sys.exit(0)\n"


def test_a_module_that_exits_while_it_is_imported(
    module: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path(f"{module}_exits.py").write_text("raise SystemExit('not\\nhere')\n")
    assert main(["backends", "check", f"{module}_exits:Any"]) == 2
    assert "called sys.exit('not\\nhere')" in one_line(capsys)


@pytest.mark.parametrize(
    "command",
    [
        ["bench", "--batch", "10", "--seconds", ".01", "--backends"],
        ["run", "--steps", "2", "--seeds", "1", "--methods", "dg", "--workers", "1", "--backend"],
    ],
    ids=lambda command: command[0],
)
def test_a_foreign_learner_that_raises(
    command: list[str], module: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*command, f"{module}:Broken"]) == 2
    expected = f"kondo-ref: backend: '{module}:Broken' raised RuntimeError (no kernel)\n"
    assert one_line(capsys) == expected


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["--preset", "gpt2", "--batch", "8", "--rate", "1e-320"],
            "a number is too large (integer div",
        ),
        (["--config", "deep.json"], "nested too deeply (maximum recursion"),
    ],
)
def test_numbers_and_files_that_are_too_much(
    words: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("deep.json").write_text("[" * 100_000)
    assert main(["flops", *words]) == 2
    assert one_line(capsys).startswith(f"kondo-ref: {message}")


@pytest.mark.parametrize("words", [["--rate", ".03"], ["--sweep"], []], ids=" ".join)
def test_a_batch_of_400_digits(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["flops", "--preset", "gpt2", "--batch", "9" * 400, *words])
    out, err = capsys.readouterr()
    assert (code, bool(out), err.count("\n")) in {(0, True, 0), (2, False, 1)}


def test_an_error_of_our_own_keeps_its_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(_: object) -> int:
        raise LookupError("ours")

    monkeypatch.setattr(cli.vectors, "run", broken)
    assert main(["vectors", "check"]) == 2
    assert "Traceback" in (err := capsys.readouterr().err)
    assert "LookupError: ours" in err


def test_an_error_without_a_message_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(_: object) -> int:
        raise MemoryError

    monkeypatch.setattr(cli.vectors, "run", broken)
    assert main(["vectors", "check"]) == 2
    assert one_line(capsys) == "kondo-ref: MemoryError\n"


@pytest.mark.parametrize(
    ("words", "command", "message"),
    [
        ([], "kondo-ref", "the following arguments are required: COMMAND"),
        (["--no-such"], "kondo-ref", "the following arguments are required: COMMAND"),
        (["runn"], "kondo-ref", "argument COMMAND: invalid choice: 'runn'"),
        (["flops", "mlp", "--batch", "x"], "kondo-ref flops", "argument --batch: invalid int"),
        (["flops", "mlp", "--what"], "kondo-ref flops", "unrecognized arguments: --what"),
        (["flops-audit"], "kondo-ref flops-audit", "the following arguments are required: TARGET"),
        (["bench", "mlp", "more", "--x"], "kondo-ref bench", "unrecognized arguments: more --x"),
        (
            ["backends", "check", "--steps"],
            "kondo-ref backends check",
            "argument --steps: expected",
        ),
        (["vectors"], "kondo-ref vectors", "the following arguments are required: ACTION"),
        (["vectors", "check", "--x"], "kondo-ref vectors check", "unrecognized arguments: --x"),
    ],
)
def test_a_wrong_command_line_is_one_line(
    words: list[str], command: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        main(words)
    assert stop.value.code == 2
    line = one_line(capsys)
    assert line.startswith(f"{command}: {message}")
    assert line.endswith(f"; see {command} --help\n")


def test_standard_output_comes_back_after_an_error() -> None:
    def fails() -> None:
        with stdout_is_stderr():
            inside.append(os.path.sameopenfile(1, 2))
            raise LookupError

    inside: list[bool] = []
    before = os.fstat(1)
    with pytest.raises(LookupError):
        fails()
    assert inside == [True]
    assert os.path.samestat(before, os.fstat(1))
