"""What a target returned -> loss, gradient, weights and numbers that it says of itself."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from kondo_ref.audit.guard import Unreadable

LOSS = (
    "loss",
    "policy_loss",
    "pg_loss",
    "gated_policy_loss",
    "actor_loss",
    "total_loss",
    "objective",
)
GRADIENT = ("dlogits", "dlogp", "gradient", "grad", "grads", "gradients", "grad_logits", "d_logits")
WEIGHTS = ("weights", "gate", "gates", "gate_weights", "weight", "keep", "kept", "g", "G", "mask")
COEFFICIENTS = ("coefficients", "coefs", "coeffs", "coef", "c")
PARAMETERS = ("parameters", "params", "new_params", "theta")
NAMES = {
    "loss": LOSS,
    "gradient": GRADIENT,
    "weights": WEIGHTS,
    "coefficients": COEFFICIENTS,
    "parameters": PARAMETERS,
}


@dataclass
class Returned:
    """The parts of what a target returned, as it returned them; None for what was not there."""

    loss: Any = None
    gradient: Any = None
    weights: Any = None
    coefficients: Any = None
    parameters: Any = None
    info: dict[str, Any] = field(default_factory=dict)

    @property
    def metrics(self) -> dict[str, float]:
        """The numbers of `info`."""
        numbers = {}
        for name, value in self.info.items():
            try:
                numbers[name] = float(value)
            except (TypeError, ValueError, RuntimeError):
                continue
        return numbers


def parts(value: Any, returns: Sequence[str], first: str, second: str | None = None) -> Returned:
    """Take apart what a target returned.

    Parameters
    ----------
    value : object
    returns : sequence of str
        As of `kondo_ref.audit.options.Options`.
    first : str
        What an array or a number alone is on this surface: loss, weights, ...
    second : str, optional
        What an array beside it in a tuple is, such as gradient.

    Returns
    -------
    Returned

    Raises
    ------
    Unreadable
        Nothing was returned, or not what `returns` says.
    """
    if value is None:
        raise Unreadable("returned None")
    if returns:
        return _named(value, returns)
    if isinstance(value, Mapping):
        return _attributes(dict(value), first)
    if isinstance(value, tuple) and not hasattr(value, "_fields"):
        return _tuple(value, first, second)
    if _plain(value):
        return Returned(**{first: value})
    if hasattr(value, "_asdict"):
        return _attributes(value._asdict(), first)
    names = getattr(value, "__dict__", None) or {
        name: getattr(value, name) for name in getattr(value, "__slots__", ())
    }
    return _attributes(dict(names), first)


def _plain(value: Any) -> bool:
    """Whether it is an array, a list or a number, not an object with parts."""
    return hasattr(value, "__array__") or isinstance(value, int | float | list | complex)


def _named(value: Any, returns: Sequence[str]) -> Returned:
    found = Returned()
    whole = value if isinstance(value, tuple | list) and len(returns) > 1 else (value,)
    for place, entry in enumerate(returns):
        role, equals, name = entry.partition("=")
        if equals:
            piece = _lookup(value, name)
        elif place < len(whole):
            piece = whole[place]
        else:
            raise Unreadable(f"returned {len(whole)} values, where returns names {len(returns)}")
        if role == "info":
            found.info |= _numbers(piece)
        elif role != "_":
            setattr(found, role, piece)
    return found


def _lookup(value: Any, name: str) -> Any:
    if isinstance(value, Mapping):
        if name in value:
            return value[name]
        raise Unreadable(f"returned no {name!r}, only {', '.join(map(str, value))}")
    if name.isdigit() and isinstance(value, tuple | list):
        if int(name) < len(value):
            return value[int(name)]
    elif hasattr(value, name):
        return getattr(value, name)
    raise Unreadable(f"returned a {type(value).__name__}, which has no {name!r}")


def _tuple(value: tuple[Any, ...], first: str, second: str | None) -> Returned:
    if not value:
        raise Unreadable("returned an empty tuple")
    found = Returned(**{first: value[0]})
    for place, piece in enumerate(value[1:], 1):
        if isinstance(piece, Mapping) or not _plain(piece):
            found.info |= _numbers(piece)
        elif _is_number(piece):
            found.info[f"returned {place}"] = piece
        elif second is not None and getattr(found, second) is None:
            setattr(found, second, piece)
    return found


def _attributes(names: dict[str, Any], first: str) -> Returned:
    found = Returned()
    for role, usual in NAMES.items():
        for name in usual:
            # A number called weight or mask says something of the batch, not of its decisions.
            is_part = role in {"loss", first} or not _is_number(names.get(name))
            if names.get(name) is not None and is_part:
                setattr(found, role, names.pop(name))
                break
    if getattr(found, first) is None:
        held = ", ".join(map(str, names)) or "nothing"
        raise Unreadable(
            f"returned no {first} under a usual name, only {held}; "
            f"name it with --returns {first}=NAME"
        )
    found.info = _numbers(names)
    return found


def _numbers(piece: Any) -> dict[str, Any]:
    if piece is None:
        return {}
    if not isinstance(piece, Mapping):
        piece = piece._asdict() if hasattr(piece, "_asdict") else getattr(piece, "__dict__", {})
    return {str(name): value for name, value in piece.items() if _is_number(value)}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) or getattr(value, "ndim", None) == 0
