"""Prices and temperatures at a target rate of 3 %: what is really kept, which, and what it learns.

Quantile (Algorithm 1 of [K]) and calibrated (ours) prices with a Bernoulli gate, beside top-k, the
temperature 0 form that the published curves have.
"""

from kondo_ref.reproduce.mnist import QUICK, SETTINGS
from kondo_ref.reproduce.statistics import At
from kondo_ref.reproduce.study import Comparison, Panel, Part, Read, Study

TEMPERATURES = (0.01, 0.1, 1.0)
PRICES = ("quantile", "calibrated")
TOP_K = "top-k, at temperature 0"
X = "temperature"
READS = (
    Read("online_error", "online error at the end", "last", "online_error", None, X),
    Read("realised_rate", "realised rate", "total", "realised_rate", None, X),
    Read("recall", "recall of the exact top-k", "total", "recall", None, X),
    Read("negative_share", "kept with negative delight", "total", "negative_share", None, X),
)

STUDY = Study(
    name="prices",
    summary="quantile, calibrated and top-k at 3 %, by temperature: realised rate, recall, error",
    source="[K], Algorithm 1; no numbers known",
    parts=(
        Part("top-k", "mnist", {**SETTINGS, "methods": ("kondo-top-k",), "seeds": 3}, TOP_K),
        *(
            Part(
                f"{price}-{temperature:g}",
                "mnist",
                {
                    **SETTINGS,
                    "methods": ("kondo",),
                    "seeds": 3,
                    "price": price,
                    "temperature": temperature,
                },
                price,
                temperature,
            )
            for price in PRICES
            for temperature in TEMPERATURES
        ),
    ),
    reads=READS,
    comparisons=tuple(
        Comparison(At(label, read.quantity, at))
        for read in READS
        for label, at in (
            (TOP_K, None),
            *((price, temperature) for price in PRICES for temperature in TEMPERATURES),
        )
    ),
    panels=tuple(
        Panel(read.quantity, read.title, "log", scale)
        for read, scale in zip(READS, ("log", "log", "linear", "linear"), strict=True)
    ),
    quick=QUICK,
    places=("data_dir",),
)
