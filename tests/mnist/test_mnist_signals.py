"""MNIST: what the top-k gate ranks by is a setting."""

import pytest

from kondo_ref.delight import SIGNALS
from kondo_ref.gate import Gate
from kondo_ref.tasks.mnist.settings import Settings
from kondo_ref.tasks.mnist.task import TASK


@pytest.mark.parametrize("signal", SIGNALS)
def test_the_gate_ranks_by_the_signal(signal: str) -> None:
    gate = Settings(signal=signal, alpha=0.9, rate=0.1).gate("kondo-top-k")
    assert (gate.signal, gate.rate, gate.draw) == (signal, 0.1, "top_k")
    assert gate.alpha == (0.9 if signal == "additive" else None)


def test_other_methods_rank_by_delight() -> None:
    settings = Settings(signal="surprisal")
    assert settings.gate("kondo").signal == "delight"
    assert settings.gate("dg") == Gate.named("dg")
    assert Settings().gate("kondo-top-k") == Gate.named("kondo-top-k", rate=0.03)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"signal": "luck"}, "signal: expected one of"),
        ({"signal": "additive", "alpha": 1.5}, r"alpha: expected a number in \[0, 1\], got 1.5"),
        ({"alpha": 0.5}, "--alpha: has no effect here; it belongs to --signal additive"),
        ({"signal": "uniform", "methods": ["pg"]}, "--signal: has no effect here"),
    ],
)
def test_what_is_refused(given: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        TASK.configure(given, {"data_dir": None})
