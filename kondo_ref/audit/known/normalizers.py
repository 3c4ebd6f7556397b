"""Known mistakes of the normaliser Z: what the coefficients are divided by."""

from collections.abc import Iterator

from kondo_ref.audit.known.variant import Variant, ladder
from kondo_ref.audit.known_family import Member

_DIVISORS = (
    ("decisions", "decisions", "mean-over-all"),
    ("kept", "kept", "mean-over-kept"),
    ("none", "none", "a sum without a normaliser"),
    ("all", "includes-masked", "a mean that counts invalid decisions"),
    ("nonzero-advantage", "nonzero-advantage", "a mean over non-zero advantages"),
    ("weight-sum", "weight-sum", "dividing by the sum of the weights"),
    ("probability-sum", "weight-sum", "dividing by the sum of the keep probabilities"),
    ("sequences", "sequences", "dividing by the number of sequences"),
    ("valid-sequences", "sequences", "dividing by the number of valid sequences"),
    ("sequence-mean", "sequence-mean", "a mean of sequence means"),
    ("kept-sequence-mean", "sequence-mean", "a mean of sequence means over kept tokens"),
    ("length", "length", "dividing by T"),
    ("longest", "length", "dividing by the longest length"),
    ("one-less", "other", "dividing by N - 1"),
    ("one-more", "other", "dividing by N + 1"),
    ("kept-plus-one", "kept", "mean-over-kept plus one"),
    ("positive", "other", "dividing by the number of positive advantages"),
    ("root", "other", "dividing by the root of N"),
    ("square", "other", "dividing by N twice"),
    ("actions", "other", "a mean over decisions and actions"),
    ("norm", "other", "dividing by the norm of the weights"),
)
_OF_RATES = (("expected-kept", "dividing by rate * N"), ("k", "dividing by k"))
_SIZES = (2.0, 4.0, 8.0, 16.0, 32.0)
_CONSTANTS = (2.0, 8.0, 10.0, 16.0, 32.0, 64.0, 100.0, 128.0, 256.0, 512.0, 1000.0, 1024.0)


def normalizers(base: Member) -> Iterator[Variant]:
    """Yield other divisors than that of `base`."""
    for part, what, name in _DIVISORS:
        yield Variant(f"normalizer.{what}", name, {"normalizer": (part,)})
    yield from ladder(
        "normalizer.other",
        "means of micro-batches of {:g}, averaged",
        _SIZES,
        lambda size: {"normalizer": ("part-decisions", size)},
    )
    yield from ladder(
        "normalizer.kept",
        "means over the kept of each {:g}",
        _SIZES,
        lambda size: {"normalizer": ("part-kept", size)},
    )
    yield from ladder(
        "normalizer.constant",
        "dividing by {:g}",
        _CONSTANTS,
        lambda value: {"normalizer": ("constant", value)},
    )
    if base.draw == "top-k" or base.price[0] in ("quantile", "calibrated"):
        for part, name in _OF_RATES:
            yield Variant("normalizer.expected-kept", name, {"normalizer": (part,)})
