"""Tasks by name: what `kondo-ref run` asks of a training task, loaded when it is asked for.

A task is a folder in ``tasks/``, and a line in `TASKS`: ``task.py`` says which options it has and
what its settings are, ``train.py`` has its work function, ``analysis.py`` its analysis (`Folder`).
``task.py`` is read for ``--help``, so it imports nothing heavy when it is loaded.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from kondo_ref.workers import Work

TASKS = {
    "mnist": "kondo_ref.tasks.mnist.task:TASK",
    "token-reversal": "kondo_ref.tasks.token_reversal.task:TASK",
    "bandit": "kondo_ref.tasks.bandit.task:TASK",
    "gambling": "kondo_ref.tasks.gambling.task:TASK",
    "screening": "kondo_ref.tasks.screening.task:TASK",
}
DEFAULT = "mnist"

Unit = dict[str, Any]
Row = dict[str, Any]


@dataclass(frozen=True)
class Option:
    """An option of a task on the command line.

    Parameters
    ----------
    name : str
        The setting's name; the option is ``--name``, with hyphens.
    help : str
        With the default in it.
    type : callable, optional
        From the word to the value; without it the value is the word.
    nargs : str, optional
        As argparse takes it.
    metavar : str, optional
    place : bool
        It says where something is, and changes no number: it is no setting, stands in no
        configuration, and is handed to the work function as it is.
    """

    name: str
    help: str
    type: Callable[[str], Any] | None = None
    nargs: str | None = None
    metavar: str | None = None
    place: bool = False

    @property
    def flag(self) -> str:
        """The option as it is typed."""
        return "--" + self.name.replace("_", "-")


class Settings(Protocol):
    """What determines the numbers of a run; a frozen dataclass that checks itself."""

    @property
    def methods(self) -> tuple[str, ...]:
        """The methods to compare, by name."""

    @property
    def seeds(self) -> int:
        """Seeds 0..seeds-1, for every method."""

    @property
    def steps(self) -> int:
        """Training steps of a method with a seed."""

    @property
    def work(self) -> int:
        """All steps that a method with a seed reports as its progress."""

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""


class Analysis(Protocol):
    """From finished units to what people look at; a module."""

    @property
    def LEGEND(self) -> str:
        """What a reader of the table needs to know."""

    @property
    def FIGURES(self) -> tuple[str, ...]:
        """Functions of the module that draw: ``name(units, path)`` draws ``name.png``."""

    @property
    def TABLES(self) -> tuple[str, ...]:
        """Tables beside that of the methods, by name.

        The module's ``name(units)`` returns the rows of ``name.csv``, none where there is nothing
        to tell, and ``show_name(rows)`` their text.
        """

    def headline(self, configuration: dict[str, Any], /) -> str:
        """Return what was run, as the first half of a sentence."""

    def summarize(self, units: list[Unit], /) -> list[Row]:
        """Return one row a method."""

    def table(self, rows: list[Row], /) -> str:
        """Return the comparison as text."""


class Task(Protocol):
    """What `kondo-ref run` asks of a task."""

    @property
    def summary(self) -> str:
        """The task in one line, for the list of tasks."""

    @property
    def description(self) -> str:
        """What is trained without options, and how long it takes."""

    @property
    def options(self) -> tuple[Option, ...]:
        """Its options; methods, seeds and steps are among them."""

    def configure(self, given: dict[str, Any], places: dict[str, Any]) -> Settings:
        """Return the settings of a run.

        Parameters
        ----------
        given : dict
            The settings that the user gave, by name.
        places : dict
            The options that are places, None where not given.

        Raises
        ------
        TypeError, ValueError
            A setting out of range, or one that nothing in this run looks at.
        """

    @property
    def train(self) -> "Work":
        """The work function: ``train(settings as dict, places, backend, method, seed, report)``.

        It returns ``curve``, a row for each log point, with ``method`` and ``seed`` in front, and
        ``totals``.
        """

    @property
    def analysis(self) -> Analysis:
        """What is made of the units."""


class Folder:
    """What every task has by the folder that its class is in: ``train.py`` and ``analysis.py``."""

    @property
    def train(self) -> "Work":
        """The function `train` of ``train.py``, loaded when it is asked for."""
        work: Work = self._module("train").train
        return work

    @property
    def analysis(self) -> Analysis:
        """The module ``analysis.py``, loaded when it is asked for."""
        found: Analysis = self._module("analysis")
        return found

    def _module(self, name: str) -> Any:
        return import_module(f"{type(self).__module__.rpartition('.')[0]}.{name}")


def load_task(name: str) -> Task:
    """Return the task of a name.

    Raises
    ------
    ValueError
        There is none.
    """
    if name not in TASKS:
        raise ValueError(f"--task: expected one of {', '.join(TASKS)}; got {name!r}")
    module, _, attribute = TASKS[name].partition(":")
    task: Task = getattr(import_module(module), attribute)
    return task


def refuse_unused(given: Mapping[str, Any], users: Mapping[str, tuple[bool, str]]) -> None:
    """Refuse an option that nothing looks at.

    Parameters
    ----------
    given : mapping
        Options that the user gave, by name.
    users : mapping
        For a name: whether it is looked at, and the options that it belongs to.

    Raises
    ------
    ValueError
        The message names the option, and what it belongs to.
    """
    for name, (used, belongs_to) in users.items():
        if given.get(name) is not None and not used:
            flag = Option(name, "").flag
            raise ValueError(f"{flag}: has no effect here; it belongs to {belongs_to}")
