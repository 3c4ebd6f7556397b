"""Known mistakes of detaching: derivatives of the gate that leak into the gradient."""

from collections.abc import Iterator
from typing import Any

from kondo_ref.audit.known.variant import Variant
from kondo_ref.audit.known_family import Member

_OF_SOFT: tuple[tuple[str, str, dict[str, Any], bool], ...] = (
    ("gate", "an attached gate", {"leak": "gate"}, True),
    ("price", "an attached gate with its price", {"leak": "price"}, False),
    (
        "gate",
        "an attached gate and normaliser",
        {"leak": "normalizer", "normalizer": ("weight-sum",)},
        False,
    ),
)
_OF_OTHERS: tuple[tuple[str, str, dict[str, Any], bool], ...] = (
    ("straight-through", "a straight-through gate", {"leak": "straight-through"}, False),
)


def attached(base: Member) -> Iterator[Variant]:
    """Yield what is differentiated beside log pi."""
    changes = {"factor": "surprisal", "gain": 2.0}
    yield Variant("detach.surprisal-factor", "an attached surprisal", changes, primary=False)
    for what, name, leak, primary in _OF_SOFT if base.draw == "soft" else _OF_OTHERS:
        yield Variant(f"detach.{what}", name, leak, primary)
