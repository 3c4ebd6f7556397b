"""Every deviation that an audit can name, as data: id -> dimension, severity, definition, sentence.

The findings of `kondo_ref.audit.engine` take their words from here; the checks add the numbers.
An id is ``dimension.what``. Ids ending in ``.other`` say that the dimension deviates in a way that
has no name yet: what was measured is in the evidence.
"""

from dataclasses import dataclass

DIMENSIONS = (
    "units",
    "aggregation",
    "surprisal",
    "advantage",
    "signal",
    "temperature",
    "price",
    "count",
    "ties",
    "draw",
    "weights",
    "detach",
    "placement",
    "normalizer",
    "execution",
    "empty",
    "robustness",
    "rate",
    "dynamics",
)


@dataclass(frozen=True)
class Entry:
    """A deviation of the catalogue.

    Parameters
    ----------
    id : str
    dimension : str
        One of `DIMENSIONS`.
    severity : str
        The default; one of `kondo_ref.audit.verdict.SEVERITIES`.
    expected : str
        The papers' definition, with its source.
    summary : str
        One sentence: what the target does instead.
    """

    id: str
    dimension: str
    severity: str
    expected: str
    summary: str


_WRONG = "wrong estimator"
_RATE = "wrong rate"
_SAVING = "no saving"
_EDGE = "fragile on edge inputs"
_VARIANT = "documented variant"

_UNIT = "the gate decides on the claimed unit: a sample, a token, or a whole sequence ([K], sec. 5)"
_MEAN = "the delight of a sequence is the mean of U * l over its valid tokens ([K], sec. 5)"
_SURPRISAL = "surprisal l = -log pi(a) of the action taken, in nat, as it is ([DG], sec. 2)"
_ADVANTAGE = "the advantage U is used as given, with its sign, in the gate and in the coefficient"
_SIGNAL = "the gate's signal is the delight chi = U * l ([DG], eq. 2)"
_TEMPERATURE = (
    "w = sigmoid((chi - price) / temperature), at temperature 0 1{chi > price} ([K], eq. 1)"
)
_PRICE = "the claimed price; for Kondo the (1 - rate)-quantile of the batch's delight ([K], alg. 1)"
_COUNT = "top-k keeps exactly k = max(1, round-half-even(rate * valid)) (released code of [K])"
_TIES = "ties of top-k go to the lowest index, exactly k are kept; a price is exceeded strictly"
_DRAW = "soft: G = w. Kondo: G ~ Bernoulli(w), each decision for itself, new at every call"
_WEIGHTS = "a kept decision has the weight 1, a soft one w: c = G * U / Z, and no other factor"
_DETACH = "U, l, price and G are constants of the update: c = G * U / Z ([DG], sec. 2)"
_PLACEMENT = "the gate multiplies the whole policy-gradient term, and nothing else has a gradient"
_NORMALIZER = "Z is the number of valid decisions, kept or not, unless the claim says otherwise"
_EXECUTION = "a dropped decision costs no backward ([K], sec. 3)"
_EMPTY = "with nothing kept: loss 0, gradient 0, no optimizer step"
_EDGES = "an edge input is computed as any other, or refused loudly; never a silent 0 or NaN"
_RATES = "the share that is kept, and its choice, are those of the claimed gate"
_DYNAMICS = "the gate of a batch depends on that batch alone, or on the claimed history"


def _entries(dimension: str, expected: str, *rows: tuple[str, str, str]) -> list[Entry]:
    return [Entry(f"{dimension}.{what}", dimension, s, expected, text) for what, s, text in rows]


_ALL = [
    *_entries(
        "units",
        _UNIT,
        (
            "token-for-sequence",
            _WRONG,
            "Every token is gated by itself, where the sequence is claimed.",
        ),
        ("sequence-for-token", _WRONG, "Whole sequences are gated, where the token is claimed."),
        ("mask-changes-unit", _WRONG, "Adding a mask of ones changes the gate's unit."),
        ("batch", _WRONG, "One gate is taken for the whole batch."),
        ("shared", _WRONG, "Decisions that belong to different units share one gate."),
        ("row-budget", _WRONG, "A budget of whole rows drops tokens that the gate had kept."),
        ("column", _WRONG, "Decisions are gated by their position in the sequence."),
        ("other", _WRONG, "The gate's unit is none of token, sequence, batch."),
    ),
    *_entries(
        "aggregation",
        _MEAN,
        ("sum", _WRONG, "The delight of a sequence is summed, so long ones win."),
        ("max", _WRONG, "The delight of a sequence is that of its best token."),
        ("last", _WRONG, "The delight of a sequence is that of its last token."),
        ("product-of-means", _WRONG, "The delight of a sequence is mean(U) times mean(l)."),
        (
            "sum-surprisal",
            _WRONG,
            "The delight of a sequence is mean(U) times the summed surprisal.",
        ),
        (
            "counts-padding",
            _WRONG,
            "The mean over a sequence divides by or includes invalid tokens.",
        ),
        ("other", _WRONG, "The tokens of a sequence are aggregated in another way."),
    ),
    *_entries(
        "surprisal",
        _SURPRISAL,
        ("clamped", _WRONG, "The surprisal is clamped above."),
        ("floored", _WRONG, "The surprisal has a lower bound or an added constant."),
        ("tempered", _WRONG, "The surprisal is that of a tempered policy."),
        ("scaled", _WRONG, "The surprisal is multiplied by a constant (another base of the log)."),
        ("length-normalised", _WRONG, "The surprisal is divided by log K, or by another shape."),
        ("centred", _WRONG, "The batch's mean is taken from the surprisal."),
        ("whitened", _WRONG, "The surprisal is standardised over the batch."),
        ("probability", _WRONG, "1 - pi(a) stands in for the surprisal."),
        ("sign", _WRONG, "log pi stands in for -log pi: likely actions are favoured."),
        ("entropy", _WRONG, "The policy's entropy stands in for the surprisal of the action."),
        ("greedy", _WRONG, "The surprisal is that of another action than the one taken."),
        ("raw-logit", _WRONG, "The logit, not normalised, stands in for log pi."),
        ("stale", _WRONG, "The surprisal is that of an earlier policy."),
        ("other", _WRONG, "The gate uses another function of the surprisal."),
    ),
    *_entries(
        "advantage",
        _ADVANTAGE,
        ("sign-dropped", _WRONG, "The coefficient uses |U|."),
        ("positive-only", _WRONG, "Negative advantages are set to 0."),
        ("binarised", _WRONG, "Only the sign of the advantage is used."),
        ("missing", _WRONG, "The advantage is missing from the coefficient."),
        ("centred", _WRONG, "The batch's mean is taken from the advantages."),
        ("standardised", _WRONG, "The advantages are standardised over the batch."),
        ("scaled", _WRONG, "The advantages are divided by a spread of the batch."),
        ("clipped", _WRONG, "The advantages are clipped."),
        ("normalised-in-gate", _WRONG, "The gate sees other advantages than the coefficient."),
        (
            "gate-only",
            _WRONG,
            "The normalised advantage enters the gate, or the coefficient, alone.",
        ),
        ("squared", _WRONG, "The coefficient uses a power of the advantage."),
        (
            "baseline",
            _WRONG,
            "The baseline is none of the papers', or not the one that is claimed.",
        ),
        ("other", _WRONG, "The coefficient uses another function of the advantage."),
    ),
    *_entries(
        "signal",
        _SIGNAL,
        ("abs-delight", _WRONG, "The gate sees |U| * l: bad surprises are kept as good ones."),
        ("advantage", _WRONG, "The gate sees the advantage alone."),
        ("abs-advantage", _WRONG, "The gate sees |U| alone."),
        ("surprisal", _WRONG, "The gate sees the surprisal alone."),
        (
            "uniform",
            _WRONG,
            "The gate does not look at the decision: its choice is constant or random.",
        ),
        ("additive", _WRONG, "The gate sees a sum of advantage and surprisal."),
        ("function", _WRONG, "The gate sees U times another function of the surprisal."),
        ("sign", _WRONG, "The signal's sign is turned: the worst are kept."),
        ("centred", _WRONG, "The batch's mean is taken from the delight."),
        ("whitened", _WRONG, "The delight is standardised over the batch."),
        (
            "mean-added-back",
            _WRONG,
            "The delight is whitened with the mean added back: signs flip.",
        ),
        ("scaled", _WRONG, "The delight is divided by a spread of the batch."),
        ("clipped", _WRONG, "The delight is clipped."),
        ("rank", _WRONG, "The gate sees the rank of the delight in the batch."),
        ("other", _WRONG, "The gate's signal is none of the known ones."),
    ),
    *_entries(
        "temperature",
        _TEMPERATURE,
        ("multiplies", _WRONG, "The temperature multiplies the argument of the sigmoid."),
        ("value", _WRONG, "The temperature is another one."),
        ("adaptive", _WRONG, "The temperature follows the batch."),
        (
            "zero",
            _WRONG,
            "The gate is the limit of temperature 0, where a positive one is claimed.",
        ),
        ("positive", _WRONG, "The temperature is positive, where the limit of 0 is claimed."),
        (
            "tie-value",
            _WRONG,
            "At temperature 0 a decision at the price gets a weight between 0 and 1.",
        ),
        ("squash", _WRONG, "The gate is not a sigmoid."),
        (
            "divides-price",
            _WRONG,
            "The temperature divides the signal but not the price, or the reverse.",
        ),
    ),
    *_entries(
        "price",
        _PRICE,
        ("value", _WRONG, "The price is another constant."),
        ("fixed", _WRONG, "The price is a constant, where one of the batch is claimed."),
        ("batch", _WRONG, "The price follows the batch, where a constant is claimed."),
        ("rate", _RATE, "The price is the quantile at another rate."),
        ("inverted", _RATE, "The price is the rate-quantile, not the (1 - rate)-quantile."),
        ("interpolation", _WRONG, "The quantile is interpolated in another way."),
        ("order-statistic", _WRONG, "The price is an order statistic of the batch."),
        ("mean", _WRONG, "The price is a mean of the batch's delight."),
        ("calibrated", _WRONG, "The price is solved for the rate, where the quantile is claimed."),
        ("includes-masked", _WRONG, "Invalid decisions enter the price."),
        ("scope", _WRONG, "The price is taken on parts of the batch (rank, micro-batch, row)."),
        ("absolute", _WRONG, "The price is a quantile of |chi|."),
        ("history", _WRONG, "The price comes from earlier batches."),
        (
            "includes-itself",
            _WRONG,
            "A decision's own signal enters the price that it must exceed.",
        ),
        ("history-size", _WRONG, "The history is longer or shorter than claimed."),
        ("dual-ascent", _WRONG, "The price is moved step by step towards the rate."),
        ("missing", _WRONG, "There is no price."),
        ("other", _WRONG, "The price is none of the known ones."),
    ),
    *_entries(
        "count",
        _COUNT,
        ("ceil", _RATE, "k is rounded up."),
        ("floor", _RATE, "k is rounded down."),
        ("half-up", _RATE, "k is rounded half up."),
        ("one-extra", _RATE, "One more than k is kept."),
        ("one-short", _RATE, "One less than k is kept."),
        ("no-minimum", _RATE, "k may be 0."),
        ("minimum", _RATE, "k has a larger least value than 1."),
        ("includes-masked", _RATE, "k is counted from invalid decisions too."),
        ("per-part", _RATE, "k is counted on parts of the batch."),
        ("rate", _RATE, "k is counted from another rate."),
        ("constant", _RATE, "k does not follow the number of decisions."),
        ("quantile", _RATE, "What exceeds a quantile is kept, not the k largest."),
        ("other", _RATE, "k follows another rule."),
    ),
    *_entries(
        "ties",
        _TIES,
        ("all-kept", _RATE, "All decisions tied at the threshold are kept."),
        ("none-kept", _RATE, "No decision tied at the threshold is kept."),
        ("inclusive", _WRONG, "A decision exactly at the price is kept."),
        ("slack", _WRONG, "Decisions a little below the threshold are kept."),
        ("margin", _WRONG, "Decisions a little above the threshold are dropped."),
        ("last-index", _WRONG, "Ties go to the highest index."),
        ("random", _WRONG, "Ties are broken at random."),
        ("other", _WRONG, "Ties are broken in another way."),
    ),
    *_entries(
        "draw",
        _DRAW,
        ("soft", _WRONG, "The weight is soft, where a draw is claimed."),
        ("bernoulli", _WRONG, "The gate is drawn, where a deterministic one is claimed."),
        ("deterministic", _WRONG, "The gate is thresholded, where a draw is claimed."),
        ("top-k", _WRONG, "The k largest are kept, where a price is claimed."),
        ("threshold", _WRONG, "A price is exceeded, where the k largest are claimed."),
        ("all", _WRONG, "Everything is kept: there is no gate."),
        ("fixed-count", _WRONG, "A fixed number is sampled, so decisions are not independent."),
        ("shared-uniform", _WRONG, "Decisions share one random number."),
        ("fixed-seed", _WRONG, "The same draw comes at every call."),
        (
            "chained",
            _WRONG,
            "Survivors of the gate are weighted with a sigmoid of the delight again.",
        ),
        ("twice", _WRONG, "The gate is drawn or applied twice: kept with w squared."),
        ("complement", _WRONG, "The draw is turned round: kept with probability 1 - w."),
        ("other", _WRONG, "Keep probabilities are none of the known ones."),
    ),
    *_entries(
        "weights",
        _WEIGHTS,
        ("inverse-probability", _WRONG, "Survivors weigh 1/w: that estimates plain PG."),
        ("inverse-rate", _WRONG, "Survivors weigh 1/rate."),
        ("gain", _WRONG, "All coefficients have a constant factor."),
        ("squared", _WRONG, "The gate enters twice: w squared."),
        ("root", _WRONG, "The gate enters as a root or another power."),
        ("bounded", _WRONG, "Weights are clipped."),
        ("floor", _WRONG, "Dropped decisions keep a weight."),
        ("delight", _WRONG, "The coefficient has the delight in place of the advantage."),
        ("self-normalised", _WRONG, "Weights are divided by their sum or their mean."),
        ("sign", _WRONG, "The update descends where it should ascend."),
        ("other", _WRONG, "Coefficients have another factor."),
    ),
    *_entries(
        "detach",
        _DETACH,
        ("gate", _WRONG, "The gate is not detached: its derivative leaks into the gradient."),
        (
            "straight-through",
            _WRONG,
            "A hard gate has the gradient of a soft one (straight-through).",
        ),
        ("partial", _WRONG, "Part of the gate's derivative leaks into the gradient."),
        ("price", _WRONG, "The price is not detached."),
        ("surprisal-factor", _WRONG, "The surprisal in the coefficient is not detached."),
        ("baseline", _WRONG, "The baseline is not detached."),
        ("other", _WRONG, "Something is differentiated that should be constant."),
    ),
    *_entries(
        "placement",
        _PLACEMENT,
        ("entropy", _WRONG, "An entropy term has a gradient beside the policy gradient."),
        ("extra-term", _WRONG, "Another term has a gradient beside the policy gradient."),
        ("ungated-share", _WRONG, "Part of the policy gradient is not gated."),
        (
            "negatives-ungated",
            _WRONG,
            "Decisions of one sign of the advantage pass without a gate.",
        ),
        ("probability", _WRONG, "The objective has pi(a) in place of its logarithm."),
        ("after-clip", _WRONG, "The gate or its advantage meets the PPO clip in another order."),
    ),
    *_entries(
        "normalizer",
        _NORMALIZER,
        ("kept", _WRONG, "The mean is over the kept decisions: the step grows by about 1/rate."),
        ("decisions", _WRONG, "The mean is over all valid decisions, where another is claimed."),
        ("none", _WRONG, "The coefficients are not divided by anything."),
        ("includes-masked", _WRONG, "Invalid decisions count in the mean."),
        ("nonzero-advantage", _WRONG, "Decisions with advantage 0 do not count in the mean."),
        ("weight-sum", _WRONG, "The coefficients are divided by the sum of the weights."),
        ("expected-kept", _WRONG, "The coefficients are divided by rate * N."),
        ("sequences", _WRONG, "The coefficients are divided by the number of sequences."),
        ("sequence-mean", _WRONG, "Means of sequences are averaged, so short ones weigh more."),
        ("length", _WRONG, "The coefficients are divided by the longest length, or by T."),
        ("constant", _WRONG, "The coefficients are divided by a constant."),
        ("other", _WRONG, "The normaliser is none of the known ones."),
    ),
    *_entries(
        "execution",
        _EXECUTION,
        ("masked", _SAVING, "Dropped decisions enter the backward: nothing is skipped."),
        ("partial", _SAVING, "More rows enter the backward than are kept."),
        ("lost", _WRONG, "Kept decisions do not enter the backward."),
        ("padded", _VARIANT, "Kept rows are padded to a fixed size before the backward."),
        ("forward-again", _VARIANT, "Kept rows are computed forward a second time."),
    ),
    *_entries(
        "empty",
        _EMPTY,
        ("steps", _EDGE, "With nothing kept, parameters still move."),
        ("forced-one", _EDGE, "With nothing to keep, one decision is kept all the same."),
        ("dense-fallback", _EDGE, "With nothing kept, everything is used."),
        ("nan", _EDGE, "With nothing kept, the loss or the gradient is NaN."),
        ("raises", _EDGE, "With nothing kept, an exception is raised."),
    ),
    *_entries(
        "robustness",
        _EDGES,
        ("nan-silent", _EDGE, "A NaN becomes a silent 0, or is skipped without a word."),
        ("nan-spreads", _EDGE, "A NaN in one decision silently makes others NaN or 0."),
        ("infinite", _EDGE, "An infinity becomes a silent finite number or spreads."),
        ("empty-mask", _EDGE, "A batch without a valid decision gives NaN or a gradient."),
        ("int-mask", _EDGE, "An integer mask changes the result."),
        ("mask-ignored", _WRONG, "Invalid decisions get a coefficient."),
        ("mask-matters", _WRONG, "What is written in invalid decisions changes the valid ones."),
        ("dtype", _EDGE, "In a narrower dtype the result is wrong by more than its rounding."),
        ("precision", _VARIANT, "float64 inputs are computed in a narrower dtype."),
        ("broadcast", _WRONG, "Arrays are broadcast against each other where B equals T."),
        ("single", _EDGE, "A batch of one decision is computed wrongly."),
        ("zero-advantage", _EDGE, "A batch with advantages all zero gives something else than 0."),
        ("constant-signal", _EDGE, "A batch with one delight for all is computed wrongly."),
        ("extreme", _EDGE, "Huge logits or advantages are computed wrongly."),
        ("raises", _EDGE, "An ordinary batch raises an exception."),
        ("mutates", _EDGE, "An argument is changed in place."),
        ("seeds", _EDGE, "A global random generator is seeded."),
        ("nondeterministic", _EDGE, "The same seed does not give the same result."),
        ("history-poisoned", _EDGE, "A NaN or an empty batch poisons what is remembered."),
        ("order", _WRONG, "The order of the decisions changes the result."),
        ("hangs", _EDGE, "A call does not come back in time, or ends the process."),
    ),
    *_entries(
        "rate",
        _RATES,
        ("realised", _RATE, "The realised rate is not that of the claimed gate."),
        ("reported", _RATE, "The rate that the target reports is not what it does."),
        ("selectivity", _WRONG, "The rate is right, but what is kept is almost random."),
    ),
    *_entries(
        "dynamics",
        _DYNAMICS,
        ("warm-up", _WRONG, "The first calls or decisions pass under other rules."),
        ("drift", _WRONG, "The same batch later gives something else."),
        ("reserve", _WRONG, "A reserve or budget of earlier batches changes what is kept."),
        ("drop-cap", _WRONG, "After so many drops a decision is kept all the same."),
        ("stale", _WRONG, "The gate of an earlier batch is used."),
        ("other", _WRONG, "The target remembers something that the claim does not have."),
    ),
    Entry(
        "signal.outside-family",
        "signal",
        _WRONG,
        "c = G * U / Z, with the claimed gate",
        "The coefficients are not the claim's, and no known mistake explains them.",
    ),
]

CATALOGUE: dict[str, Entry] = {entry.id: entry for entry in _ALL}
