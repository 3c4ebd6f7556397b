"""Results of a run -> a table of methods and a figure."""

from pathlib import Path
from typing import Any

from kondo_ref.tasks import comparison, flop
from kondo_ref.tasks.comparison import Panel

THRESHOLD = 0.1
FIGURES = ("figure",)
TABLES: tuple[str, ...] = ()

LEGEND = (
    "online: sampled answers while learning, without noise. A soft gate (dg) weighs every token "
    "and\nskips none. A kept token needs the backward of all tokens before it: rows and FLOP count "
    "those,\nlogical FLOP do not. FLOP are the reference's, dense attention (structural: causal), "
    "whatever the\nbackend. Neither they nor the time of a step include sampling the answers. With "
    "--epochs above 1,\nppo's forwards are counted once an epoch.\n"
    f"{flop.LEGEND}"
)

LINES = (
    ("error", "online error (1 - mean reward)", "{:.2%}"),
    ("forward_sequences", "forward sequences", "{:,.0f}"),
    ("backward_sequences", "sequences with a kept token", "{:,.0f}"),
    ("backward_tokens", "kept tokens", "{:,.0f}"),
    ("forward_to_threshold", "forward sequences to 10 % online error", "{:,.0f}"),
    *comparison.RATE_LINES[:-2],
    *flop.LINES,
    ("flop_per_kept", "executed / logical backward FLOP", "{:.2f}"),
    *comparison.RATE_LINES[-2:],
    ("zero_advantage_share", "kept tokens with advantage 0", "{:.1%}"),
    ("kept_correct", "kept tokens that are correct", "{:.1%}"),
    ("sequence_correct", "all tokens of their sequences that are correct", "{:.1%}"),
    ("batch_correct", "all tokens that are correct", "{:.1%}"),
    ("kept_after_error", "kept tokens after their sequence's first error", "{:.1%}"),
    ("sequence_after_error", "all tokens of their sequences after its first error", "{:.1%}"),
    ("kept_surprisal", "mean surprisal of kept tokens (nat)", "{:.3f}"),
    ("batch_surprisal", "mean surprisal of all tokens (nat)", "{:.3f}"),
)
PANELS = (
    Panel("forward_sequences", "forward sequences", "what was looked at"),
    Panel("backward_equivalents", "kept tokens / tokens a sequence", "what was learned from"),
    Panel("backward_flop", f"executed backward FLOP ({flop.CONVENTION})", "what that cost"),
    Panel("step_flop", f"forward and backward FLOP ({flop.CONVENTION})", "what a step cost"),
)
COLUMNS = (
    *("forward_sequences", "forward_tokens", "backward_tokens", "backward_flop", "step_flop"),
    "error",
)


def headline(configuration: dict[str, Any]) -> str:
    """Return what was run."""
    c = configuration
    return (
        f"token-reversal ({c['length']} tokens of {c['vocabulary']}, {c['reward']} reward), "
        f"{c['steps']:,} steps of {c['prompts']} x {c['samples']}, baseline {c['baseline']}; "
        "at the last log point"
    )


def summarize(units: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return one row a method: means over its seeds, standard errors where there are two seeds.

    Parameters
    ----------
    units : list of dict
        Results of `train`.
    """
    rows = []
    for method, own in comparison.by_method(units).items():
        row = comparison.summary_row(method, own, ("error",))
        row["forward_to_threshold"] = comparison.crossing(
            mean_curve(own), "forward_sequences", "error", THRESHOLD
        )
        kept = row["logical_share"]
        row["flop_per_kept"] = row["flop_share"] / kept if kept else None
        rows.append({**row, "step_ratio": comparison.step_ratio(row)})
    return rows


def mean_curve(units: list[dict[str, Any]]) -> list[dict[str, float]]:
    """Return the curve of one method: means over the seeds, and standard errors.

    ``backward_equivalents`` are the kept tokens, in sequences.
    """
    curve = comparison.mean_curve(units, COLUMNS)
    for row in curve:
        length = row["forward_tokens"] / row["forward_sequences"]
        row["backward_equivalents"] = row["backward_tokens"] / length
    return curve


def table(rows: list[dict[str, Any]]) -> str:
    """Return the comparison as text: a column a method, mean and standard error over seeds."""
    return comparison.text_table(rows, LINES)


def figure(units: list[dict[str, Any]], path: Path) -> None:
    """Draw the error against forward sequences, kept sequences' worth, and backward FLOP."""
    curves = {method: mean_curve(own) for method, own in comparison.by_method(units).items()}
    comparison.error_figure(curves, "error", "online error", PANELS, path)
