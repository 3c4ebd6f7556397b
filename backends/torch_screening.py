"""Surprisals and advantages -> screening, on tensors, as `kondo_ref.screening` does on arrays.

Nothing goes to the host but the numbers that a check or a price is made of, with two exceptions:
a calibrated price is solved there by the reference (scipy's brentq), and so is a rolling price,
which looks at one decision after the other.
"""

from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import torch

from kondo_ref import checks
from kondo_ref.backends import torch_checks as tensors
from kondo_ref.backends import torch_stations as stations
from kondo_ref.backends.torch_checks import Tensor
from kondo_ref.gate import Gate, top_k_count
from kondo_ref.price import Calibrated, Quantile, Rolling
from kondo_ref.screening import Screening, Selectivity


class TorchScreening(Screening):
    """A screening whose arrays are tensors of one device.

    Rates and selectivity are for people: they are computed on the host, when asked for.
    """

    def convert(self, function: Any) -> Screening:
        """Return the screening with `function` applied to every tensor, as a plain one."""
        given = {f.name: getattr(self, f.name) for f in fields(self)}
        return Screening(
            **{
                name: function(value) if isinstance(value, Tensor) else value
                for name, value in given.items()
            }
        )

    @cached_property
    def kept(self) -> Any:
        """Flat indices (C order, ascending) of the decisions with weight > 0, (kept,) int64."""
        return _tensor(self.weight).reshape(-1).nonzero()[:, 0]

    @cached_property
    def valid(self) -> int:
        """Number of valid decisions."""
        return _count(self.weight, self.mask)

    @cached_property
    def valid_units(self) -> int:
        """Number of units with a valid decision."""
        return _count(self.signal, self.unit_mask)

    @property
    def expected_rate(self) -> float:
        """Mean keep probability over the valid units."""
        return self._on_host.expected_rate

    @property
    def realised_rate(self) -> float:
        """Mean gate G over the valid units."""
        return self._on_host.realised_rate

    @property
    def selectivity(self) -> Selectivity:
        """Recall of the exact top-k, and what the kept units are like."""
        return self._on_host.selectivity

    @cached_property
    def _on_host(self) -> Screening:
        return self.convert(tensors.host)


@dataclass(frozen=True, eq=False)
class Units:
    """A batch that was checked, and the signal of every unit of its gate: before the price.

    Parameters
    ----------
    gate : Gate
    surprisal, advantages : (N,) or (B, T) tensor
    mask : (N,) or (B, T) bool tensor or None
        Valid decisions; None where all are.
    signal : (N,), (B, T) or (B,) tensor
    unit_mask : bool tensor or None
        Valid units.
    uniforms : tensor or None
        Of the units.
    history : (h,) tensor or None
        Of a rolling price.
    """

    gate: Gate
    surprisal: Tensor
    advantages: Tensor
    mask: Tensor | None
    signal: Tensor
    unit_mask: Tensor | None
    uniforms: Tensor | None
    history: Tensor | None

    @property
    def known(self) -> Tensor:
        """The signals of the valid units in order, (n,)."""
        return self.signal.reshape(-1) if self.unit_mask is None else self.signal[self.unit_mask]

    def spread(self, values: Tensor, fill: float) -> Tensor:
        """Return `values` (n,) of the valid units in the place of all units, `fill` elsewhere."""
        if self.unit_mask is None:
            return values.reshape(self.signal.shape)
        return torch.full_like(self.signal, fill).masked_scatter_(self.unit_mask, values)

    def gated(
        self, price: float | Tensor | None, keep: Tensor, history: Tensor | None
    ) -> TorchScreening:
        """Return the screening at the price and keep probability of every unit."""
        drawn, shape = keep, tuple(self.surprisal.shape)
        if self.gate.draw == "bernoulli" and self.uniforms is not None:
            drawn = (self.uniforms < keep).to(keep.dtype)
        if tuple(keep.shape) != shape:
            drawn = drawn[:, None].repeat(1, shape[1])
            if self.mask is not None:
                drawn.masked_fill_(~self.mask, 0.0)
        values: tuple[Any, ...] = (
            self.surprisal,
            self.advantages,
            self.signal,
            price,
            keep,
            drawn,
            self.mask,
            self.unit_mask,
            history,
        )
        return TorchScreening(self.gate, *values)


def screen_surprisal(
    surprisals: Tensor,
    advantages: Any,
    gate: Gate,
    *,
    uniforms: Any = None,
    mask: Any = None,
    history: Any = None,
) -> TorchScreening:
    """Screen a batch whose surprisals (N,) or (B, T) are known.

    Parameters
    ----------
    surprisals : (N,) or (B, T) tensor
        Their device and dtype are those of the result.
    advantages, gate, uniforms, mask, history
        As in `kondo_ref.screen`; tensors or NumPy arrays.

    Raises
    ------
    TypeError, ValueError
        As `kondo_ref.screen`.
    """
    units = read_units(surprisals, advantages, gate, uniforms=uniforms, mask=mask, history=history)
    return units.gated(*priced(units))


def read_units(
    surprisals: Tensor,
    advantages: Any,
    gate: Gate,
    *,
    uniforms: Any = None,
    mask: Any = None,
    history: Any = None,
) -> Units:
    """Check a batch and return the signals of its units; arguments as in `screen_surprisal`."""
    if not isinstance(gate, Gate):
        raise TypeError(f"gate: expected a Gate, got {checks.shown(gate)}")
    device, dtype, shape = surprisals.device, surprisals.dtype, tuple(surprisals.shape)
    level = tensors.real_tensor("surprisals", surprisals, device)
    gain = tensors.decision_tensor("advantages", advantages, shape, device, dtype)
    valid = tensors.mask_tensor(mask, shape, device)
    signal, unit_mask = _unit_signal(gate, gain, level, valid)
    units = tuple(signal.shape)
    u = None if uniforms is None else tensors.uniform_tensor(uniforms, units, device)
    if u is None and gate.needs_uniforms:
        raise ValueError(f"uniforms: the draw bernoulli needs an array of shape {units}, got None")
    past = read_history(gate, history, device, dtype)
    return Units(gate, level, gain, valid, signal, unit_mask, u, past)


def read_history(
    gate: Gate, history: Any, device: torch.device, dtype: torch.dtype
) -> Tensor | None:
    """Return the history of a rolling price, (h,), or None."""
    past = None if history is None else tensors.real_tensor("history", history, device, dtype)
    if past is not None and not isinstance(gate.price, Rolling):
        raise ValueError(f"history: only a rolling price has one, the price is {gate.price}")
    if past is not None and past.ndim != 1:
        raise ValueError(f"history: expected shape (h,), got {tuple(past.shape)}")
    return past


def priced(units: Units) -> tuple[float | Tensor | None, Tensor, Tensor | None]:
    """Return the price, the keep probability of every unit (0 where invalid), the new history."""
    price, keep, after = price_and_keep(units.gate, units.known, units.history)
    if isinstance(price, Tensor):
        price = units.spread(price, -torch.inf)
    return price, units.spread(keep, 0.0), after


def kept_coefficients(screening: TorchScreening, divisor: int) -> Tensor:
    """Return c_i = G_i U_i / Z of the kept decisions, (kept,)."""
    gated = _tensor(screening.weight) * _tensor(screening.advantages)
    return gated.reshape(-1)[screening.kept] / divisor


def normalizer_count(screening: TorchScreening, normalizer: str) -> int:
    """Return Z: the valid decisions, the kept ones, or 1."""
    if normalizer == "none":
        return 1
    return screening.valid if normalizer == "decisions" else max(1, len(screening.kept))


def _unit_signal(
    gate: Gate, advantages: Tensor, surprisals: Tensor, mask: Tensor | None
) -> tuple[Tensor, Tensor | None]:
    """Return the signal and the mask of every unit; sequences by the mean over valid tokens."""
    signal = stations.priority_signal(gate.signal, advantages, surprisals, gate.alpha)
    _require_finite(gate.signal, signal)
    if gate.unit == "token":
        return signal, mask
    if signal.ndim != 2:
        shape = tuple(signal.shape)
        raise ValueError(f"gate: the unit sequence needs a (B, T) batch, got shape {shape}")
    valid = torch.ones_like(signal, dtype=torch.bool) if mask is None else mask
    tokens = valid.sum(1)
    means = signal.masked_fill(~valid, 0.0).sum(1) / tokens.clamp(min=1).to(signal.dtype)
    _require_finite(f"mean {gate.signal}", means)
    return means, None if tokens.all() else tokens > 0


def _require_finite(name: str, signal: Tensor) -> None:
    if not tensors.all_finite(signal):
        index = checks.first_index(tensors.host(~torch.isfinite(signal)))
        value = tensors.host(signal)[index]
        raise ValueError(f"signal: {name} is not finite at index {index} ({value})")


def price_and_keep(
    gate: Gate, known: Tensor, history: Tensor | None
) -> tuple[float | Tensor | None, Tensor, Tensor | None]:
    """Return the price, the keep probabilities (n,), and the new history.

    Parameters
    ----------
    gate : Gate
    known : (n,) tensor
        The signals of the valid units in order, n >= 1.
    history : (h,) tensor or None
    """
    if gate.draw == "top_k":
        chosen = stations.top_k(known, top_k_count(gate.rate or 0.0, known.numel()))
        return None, chosen.to(known.dtype), None
    price: float | Tensor
    after: Tensor | None = None
    if isinstance(gate.price, Rolling):
        past = None if history is None else tensors.host(history)
        prices, line = gate.price.stream(tensors.host(known), past)
        price = tensors.tensor_of(prices, known.device)
        after = tensors.tensor_of(line, known.device)
    elif isinstance(gate.price, Quantile):
        price = stations.upper_quantile(known, gate.price.rate)
    else:
        assert gate.price is not None
        on_host = tensors.host(known if isinstance(gate.price, Calibrated) else known[:0])
        price = gate.price.solve(on_host, gate.temperature)
    return price, stations.keep_probability(known, price, gate.temperature), after


def _tensor(values: Any) -> Tensor:
    """Return a field of a screening as what it is here."""
    assert isinstance(values, Tensor)
    return values


def _count(values: Any, mask: Any) -> int:
    return int(_tensor(values).numel() if mask is None else _tensor(mask).sum().item())
