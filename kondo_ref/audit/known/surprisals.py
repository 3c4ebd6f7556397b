"""Known mistakes of the surprisal: bounded, scaled, tempered, whitened, or of something else."""

from collections.abc import Iterator

from kondo_ref.audit.known.variant import Variant, ladder, spread_parts
from kondo_ref.audit.known_family import Member
from kondo_ref.audit.known_parts import Part

_LOG2_E, _LOG10_E = 1.4426950408889634, 0.4342944819032518
_EPSILONS = (1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8, 1e-10, 1e-12)
_TRANSFORMS: tuple[tuple[Part, str, str], ...] = (
    (("probability",), "probability", "1 - pi(a)"),
    (("negate",), "sign", "log pi in place of -log pi"),
    (("entropy",), "entropy", "the entropy"),
    (("centred-entropy",), "entropy", "the surprisal less the entropy"),
    (("greedy",), "greedy", "the surprisal of the likeliest action"),
    (("raw-logit",), "raw-logit", "the logit"),
    (("log-k",), "length-normalised", "the surprisal over log K"),
    (("centre",), "centred", "a centred surprisal"),
    (("square",), "other", "the squared surprisal"),
    (("signed-root",), "other", "the root of the surprisal"),
    (("log1p",), "other", "log1p of the surprisal"),
    (("inverse-probability",), "other", "1/pi(a)"),
    (("expm1",), "other", "1/pi(a) - 1"),
    (("tanh",), "other", "tanh of the surprisal"),
    (("times-probability",), "other", "pi(a) times the surprisal"),
    (("focal",), "other", "(1 - pi(a)) squared times the surprisal"),
    (("scale-max", 0.0, 0.0), "whitened", "the surprisal over its largest"),
    (("scale-mean-abs", 0.0, 0.0), "whitened", "the surprisal over its mean"),
    (("minus-min",), "centred", "the surprisal less its least"),
)


def surprisals(base: Member) -> Iterator[Variant]:
    """Yield what stands for the surprisal in the gate."""
    yield from _bounded()
    yield from ladder(
        "surprisal.scaled",
        "the surprisal times {:g}",
        (_LOG2_E, _LOG10_E, 0.5, 2.0),
        lambda value: {"surprisal": ("times", value)},
        (_LOG2_E, 2.0),
    )
    heats = (0.5, 2.0, 0.7, 0.1, 1.5, base.temperature)
    yield from ladder(
        "surprisal.tempered",
        "the surprisal at temperature {:g}",
        [heat for heat in heats if heat not in (0.0, 1.0)],
        lambda heat: {"surprisal": ("tempered", heat)},
        (2.0,),
    )
    for part, what, name in _TRANSFORMS:
        yield Variant(f"surprisal.{what}", name, {"surprisal": part})
    for transformed in ("whiten", "whiten-add-mean", "scale-std"):
        for part, primary in spread_parts(transformed):
            name = f"a surprisal by {transformed}"
            yield Variant("surprisal.whitened", name, {"surprisal": part}, primary)


def _bounded() -> Iterator[Variant]:
    yield from ladder(
        "surprisal.clamped",
        "the surprisal clamped at {:g}",
        (1.0, 2.0, 3.0, 5.0, 10.0, 15.0, 20.0, 30.0),
        lambda bound: {"surprisal": ("clip-above", bound)},
        (10.0,),
    )
    for bound in (0.1, 0.01, 0.5, 1.0, 1e-3):
        least = {"surprisal": ("clip-below", bound)}
        name = f"a least surprisal of {bound:g}"
        yield Variant("surprisal.floored", name, least, bound == 0.1)
        more = {"surprisal": ("add", bound)}
        name = f"{bound:g} added to the surprisal"
        yield Variant("surprisal.floored", name, more, bound == 1.0)
    yield from ladder(
        "surprisal.clamped",
        "-log(pi + {:g}), which is bounded",
        _EPSILONS,
        lambda eps: {"surprisal": ("log-eps", eps)},
    )
