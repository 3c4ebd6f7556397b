"""Which parameter of a target wants what: roles found by their usual names, or by their places."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from inspect import Parameter, signature
from typing import Any

from kondo_ref.audit.options import Options
from kondo_ref.audit.roles import RANDOM, ROLES

# Handed wherever a parameter asks for it, default or not.
ASKED = ("mask", "groups", "learning_rate", *RANDOM)


@dataclass(frozen=True)
class Plan:
    """How the arguments of one call are laid out.

    Parameters
    ----------
    positional : tuple of str
        Roles, in order.
    keywords : dict of str
        Parameter -> role.
    required : frozenset of str
        Roles that the target has no default for.
    constants : dict
        Keyword arguments that are always the same.
    """

    positional: tuple[str, ...]
    keywords: dict[str, str]
    required: frozenset[str]
    constants: dict[str, Any]

    @property
    def roles(self) -> frozenset[str]:
        """All roles that are handed."""
        return frozenset(self.positional) | frozenset(self.keywords.values())

    def call(self, function: Callable[..., Any], values: Mapping[str, Any]) -> Any:
        """Call a function with the values of the roles; None where there is none to hand."""
        keywords = {
            name: values[role]
            for name, role in self.keywords.items()
            if values[role] is not None or role in self.required
        }
        positional = [values[role] for role in self.positional]
        return function(*positional, **keywords, **self.constants)


def plan(
    function: Callable[..., Any],
    roles: Sequence[str],
    optional: Sequence[str],
    options: Options,
    constants: Mapping[str, Any] | None = None,
) -> Plan:
    """Find out how a function wants its arguments.

    Parameters
    ----------
    function : callable
    roles : sequence of str
        What the surface hands, in its order.
    optional : sequence of str
        What it can hand besides, where a parameter asks for it.
    options : Options
    constants : mapping of str, optional
        Instead of ``options.arguments``.

    Returns
    -------
    Plan

    Raises
    ------
    ValueError
        A parameter that has no default and no known name, or a name that is no parameter.
    """
    given = dict(options.arguments if constants is None else constants)
    try:
        parameters = list(signature(function).parameters.values())
    except (TypeError, ValueError):  # a builtin, which tells nothing of itself
        return Plan(tuple(roles), {}, frozenset(roles), given)
    places = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    named = [p for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    anything = any(p.kind is p.VAR_KEYWORD for p in parameters)
    _require_parameters(given, named, anything)
    roles_of = _mapped(options, named, places, anything, (*roles, *optional))
    free = [p for p in named if p.name not in roles_of and p.name not in given]
    for parameter in list(free):
        role = _role_of(parameter.name, (*roles, *optional), set(roles_of.values()))
        has_default = parameter.default is not parameter.empty
        if has_default and role not in {*roles, *ASKED, *options.give}:
            continue  # what the target makes itself: its own delight, its own optimizer
        if role is not None:
            roles_of[parameter.name] = role
            free.remove(parameter)
    # A required parameter of no known name takes what the surface hands and nobody took.
    left = [role for role in roles if role not in roles_of.values()]
    for parameter in free:
        if parameter.default is not parameter.empty:
            continue
        if not left:
            raise ValueError(
                f"names: the parameter {parameter.name!r} of the target has no known name; map a "
                f"role to it (--map ROLE={parameter.name}) or give it (--arg {parameter.name}=...)"
            )
        roles_of[parameter.name] = left.pop(0)
    if left and not any(p.kind is p.VAR_POSITIONAL for p in parameters):
        # With a default and no known name: f(logits, actions, weight=None).
        for role in list(left):
            if anything:
                roles_of[role] = role
                left.remove(role)
    return _laid_out(parameters, roles_of, left, options, given)


def _laid_out(
    parameters: Sequence[Parameter],
    roles_of: Mapping[str, str],
    left: Sequence[str],
    options: Options,
    constants: dict[str, Any],
) -> Plan:
    positional: list[str] = []
    keywords: dict[str, str] = {}
    required = set()
    in_order = True
    for parameter in parameters:
        if parameter.kind is Parameter.VAR_POSITIONAL and in_order and not keywords:
            positional += left
            continue
        role = roles_of.get(parameter.name)
        if role is None:
            in_order = False
            continue
        if parameter.default is parameter.empty or role in options.give:
            required.add(role)
        if (
            parameter.kind is Parameter.POSITIONAL_ONLY
            or (parameter.kind is Parameter.POSITIONAL_OR_KEYWORD and in_order)
        ) and parameter.default is parameter.empty:
            positional.append(role)
        else:
            in_order = False
            keywords[parameter.name] = role
    known = {parameter.name for parameter in parameters}
    keywords |= {name: role for name, role in roles_of.items() if name not in known}
    return Plan(tuple(positional), keywords, frozenset(required), constants)


def _require_parameters(given: Mapping[str, Any], named: list[Parameter], anything: bool) -> None:
    for name in given:
        if not anything and name not in {p.name for p in named}:
            names = ", ".join(p.name for p in named)
            raise ValueError(f"arguments: the target has no parameter {name!r}, only {names}")


def _mapped(
    options: Options,
    named: list[Parameter],
    places: list[Parameter],
    anything: bool,
    roles: Sequence[str],
) -> dict[str, str]:
    found = {}
    for role, name in options.names.items():
        if role not in roles:
            continue
        if name.isdigit():
            if int(name) >= len(places):
                raise ValueError(
                    f"names: {role}={name}: the target has {len(places)} positional parameters"
                )
            name = places[int(name)].name  # noqa: PLW2901
        if not anything and name not in {p.name for p in named}:
            names = ", ".join(p.name for p in named)
            raise ValueError(f"names: {role}={name}: the target has only the parameters {names}")
        found[name] = role
    return found


def _role_of(name: str, roles: Sequence[str], taken: set[str]) -> str | None:
    plain = name.lower().replace("_", "")
    for role in roles:
        if role not in taken and plain in ROLES[role]:
            return role
    return None
