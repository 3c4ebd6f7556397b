"""Wrong versions of `kondo_ref`, each with the property that must see it.

A mutant is an edit of one function's source: `old`, which stands there exactly once, becomes `new`.
Most of them are mistakes that implementations of a gate really make. While a mutant lives, the
function's code object is exchanged, so every module that imported the function is affected.

As a program, print the kill matrix: python tests/mutants.py [--all]
Without --all each mutant meets its own property only, with it every property.
"""

import argparse
import inspect
import linecache
import sys
import textwrap
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from types import CodeType, FunctionType
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from mutations import TABLE
from properties import PROPERTIES

# No shrinking and no database: one counterexample is enough, however large.
HUNT = settings(
    max_examples=200,
    derandomize=True,
    database=None,
    deadline=None,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=list(HealthCheck),
    report_multiple_bugs=False,
)


@dataclass(frozen=True)
class Mutant:
    """An edit of `target`, a dotted name under `kondo_ref`, that `killer` must reject."""

    name: str
    target: str
    old: str
    new: str
    killer: str

    @contextmanager
    def alive(self) -> Iterator[None]:
        """Exchange the function's code for the mutant's, and put it back."""
        function = find(self.target)
        source = textwrap.dedent(inspect.getsource(function))
        times = source.count(self.old)
        assert times == 1, f"{self.name}: {self.old!r} is {times} times in {self.target}"
        edited = source.replace(self.old, self.new)
        code = compiled(edited, function)
        honest = function.__code__
        function.__code__ = code
        try:
            yield
        finally:
            function.__code__ = honest

    def dies_of(self, name: str) -> bool:
        """Tell whether the property `name` fails under this mutant, and by an assertion."""
        with self.alive():
            try:
                PROPERTIES[name].run(HUNT)
            except AssertionError:
                return True
        return False


def find(target: str) -> FunctionType:
    """Return the plain function behind a module's function, a method or a property."""
    module, *path = target.split(".")
    found: Any = import_module(f"kondo_ref.{module}")
    for part in path:
        found = inspect.getattr_static(found, part)
    for layer in ("fget", "func", "__func__"):
        found = getattr(found, layer, found)
    assert isinstance(found, FunctionType), f"{target} is not a function"
    return found


def compiled(source: str, function: FunctionType) -> CodeType:
    """Return the code of the one function that `source` defines, without its decorators."""
    lines = source.splitlines(keepends=True)
    start = next(i for i, line in enumerate(lines) if line.startswith("def "))
    file = f"<mutant of {function.__module__}.{function.__qualname__}>"
    text = "".join(lines[start:])
    linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
    namespace: dict[str, Any] = {}
    exec(compile(text, file, "exec"), function.__globals__, namespace)
    code: CodeType = namespace[function.__name__].__code__
    return code


MUTANTS = tuple(Mutant(*row) for row in TABLE)


def main() -> None:
    parser = argparse.ArgumentParser(description="Print which property kills which mutant.")
    parser.add_argument("--all", action="store_true", help="try every property on every mutant")
    everything = parser.parse_args().all
    survivors = []
    for mutant in MUTANTS:
        others = [name for name in PROPERTIES if everything and name != mutant.killer]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            killed = mutant.dies_of(mutant.killer)
            also = [name for name in others if fails(mutant, name)]
        if not killed:
            survivors.append(mutant.name)
        verdict = "killed  " if killed else "SURVIVED"
        sys.stdout.write(f"{verdict}  {mutant.name:50}  {mutant.killer}\n")
        sys.stdout.writelines(f"{'':60}+ {name}\n" for name in also)
        sys.stdout.flush()
    sys.stdout.write(f"{len(MUTANTS) - len(survivors)} of {len(MUTANTS)} mutants killed\n")
    raise SystemExit(bool(survivors))


def fails(mutant: Mutant, name: str) -> bool:
    """As `dies_of`, where another error than an assertion counts too."""
    try:
        return mutant.dies_of(name)
    except Exception:
        return True


if __name__ == "__main__":
    main()
