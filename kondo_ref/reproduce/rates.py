"""The gate at rates from 1 to 100 % ([K]; no numbers known). At 100 % it is PG, not DG."""

from kondo_ref.reproduce.mnist import QUICK, SETTINGS
from kondo_ref.reproduce.statistics import At
from kondo_ref.reproduce.study import Comparison, Panel, Part, Read, Study

RATES = (0.01, 0.03, 0.1, 0.3, 1.0)
ONLINE_END = Read("online_error", "online error at the end", "last", "online_error", None, "rate")
TEST_END = Read("test_error", "test error at the end", "last", "test_error", None, "rate")

STUDY = Study(
    name="rates",
    summary="the top-k gate at rates of 1, 3, 10, 30 and 100 %: error after 1 M samples",
    source="[K], the sweep of rates; its numbers are not known to us",
    parts=tuple(
        Part(
            f"rate-{rate:g}",
            "mnist",
            {**SETTINGS, "methods": ("kondo-top-k",), "seeds": 3, "rate": rate},
            x=rate,
        )
        for rate in RATES
    ),
    reads=(ONLINE_END, TEST_END),
    comparisons=tuple(
        Comparison(At("kondo-top-k", quantity, rate))
        for quantity in ("online_error", "test_error")
        for rate in RATES
    ),
    panels=(
        Panel("online_error", "online error", "log", "linear"),
        Panel("test_error", "test error", "log", "linear"),
    ),
    quick=QUICK,
    places=("data_dir",),
)
