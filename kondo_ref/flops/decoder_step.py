"""A training step of a decoder in typed counts, for a kept set and in expectation.

The sums of `Kept` go in, and since every closed form is linear in them, their expectations give the
expected numbers exactly. The stages are those of our own transformer, with which the counts agree
where the shapes do: the forward runs all positions, head included; a backward runs the head, and in
the last block all but keys and values, on kept decisions, and everything below on their prefixes.
"""

from collections.abc import Callable

from kondo_ref import checks
from kondo_ref.flops import decoder_layers, layers
from kondo_ref.flops import gate as station
from kondo_ref.flops.counts import STAGES, Counts, Step
from kondo_ref.flops.decoder import Decoder
from kondo_ref.flops.decoder_kept import Kept, Number, all_kept, plain
from kondo_ref.flops.layers import Layer
from kondo_ref.gate import Gate

# cached: the backward uses the activations of the forward. recompute: the kept prefixes run forward
# once more. draft: something cheaper screens, and the kept prefixes run forward for the first time.
SCREENINGS = ("cached", "recompute", "draft")


def block(decoder: Decoder, rows: int, queries: int, scores: int) -> Layer:
    """Return the counts of a block in which so many of the rows ask."""
    d, bias = decoder, decoder.biases
    qkv = "query_key_value" in bias
    counts = (
        norm(d, rows)
        + layers.linear(rows, d.width, 2 * d.key_width, bias=qkv)
        + layers.linear(queries, d.width, d.query_width, bias=qkv)
        + layers.attention(scores, d.heads, d.query_width // d.heads)
        + layers.linear(queries, d.query_width, d.width, bias="projection" in bias)
        + layers.residual(queries, d.width)
        + norm(d, queries)
        + decoder_layers.feed_forward(
            queries,
            d.width,
            d.feed_forward,
            activation=d.activation,
            gated=d.gated,
            bias="feed_forward" in bias,
        )
        + layers.residual(queries, d.width)
    )
    if d.positions == "rotary":
        counts += decoder_layers.rotary(rows, 1, d.key_width)
        counts += decoder_layers.rotary(queries, 1, d.query_width)
    return counts


def norm(decoder: Decoder, rows: int, *, output_kept: bool = False) -> Layer:
    """Return the counts of a normalization of the decoder's kind."""
    if decoder.norm == "rms":
        return decoder_layers.rms_norm(rows, decoder.width, output_kept=output_kept)
    offset = "norm" in decoder.biases
    return layers.norm(rows, decoder.width, offset=offset, output_kept=output_kept)


def network(decoder: Decoder, rows: int, queries: int, below: int, last: int) -> Layer:
    """Return the counts of the network on some rows.

    Parameters
    ----------
    decoder : Decoder
    rows, queries : int
        All, and those that the last block is asked for and that have logits.
    below, last : int
        Scores of a head, in a block but the last and in the last.
    """
    d = decoder
    counts = layers.embedding(rows, d.width)
    if d.positions == "learned":
        counts += layers.embedding(rows, d.width) + Layer(forward=Counts(add=rows * d.width))
    counts += block(d, rows, rows, below) * (d.layers - 1) + block(d, rows, queries, last)
    if d.final_norm:
        counts += norm(d, queries, output_kept=True)
    return counts + layers.linear(queries, d.width, d.choices, bias="head" in d.biases)


def forward(decoder: Decoder, batch: int, length: int, attention: str = "dense") -> Counts:
    """Return the counts of a forward of B sequences of T positions."""
    everything = all_kept(batch, length)
    scores = int(everything.scores(attention)[0])
    return network(decoder, batch * length, batch * length, scores, scores).forward


def backward_stages(
    decoder: Decoder, rows: int, queries: int, below: int, last: int, partial: int, *, again: bool
) -> dict[str, Counts]:
    """Return the stages recompute, backward_input and backward_weight.

    Parameters
    ----------
    decoder, rows, queries, below, last
        As `network` takes them.
    partial : int
        Rows at which the gradients of keys, values and queries meet from two products.
    again : bool
        Whether the rows run forward for it.
    """
    once = network(decoder, rows, queries, below, last)
    dlogits = station.dlogits(queries, decoder.choices) + Counts(add=partial * decoder.width)
    return {
        "recompute": once.recompute + (once.forward if again else Counts()),
        "backward_input": dlogits + once.backward_input,
        "backward_weight": once.backward_weight,
    }


def stage_numbers(
    decoder: Decoder,
    kept: Kept,
    of: Callable[[Counts], int],
    *,
    attention: str = "dense",
    again: bool = False,
    optimizer: str = "adam",
) -> dict[str, Number]:
    """Return the stages from recompute to update in a convention, in expectation where `kept` is.

    Parameters
    ----------
    decoder : Decoder
    kept : Kept
    of : callable
        A linear view on counts.
    attention : str
        dense or causal.
    again : bool
        Whether the kept prefixes run forward for the backward.
    optimizer : str
        sgd or adam.
    """
    below, last = kept.scores(attention)
    partial = kept.decisions if again else kept.partial
    sums = (kept.rows, kept.decisions, below, last, partial)
    numbers: dict[str, Number] = dict.fromkeys(STAGES[3:], 0)
    for i, amount in enumerate(sums):
        unit = [int(j == i) for j in range(len(sums))]
        for stage, counts in backward_stages(decoder, *unit, again=again).items():
            numbers[stage] += amount * of(counts)
    shapes = {"all": (decoder.parameter_count,)}
    numbers["update"] += kept.batches * of(layers.update(optimizer, shapes))
    return {stage: plain(number) for stage, number in numbers.items()}


def decoder_step(
    decoder: Decoder,
    batch: int,
    length: int,
    kept: Kept,
    gate: Gate,
    *,
    attention: str = "dense",
    screening: str = "cached",
    prompt: int = 0,
    optimizer: str = "adam",
) -> Step:
    """Return the typed counts of a step for a set that was kept.

    Parameters
    ----------
    decoder : Decoder
    batch, length : int
        B and T.
    kept : Kept
        Of integers, as `kept_positions` gives them.
    gate : Gate
        What screens.
    attention : str
        dense or causal.
    screening : str
        cached or recompute; a draft's own forward is no count of this decoder.
    prompt : int
        P, positions without a decision.
    optimizer : str
        sgd or adam.

    Raises
    ------
    ValueError
        An argument out of its range, or expectations instead of integers.
    """
    checks.one_of("screening", screening, SCREENINGS[:2])
    below, last = kept.scores(attention)
    sums = (kept.rows, kept.decisions, below, last, kept.partial)
    rows, queries, s, t, partial = (checks.count("kept", n, 0) for n in sums)
    stages = {
        "forward": forward(decoder, batch, length, attention),
        "screen": screen(decoder, batch, length, gate, prompt=prompt),
        "select": station.select(batch * length, queries),
    }
    if queries:
        again = screening == "recompute"
        partial = queries if again else partial
        stages |= backward_stages(decoder, rows, queries, s, t, partial, again=again)
        stages["update"] = layers.update(optimizer, {"all": (decoder.parameter_count,)})
    return Step.of(**stages)


def screen(decoder: Decoder, batch: int, length: int, gate: Gate, *, prompt: int = 0) -> Counts:
    """Return the counts of a screening, in which positions of a prompt are invalid."""
    valid = batch if gate.unit == "sequence" else batch * (length - prompt)
    return station.screen(gate, batch * length, decoder.choices, sequences=batch, valid=valid)


def activation_entries(decoder: Decoder, kept: Kept, attention: str = "dense") -> Number:
    """Return how many numbers a forward of what is kept leaves for the backward.

    A block leaves a row 2 D + 2 of the norms, 2 H W of queries and context, 2 G W of keys and
    values, and of the feed-forward F times 1 (relu) or 3, gated 2 more; and the attention's
    probabilities, one a score and query head, which a fused kernel would not keep. The final norm
    leaves D + 1, the head its input. Keys, values and the first norm are of all rows, the rest of
    the last block of what asks.
    """
    d, (below, last) = decoder, kept.scores(attention)
    norms = d.width + 1
    inner = d.feed_forward * ((1 if d.activation == "relu" else 3) + (2 if d.gated else 0))
    every, asked = norms + 2 * d.key_width, norms + 2 * d.query_width + inner
    top = d.width + (norms if d.final_norm else 0)
    entries = ((d.layers - 1) * (every + asked) + every) * kept.rows
    entries += (asked + top) * kept.decisions
    return plain(entries + d.heads * ((d.layers - 1) * below + last))
