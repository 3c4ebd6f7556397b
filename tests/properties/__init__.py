"""The laws that `kondo_ref` obeys, one function each, by the station they speak about.

`@holds(argument=strategy, ...)` enters a function into `PROPERTIES`. A property is run against the
reference by `test_properties.py`, and under mutants that it must kill by `test_mutants.py`.
Importing this package fills the table.
"""

from properties import (
    attention,
    baselines,
    batch,
    decoding,
    gate,
    gradient,
    packing,
    policy,
    price,
    randomness,
    screeners,
    skipping,
    transformer,
)
from properties.register import PROPERTIES, Property

__all__ = [
    "PROPERTIES",
    "Property",
    "attention",
    "baselines",
    "batch",
    "decoding",
    "gate",
    "gradient",
    "packing",
    "policy",
    "price",
    "randomness",
    "screeners",
    "skipping",
    "transformer",
]
