"""Known mistakes of the gate's signal: something else than the delight, or a transform of it."""

from collections.abc import Iterator

from kondo_ref.audit.known.variant import Variant, ladder, spread_parts
from kondo_ref.audit.known_family import Member
from kondo_ref.audit.known_parts import Part

_SIGNALS = (
    ("abs-delight", "abs-delight"),
    ("advantage", "advantage"),
    ("abs-advantage", "abs-advantage"),
    ("surprisal", "surprisal"),
    ("uniform", "uniform"),
    ("delight", "other"),
)
_TRANSFORMS: tuple[tuple[Part, str, str], ...] = (
    (("negate",), "sign", "a turned sign of the delight"),
    (("abs",), "abs-delight", "|delight|"),
    (("centre",), "centred", "a centred delight"),
    (("rank",), "rank", "the rank of the delight"),
    (("scale-rms", 0.0, 0.0), "scaled", "the delight over its RMS"),
    (("scale-max", 0.0, 0.0), "scaled", "the delight over its largest"),
    (("scale-mean-abs", 0.0, 0.0), "scaled", "the delight over its mean size"),
    (("tanh",), "clipped", "tanh of the delight"),
    (("relu",), "clipped", "the positive part of the delight"),
    (("log1p",), "function", "log1p of the delight"),
    (("signed-root",), "function", "the root of the delight"),
)
_SPREAD = (
    ("whiten", "whitened", "a whitened delight"),
    ("whiten-add-mean", "mean-added-back", "whitening with the mean added back"),
    ("scale-std", "scaled", "the delight over its spread"),
)


def signals(_: Member) -> Iterator[Variant]:
    """Yield other signals, whatever the claimed one."""
    for signal, what in _SIGNALS:
        yield Variant(f"signal.{what}", f"the signal {signal}", {"signal": signal})
    yield from ladder(
        "signal.additive",
        "an additive signal, alpha {:g}",
        (0.5, 0.25, 0.75, 0.1, 0.9),
        lambda alpha: {"signal": "additive", "alpha": alpha},
        (0.5,),
    )
    yield Variant("signal.additive", "U + l", {"signal": "sum"})
    for part, what, name in _TRANSFORMS:
        yield Variant(f"signal.{what}", name, {"signal_transform": part})
    yield from ladder(
        "signal.clipped",
        "the delight clipped at {:g}",
        (1.0, 2.0, 3.0, 5.0, 10.0),
        lambda bound: {"signal_transform": ("clip", bound)},
    )
    for transformed, what, name in _SPREAD:
        for part, primary in spread_parts(transformed):
            yield Variant(f"signal.{what}", name, {"signal_transform": part}, primary)
