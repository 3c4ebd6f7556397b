"""Deviations in how the gate decides: temperature, price, count, ties, draw."""

from kondo_ref.audit.catalogue.entry import RATE, WRONG, Entry, entries

_TEMPERATURE = (
    "w = sigmoid((chi - price) / temperature), at temperature 0 1{chi > price} ([K], eq. 1)"
)
_PRICE = "the claimed price; for Kondo the (1 - rate)-quantile of the batch's delight ([K], alg. 1)"
_COUNT = "top-k keeps exactly k = max(1, round-half-even(rate * valid)) (released code of [K])"
_TIES = "ties of top-k go to the lowest index, exactly k are kept; a price is exceeded strictly"
_DRAW = "soft: G = w. Kondo: G ~ Bernoulli(w), each decision for itself, new at every call"

GATES: list[Entry] = [
    *entries(
        "temperature",
        _TEMPERATURE,
        ("multiplies", WRONG, "The temperature multiplies the argument of the sigmoid."),
        ("value", WRONG, "The temperature is another one."),
        ("adaptive", WRONG, "The temperature follows the batch."),
        (
            "zero",
            WRONG,
            "The gate is the limit of temperature 0, where a positive one is claimed.",
        ),
        ("positive", WRONG, "The temperature is positive, where the limit of 0 is claimed."),
        (
            "tie-value",
            WRONG,
            "At temperature 0 a decision at the price gets a weight between 0 and 1.",
        ),
        ("squash", WRONG, "The gate is not a sigmoid."),
        (
            "divides-price",
            WRONG,
            "The temperature divides the signal but not the price, or the reverse.",
        ),
    ),
    *entries(
        "price",
        _PRICE,
        ("value", WRONG, "The price is another constant."),
        ("fixed", WRONG, "The price is a constant, where one of the batch is claimed."),
        ("batch", WRONG, "The price follows the batch, where a constant is claimed."),
        ("rate", RATE, "The price is the quantile at another rate."),
        ("inverted", RATE, "The price is the rate-quantile, not the (1 - rate)-quantile."),
        ("interpolation", WRONG, "The quantile is interpolated in another way."),
        ("order-statistic", WRONG, "The price is an order statistic of the batch."),
        ("mean", WRONG, "The price is a mean of the batch's delight."),
        ("calibrated", WRONG, "The price is solved for the rate, where the quantile is claimed."),
        ("includes-masked", WRONG, "Invalid decisions enter the price."),
        ("scope", WRONG, "The price is taken on parts of the batch (rank, micro-batch, row)."),
        ("absolute", WRONG, "The price is a quantile of |chi|."),
        ("history", WRONG, "The price comes from earlier batches."),
        (
            "includes-itself",
            WRONG,
            "A decision's own signal enters the price that it must exceed.",
        ),
        ("history-size", WRONG, "The history is longer or shorter than claimed."),
        ("dual-ascent", WRONG, "The price is moved step by step towards the rate."),
        ("missing", WRONG, "There is no price."),
        ("other", WRONG, "The price is none of the known ones."),
    ),
    *entries(
        "count",
        _COUNT,
        ("ceil", RATE, "k is rounded up."),
        ("floor", RATE, "k is rounded down."),
        ("half-up", RATE, "k is rounded half up."),
        ("one-extra", RATE, "One more than k is kept."),
        ("one-short", RATE, "One less than k is kept."),
        ("no-minimum", RATE, "k may be 0."),
        ("minimum", RATE, "k has a larger least value than 1."),
        ("includes-masked", RATE, "k is counted from invalid decisions too."),
        ("per-part", RATE, "k is counted on parts of the batch."),
        ("rate", RATE, "k is counted from another rate."),
        ("constant", RATE, "k does not follow the number of decisions."),
        ("quantile", RATE, "What exceeds a quantile is kept, not the k largest."),
        ("other", RATE, "k follows another rule."),
    ),
    *entries(
        "ties",
        _TIES,
        ("all-kept", RATE, "All decisions tied at the threshold are kept."),
        ("none-kept", RATE, "No decision tied at the threshold is kept."),
        ("inclusive", WRONG, "A decision exactly at the price is kept."),
        ("slack", WRONG, "Decisions a little below the threshold are kept."),
        ("margin", WRONG, "Decisions a little above the threshold are dropped."),
        ("last-index", WRONG, "Ties go to the highest index."),
        ("random", WRONG, "Ties are broken at random."),
        ("other", WRONG, "Ties are broken in another way."),
    ),
    *entries(
        "draw",
        _DRAW,
        ("soft", WRONG, "The weight is soft, where a draw is claimed."),
        ("bernoulli", WRONG, "The gate is drawn, where a deterministic one is claimed."),
        ("deterministic", WRONG, "The gate is thresholded, where a draw is claimed."),
        ("top-k", WRONG, "The k largest are kept, where a price is claimed."),
        ("threshold", WRONG, "A price is exceeded, where the k largest are claimed."),
        ("all", WRONG, "Everything is kept: there is no gate."),
        ("fixed-count", WRONG, "A fixed number is sampled, so decisions are not independent."),
        ("shared-uniform", WRONG, "Decisions share one random number."),
        ("fixed-seed", WRONG, "The same draw comes at every call."),
        (
            "chained",
            WRONG,
            "Survivors of the gate are weighted with a sigmoid of the delight again.",
        ),
        ("twice", WRONG, "The gate is drawn or applied twice: kept with w squared."),
        ("complement", WRONG, "The draw is turned round: kept with probability 1 - w."),
        ("other", WRONG, "Keep probabilities are none of the known ones."),
    ),
]
