"""The studies by name, each in a file of its own, loaded when it is asked for."""

from importlib import import_module

from kondo_ref.reproduce.study import Study

STUDIES = {
    "mnist": "kondo_ref.reproduce.mnist:STUDY",
    "cost-ratio": "kondo_ref.reproduce.cost_ratio:STUDY",
    "signals": "kondo_ref.reproduce.signals:STUDY",
    "token-reversal": "kondo_ref.reproduce.token_reversal:STUDY",
    "rates": "kondo_ref.reproduce.rates:STUDY",
    "prices": "kondo_ref.reproduce.prices:STUDY",
    "gambling": "kondo_ref.reproduce.gambling:STUDY",
    "single-context": "kondo_ref.reproduce.bandits:SINGLE",
    "many-contexts": "kondo_ref.reproduce.bandits:MANY",
    "baselines": "kondo_ref.reproduce.baselines:STUDY",
    "corner-escape": "kondo_ref.reproduce.corner_escape:STUDY",
    "approximate-delight": "kondo_ref.reproduce.approximate_delight:STUDY",
    "vocabulary": "kondo_ref.reproduce.vocabulary:STUDY",
    "token-length": "kondo_ref.reproduce.token_length:SMALL",
    "token-length-full": "kondo_ref.reproduce.token_length:FULL",
}


def load_study(name: str) -> Study:
    """Return the study of a name.

    Raises
    ------
    ValueError
        There is none.
    """
    if name not in STUDIES:
        raise ValueError(f"NAME: expected one of {', '.join(STUDIES)}; got {name!r}")
    module, _, attribute = STUDIES[name].partition(":")
    study: Study = getattr(import_module(module), attribute)
    return study
