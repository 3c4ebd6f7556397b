"""Figures of the claims."""

from collections.abc import Callable
from pathlib import Path

FIGURES: dict[str, Callable[[Path], None]] = {}
