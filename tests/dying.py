"""Says whether a check sees a wrong version of what it checks."""

from collections.abc import Callable

import pytest
from mutants import Mutant


def dies(target: str, old: str, new: str, check: Callable[[], None]) -> None:
    """Pass if `check` holds, and fails while `old` says `new` in `target`, under `kondo_ref`."""
    check()
    mutant = Mutant("", target, old, new, "")
    with mutant.alive(), pytest.raises(AssertionError):
        check()
