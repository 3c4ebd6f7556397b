"""Deviations in how the target behaves: execution, empty gates, edge inputs, rates, memory."""

from kondo_ref.audit.catalogue.entry import EDGE, RATE, SAVING, VARIANT, WRONG, Entry, entries

_EXECUTION = "a dropped decision costs no backward ([K], sec. 3)"
_EMPTY = "with nothing kept: loss 0, gradient 0, no optimizer step"
_EDGES = "an edge input is computed as any other, or refused loudly; never a silent 0 or NaN"
_RATES = "the share that is kept, and its choice, are those of the claimed gate"
_DYNAMICS = "the gate of a batch depends on that batch alone, or on the claimed history"

BEHAVIOUR: list[Entry] = [
    *entries(
        "execution",
        _EXECUTION,
        ("masked", SAVING, "Dropped decisions enter the backward: nothing is skipped."),
        ("partial", SAVING, "More rows enter the backward than are kept."),
        ("lost", WRONG, "Kept decisions do not enter the backward."),
        ("padded", VARIANT, "Kept rows are padded to a fixed size before the backward."),
        ("forward-again", VARIANT, "Kept rows are computed forward a second time."),
    ),
    *entries(
        "empty",
        _EMPTY,
        ("steps", EDGE, "With nothing kept, parameters still move."),
        ("forced-one", EDGE, "With nothing to keep, one decision is kept all the same."),
        ("dense-fallback", EDGE, "With nothing kept, everything is used."),
        ("nan", EDGE, "With nothing kept, the loss or the gradient is NaN."),
        ("raises", EDGE, "With nothing kept, an exception is raised."),
    ),
    *entries(
        "robustness",
        _EDGES,
        ("nan-silent", EDGE, "A NaN becomes a silent 0, or is skipped without a word."),
        ("nan-spreads", EDGE, "A NaN in one decision silently makes others NaN or 0."),
        ("infinite", EDGE, "An infinity becomes a silent finite number or spreads."),
        ("empty-mask", EDGE, "A batch without a valid decision gives NaN or a gradient."),
        ("int-mask", EDGE, "An integer mask changes the result."),
        ("mask-ignored", WRONG, "Invalid decisions get a coefficient."),
        ("mask-matters", WRONG, "What is written in invalid decisions changes the valid ones."),
        ("dtype", EDGE, "In a narrower dtype the result is wrong by more than its rounding."),
        ("precision", VARIANT, "float64 inputs are computed in a narrower dtype."),
        ("broadcast", WRONG, "Arrays are broadcast against each other where B equals T."),
        ("single", EDGE, "A batch of one decision is computed wrongly."),
        ("zero-advantage", EDGE, "A batch with advantages all zero gives something else than 0."),
        ("constant-signal", EDGE, "A batch with one delight for all is computed wrongly."),
        ("extreme", EDGE, "Huge logits or advantages are computed wrongly."),
        ("raises", EDGE, "An ordinary batch raises an exception."),
        ("mutates", EDGE, "An argument is changed in place."),
        ("seeds", EDGE, "A global random generator is seeded."),
        ("nondeterministic", EDGE, "The same seed does not give the same result."),
        ("history-poisoned", EDGE, "A NaN or an empty batch poisons what is remembered."),
        ("order", WRONG, "The order of the decisions changes the result."),
        ("hangs", EDGE, "A call does not come back in time, or ends the process."),
    ),
    *entries(
        "rate",
        _RATES,
        ("realised", RATE, "The realised rate is not that of the claimed gate."),
        ("reported", RATE, "The rate that the target reports is not what it does."),
        ("selectivity", WRONG, "The rate is right, but what is kept is almost random."),
    ),
    *entries(
        "dynamics",
        _DYNAMICS,
        ("warm-up", WRONG, "The first calls or decisions pass under other rules."),
        ("drift", WRONG, "The same batch later gives something else."),
        ("reserve", WRONG, "A reserve or budget of earlier batches changes what is kept."),
        ("drop-cap", WRONG, "After so many drops a decision is kept all the same."),
        ("stale", WRONG, "The gate of an earlier batch is used."),
        ("other", WRONG, "The target remembers something that the claim does not have."),
    ),
]
