"""Global random generators: seeded before a target is called, put back afterwards.

Whether the target seeded them itself is told from their states: a state that the generator does not
reach by drawing from ours was set.
"""

import random
import sys
from functools import lru_cache
from typing import Any

import numpy as np

# A Mersenne Twister's block of words, and how many blocks a target may draw in one observation
# before its state is no longer followed.
WORDS = 624
BLOCKS = 1024


def mixed(seed: int, bits: int = 32) -> int:
    """Return a number that no target is likely to seed with, the same for the same seed."""
    z = (seed + 0x9E3779B97F4A7C15) % 2**64
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB % 2**64
    return int((z ^ (z >> 31)) % 2**bits)


class GlobalSeeds:
    """Seeds the global generators of Python, NumPy and, where it is loaded, torch.

    Parameters
    ----------
    seed : int
        Another number for each generator is made of it.
    """

    def __init__(self, seed: int) -> None:
        self._python = random.getstate()
        self._numpy: Any = np.random.get_state(legacy=False)  # noqa: NPY002
        self._torch = sys.modules.get("torch")
        own = mixed(seed)
        random.seed(own)
        np.random.seed(own)  # noqa: NPY002
        self._python_start, self._numpy_start = _starts(own)
        if self._torch is not None:
            self._torch_state = self._torch.default_generator.get_state()
            self._torch_seed = mixed(seed, 63)
            self._torch.default_generator.manual_seed(self._torch_seed)

    def restore(self) -> bool:
        """Put the generators back; return whether the target seeded one of them."""
        seeded = self._seeded()
        random.setstate(self._python)
        np.random.set_state(self._numpy)  # noqa: NPY002
        if self._torch is not None:
            self._torch.default_generator.set_state(self._torch_state)
        return seeded

    def _seeded(self) -> bool:
        if self._torch is not None and self._torch.initial_seed() != self._torch_seed:
            return True
        state: Any = np.random.get_state(legacy=False)  # noqa: NPY002
        if not _reached(self._numpy_start, state["state"]["key"]):
            return True
        words = random.getstate()[1][:WORDS]
        start = self._python_start
        return words != start and not _reached(np.array(start), np.array(words))


@lru_cache(maxsize=256)
def _starts(own: int) -> tuple[tuple[int, ...], Any]:
    """Return the first states of Python's and NumPy's generators for a seed."""
    state: Any = np.random.RandomState(own).get_state(legacy=False)
    return random.Random(own).getstate()[1][:WORDS], state["state"]["key"]


def _reached(start: Any, key: Any) -> bool:
    """Whether drawing leads from one state of a Mersenne Twister to another."""
    if np.array_equal(start, key):
        return True
    twister = np.random.MT19937(0)
    twister.state = {"bit_generator": "MT19937", "state": {"key": start, "pos": WORDS}}
    for _ in range(BLOCKS):
        twister.random_raw(WORDS, output=False)
        if np.array_equal(twister.state["state"]["key"], key):
            return True
    return False
