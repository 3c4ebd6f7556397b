"""Tests of the project itself: what is packaged, what an import loads, what the pages say.

What a test looks for is found by a small function here, which is shown an offender first: a check
that has never failed says nothing.
"""

import ast
import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import kondo_ref
from kondo_ref.cli import parser

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
LINKS = ("backends", "tasks")
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))

RUN_COMMAND = 'python -m pip install -e ".[plots]" && kondo-ref run'
TEST_COMMAND = 'python -m pip install -e ".[test]" && python -m pytest'
HEAVY = ("numba", "torch", "matplotlib", "jax")
IGNORED = {"__pycache__", "_build", "build", "dist", "runs", "venv", "node_modules"}
# An absolute path of two parts or more, but for those that every machine has.
MACHINE_PATH = re.compile(
    r"(?<![\w.~})*/:-])/(?!usr/bin/|dev/)[A-Za-z][\w.-]*/[\w.-]|\b[A-Z]:\\[A-Z]"
)


def files() -> list[Path]:
    """Return the files of the repository: those that git tracks or would track."""
    if (ROOT / ".git").exists():
        command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        try:
            listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
            return [p for n in listed.stdout.split("\0") if n and (p := ROOT / n).is_file()]
        except (OSError, subprocess.CalledProcessError):
            pass  # no git here, or it does not trust the folder's owner
    found = []
    for folder, folders, names in os.walk(ROOT):
        folders[:] = [f for f in folders if f not in IGNORED and not f.endswith(".egg-info")]
        folders[:] = [f for f in folders if not f.startswith(".") or f == ".ci"]
        found += [Path(folder) / name for name in names]
    return found


def is_text(path: Path) -> bool:
    return b"\0" not in path.read_bytes()


# What a module may import besides, since nothing but that package loads it.
HOSTS = {"pytest_plugin.py": {"pytest"}}


def core_modules() -> list[Path]:
    """Return the modules of kondo_ref itself, without those behind the links."""
    found = (ROOT / "kondo_ref").rglob("*.py")
    return sorted(p for p in found if p.relative_to(ROOT / "kondo_ref").parts[0] not in LINKS)


def loading_imports(source: str) -> Iterator[str]:
    """Yield the modules that loading this source imports: those not in a function."""
    pending: list[ast.AST] = list(ast.parse(source).body)
    while pending:
        node = pending.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            pending += node.orelse
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        if isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        pending += ast.iter_child_nodes(node)


def foreign_imports(source: str) -> set[str]:
    """Return what a module of the core must not import when it is loaded."""
    known = {*sys.stdlib_module_names, "numpy", "scipy", "kondo_ref"}
    return {
        name
        for name in loading_imports(source)
        if name.partition(".")[0] not in known
        or re.match(rf"kondo_ref\.({'|'.join(LINKS)})\b", name)
    }


def command_lines(page: str) -> list[str]:
    """Return the lines of fenced blocks, continued lines joined, without prompts and Python."""
    lines: list[str] = []
    for language, block in re.findall(r"^```(\w*)[^\n]*\n(.*?)^```", page, re.M | re.S):
        if language not in {"python", "py", "json", "toml", "yaml"}:
            joined = re.sub(r"\\\n\s*", " ", block)
            lines += [line.strip().removeprefix("$ ") for line in joined.splitlines()]
    return lines


def kondo_ref_arguments(page: str) -> list[list[str]]:
    """Return the arguments of every kondo-ref command on a page."""
    found = []
    for line in command_lines(page):
        for part in re.split(r"&&|\|\|?|;|\d?>+\s*\S+", line):
            words = shlex.split(part, comments=True) if re.search("kondo[-_]ref", part) else []
            if words[:1] == ["kondo-ref"] or words[:3] == ["python", "-m", "kondo_ref"]:
                found.append(words[1 if words[0] == "kondo-ref" else 3 :])
    return found


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, check=True
    )


def test_packages_are_the_folders() -> None:
    folders = {
        ".".join(Path(folder).relative_to(ROOT).parts)
        for folder, _, names in os.walk(ROOT / "kondo_ref", followlinks=True)
        if "__init__.py" in names
    }
    packages = PROJECT["tool"]["setuptools"]["packages"]
    assert sorted(packages) == sorted(folders)


def test_links_are_links() -> None:
    for name in LINKS:
        link = ROOT / "kondo_ref" / name
        assert link.is_symlink()
        assert link.readlink() == Path("..") / name
        assert PROJECT["tool"]["setuptools"]["package-dir"][f"kondo_ref.{name}"] == name


@pytest.mark.parametrize(
    ("statement", "absent"),
    [
        ("import kondo_ref", (*HEAVY, "numpy", "scipy")),
        ("import kondo_ref.cli", HEAVY),
        ("import kondo_ref.audit", (*HEAVY, "numpy", "scipy")),
        ("from kondo_ref import *", HEAVY),
        ("import kondo_ref.backend; kondo_ref.backend.load_backend('numpy')", HEAVY),
    ],
)
def test_imports_load_nothing_heavy(statement: str, absent: tuple[str, ...]) -> None:
    loaded = run("-c", f"import sys; {statement}; print(*sys.modules)").stdout.split()
    assert "kondo_ref" in loaded
    assert not set(absent) & set(loaded)


def test_the_import_check_sees_an_import() -> None:
    assert "numpy" in run("-c", "import sys, kondo_ref.gate; print(*sys.modules)").stdout.split()


def test_help_is_quick() -> None:
    seconds = []
    for _ in range(3):
        began = os.times()
        done = run("-m", "kondo_ref", "--help")
        ended = os.times()
        # Of the processor: what else the machine does says nothing about the command.
        seconds.append(sum(ended[2:4]) - sum(began[2:4]))
        assert done.stdout.startswith("usage: kondo-ref")
    assert min(seconds) < 0.5


def test_one_version() -> None:
    citation = (ROOT / "CITATION.cff").read_text("utf-8")
    cited = re.findall(r"^version: (.+)$", citation, re.M)
    assert [PROJECT["project"]["version"]] == [kondo_ref.__version__] == cited
    assert f"## {kondo_ref.__version__}" in (ROOT / "CHANGELOG.md").read_text("utf-8")


def test_no_large_file() -> None:
    found = files()
    assert ROOT / "tests" / "test_project.py" in found
    assert [path for path in found if path.stat().st_size > 2 * 2**20] == []


def test_every_module_has_a_docstring() -> None:
    modules = [path for path in files() if path.suffix == ".py"]
    assert len(modules) > 20
    parsed = {path: ast.parse(path.read_text("utf-8")) for path in modules}
    assert [path for path, tree in parsed.items() if not ast.get_docstring(tree)] == []


def test_the_pattern_of_a_machine_path() -> None:
    for start in ("", "see ", '"', "=", "(", "[", "`"):
        assert MACHINE_PATH.search(start + "/" + "home/me")
    assert MACHINE_PATH.search("C:" + "\\Users")
    for text in ("https://example.org/a/b", "a/b/c", "/usr/bin/env", "./a/b", "~/a/b", "${x}/a/b"):
        assert not MACHINE_PATH.search(text)


def test_no_machine_path() -> None:
    texts = [path for path in files() if is_text(path)]
    assert [path for path in texts if MACHINE_PATH.search(path.read_text("utf-8"))] == []


@pytest.mark.parametrize(
    ("source", "foreign"),
    [
        ("import torch", {"torch"}),
        ("try:\n    import numba.core\nexcept ImportError:\n    pass", {"numba.core"}),
        ("class A:\n    from jax import numpy", {"jax.numpy"}),
        ("from kondo_ref import tasks", {"kondo_ref.tasks"}),
        ("import kondo_ref.backends.numpy_backend", {"kondo_ref.backends.numpy_backend"}),
        ("import kondo_ref.backend, os.path\nfrom scipy import special", set()),
        ("def f():\n    import torch", set()),
        ("if TYPE_CHECKING:\n    import torch", set()),
    ],
)
def test_which_imports_are_foreign(source: str, foreign: set[str]) -> None:
    assert foreign_imports(source) == foreign


@pytest.mark.parametrize("path", core_modules(), ids=lambda p: str(p.relative_to(ROOT)))
def test_core_imports_nothing_foreign(path: Path) -> None:
    assert foreign_imports(path.read_text("utf-8")) == HOSTS.get(path.name, set())


def test_the_readme_has_the_two_set_up_commands() -> None:
    """One command to run it, one to test it, each in one line; .ci/run tests with the same."""
    readme = (ROOT / "README.md").read_text("utf-8")
    commands = [line for line in command_lines(readme) if "pip install" in line]
    assert sorted(commands) == [RUN_COMMAND, TEST_COMMAND]


def test_ci_runs_the_test_command_of_the_readme() -> None:
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    lines = [line.strip() for line in script.read_text("utf-8").splitlines()]
    assert lines.count(TEST_COMMAND) == 1
    assert "set -euo pipefail" in lines


def test_which_commands_a_page_shows() -> None:
    page = (
        "```bash\npip install x && kondo-ref run --steps 5 \\\n  --json > out.json  # fast\n```\n"
        "kondo-ref in prose\n```python\nkondo-ref = 1\n```\n```\n$ python -m kondo_ref bench\n```\n"
    )
    assert kondo_ref_arguments(page) == [["run", "--steps", "5", "--json"], ["bench"]]


@pytest.mark.parametrize("path", PAGES, ids=lambda p: p.name)
def test_commands_shown_are_commands(path: Path) -> None:
    for arguments in kondo_ref_arguments(path.read_text("utf-8")):
        code = 0
        try:
            parser().parse_args(arguments)
        except SystemExit as stop:  # --help and --version end the parser too, with code 0
            code = stop.code
        assert code == 0, arguments


def test_a_wrong_command_is_no_command(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["runn"], ["run", "--no-such-option"], ["vectors", "check", "--backend"]):
        with pytest.raises(SystemExit) as stop:
            parser().parse_args(arguments)
        assert stop.value.code == 2
    assert "; see kondo-ref vectors check --help" in capsys.readouterr().err
