"""The options of an audit as words, for the command line and for pytest: words -> request."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kondo_ref.audit.request import Request

SURFACES = "logits, logprobs, gate, stream, screen+loss, rewards, step, lists"

# Group -> option -> what argparse, and pytest, take of it. A list can be repeated.
OPTIONS: dict[str, dict[str, dict[str, Any]]] = {
    "target": {
        "surface": {"default": "logits", "help": f"{SURFACES} (default: logits)"},
        "framework": {"help": "torch, jax, numpy, python or subprocess (default: guessed)"},
    },
    "claim": {
        "claim": {"help": "dg, kondo, kondo-top-k, zero-price or pg"},
        "rate": {"type": float, "help": "share to keep, of kondo and kondo-top-k"},
        "price": {
            "help": "of dg and kondo: a number, quantile, calibrated or rolling:HISTORY:WARMUP"
        },
        "temperature": {"type": float, "help": "of dg and kondo (default: 1)"},
        "unit": {"default": "sample", "help": "sample, token or sequence (default: sample)"},
        "normalizer": {
            "default": "decisions",
            "help": "decisions, kept or none (default: decisions)",
        },
        "skips": {
            "action": "store_true",
            "help": "dropped decisions are claimed to cost no backward",
        },
        "baseline": {
            "default": "",
            "help": "of the surface rewards: zero, batch, leave-one-out, group, group-std or "
            "expected (default: any of them)",
        },
        "accept": {
            "action": "append",
            "default": [],
            "metavar": "ID=REASON",
            "help": "a deviation that is known; can be repeated",
        },
    },
    "how the target is called": {
        "map": {
            "action": "append",
            "default": [],
            "metavar": "ROLE=NAME",
            "help": "the target's name for logits, logp, actions, advantages, mask and so on; can "
            "be repeated",
        },
        "arg": {
            "action": "append",
            "default": [],
            "metavar": "NAME=VALUE",
            "help": "a constant argument of the target; can be repeated",
        },
        "init": {
            "action": "append",
            "default": [],
            "metavar": "NAME=VALUE",
            "help": "a constant argument of the factory; can be repeated",
        },
        "method": {
            "action": "append",
            "default": [],
            "metavar": "ROLE=NAME",
            "help": "which method of an object is called, as in decide=keep; can be repeated",
        },
        "returns": {
            "default": "",
            "metavar": "NAMES",
            "help": "what comes back, in order: loss, gradient, weights, coefficients, "
            "parameters, info, _; or weights=ATTRIBUTE",
        },
        "give": {
            "default": "",
            "metavar": "ROLES",
            "help": "hand these though the target has a default for them",
        },
        "shape": {
            "default": "decisions",
            "help": "decisions, (N,1), (1,N) or flat (default: decisions)",
        },
        "sign": {"default": "loss", "help": "loss or objective (default: loss)"},
        "reduction": {
            "default": "sum",
            "help": "sum or mean, of one loss for each decision (default: sum)",
        },
        "dtype": {"help": "float64, float32, bfloat16 or float16, handed instead"},
        "mask-dtype": {"help": "bool, int64 or float32, handed instead"},
        "factory": {
            "action": "store_true",
            "default": None,
            "help": "calling the target makes the object to audit (default: a class does)",
        },
        "learning-rate": {"type": float, "help": "of a step that returns parameters"},
        "model-output": {
            "default": "",
            "metavar": "NAME",
            "help": "of a step: the attribute of the model's output that holds the logits",
        },
    },
    "running": {
        "seed": {"type": int, "default": 0, "help": "(default: 0)"},
        "quick": {
            "action": "store_true",
            "help": "fewer repeats of random gates: wider intervals",
        },
        "time-limit": {
            "type": float,
            "default": 10.0,
            "metavar": "SECONDS",
            "help": "of one call (default: 10)",
        },
        "isolate": {"action": "store_true", "help": "run the target in a process of its own"},
    },
}
# What `Options` takes as it is.
PLAIN = (
    "shape",
    "sign",
    "reduction",
    "dtype",
    "mask-dtype",
    "factory",
    "learning-rate",
    "model-output",
    "time-limit",
    "isolate",
)


def default(option: str) -> Any:
    """Return what an option is where it is not given."""
    known = next(group[option] for group in OPTIONS.values() if option in group)
    return known.get("default", False if known.get("action") == "store_true" else None)


def request_of(target: str, option: Callable[[str], Any]) -> "Request":
    """Return the request that words stand for.

    Parameters
    ----------
    target : str
    option : callable
        Name of an option, such as ``time-limit`` -> its value.

    Raises
    ------
    TypeError, ValueError
        A word that is not as expected.
    """
    from kondo_ref.audit.claims import claim_of
    from kondo_ref.audit.options import Options
    from kondo_ref.audit.request import Request, accepted

    options = Options.from_words(
        names=option("map"),
        arguments=option("arg"),
        init=option("init"),
        methods=option("method"),
        returns=option("returns"),
        give=option("give"),
        **{name.replace("-", "_"): option(name) for name in PLAIN},
    )
    parts = ("rate", "price", "temperature", "unit", "normalizer", "skips", "baseline")
    return Request(
        target,
        option("surface"),
        option("framework"),
        claim_of(option("claim"), **{name: option(name) for name in parts}),
        options,
        accepted(option("accept")),
        option("seed"),
        option("quick"),
    )


def command(target: str, option: Callable[[str], Any]) -> list[str]:
    """Return the command line with these options, those that are not the default."""
    words = ["kondo-ref", "audit", target]
    for group in OPTIONS.values():
        for name in group:
            value = option(name)
            if value == default(name):
                continue
            if value is True:
                words.append(f"--{name}")
            elif isinstance(value, list):
                words += [word for item in value for word in (f"--{name}", item)]
            else:
                words += [f"--{name}", str(value)]
    return words
