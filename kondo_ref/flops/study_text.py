"""A cost study as text, for people: tables whose heading names what is counted and how.

A ~ stands before every expectation over a random gate, be it an integer or not; a saving is over
the expected step. A sweep has no ~: its footer says which rows are expectations. Columns of numbers
in different conventions never share a table, but in the one that compares conventions.
"""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Any

from kondo_ref.flops.conventions import SOURCES, VIEWS
from kondo_ref.flops.conventions_reports import Report
from kondo_ref.flops.decoder_kept import Number
from kondo_ref.flops.study import Cost, PaperCost, Study, dense_backward, ratio, total
from kondo_ref.flops.study_batches import Batch, DecoderBatch, MLPBatch, Stages
from kondo_ref.flops.study_json import WIDTHS

SWEEP_FOOTER = (
    "At a rate below 1 every number is an expectation over a random gate, or the share of one.\n"
    "logical, structural, executed: the backward, each over the same count with everything kept."
)


def heading(model: Mapping[str, Any], batch: Batch) -> str:
    """Return what is counted, in one line."""
    if isinstance(batch, MLPBatch):
        name, what = f"MLP {'-'.join(map(str, model['sizes']))}", f"{batch.batch:,} samples"
    else:
        assert isinstance(batch, DecoderBatch)
        name = model.get("source", "transformer")
        what = f"{batch.batch:,} x {batch.length:,} tokens, {batch.attention} attention"
        what += f", the first {batch.prompt:,} a prompt" if batch.prompt else ""
    return f"{name} ({model['parameters']:,} parameters), {what}"


def convention_line(name: str) -> str:
    """Return the convention of the numbers, in one line."""
    if name == "all":
        return "what others report for the dense step, over our products (matmul, macs)"
    found = VIEWS.get(name) or SOURCES[name]
    return f"convention {found.name}: {found.unit}, {found.formula}"


def dense_text(study: Study) -> str:
    """Return the table of a dense step."""
    cost = study.cost(1)
    rows = [("stage", "PG (dense)")]
    rows += [(name, shown(number)) for name, number in with_step(cost.dense_pg).items()]
    forward = cost.dense_pg["forward"]
    lines = [
        columns(rows),
        "",
        backward_text(cost),
        "",
        f"backward / forward  {ratio(dense_backward(cost.dense_pg), forward):.3f}",
        activations_text(study.batch.activation_entries()),
    ]
    return "\n".join(lines)


def gated_text(study: Study, cost: Cost, paper: PaperCost | None) -> str:
    """Return the table of a gated step beside the dense one."""
    gated = f"rate {float(cost.rate):g}, {study.unit}, {study.screening}"
    rows = [("stage", "PG (dense)", gated)]
    own, expected = with_step(cost.stages), cost.expectation
    depend = {*study.random_stages(), "step"} if expected else set()
    rows += [
        (name, shown(dense), shown(own[name], expected=name in depend))
        for name, dense in with_step(cost.dense_pg).items()
    ]
    even = study.break_even()
    decisions, kept, within = (
        shown(number, expected=expected)
        for number in (cost.share.decisions, cost.share.rows, cost.share.sequences)
    )
    sequences = f", in {within} sequences" if study.unit != "sample" else ""
    facts = [
        ("kept", f"{decisions} decisions, {kept} rows{sequences}"),
        ("saving over PG", f"{cost.saving_over_pg:.3f} times"),
        ("saving over DG", f"{cost.saving_over_dg:.3f} times"),
        ("ceiling", f"{study.ceiling():.3f} times, as the rate goes to 0"),
        ("break-even rate", "none: never dearer than PG" if even is None else f"{even:.4g}"),
    ]
    if paper is not None:
        share = cost.backward_shares["executed"]
        facts += [
            (f"at r = {paper.ratio:g}, logical", f"{paper.saving(float(cost.rate)):.3f} times"),
            (f"at r = {paper.ratio:g}, executed", f"{paper.saving(share):.3f} times"),
        ]
    width = max(len(name) for name, _ in facts)
    lines = [columns(rows), "", backward_text(cost), ""]
    lines += [f"{name.ljust(width)}  {text}" for name, text in facts]
    activations = activations_text(cost.activations, expected=expected and study.again)
    return "\n".join([*lines, activations])


def backward_text(cost: Cost) -> str:
    """Return the three counts of the backward side by side."""
    counts = [shown(count, expected=cost.expectation) for count in cost.backwards.values()]
    mark = "~" if cost.expectation else ""
    shares = [f"{mark}{share:.3f}" for share in cost.backward_shares.values()]
    names = tuple(cost.backwards)
    return columns([("backward", *names), ("count", *counts), ("share, of all kept", *shares)])


def activations_text(entries: Number, *, expected: bool = False) -> str:
    """Return the line on memory."""
    sizes = (
        f"{shown(width * entries, expected=expected)} ({dtype})" for dtype, width in WIDTHS.items()
    )
    return f"activations, bytes  {', '.join(sizes)}"


def convention_text(report: Report) -> str:
    """Return the table of a difference: ours, the items, theirs."""
    known = report.backward is not None
    rows = [("", "forward", "backward")]
    rows.append(("ours, products", shown(report.ours_forward), shown(report.ours_backward)))
    rows += [
        (f"  {i.what}", shown(i.forward, sign=True), shown(i.backward, sign=True) if known else "")
        for i in report.items
    ]
    theirs = shown(report.backward) if report.backward is not None else "not counted"
    rows.append((report.source.name, shown(report.forward), theirs))
    return columns(rows)


def conventions_text(reports: Iterable[Report]) -> str:
    """Return what all tools and formulas give for one dense step."""
    rows = [("convention", "unit", "forward", "backward", "to ours")]
    for r in reports:
        own = r.ours_forward + (r.ours_backward if r.backward is not None else 0)
        backward = "-" if r.backward is None else shown(r.backward)
        rows.append(
            (r.source.name, r.source.unit, shown(r.forward), backward, f"{r.total / own:.4f}")
        )
    return columns(rows)


def sweep_text(rows: Sequence[Mapping[str, Any]], *, drafted: bool = True) -> str:
    """Return a sweep as a table of `study_json.flat_row`s, with a footer on what it has not."""
    titles = ("rate", "unit", "screening", "step", "of PG's", "logical", "structural", "executed")
    table: list[tuple[str, ...]] = [titles]
    for row in rows:
        shares = (f"{row[f'{name}_share']:.3f}" for name in titles[-3:])
        step = (f"{row['step']:.4g}", f"{row['step_share']:.3f}")
        table.append((f"{row['rate']:g}", row["unit"], row["screening"], *step, *shares))
    lines = [columns(table), "", SWEEP_FOOTER]
    if not drafted:
        lines.append("No rows of --screen draft: it needs --draft-ratio, what a draft costs.")
    return "\n".join(lines)


def time_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the times to an error as a table."""
    keys = [key for key in rows[0] if key not in ("currency", "r")]
    table: list[tuple[str, ...]] = [("currency", "r", *(key.replace("_", " ") for key in keys))]
    for row in rows:
        cells = ("-" if row[key] is None else f"{row[key]:.2f}" for key in keys)
        table.append((row["currency"], f"{row['r']:.3f}", *cells))
    return columns(table)


def with_step(stages: Stages) -> Stages:
    """Return the stages and their sum."""
    return {**stages, "step": total(stages)}


def shown(number: Number, *, sign: bool = False, expected: bool = False) -> str:
    """Return a number for people; with a ~ where it is an expectation."""
    mark, plus = "~" if expected else "", "+" if sign else ""
    if Fraction(number).denominator == 1:
        return f"{mark}{int(number):{plus},}"
    value = float(number)
    return f"{mark}{value:{plus},.0f}" if abs(value) >= 1000 else f"{mark}{value:{plus}.4g}"


def columns(rows: Sequence[Sequence[str]]) -> str:
    """Return rows as text: the first column to the left, the others to the right."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = []
    for first, *cells in rows:
        right = (cell.rjust(width) for cell, width in zip(cells, widths[1:], strict=True))
        lines.append("  ".join([first.ljust(widths[0]), *right]).rstrip())
    return "\n".join(lines)


def csv_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return rows with the same keys as CSV."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
