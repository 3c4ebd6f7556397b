"""The table of properties, and what "equal to rounding" means in them.

The test ratio is norm(a - b) / (eps * norm(b)), Frobenius, with the eps of the dtype; its limit
is 32. Where a sum can cancel, norm(b) gives way to the norm of the terms.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

LIMIT = 32.0
EPS = float(np.finfo(np.float64).eps)


@dataclass(frozen=True)
class Property:
    """A law as a function of drawn arguments; without strategies it is a single check."""

    check: Callable[..., None]
    strategies: dict[str, st.SearchStrategy[Any]]

    def run(self, profile: settings | None = None) -> None:
        """Run under `profile`, or the profile that is loaded; raise where the law is broken."""
        if not self.strategies:
            self.check()
            return
        test = given(**self.strategies)(self.check)
        (test if profile is None else profile(test))()


PROPERTIES: dict[str, Property] = {}


def holds(**strategies: st.SearchStrategy[Any]) -> Callable[[Callable[..., None]], Any]:
    """Enter a function into the table of properties."""

    def enter(check: Callable[..., None]) -> Callable[..., None]:
        assert check.__name__ not in PROPERTIES, f"two properties are called {check.__name__}"
        PROPERTIES[check.__name__] = Property(check, strategies)
        return check

    return enter


def assert_near(
    actual: Any, desired: Any, *, scale: float | None = None, limit: float = LIMIT
) -> None:
    """Assert one shape and a test ratio within `limit`; `scale` stands in for norm(desired)."""
    a, b = np.asarray(actual), np.asarray(desired)
    assert a.shape == b.shape, f"shape {a.shape}, expected {b.shape}"
    assert np.isfinite(a).all(), f"not finite: {a}"
    error = float(np.linalg.norm((a - b).ravel()))
    size = float(np.linalg.norm(b.ravel())) if scale is None else scale
    allowed = limit * float(np.finfo(a.dtype).eps if a.dtype.kind == "f" else EPS) * size
    assert error <= allowed, f"error {error:.3g} > {allowed:.3g}: {a} is not {b}"


def assert_same(actual: Any, desired: Any) -> None:
    """Assert equality of every number; None equals None alone."""
    assert (actual is None) == (desired is None), f"{actual} is not {desired}"
    if desired is not None:
        np.testing.assert_array_equal(actual, desired, strict=True)
