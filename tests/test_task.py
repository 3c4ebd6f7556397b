"""Tasks by name, and the command line that finds a task and its options."""

import argparse
import subprocess
import sys
from dataclasses import fields
from typing import Any

import pytest
from dying import dies

from kondo_ref import task
from kondo_ref.cli import parser
from kondo_ref.task import TASKS, load_task, refuse_unused


def parse(*words: str) -> argparse.Namespace:
    try:
        return parser().parse_args(["run", *words])
    except SystemExit as stop:
        raise AssertionError(f"{words} are refused") from stop


@pytest.mark.parametrize("name", TASKS)
def test_a_task_has_an_option_for_every_setting(name: str) -> None:
    found = load_task(name)
    defaults = found.configure({}, {o.name: None for o in found.options if o.place})
    settings = [option.name for option in found.options if not option.place]
    assert sorted(settings) == sorted(field.name for field in fields(defaults))  # type: ignore[arg-type]
    assert {"methods", "seeds", "steps"} <= set(settings)
    # What came later stands in a configuration only where it is not its default.
    old = [f.name for f in fields(defaults) if not f.metadata.get("later")]  # type: ignore[arg-type]
    assert list(defaults.to_dict()) == old


@pytest.mark.parametrize("name", TASKS)
def test_the_help_tells_the_defaults(name: str) -> None:
    found = load_task(name)
    defaults = found.configure({}, {o.name: None for o in found.options if o.place})
    told = [option for option in found.options if not option.place]
    for option in told:
        default = option.help.rpartition("(default: ")[2].rstrip(")")
        value = getattr(defaults, option.name)
        words = default.split() if isinstance(value, tuple) else [default]
        read = [option.type(word) if option.type else word for word in words]
        assert (tuple(read) if isinstance(value, tuple) else read[0]) == value, option.name


def test_an_unknown_task_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^--task: expected one of mnist, .*; got 'x"):
        load_task("x")


@pytest.mark.parametrize("name", [None, *TASKS])
def test_help_loads_no_arrays_and_is_of_the_task(name: str | None) -> None:
    words = ["run", *([] if name is None else [name]), "--help"]
    source = (
        "import sys\nfrom kondo_ref.cli import main\n"
        f"try:\n    main({words})\nexcept SystemExit:\n    print(*sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", source], capture_output=True, text=True, check=True
    )
    assert not {"numpy", "scipy", "multiprocessing"} & set(done.stdout.splitlines()[-1].split())
    for flag, of in (
        ("--hidden", {"mnist", "screening"}),
        ("--zero-prompts", {"token-reversal"}),
    ):
        assert (flag in done.stdout) == (name in of)
    if name is None:
        for other in TASKS:
            assert f"  {other}  " in done.stdout


NAMED: list[tuple[list[str], dict[str, Any]]] = [
    ([], {"task": None, "task_option": None}),
    (["--data", "full"], {"task": None, "data": "full"}),
    (["--steps", "5", "mnist"], {"task": "mnist", "steps": 5}),
    (["token-reversal", "--length", "3"], {"task": "token-reversal", "length": 3}),
    (["--length", "3", "token-reversal"], {"task": "token-reversal", "length": 3}),
    (["--json", "token-reversal"], {"task": "token-reversal", "json": True}),
    (["--task", "token-reversal", "--length", "3"], {"task_option": "token-reversal"}),
    (["--length", "3", "--task=token-reversal"], {"task_option": "token-reversal"}),
    (["--out", "token-reversal", "--batch", "7"], {"task": None, "batch": 7}),
    (["chess"], {"task": "chess"}),
    (["mnist", "--task", "token-reversal"], {"task_option": "token-reversal"}),
]


def test_which_task_the_words_name() -> None:
    for words, found in NAMED:
        assert vars(parse(*words)).items() >= found.items(), words


def test_an_option_that_nothing_looks_at() -> None:
    users = {"noisy_zero": (False, "--this"), "rate": (True, "--that"), "alpha": (False, "--x")}
    refuse_unused({"rate": 1, "alpha": None}, users)
    with pytest.raises(ValueError, match=r"^--noisy-zero: has no effect here; it belongs to --th"):
        refuse_unused({"noisy_zero": 0.0}, users)


def test_a_task_that_lacks_an_option_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    found = load_task("token-reversal")
    monkeypatch.setattr(type(found), "options", found.options[1:])
    with pytest.raises(AssertionError):
        test_a_task_has_an_option_for_every_setting("token-reversal")
    wrong = task.Option("steps", "training steps (default: 7)", int)
    monkeypatch.setattr(type(found), "options", (wrong,))
    with pytest.raises(AssertionError):
        test_the_help_tells_the_defaults("token-reversal")


def test_a_wrong_finder_of_tasks_is_seen() -> None:
    target = "cli.run.RunParser.parse_known_args"
    old = "if name in (parsed.task, parsed.task_option):"
    dies(target, old, "if True:", test_which_task_the_words_name)
    dies(target, 'word.removeprefix("--task=")', "word", test_which_task_the_words_name)


def check_zero_is_given() -> None:
    try:
        refuse_unused({"noisy_zero": 0.0}, {"noisy_zero": (False, "--this")})
    except ValueError:
        return
    raise AssertionError("not refused")


def test_a_zero_is_given_too() -> None:
    dies(
        "task.refuse_unused", "given.get(name) is not None", "given.get(name)", check_zero_is_given
    )
