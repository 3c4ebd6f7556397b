"""The reference of the API: every public name is on it, once, and arrays have their shapes."""

import ast
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest
from page_commands import DOCS

import kondo_ref

PAGES = {path.name: path.read_text("utf-8") for path in sorted(DOCS.glob("api*.md"))}
MODULES = {
    name: page for page, text in PAGES.items() for name in re.findall(r"automodule:: (\S+)", text)
}
STATIONS = sorted(name for name, page in MODULES.items() if page == "api.md")
PUBLIC = ("kondo_ref", "kondo_ref.audit", "kondo_ref.conformance")
# Modules of the package itself that nobody calls from outside.
INTERNAL = {"checks", "checkpoint", "files", "ratio", "runs", "unit_runs", "workers"}
ARRAY = re.compile(r"\b(FloatArray|IntArray|BoolArray|ArrayLike|NDArray|Array)\b")
ELSEWHERE = re.compile(r"[Aa]rguments as in `|; see `\w+\.")


def public(body: list[ast.stmt]) -> Iterator[ast.FunctionDef | ast.ClassDef]:
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            yield node


def arguments(node: ast.FunctionDef | ast.ClassDef) -> Iterator[tuple[str, str]]:
    """Yield the arguments of a function, or the fields that a dataclass is made with."""
    if isinstance(node, ast.FunctionDef):
        for argument in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs):
            if argument.annotation is not None:
                yield argument.arg, ast.unparse(argument.annotation)
        return
    for field in node.body:
        if isinstance(field, ast.AnnAssign) and "init=False" not in ast.unparse(field):
            yield ast.unparse(field.target), ast.unparse(field.annotation)


def has_shape(docstring: str, name: str) -> bool:
    """Tell whether a docstring says the shape of an argument, or where it is said."""
    if ELSEWHERE.search(docstring) or re.search(rf"\b{name}\b`?,? \(|like `{name}`", docstring):
        return True
    for line in docstring.splitlines():
        entry = re.match(rf"^(?:\w+, )*{name}(?:, \w+)*(?: : (.*))?$", line.strip())
        if entry and (entry[1] is None or re.search(r"\(|like|units|decisions", entry[1])):
            return True
    return False


def without_shape(source: str) -> list[str]:
    """Return the public arrays of a module whose shape its docstrings do not say."""
    found = []
    for node in public(ast.parse(source).body):
        inner = list(public(node.body)) if isinstance(node, ast.ClassDef) else []
        for each in (node, *inner):
            docstring = ast.get_docstring(each) or ""
            found += [
                f"{each.name}: {name}"
                for name, annotation in arguments(each)
                if ARRAY.search(annotation) and "Callable" not in annotation
                if not has_shape(docstring, name)
            ]
    return found


def test_no_module_is_there_twice() -> None:
    found = [name for text in PAGES.values() for name in re.findall(r"automodule:: (\S+)", text)]
    assert len(found) == len(set(found)) > 100


@pytest.mark.parametrize("package", PUBLIC)
def test_public_names_are_documented(package: str) -> None:
    module = import_module(package)
    assert module.__all__
    for name in module.__all__:
        value = getattr(module, name)
        assert value.__module__ in MODULES, name
        home = import_module(value.__module__)
        assert getattr(home, name) is value
        assert name in getattr(home, "__all__", [name])
        assert value.__doc__


def test_the_table_names_all_that_the_package_exports() -> None:
    table = PAGES["api.md"].partition("| of the station |")[2].partition("\n\n")[0]
    told = re.findall(r"\{py:\w+\}`~([\w.]+)\.(\w+)`", table)
    assert sorted(name for _, name in told) == sorted(kondo_ref.__all__)
    for module, name in told:
        assert getattr(import_module(module), name) is getattr(kondo_ref, name)


def test_the_modules_of_the_package_are_documented() -> None:
    names = {path.stem for path in (DOCS.parent / "kondo_ref").glob("[a-z]*.py")}
    assert names >= INTERNAL
    assert {f"kondo_ref.{name}" for name in names - INTERNAL} <= set(MODULES)


@pytest.mark.parametrize("name", STATIONS)
def test_arrays_of_the_stations_have_shapes(name: str) -> None:
    path = import_module(name).__file__
    assert path is not None
    assert without_shape(Path(path).read_text("utf-8")) == []


def test_a_missing_shape_is_seen() -> None:
    source = (
        "def f(x: FloatArray, y: IntArray, n: int):\n"
        '    """Say.\n\n    Parameters\n    ----------\n'
        '    x : (N,) float\n    y : int array\n    """\n'
    )
    assert without_shape(source) == ["f: y"]
    assert without_shape("class A:\n    x: FloatArray\n") == ["A: x"]
    assert without_shape('def f(x: FloatArray):\n    """Take x (N,)."""\n') == []
    assert without_shape('def f(x: Array):\n    """Say; arguments as in `g`."""\n') == []
