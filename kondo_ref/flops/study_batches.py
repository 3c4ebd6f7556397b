"""What a cost study is of: a model on a batch, dense or behind a random gate, in one convention.

A `Batch` says, stage by stage, what a step costs; numbers are exact, integers where the kept set is
certain and fractions where they are expectations. `MLPBatch` has samples as units, `DecoderBatch`
tokens or sequences. A gate keeps every unit with the same chance, the rate.
"""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol

from kondo_ref import checks
from kondo_ref.flops import decoder_step, layers, mlp
from kondo_ref.flops import gate as station
from kondo_ref.flops.conventions import SOURCES, Convention
from kondo_ref.flops.conventions_reports import MLP_SOURCES, Report, decoder_report, mlp_report
from kondo_ref.flops.counts import STAGES, Counts
from kondo_ref.flops.decoder import Decoder
from kondo_ref.flops.decoder_kept import UNITS, Kept, Number, all_kept, expected_kept, plain, power
from kondo_ref.gate import Gate
from kondo_ref.models.mlp import MLP

Stages = dict[str, Number]


@dataclass(frozen=True)
class Share:
    """What is kept of a batch, in expectation.

    Parameters
    ----------
    sequences : int or Fraction
        With a kept decision; 0 for samples, which are in no sequence.
    rows : int or Fraction
        Of a backward.
    decisions : int or Fraction
    """

    sequences: Number
    rows: Number
    decisions: Number


class Batch(Protocol):
    """A model on a batch; `again` is whether kept rows run forward for their backward."""

    @property
    def units(self) -> tuple[str, ...]:
        """What a gate may decide on."""

    def share(self, rate: Fraction, unit: str) -> Share:
        """Return what is kept."""

    def stages(
        self, convention: Convention, gate: Gate, rate: Fraction, *, again: bool = False
    ) -> Stages:
        """Return the numbers of a step whose gate screens as `gate` and keeps the rate."""

    def structural(self, convention: Convention, rate: Fraction, unit: str) -> Number:
        """Return the least backward that such a gate allows."""

    def executed(self, convention: Convention, rate: Fraction, unit: str) -> Number:
        """Return the backward that the reference would execute."""

    def activation_entries(self, rate: Fraction | None = None, unit: str = "token") -> Number:
        """Return the numbers that a backward needs kept: of all rows, or of the kept ones."""

    @property
    def sources(self) -> tuple[str, ...]:
        """The tools and formulas that know such a model."""

    def report(self, name: str) -> Report:
        """Return what one of them gives for the dense step."""


@dataclass(frozen=True)
class MLPBatch:
    """N samples through a multilayer perceptron.

    Parameters
    ----------
    model : MLP
    batch : int
        N.
    optimizer : str
        sgd or adam.
    """

    model: MLP
    batch: int
    optimizer: str = "adam"

    def __post_init__(self) -> None:
        checks.count("batch", self.batch, 1)
        checks.one_of("optimizer", self.optimizer, layers.OPTIMIZERS)

    @property
    def units(self) -> tuple[str, ...]:
        """Samples alone."""
        return ("sample",)

    def share(self, rate: Fraction, unit: str) -> Share:
        """Return the rate's share of the samples."""
        checks.one_of("unit", unit, self.units)
        kept = plain(rate * self.batch)
        return Share(0, kept, kept)

    def stages(
        self, convention: Convention, gate: Gate, rate: Fraction, *, again: bool = False
    ) -> Stages:
        """Return the numbers of a step, by stage."""
        model, n, of = self.model, self.batch, convention.of
        kept = rate * n
        whole = mlp.mlp_step(model, n, 0, gate)
        one = mlp.network(model, 1)
        dlogits = station.dlogits(1, model.sizes[-1])
        update = layers.update(self.optimizer, model.shapes)
        numbers: Stages = {
            "forward": of(whole["forward"]),
            "screen": of(whole["screen"]),
            "select": of(whole["select"]) + kept * of(station.select(0, 1)),
            "recompute": kept * of(one.forward) if again else 0,
            "backward_input": kept * of(dlogits + one.backward_input),
            "backward_weight": kept * of(one.backward_weight),
            "update": (1 - power(1 - rate, n)) * of(update),
        }
        return {stage: plain(numbers[stage]) for stage in STAGES}

    def structural(self, convention: Convention, rate: Fraction, unit: str) -> Number:
        """Return the backward of the kept rows, which are independent."""
        return plain(
            self.share(rate, unit).rows * convention.of(mlp.structural_backward(self.model, 1))
        )

    def executed(self, convention: Convention, rate: Fraction, unit: str) -> Number:
        """Return the backward of the kept rows, as the reference runs it."""
        return plain(
            self.share(rate, unit).rows * convention.of(mlp.executed_backward(self.model, 1))
        )

    def activation_entries(self, rate: Fraction | None = None, unit: str = "sample") -> Number:
        """Return the entries of every activation, logits among them; the input is not copied."""
        rows = self.batch if rate is None else self.share(rate, unit).rows
        return plain(Fraction(rows * sum(self.model.sizes[1:])))

    @property
    def sources(self) -> tuple[str, ...]:
        """The tools, and the one formula that is for any network."""
        return MLP_SOURCES

    def report(self, name: str) -> Report:
        """Return what one of them gives for the dense step."""
        return mlp_report(name, self.model, batch=self.batch)


@dataclass(frozen=True)
class DecoderBatch:
    """B sequences of T positions through a decoder.

    Parameters
    ----------
    decoder : Decoder
    batch, length : int
        B and T.
    prompt : int
        Positions before the first decision.
    attention : str
        dense or causal, in all stages; the structural backward is causal, the executed one dense.
    optimizer : str
        sgd or adam.

    Raises
    ------
    TypeError, ValueError
        An argument out of its range, sequences longer than the decoder's.
    """

    decoder: Decoder
    batch: int
    length: int
    prompt: int = 0
    attention: str = "dense"
    optimizer: str = "adam"

    def __post_init__(self) -> None:
        all_kept(self.batch, self.length, self.prompt).scores(self.attention)
        checks.one_of("optimizer", self.optimizer, layers.OPTIMIZERS)
        if self.length > self.decoder.length:
            raise ValueError(
                f"length: expected at most the model's {self.decoder.length} (its positions, or "
                f"its sliding window), got {self.length}"
            )

    @property
    def units(self) -> tuple[str, ...]:
        """Tokens and sequences."""
        return UNITS

    def kept(self, rate: Fraction, unit: str) -> Kept:
        """Return the expected sums of what is kept."""
        return expected_kept(self.batch, self.length, rate, unit=unit, prompt=self.prompt)

    def share(self, rate: Fraction, unit: str) -> Share:
        """Return what is kept."""
        kept = self.kept(rate, unit)
        return Share(kept.sequences, kept.rows, kept.decisions)

    def stages(
        self, convention: Convention, gate: Gate, rate: Fraction, *, again: bool = False
    ) -> Stages:
        """Return the numbers of a step, by stage."""
        of, kept = convention.of, self.kept(rate, gate.unit)
        forward = decoder_step.forward(self.decoder, self.batch, self.length, self.attention)
        screen = decoder_step.screen(
            self.decoder, self.batch, self.length, gate, prompt=self.prompt
        )
        found = of(station.select(self.batch * self.length, 0))
        numbers: Stages = {
            "forward": of(forward),
            "screen": of(screen),
            "select": plain(found + kept.decisions * of(station.select(0, 1))),
        }
        return numbers | decoder_step.stage_numbers(
            self.decoder,
            kept,
            of,
            attention=self.attention,
            again=again,
            optimizer=self.optimizer,
        )

    def structural(self, convention: Convention, rate: Fraction, unit: str) -> Number:
        """Return the backward of the prefixes, with causal attention."""
        kept = self.kept(rate, unit)
        return self._backward(convention.of, kept, "causal") - plain(
            kept.partial * convention.of(Counts(add=self.decoder.width))
        )

    def executed(self, convention: Convention, rate: Fraction, unit: str) -> Number:
        """Return the backward of the prefixes as the reference runs it, with dense attention."""
        return self._backward(convention.of, self.kept(rate, unit), "dense")

    def activation_entries(self, rate: Fraction | None = None, unit: str = "token") -> Number:
        """Return the entries of what the reference keeps for a backward, probabilities too."""
        kept = all_kept(self.batch, self.length) if rate is None else self.kept(rate, unit)
        return decoder_step.activation_entries(self.decoder, kept, self.attention)

    @property
    def sources(self) -> tuple[str, ...]:
        """All tools and formulas."""
        return tuple(SOURCES)

    def report(self, name: str) -> Report:
        """Return what one of them gives for the dense step."""
        return decoder_report(
            name,
            self.decoder,
            batch=self.batch,
            length=self.length,
            attention=self.attention,
            prompt=self.prompt,
        )

    def _backward(self, of: Callable[[Counts], int], kept: Kept, attention: str) -> Number:
        numbers = decoder_step.stage_numbers(self.decoder, kept, of, attention=attention)
        return plain(Fraction(numbers["backward_input"] + numbers["backward_weight"]))
