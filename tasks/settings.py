"""What the settings of all tasks share: JSON values and back, checks, the price by name."""

from dataclasses import asdict, field, fields
from typing import Any, Self

from kondo_ref import checks
from kondo_ref.price import Calibrated, Fixed, Price, Quantile, Rolling

DTYPES = ("float32", "float64")
LARGEST_COUNT = 100_000
PRICE_KINDS = {"quantile": Quantile, "calibrated": Calibrated, "rolling": Rolling}


def later(default: Any) -> Any:
    """Return the field of a setting that came after runs had been kept without it.

    It stands among the values of a run only where it is not its default, so that what was run
    before keeps its configuration and its hash.
    """
    return field(default=default, metadata={"later": True})


class AsData:
    """A frozen dataclass whose values are JSON values, tuples apart."""

    steps: int

    @property
    def work(self) -> int:
        """The steps that a unit reports as its progress: those of its training."""
        return self.steps

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Return the settings that `to_dict` gave."""
        return cls(**values)

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        values = asdict(self)  # type: ignore[call-overload]
        for setting in fields(self):  # type: ignore[arg-type]
            if setting.metadata.get("later") and values[setting.name] == setting.default:
                del values[setting.name]
        return {k: list(v) if isinstance(v, tuple) else v for k, v in values.items()}


def check_methods(methods: tuple[str, ...], known: tuple[str, ...]) -> None:
    """Refuse methods that are unknown, named twice, or none at all."""
    if not methods or len(set(methods)) != len(methods):
        raise ValueError(f"methods: expected distinct names, got {methods}")
    for method in methods:
        checks.one_of("methods", method, known)


def check_size(name: str, value: object) -> None:
    """Refuse what is not an integer in 1..`LARGEST_COUNT`."""
    if checks.count(name, value, 1) > LARGEST_COUNT:
        raise ValueError(f"{name}: expected at most {LARGEST_COUNT}, got {value}")


def check_batch(batch: int, images: int) -> None:
    """Refuse a batch larger than a training set of `images` images."""
    if batch > images:
        raise ValueError(f"batch: expected at most the {images} training images, got {batch}")


def price_of(price: str, rate: float) -> Price:
    """Return the price that a word means: a kind, at the rate, or a number.

    Raises
    ------
    ValueError
        Neither.
    """
    if price in PRICE_KINDS:
        kind: Any = PRICE_KINDS[price]
        named: Price = kind(rate)
        return named
    try:
        return Fixed(float(price))
    except ValueError:
        kinds = ", ".join(PRICE_KINDS)
        raise ValueError(f"price: expected {kinds} or a number, got {price!r}") from None
