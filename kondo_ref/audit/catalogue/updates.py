"""Deviations in what becomes of the decision: weights, detach, placement, normaliser."""

from kondo_ref.audit.catalogue.entry import WRONG, Entry, entries

_WEIGHTS = "a kept decision has the weight 1, a soft one w: c = G * U / Z, and no other factor"
_DETACH = "U, l, price and G are constants of the update: c = G * U / Z ([DG], sec. 2)"
_PLACEMENT = "the gate multiplies the whole policy-gradient term, and nothing else has a gradient"
_NORMALIZER = "Z is the number of valid decisions, kept or not, unless the claim says otherwise"

UPDATES: list[Entry] = [
    *entries(
        "weights",
        _WEIGHTS,
        ("inverse-probability", WRONG, "Survivors weigh 1/w: that estimates plain PG."),
        ("inverse-rate", WRONG, "Survivors weigh 1/rate."),
        ("gain", WRONG, "All coefficients have a constant factor."),
        ("squared", WRONG, "The gate enters twice: w squared."),
        ("root", WRONG, "The gate enters as a root or another power."),
        ("bounded", WRONG, "Weights are clipped."),
        ("floor", WRONG, "Dropped decisions keep a weight."),
        ("delight", WRONG, "The coefficient has the delight in place of the advantage."),
        ("sign", WRONG, "The update descends where it should ascend."),
        ("other", WRONG, "Coefficients have another factor."),
    ),
    *entries(
        "detach",
        _DETACH,
        ("gate", WRONG, "The gate is not detached: its derivative leaks into the gradient."),
        (
            "straight-through",
            WRONG,
            "A hard gate has the gradient of a soft one (straight-through).",
        ),
        ("partial", WRONG, "Part of the gate's derivative leaks into the gradient."),
        ("price", WRONG, "The price is not detached."),
        ("surprisal-factor", WRONG, "The surprisal in the coefficient is not detached."),
        ("baseline", WRONG, "The baseline is not detached."),
        ("other", WRONG, "Something is differentiated that should be constant."),
    ),
    *entries(
        "placement",
        _PLACEMENT,
        ("entropy", WRONG, "An entropy term has a gradient beside the policy gradient."),
        ("extra-term", WRONG, "Another term has a gradient beside the policy gradient."),
        ("ungated-share", WRONG, "Part of the policy gradient is not gated."),
        (
            "negatives-ungated",
            WRONG,
            "Decisions of one sign of the advantage pass without a gate.",
        ),
        ("probability", WRONG, "The objective has pi(a) in place of its logarithm."),
    ),
    *entries(
        "normalizer",
        _NORMALIZER,
        ("kept", WRONG, "The mean is over the kept decisions: the step grows by about 1/rate."),
        ("decisions", WRONG, "The mean is over all valid decisions, where another is claimed."),
        ("none", WRONG, "The coefficients are not divided by anything."),
        ("includes-masked", WRONG, "Invalid decisions count in the mean."),
        ("nonzero-advantage", WRONG, "Decisions with advantage 0 do not count in the mean."),
        ("weight-sum", WRONG, "The coefficients are divided by the sum of the weights."),
        ("expected-kept", WRONG, "The coefficients are divided by rate * N."),
        ("sequences", WRONG, "The coefficients are divided by the number of sequences."),
        ("sequence-mean", WRONG, "Means of sequences are averaged, so short ones weigh more."),
        ("length", WRONG, "The coefficients are divided by the longest length, or by T."),
        ("constant", WRONG, "The coefficients are divided by a constant."),
        ("other", WRONG, "The normaliser is none of the known ones."),
    ),
]
