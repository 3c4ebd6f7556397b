"""How a target wants to be called, where its signature does not say it.

Everything here is optional: usual argument names are found by themselves. The command line writes
the same options as `--map logits=policy_logits --arg temperature=0.5 --returns loss,info`.
"""

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from math import isfinite
from typing import Any, Self

from kondo_ref import checks
from kondo_ref.audit.roles import ROLES

SHAPES = ("decisions", "(N,1)", "(1,N)", "flat")
SIGNS = ("loss", "objective")
REDUCTIONS = ("sum", "mean")
DTYPES = ("float64", "float32", "bfloat16", "float16")
MASK_DTYPES = ("bool", "int64", "float32")
# What a target may return, by name or by place.
RETURNED = ("loss", "gradient", "weights", "coefficients", "parameters", "info", "_")


@dataclass(frozen=True)
class Options:
    """Options of a target.

    Parameters
    ----------
    names : mapping of str to str
        Role -> parameter of the target, such as ``{"logits": "policy_logits"}``; the roles are
        those of `kondo_ref.audit.roles.ROLES`. A number instead of a name is a place.
    arguments : mapping of str
        Constant arguments of the target, by name.
    init : mapping of str
        Constant arguments of the factory, by name.
    methods : mapping of str to str
        Of an object: which method is called, such as ``{"decide": "keep"}``, ``{"screen": "select",
        "loss": "objective"}``; ``{"call": "compute_gate"}`` on the other surfaces.
    returns : tuple of str
        What a returned tuple holds, in order, of `RETURNED`; or ``"weights=gate_weights"``, where
        an object or a dict is returned, for the attribute or key that holds it.
    shape : str
        How N decisions are handed: decisions as (N,); (N,1) and (1,N) as a batch of sequences;
        flat: (B, T) batches are flattened too.
    sign : str
        loss: to descend. objective: to ascend, so that coefficients change their sign.
    reduction : str
        sum or mean: how one loss for each decision becomes the loss.
    give : tuple of str
        Roles that are handed though the target has a default for them, such as ``old_logp``.
    dtype, mask_dtype : str, optional
        The dtype handed instead of the batch's.
    factory : bool, optional
        Whether calling the target makes the object that is audited, fresh for each sequence of
        batches. By default a class is a factory and nothing else.
    learning_rate : float, optional
        Of a step that returns new parameters: what it multiplies the gradient by.
    model_output : str
        Of the surface step: the attribute of the model's output that holds the logits, such as
        ``logits``; empty where the output is the logits.
    time_limit : float
        Seconds that one call may take.
    isolate : bool
        Run the target in a process of its own.
    """

    names: Mapping[str, str] = field(default_factory=dict)
    arguments: Mapping[str, Any] = field(default_factory=dict)
    init: Mapping[str, Any] = field(default_factory=dict)
    methods: Mapping[str, str] = field(default_factory=dict)
    returns: tuple[str, ...] = ()
    shape: str = "decisions"
    sign: str = "loss"
    reduction: str = "sum"
    give: tuple[str, ...] = ()
    dtype: str | None = None
    mask_dtype: str | None = None
    factory: bool | None = None
    learning_rate: float | None = None
    model_output: str = ""
    time_limit: float = 10.0
    isolate: bool = False

    def __post_init__(self) -> None:
        for name in ("names", "arguments", "init", "methods"):
            value = getattr(self, name)
            if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
                raise TypeError(f"{name}: expected a mapping from names, got {checks.shown(value)}")
            object.__setattr__(self, name, dict(value))
        for name in ("returns", "give"):
            value = getattr(self, name)
            if isinstance(value, str) or not all(isinstance(word, str) for word in value):
                raise TypeError(f"{name}: expected a tuple of names, got {checks.shown(value)}")
            object.__setattr__(self, name, tuple(value))
        for role in (*self.names, *self.give):
            if role not in ROLES:
                raise ValueError(
                    f"names: expected roles among {', '.join(ROLES)}; got {checks.shown(role)}"
                )
        for entry in self.returns:
            if entry.partition("=")[0] not in RETURNED:
                raise ValueError(
                    f"returns: expected words among {', '.join(RETURNED)}, or word=attribute; "
                    f"got {checks.shown(entry)}"
                )
        self._check_words()
        self._check_numbers()

    def _check_words(self) -> None:
        checks.one_of("shape", self.shape, SHAPES)
        checks.one_of("sign", self.sign, SIGNS)
        checks.one_of("reduction", self.reduction, REDUCTIONS)
        if self.dtype is not None:
            checks.one_of("dtype", self.dtype, DTYPES)
        if self.mask_dtype is not None:
            checks.one_of("mask_dtype", self.mask_dtype, MASK_DTYPES)

    def _check_numbers(self) -> None:
        for name in ("time_limit", "learning_rate"):
            value = getattr(self, name)
            if value is None and name == "learning_rate":
                continue
            number = checks.number(name, value)
            if not (number > 0.0 and isfinite(number)):
                raise ValueError(f"{name}: expected a finite number > 0, got {number}")

    @classmethod
    def from_words(
        cls,
        *,
        names: Sequence[str] = (),
        arguments: Sequence[str] = (),
        init: Sequence[str] = (),
        methods: Sequence[str] = (),
        returns: str = "",
        give: str = "",
        **others: Any,
    ) -> Self:
        """Return the options that a command line has.

        Parameters
        ----------
        names, arguments, init, methods : sequence of str
            Each ``name=value``. Values of arguments and init are Python literals, else words.
        returns, give : str
            Names, separated by commas.
        **others
            As of the class.

        Raises
        ------
        TypeError, ValueError
            A word that is not ``name=value``, or as the class.
        """
        return cls(
            names=_pairs("map", names),
            arguments={k: _literal(v) for k, v in _pairs("arg", arguments).items()},
            init={k: _literal(v) for k, v in _pairs("init", init).items()},
            methods=_pairs("method", methods),
            returns=_words(returns),
            give=_words(give),
            **others,
        )

    def to_json(self) -> dict[str, Any]:
        """Return the options as JSON values, those that are not the default."""
        default = type(self)()
        changed = {}
        for known in fields(self):
            value = getattr(self, known.name)
            if value != getattr(default, known.name):
                changed[known.name] = list(value) if isinstance(value, tuple) else value
        return changed


def _pairs(option: str, words: Sequence[str]) -> dict[str, str]:
    found = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not name or not equals or not value:
            raise ValueError(f"{option}: expected name=value, got {checks.shown(word)}")
        found[name.strip()] = value.strip()
    return found


def _literal(value: str) -> Any:
    try:
        return ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return {"true": True, "false": False, "none": None}.get(value.lower(), value)


def _words(text: str) -> tuple[str, ...]:
    return tuple(word for part in text.split(",") if (word := part.strip()))
