"""Screeners by word, as the command line and settings have them: ``NAME`` or ``NAME:VALUE``.

exact: `Exact`. additive:C and multiplicative:C: `Noisy`, of C standard deviations or of the share
C. stale:L: `Stale`, parameters copied every L steps. int8 and bfloat16: `Quantised`. cached:R and
cached-signal:R: `CachedPolicy` and `CachedSignal`, every R-th visit exact. draft:W and draft:W:T:
`Draft` with one hidden layer of W, taught on T rows of a batch (10) besides the kept. WORD@RATE:
any of these but the exact and the noisy; what it proposes at the rate is checked.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from numpy.typing import DTypeLike

from kondo_ref import checks
from kondo_ref.models.mlp import MLP
from kondo_ref.optim import Adam
from kondo_ref.screeners.cached import CachedPolicy, CachedSignal
from kondo_ref.screeners.draft import Draft
from kondo_ref.screeners.exact import NOISES, Exact, Noisy
from kondo_ref.screeners.quantised import FORMATS, Quantised
from kondo_ref.screeners.screener import Screener
from kondo_ref.screeners.speculation import Speculation
from kondo_ref.screeners.stale import Stale
from kondo_ref.step import Learner, TrainingState

WORDS = (
    "exact",
    *(f"{kind}:C" for kind in NOISES),
    "stale:L",
    *FORMATS,
    "cached:R",
    "cached-signal:R",
    "draft:W[:T]",
)
TEACH = 10


@dataclass(frozen=True)
class Setting:
    """What a screener is made for.

    Parameters
    ----------
    model : MLP
        The exact network.
    samples : int
        Of the data, for a memory.
    dtype : float32 or float64
        Of the parameters.
    seed : int
        From which a draft is initialized.
    learning_rate : float
        Of a draft's Adam.
    """

    model: MLP
    samples: int
    dtype: DTypeLike
    seed: int = 0
    learning_rate: float = 1e-3


def screener_named(word: str, setting: Setting) -> Screener:
    """Return a new screener.

    Parameters
    ----------
    word : str
        See the head of this module.
    setting : Setting

    Raises
    ------
    ValueError
        No such word, or a value out of range.
    """
    name, *values = word.split(":")
    makers: dict[str, tuple[type[int | float], range, Callable[..., Screener]]] = {
        "exact": (int, range(1), Exact),
        **{name: (float, range(1, 2), partial(Noisy, name)) for name in NOISES},
        "stale": (int, range(1, 2), Stale),
        **{name: (int, range(1), partial(Quantised, name)) for name in FORMATS},
        "cached": (int, range(1, 2), partial(_cached, setting)),
        "cached-signal": (int, range(1, 2), partial(_cached_signal, setting)),
        "draft": (int, range(1, 3), partial(_draft, setting)),
    }
    kind, counts, make = makers.get(name, (int, range(0), Exact))
    if len(values) not in counts:
        raise ValueError(f"screener: expected one of {', '.join(WORDS)}; got {checks.shown(word)}")
    try:
        return make(*map(kind, values))
    except ValueError as error:
        raise ValueError(f"screener: {checks.shown(word)}: {error}") from None


def speculation_named(word: str, learner: Learner, setting: Setting) -> Speculation:
    """Return a speculation of a word, with ``@RATE`` one whose choice is checked.

    Raises
    ------
    ValueError
        As `screener_named` and `Speculation`.
    """
    name = word.partition("@")[0]
    return Speculation(learner, screener_named(name, setting), proposed_rate(word))


def proposed_rate(word: str) -> float | None:
    """Return the rate after the ``@`` of a word, None without one."""
    _, at, rate = word.partition("@")
    try:
        return float(rate) if at else None
    except ValueError:
        raise ValueError(f"screener: expected a rate after @, got {checks.shown(word)}") from None


def _cached(setting: Setting, refresh: int) -> CachedPolicy:
    return CachedPolicy(setting.samples, refresh, setting.model.sizes[-1], setting.dtype)


def _cached_signal(setting: Setting, refresh: int) -> CachedSignal:
    return CachedSignal(setting.samples, refresh, setting.dtype)


def _draft(setting: Setting, width: int, teach: int = TEACH) -> Draft:
    sizes = setting.model.sizes
    model = MLP((sizes[0], width, sizes[-1]))
    # Another stream than the exact network's, which has the seeds below.
    parameters = model.initialize(setting.seed + 2**32, setting.dtype)
    return Draft(TrainingState(model, parameters, Adam(setting.learning_rate)), teach)
