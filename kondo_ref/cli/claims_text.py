"""The table of claims, and a derivation, as text for a terminal of 100 columns."""

import inspect
import textwrap
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from kondo_ref.claims.report import named_pair, pair

WIDTH = 100
SIGNS = {"equal": "=", "at most": "<=", "at least": ">=", "below": "<", "above": ">"}
HEAD = f"{'claim':35}{'exact':>15}    {'bound':<15}{'error of limit':>16}  verdict"


def table(result: Mapping[str, Any], *, brief: bool = False) -> str:
    """Return a line a claim, under it what it says and needs and where it fails.

    Parameters
    ----------
    result : mapping
        Of `kondo_ref.claims.report.report`.
    brief : bool
        The line alone, but for a claim of which something is not as it should be.
    """
    lines = [HEAD]
    group = None
    for record in result["claims"]:
        if record["group"] != group:
            group = record["group"]
            lines += ["", f"{group} ".ljust(WIDTH, "-")]
        own = _claim(record)
        lines += own[:1] if brief and record["ok"] else ["", *own]
    lines += ["", *summary(result), *written(result)]
    return "\n".join(lines)


def summary(result: Mapping[str, Any]) -> list[str]:
    """Return how much holds, fails and is met, and the names of what is not as it should be."""
    claims = result["claims"]
    boundaries = [b for record in claims for b in record["boundaries"]]
    holding = sum(record["holds"] for record in claims)
    failing = sum(boundary["fails"] for boundary in boundaries)
    fail = f"{failing} of {len(boundaries)} fail, as they should, with a hypothesis dropped."
    lines = [f"{holding} of {len(claims)} claims hold; {fail}"]
    numbers = [n for record in claims for n in record["numbers"] or []]
    published = sum(record["published"] for record in claims)
    if any(record["numbers"] is not None for record in claims):
        met = sum(number["met"] for number in numbers)
        lines.append(f"{met} of {len(numbers)} published numbers are met.")
    elif published:
        lines.append(f"{published} published numbers were not computed; --numbers does.")
    wrong = [record["id"] for record in claims if not record["ok"]]
    if wrong:
        lines += wrapped(f"NOT AS CLAIMED: {', '.join(wrong)}", "", "  ")
    return lines


def written(result: Mapping[str, Any]) -> list[str]:
    """Return the lines that name the figures."""
    return [f"wrote {path}" for path in result["figures"] or []]


def derivation(record: Mapping[str, Any], function: Callable[..., Any]) -> str:
    """Return a claim in full: its function, the derivation in steps, the table's lines.

    Parameters
    ----------
    record : mapping
        Of `kondo_ref.claims.report.evaluate`, with steps.
    function : callable
        The statement.
    """
    lines = [f"{record['id']} ".ljust(WIDTH, "="), ""]
    lines += wrapped(record["statement"])
    lines += ["", f"source      {record['source']}", f"function    {record['function']}"]
    heads = ("hypotheses", *("",) * len(record["hypotheses"]))
    lines += [
        line
        for head, hypothesis in zip(heads, record["hypotheses"], strict=False)
        for line in wrapped(hypothesis, f"{head:12}", " " * 12)
    ]
    if record["remark"]:
        lines += wrapped(record["remark"], "remark      ", " " * 12)
    lines.append("")
    for number, step in enumerate(record["steps"] or [], 1):
        lines += wrapped(step["text"], f"{number:2}. ", "    ")
        lines += _numbers(step["numbers"], "      ")
    lines += ["", HEAD, *_claim(record), ""]
    lines += textwrap.indent(inspect.cleandoc(function.__doc__ or ""), "  ").splitlines()
    return "\n".join(lines).rstrip()


def wrapped(text: str, first: str = "", rest: str = "", width: int = WIDTH) -> list[str]:
    """Return a text in lines, no word of it cut."""
    return textwrap.wrap(
        " ".join(text.split()),
        width,
        initial_indent=first,
        subsequent_indent=rest,
        break_long_words=False,
        break_on_hyphens=False,
    ) or [first.rstrip()]


def shown(value: Any) -> str:
    """Return a JSON value for a person: six digits, no quotes."""
    if isinstance(value, list):
        return f"[{', '.join(shown(item) for item in value)}]"
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {shown(item)}" for name, item in value.items())
    if value is None:
        return "not finite"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _claim(record: Mapping[str, Any]) -> list[str]:
    """Return the lines of one claim."""
    lines = [_row(record["id"], record, "holds" if record["holds"] else "FAILS")]
    lines += wrapped(record["statement"], "  ", "  ")
    _, _, what = named_pair(record)
    lines += wrapped(f"{what}; {record['source']}", "    exact: ", " " * 11)
    lines += wrapped("; ".join(record["hypotheses"]) or "none", "    needs: ", " " * 11)
    for boundary in record["boundaries"]:
        lines += _boundary(boundary)
    lines += _published(record["numbers"] or [])
    return lines


def _row(name: str, sides: Mapping[str, Any], verdict: str) -> str:
    actual, claimed, _ = pair(sides)
    exact, bound = ("not finite" if n is None else f"{n:.8g}" for n in (actual, claimed))
    error = "infinite" if sides["error"] is None else f"{sides['error']:.2g}"
    ratio = f"{error} of {sides['tolerance']:.3g}"
    strict = sides["relation"] in ("below", "above")
    if strict and actual is not None and claimed is not None:
        ratio = f"margin {abs(actual - claimed):.2g}"  # a strict bound has no rounding to meet
    return f"{name:34} {exact:>15} {SIGNS[sides['relation']]:>2} {bound:<15}{ratio:>16}  {verdict}"


def _boundary(boundary: Mapping[str, Any]) -> list[str]:
    """Return what stands in a hypothesis's place, whether that fails, and the counterexample."""
    verdict = "fails as it should" if boundary["fails"] else "HOLDS, BUT SHOULD FAIL"
    room = WIDTH - len(verdict) - 1
    *head, last = wrapped(boundary["instead"], "    - ", "      ", room)
    shows = f'instead of "{boundary["hypothesis"]}": {boundary["shows"]}'
    return [*head, f"{last:{room}} {verdict}", *wrapped(shows, "      ", "      ")]


def _published(numbers: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return published numbers beside ours, a line each."""
    if not numbers:
        return []
    lines = [f"    {'published numbers':48}{'published':>12}{'ours':>16}"]
    for number in numbers:
        ours = "not finite" if number["ours"] is None else f"{number['ours']:.8g}"
        kind = "sampled, " if number["sampled"] else ""
        verdict = "met" if number["met"] else "NOT MET"
        label = wrapped(number["label"], "      ", "        ", width=52)
        lines += label[:-1]
        lines.append(
            f"{label[-1]:52}{number['published']:>12g}{ours:>16}  {kind}{verdict}".rstrip()
        )
    return lines


def _numbers(numbers: Mapping[str, Any], indent: str) -> list[str]:
    """Return the numbers of a step, as many in a line as fit."""
    parts = [f"{name} = {shown(value)}" for name, value in numbers.items()]
    return wrapped("; ".join(parts), indent, indent + "  ") if parts else []
