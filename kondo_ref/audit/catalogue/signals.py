"""Deviations in what the gate looks at: unit, aggregation, surprisal, advantage, signal."""

from kondo_ref.audit.catalogue.entry import WRONG, Entry, entries

_UNIT = "the gate decides on the claimed unit: a sample, a token, or a whole sequence ([K], sec. 5)"
_MEAN = "the delight of a sequence is the mean of U * l over its valid tokens ([K], sec. 5)"
_SURPRISAL = "surprisal l = -log pi(a) of the action taken, in nat, as it is ([DG], sec. 2)"
_ADVANTAGE = "the advantage U is used as given, with its sign, in the gate and in the coefficient"
_SIGNAL = "the gate's signal is the delight chi = U * l ([DG], eq. 2)"

SIGNALS: list[Entry] = [
    *entries(
        "units",
        _UNIT,
        (
            "token-for-sequence",
            WRONG,
            "Every token is gated by itself, where the sequence is claimed.",
        ),
        ("sequence-for-token", WRONG, "Whole sequences are gated, where the token is claimed."),
        ("mask-changes-unit", WRONG, "Adding a mask of ones changes the gate's unit."),
        ("batch", WRONG, "One gate is taken for the whole batch."),
        ("shared", WRONG, "Decisions that belong to different units share one gate."),
        ("row-budget", WRONG, "A budget of whole rows drops tokens that the gate had kept."),
        ("column", WRONG, "Decisions are gated by their position in the sequence."),
        ("other", WRONG, "The gate's unit is none of token, sequence, batch."),
    ),
    *entries(
        "aggregation",
        _MEAN,
        ("sum", WRONG, "The delight of a sequence is summed, so long ones win."),
        ("max", WRONG, "The delight of a sequence is that of its best token."),
        ("last", WRONG, "The delight of a sequence is that of its last token."),
        ("product-of-means", WRONG, "The delight of a sequence is mean(U) times mean(l)."),
        (
            "sum-surprisal",
            WRONG,
            "The delight of a sequence is mean(U) times the summed surprisal.",
        ),
        (
            "counts-padding",
            WRONG,
            "The mean over a sequence divides by or includes invalid tokens.",
        ),
        ("other", WRONG, "The tokens of a sequence are aggregated in another way."),
    ),
    *entries(
        "surprisal",
        _SURPRISAL,
        ("clamped", WRONG, "The surprisal is clamped above."),
        ("floored", WRONG, "The surprisal has a lower bound or an added constant."),
        ("tempered", WRONG, "The surprisal is that of a tempered policy."),
        ("scaled", WRONG, "The surprisal is multiplied by a constant (another base of the log)."),
        ("length-normalised", WRONG, "The surprisal is divided by log K, or by another shape."),
        ("centred", WRONG, "The batch's mean is taken from the surprisal."),
        ("whitened", WRONG, "The surprisal is standardised over the batch."),
        ("probability", WRONG, "1 - pi(a) stands in for the surprisal."),
        ("sign", WRONG, "log pi stands in for -log pi: likely actions are favoured."),
        ("entropy", WRONG, "The policy's entropy stands in for the surprisal of the action."),
        ("greedy", WRONG, "The surprisal is that of another action than the one taken."),
        ("raw-logit", WRONG, "The logit, not normalised, stands in for log pi."),
        ("stale", WRONG, "The surprisal is that of an earlier policy."),
        ("other", WRONG, "The gate uses another function of the surprisal."),
    ),
    *entries(
        "advantage",
        _ADVANTAGE,
        ("sign-dropped", WRONG, "The coefficient uses |U|."),
        ("positive-only", WRONG, "Negative advantages are set to 0."),
        ("binarised", WRONG, "Only the sign of the advantage is used."),
        ("missing", WRONG, "The advantage is missing from the coefficient."),
        ("centred", WRONG, "The batch's mean is taken from the advantages."),
        ("standardised", WRONG, "The advantages are standardised over the batch."),
        ("scaled", WRONG, "The advantages are divided by a spread of the batch."),
        ("clipped", WRONG, "The advantages are clipped."),
        ("normalised-in-gate", WRONG, "The gate sees other advantages than the coefficient."),
        ("squared", WRONG, "The coefficient uses a power of the advantage."),
        (
            "baseline",
            WRONG,
            "The baseline is none of the papers', or not the one that is claimed.",
        ),
        ("other", WRONG, "The coefficient uses another function of the advantage."),
    ),
    *entries(
        "signal",
        _SIGNAL,
        ("abs-delight", WRONG, "The gate sees |U| * l: bad surprises are kept as good ones."),
        ("advantage", WRONG, "The gate sees the advantage alone."),
        ("abs-advantage", WRONG, "The gate sees |U| alone."),
        ("surprisal", WRONG, "The gate sees the surprisal alone."),
        (
            "uniform",
            WRONG,
            "The gate does not look at the decision: its choice is constant or random.",
        ),
        ("additive", WRONG, "The gate sees a sum of advantage and surprisal."),
        ("function", WRONG, "The gate sees U times another function of the surprisal."),
        ("sign", WRONG, "The signal's sign is turned: the worst are kept."),
        ("centred", WRONG, "The batch's mean is taken from the delight."),
        ("whitened", WRONG, "The delight is standardised over the batch."),
        (
            "mean-added-back",
            WRONG,
            "The delight is whitened with the mean added back: signs flip.",
        ),
        ("scaled", WRONG, "The delight is divided by a spread of the batch."),
        ("clipped", WRONG, "The delight is clipped."),
        ("rank", WRONG, "The gate sees the rank of the delight in the batch."),
        ("other", WRONG, "The gate's signal is none of the known ones."),
    ),
]
