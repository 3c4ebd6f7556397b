"""The options of ``kondo-ref flops``: which belong to what, and how an error names them.

An option that the model or the study has not is refused, with the place where it belongs. Errors
name options as they are typed: ``--d-model``, not ``width``.
"""

import argparse
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from kondo_ref import checks

MODELS = ("mlp", "transformer")
SEQUENCES: dict[str, Any] = {"length": None, "prompt": 0, "attention": "dense"}
# The options that belong to some models only: what they need, and what else they have.
NEEDED = {"mlp": ("sizes",), "transformer": ("vocab", "length"), "preset": (), "config": ()}
OWN: dict[str, dict[str, Any]] = {
    "mlp": {"sizes": None},
    "transformer": {
        **SEQUENCES,
        "vocab": None,
        "actions": None,
        "d_model": 64,
        "layers": 3,
        "heads": 4,
        "d_ff": 128,
        "activation": "relu",
        "biases": False,
        "final_norm": False,
    },
    "preset": SEQUENCES,
    "config": SEQUENCES,
}
COMMON = (
    *("batch", "optimizer", "convention", "preset"),
    *("unit", "screen", "draft_ratio", "backward_cost"),
)
# What the package calls otherwise than the command line does.
TYPED = {
    "vocabulary": "vocab",
    "width": "d_model",
    "feed_forward": "d_ff",
    "screening": "screen",
}


def flag(option: str) -> str:
    """Return an option as it is typed."""
    return "--" + option.replace("_", "-")


def kind_of(args: argparse.Namespace) -> str:
    """Return which kind of model is asked for: mlp, transformer, preset or config."""
    given = [name for name in ("preset", "config") if getattr(args, name) is not None]
    if args.model is not None:
        checks.one_of("MODEL", args.model, MODELS)
        given.insert(0, args.model)
    if len(given) != 1:
        raise ValueError(
            f"MODEL: expected one of {', '.join(MODELS)}, --preset or --config, "
            f"got {' and '.join(given) or 'none'}"
        )
    return str(given[0])


def check_options(args: argparse.Namespace, kind: str) -> None:
    """Refuse options that the model or the study has not; set the defaults of the model's own."""
    for option in {name: 0 for own in OWN.values() for name in own}:
        if option not in OWN[kind]:
            if getattr(args, option) is not None:
                owners = [k if k in MODELS else flag(k) for k, own in OWN.items() if option in own]
                owned = f"{', '.join(owners[:-1])} and {owners[-1]}" if owners[1:] else owners[0]
                raise ValueError(f"{flag(option)}: {kind} has none; it belongs to {owned}")
        elif getattr(args, option) is None:
            if option in NEEDED[kind]:
                raise ValueError(f"{flag(option)}: needed by {kind}")
            setattr(args, option, OWN[kind][option])
    gated, timed = args.rate is not None, args.curves is not None
    studied = args.sweep or timed
    no_gate = timed or not (args.sweep or gated)
    idle = {
        "curves": (args.sweep or kind != "mlp", "mlp without --sweep"),
        "csv": (not studied, "--sweep and --curves"),
        "figure": (not studied, "--sweep and --curves"),
        "rates": (not args.sweep, "--sweep"),
        "rate": (args.sweep, "a single rate; those of --sweep are --rates"),
        "unit": (no_gate, "--rate without --curves, and --sweep"),
        "screen": (no_gate, "--rate without --curves, and --sweep"),
        "draft_ratio": (no_gate, "--rate without --curves, and --sweep"),
        "backward_cost": (studied or not gated, "--rate without --sweep or --curves"),
    }
    for option, (has_no_effect, place) in idle.items():
        if has_no_effect and getattr(args, option) is not None:
            raise ValueError(f"{flag(option)}: has no effect here; it belongs to {place}")
    screen = args.screen or "cached"
    if args.draft_ratio is not None and screen != "draft" and not args.sweep:
        raise ValueError(f"--draft-ratio: belongs to --screen draft, got {screen}")


@contextmanager
def as_typed(kind: str) -> Iterator[None]:
    """Let errors name the options of a kind of model as they are typed.

    A file that ``--config`` reads has names of its own, which stay.
    """
    names = (*COMMON, *OWN[kind])
    try:
        yield
    except (TypeError, ValueError) as error:
        found = re.match(r"(\w+)(?=: )", str(error))
        option = TYPED.get(found[1], found[1]) if found else None
        if found is None or option not in names:
            raise
        raise type(error)(f"{flag(str(option))}{str(error)[found.end() :]}") from None
