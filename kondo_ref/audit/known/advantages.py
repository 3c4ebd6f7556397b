"""Known mistakes of the advantage: transformed in the gate, in the coefficient, or in both."""

from collections.abc import Iterator

from kondo_ref.audit.known.variant import Variant, spread_parts
from kondo_ref.audit.known_family import Member
from kondo_ref.audit.known_parts import Part

_TRANSFORMS: tuple[tuple[Part, str, str], ...] = (
    (("abs",), "sign-dropped", "|U|"),
    (("relu",), "positive-only", "the positive part of U"),
    (("sign",), "binarised", "the sign of U"),
    (("one",), "missing", "a coefficient without U"),
    (("signed-square",), "squared", "U * |U|"),
    (("square",), "squared", "U squared"),
    (("cube",), "squared", "U cubed"),
    (("signed-root",), "squared", "the root of U"),
    (("tanh",), "clipped", "tanh of U"),
    (("centre",), "centred", "a centred U"),
    (("leave-one-out",), "centred", "U less its leave-one-out mean"),
    (("minus-median",), "centred", "U less its median"),
    (("scale-max", 0.0, 0.0), "scaled", "U over its largest"),
    (("scale-mean-abs", 0.0, 0.0), "scaled", "U over its mean size"),
    (("scale-rms", 0.0, 0.0), "scaled", "U over its RMS"),
)
_SPREAD = (("whiten", "standardised"), ("scale-std", "scaled"), ("whiten-add-mean", "standardised"))


def advantages(_: Member) -> Iterator[Variant]:
    """Yield transforms of U."""
    for part, what, name in _TRANSFORMS:
        yield from _placed(part, what, name, True)
    for bound in (1.0, 2.0, 3.0, 5.0, 10.0):
        yield from _placed(("clip", bound), "clipped", f"U clipped at {bound:g}", primary=False)
    for transformed, what in _SPREAD:
        for part, primary in spread_parts(transformed):
            yield from _placed(part, what, f"U by {transformed}", primary)


def _placed(part: Part, what: str, name: str, primary: bool) -> Iterator[Variant]:
    """Yield a transform of U everywhere, in the coefficient alone, and in the gate alone."""
    both = {"advantage": part, "gate_advantage": part}
    yield Variant(f"advantage.{what}", f"{name}, in gate and coefficient", both, primary)
    yield Variant(f"advantage.{what}", f"{name}, in the coefficient", {"advantage": part}, primary)
    if part == ("abs",):  # in the gate alone it is the signal |U| * l, which has its own name
        return
    in_gate = {"gate_advantage": part}
    yield Variant("advantage.normalised-in-gate", f"{name}, in the gate", in_gate, primary)
