"""Audit -> report: the content that text, Markdown and HTML share, and the file that one attaches.

A report is a list of blocks; each form lays them out in its own way. Nothing is computed here.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kondo_ref import files
from kondo_ref.audit.json_schema import json_values
from kondo_ref.audit.verdict import SEVERITIES, Audit, Claim, Finding
from kondo_ref.price import Calibrated, Fixed, Quantile, Rolling
from kondo_ref.report.blocks import Block, Code, Heading, Paragraph, Picture, Table, Verdict
from kondo_ref.report.words import plural, shown

SENTENCES = {
    "conforms": "The target does what is claimed.",
    "deviates": "The target does not do what is claimed.",
    "unusable": "The target cannot be audited as it is called.",
    "identified": "Nothing was claimed; this is what the target was found to be.",
}
NO_FIGURES = (
    "None: matplotlib (kondo-ref[plots]) draws them, of a target that takes ordinary batches."
)
# Of the evidence, what has a place of its own.
REPLAY = "replay"


def claim_sentence(claim: Claim | None) -> str:
    """Return in one line what the target is held to."""
    if claim is None:
        return "none (identify only)"
    gate = claim.gate
    parts = []
    if claim.method == "kondo-top-k":
        parts.append(f"rate {gate.rate:g}")
    if claim.method in ("dg", "kondo"):
        parts += [price_sentence(gate.price), f"temperature {gate.temperature:g}"]
    if gate.unit == "sequence":
        parts.append("unit sequence")
    parts.append(f"normaliser {claim.normalizer}")
    if claim.baseline:
        parts.append(f"baseline {claim.baseline}")
    if claim.skips:
        parts.append("skips what it drops")
    return f"{claim.method}: {', '.join(parts)}"


def price_sentence(price: Any) -> str:
    """Return a price in words."""
    if isinstance(price, Fixed):
        return f"price {price.value:g}"
    if isinstance(price, Rolling):
        return f"rolling price of rate {price.rate:g} over {price.history}"
    name = {Quantile: "quantile", Calibrated: "calibrated"}.get(type(price))
    return f"{name} price of rate {price.rate:g}" if name else "no price"


def verdict_sentence(audit: Audit) -> str:
    """Return the verdict with how many findings there are of each severity."""
    told = SENTENCES[audit.verdict]
    if audit.verdict == "unusable":
        told += f" {unusable_reason(audit)}"
    left = [f for f in audit.findings if f.id not in audit.accepted]
    if left:
        counts = {s: sum(f.severity == s for f in left) for s in SEVERITIES}
        listed = ", ".join(f"{n} {s}" for s, n in counts.items() if n)
        told += f" {plural(len(left), 'finding')}: {listed}."
    accepted = sum(f.id in audit.accepted for f in audit.findings)
    if accepted:
        told += f" {plural(accepted, 'known deviation')} accepted."
    if audit.stale:
        told += f" {plural(len(audit.stale), 'accepted deviation')} no longer shown."
    return told


def unusable_reason(audit: Audit) -> str:
    """Return why a target cannot be audited, in one sentence."""
    trait = audit.identified.get("unusable")
    reason = trait.evidence.strip().rstrip(".") if trait else ""
    return f"{reason[:1].upper()}{reason[1:]}." if reason else ""


def sorted_findings(audit: Audit) -> list[Finding]:
    """Return the findings, the gravest first, the accepted ones last."""
    return sorted(
        audit.findings, key=lambda f: (f.id in audit.accepted, SEVERITIES.index(f.severity))
    )


def identified_rows(audit: Audit) -> list[tuple[str, str, str, str]]:
    """Return name, value, confidence and evidence of what was identified."""
    return [
        (name, shown(trait.value), trait.confidence, trait.evidence)
        for name, trait in audit.identified.items()
        if name != "unusable"  # told with the verdict
    ]


def numbers(finding: Finding) -> list[tuple[str, str]]:
    """Return the evidence of a finding, but for its replay, as names and values in words."""
    found: list[tuple[str, str]] = []

    def add(name: str, value: Any) -> None:
        if isinstance(value, Mapping):
            for key, item in value.items():
                add(f"{name}.{key}" if name else str(key), item)
        else:
            found.append((name.replace("_", " "), shown(value)))

    measured = {key: value for key, value in finding.evidence.items() if key != REPLAY}
    add("", json_values(measured))
    return found


def environment_rows(audit: Audit) -> list[tuple[str, str]]:
    """Return what ran, as names and values in words."""
    found = []
    for name, value in audit.environment.items():
        if isinstance(value, Mapping):
            known = {key: item for key, item in value.items() if item is not None}
            found.append((name, shown(known)))
        else:
            found.append((name, shown(value)))
    return found


def document(audit: Audit, pictures: Sequence[Picture] = (), command: str = "") -> list[Block]:
    """Return the report of an audit as blocks.

    Parameters
    ----------
    audit : Audit
    pictures : sequence of Picture
    command : str
        That makes the audit again.
    """
    blocks: list[Block] = [
        Heading(f"Audit of {audit.target}", 1),
        Verdict(audit.verdict, verdict_sentence(audit)),
        Table(
            ("", ""),
            (
                ("claim", claim_sentence(audit.claim)),
                ("surface", audit.surface),
                ("framework", audit.framework),
            ),
            code=(),
        ),
    ]
    findings = sorted_findings(audit)
    if findings:
        blocks.append(Heading("Findings", 2))
        for finding in findings:
            blocks += finding_blocks(finding, audit.accepted.get(finding.id))
    if audit.stale:
        blocks.append(Heading("Accepted, but no longer shown", 2))
        rows = tuple((i, audit.accepted.get(i, "")) for i in audit.stale)
        blocks.append(Table(("id", "reason it was accepted for"), rows))
    if identified := identified_rows(audit):
        blocks.append(Heading("Identified", 2))
        head = ("property", "value", "confidence", "evidence")
        blocks.append(Table(head, tuple(identified), code=(1,)))
    blocks.append(Heading("Figures", 2))
    blocks += pictures or [Paragraph(NO_FIGURES)]
    blocks.append(Heading("How it was run", 2))
    if command:
        blocks.append(Code(command, "bash"))
    blocks.append(Table(("", ""), tuple(environment_rows(audit)), code=()))
    return blocks


def finding_blocks(finding: Finding, reason: str | None) -> list[Block]:
    """Return a finding as blocks; with the reason for which it is accepted, if it is."""
    rows = [
        ("severity", finding.severity),
        ("dimension", finding.dimension),
        ("expected", finding.expected),
        ("found", finding.found),
    ]
    if finding.nearest:
        rows.append(("nearest known mistake", finding.nearest))
    if reason is not None:
        rows.append(("accepted", reason))
    blocks: list[Block] = [
        Heading(finding.id, 3),
        Paragraph(finding.summary),
        Table(("", ""), tuple(rows), code=()),
    ]
    measured = numbers(finding)
    if measured:
        blocks.append(Table(("measured", "value"), tuple(measured), code=(1,)))
    return blocks


def write_report(
    audit: Audit, path: Path, pictures: Sequence[Picture] = (), command: str = ""
) -> None:
    """Write the report of an audit to a file.

    Parameters
    ----------
    audit : Audit
    path : Path
        Its suffix chooses the form: .html, one file with everything in it; .md, whose figures are
        PNG files beside it, since code hosts do not show pictures inside Markdown.
    pictures : sequence of Picture
        Of `kondo_ref.audit.figures.pictures`.
    command : str
        That makes the audit again.

    Raises
    ------
    ValueError
        Another suffix.
    """
    from kondo_ref.report.markdown import markdown
    from kondo_ref.report.page import html

    require_suffix(path)
    blocks = document(audit, pictures, command)
    if path.suffix != ".md":
        files.write_text(path, html(blocks, f"Audit of {audit.target}: {audit.verdict}"))
        return
    for picture in pictures:
        files.write_bytes(picture_path(path, picture), picture.png)
    files.write_text(path, markdown(blocks, lambda picture: picture_path(path, picture).name))


def picture_path(path: Path, picture: Picture) -> Path:
    """Return where a figure of a Markdown report is, beside it."""
    return path.with_name(f"{path.stem}-{picture.name}.png")


def require_suffix(path: Path) -> None:
    """Refuse a name from which no form follows."""
    if path.suffix not in (".md", ".html"):
        raise ValueError(f"report: expected a file that ends in .md or .html, got {path}")
