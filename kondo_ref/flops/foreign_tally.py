"""The book that hooks write while foreign code runs: FLOP by stage and module, rows by module.

It knows no framework. A module is open from its call to its return; what runs meanwhile is its own.
In a backward nothing is open, unless a module is called again to recompute its activations: then
the hooks of the graph say whose backward it is.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from kondo_ref.flops.foreign_report import STAGES, FlopReport, ModuleCount

OUTSIDE = "(outside modules)"


class Call(NamedTuple):
    """A call of a module: its name, whether in a backward, the nodes that had an owner before."""

    name: str
    in_backward: bool
    nodes: int


@dataclass(eq=False)
class Tally:
    """What has been executed so far.

    Parameters
    ----------
    row_dimensions : int, optional
        As of `kondo_ref.flops.foreign.counted`.
    """

    row_dimensions: int | None = None
    updating: bool = False
    backward_ran: bool = False
    flop: Counter[tuple[str, str]] = field(default_factory=Counter)
    operations: Counter[str] = field(default_factory=Counter)
    unruled: Counter[str] = field(default_factory=Counter)
    _rows: Counter[tuple[str, str]] = field(default_factory=Counter)
    _unreadable: set[str] = field(default_factory=set)
    _names: dict[int, tuple[str, Any]] = field(default_factory=dict)
    _open: list[Call] = field(default_factory=list)
    _nodes: int = 0
    _owners: list[str] = field(default_factory=list)
    _seen: dict[str, None] = field(default_factory=dict)

    def enter(self, module: Any, *, in_backward: bool) -> None:
        """Open a module; the first time, name it and those in it."""
        if id(module) not in self._names:
            self._name(module)
        name = self._names[id(module)][0]
        self._seen.setdefault(name)
        self._open.append(Call(name, in_backward, self._nodes))

    @property
    def inside(self) -> bool:
        """Whether a module is open."""
        return bool(self._open)

    def leave(self) -> Call:
        """Close the module that was opened last and return its call."""
        return self._open.pop()

    def own_node(self) -> int:
        """Return the number of a node of the graph that gets an owner, from 1."""
        self._nodes += 1
        return self._nodes

    def enter_backward(self, name: str) -> None:
        """Begin the backward of an operation that `name` did."""
        self._owners.append(name)

    def leave_backward(self) -> None:
        """End it."""
        self._owners.pop()

    def add(self, operation: str, flop: int, *, in_backward: bool) -> None:
        """Count the FLOP of an operation that runs now."""
        name, recomputing, _ = self._open[-1] if self._open else Call(OUTSIDE, False, 0)
        if not in_backward:
            # An optimizer may call a closure, which runs the model forward and backward.
            stage = "update" if self.updating and name == OUTSIDE else "forward"
            self.flop[stage, name] += flop
        elif recomputing:
            self.flop["recompute", name] += flop
        else:
            owner = self._owners[-1] if self._owners else OUTSIDE
            self.flop["backward", owner] += flop
            self.operations[operation] += flop

    def add_rows(self, name: str, shape: tuple[int, ...]) -> None:
        """Count the rows of an output."""
        self._rows[name, "forward"] += self.rows(shape)

    def add_backward_rows(self, name: str, shape: tuple[int, ...], nonzero: int | None) -> None:
        """Count the rows of an output's gradient.

        Where they cannot be read, `nonzero` is None: under vmap, which hides the batch from shapes.
        """
        self._rows[name, "backward"] += self.rows(shape)
        if nonzero is None:
            self._unreadable.add(name)
        else:
            self._rows[name, "nonzero"] += nonzero

    def rows(self, shape: tuple[int, ...]) -> int:
        """Return how many rows a tensor of this shape has."""
        dimensions = self.row_dimensions or {2: 1, 3: 2}.get(len(shape), 1)
        count = 1
        for length in shape[:dimensions]:
            count *= length
        return count

    def report(self) -> FlopReport:
        """Return what was executed.

        Raises
        ------
        ValueError
            An operation that multiplies and adds has no rule for its FLOP.
        """
        if self.unruled:
            raise ValueError(
                f"no rule for the FLOP of {', '.join(sorted(self.unruled))}; "
                "torch.utils.flop_counter.register_flop_formula adds one"
            )
        modules = list(self._seen)
        if any(name == OUTSIDE for _, name in self.flop):
            modules.append(OUTSIDE)
        flop = {stage: sum(n for (s, _), n in self.flop.items() if s == stage) for stage in STAGES}
        return FlopReport(
            flop["forward"],
            flop["backward"],
            flop["recompute"],
            flop["update"],
            operations=tuple(sorted(self.operations.items())),
            modules=tuple(self._module(name) for name in modules),
        )

    def _module(self, name: str) -> ModuleCount:
        known = name not in self._unreadable
        rows = [self._rows[name, kind] for kind in ("forward", "backward", "nonzero")]
        flop = [self.flop[stage, name] for stage in STAGES]
        return ModuleCount(name, *flop, *(rows if known else [None] * 3))

    def _name(self, module: Any) -> None:
        taken = {name for name, _ in self._names.values()}
        root = base = type(module).__name__
        number = 1
        while root in taken:
            number += 1
            root = f"{base} {number}"
        for path, child in module.named_modules():
            # The module is kept beside its name: another one could get its id.
            self._names.setdefault(id(child), (f"{root}.{path}" if path else root, child))
