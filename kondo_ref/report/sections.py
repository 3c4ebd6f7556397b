"""A result -> its section of a report. One function a schema, and one for all others.

Nothing is computed here: numbers are those of the file, and verdicts too.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from kondo_ref.report.blocks import Block, Heading, Paragraph, Picture, Table, Verdict
from kondo_ref.report.sources import Source
from kondo_ref.report.tables import nested, pairs, records, transposed
from kondo_ref.report.words import plural, shown

LEVEL = 2  # of a section's heading
PNG = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True)
class Section:
    """What is told of one result.

    Parameters
    ----------
    title : str
    verdict : str
        As in `kondo_ref.report.blocks.Verdict`.
    sentence : str
        The result in one line.
    blocks : tuple of Block
        Without heading and verdict.
    """

    title: str
    verdict: str
    sentence: str
    blocks: tuple[Block, ...]


def section(source: Source) -> Section:
    """Return the section of a result.

    Raises
    ------
    ValueError
        A field that the schema has is missing, or is of another kind.
    """
    try:
        return READERS.get(source.schema, _other)(source)
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        reason = f"no {error} in it" if isinstance(error, KeyError) else error
        raise ValueError(f"PATH: {source.path} is not as {source.schema} says ({reason})") from None


def _run(source: Source) -> Section:
    from kondo_ref.task import load_task

    told = source.data
    analysis = load_task(told["configuration"]["task"]).analysis
    configuration = told["configuration"]
    methods = told["methods"]
    blocks: list[Block] = [_picture(source, name) for name in told["figures"]]
    blocks += [
        transposed(methods, "method"),
        Paragraph(f"Mean ± standard error over the seeds. {analysis.LEGEND}"),
    ]
    for name, rows in told.get("tables", {}).items():
        blocks += [Heading(name.replace("_", " "), LEVEL + 1), *records(rows)]
    blocks += [Heading("Configuration", LEVEL + 1), pairs(configuration)]
    blocks += [Heading("Environment", LEVEL + 1), pairs(told["environment"])]
    sentence = f"{analysis.headline(configuration)}, {plural(configuration['seeds'], 'seed')}."
    return Section(f"Run {source.name}", "done", sentence, tuple(blocks))


def _study(source: Source) -> Section:
    from kondo_ref.reproduce import compare

    told = source.data
    configuration = told["configuration"]
    rows = tuple(compare.cells(row) for row in told["table"])
    seeds = sorted({row["seeds"] for row in told["table"]})
    sentence = f"{plural(told['units'], 'unit')}, {' or '.join(map(str, seeds))} seeds."
    if configuration["quick"]:
        sentence += " A quick run, which is not the study."
    plain = {k: v for k, v in configuration.items() if k != "parts"}
    parts = [{"part": part["name"], "task": part["task"]} for part in configuration["parts"]]
    blocks = (
        *(_picture(source, name) for name in told["figures"]),
        Table(compare.HEAD, rows, code=()),
        Paragraph(f"Intervals: BCa bootstrap over seeds, {told['level']:.0%}."),
        Heading("Configuration", LEVEL + 1),
        pairs(plain),
        *records(parts),
        Heading("Environment", LEVEL + 1),
        pairs(told["environment"]),
    )
    return Section(f"Study {configuration['study']}", "done", sentence, blocks)


def _picture(source: Source, name: str) -> Block:
    """Return a figure of a run's folder; a sentence where the file is not there."""
    path = source.path.parent / name
    if "/" in name or not path.is_file():
        return Paragraph(f"The figure {name} is not in the folder.")
    content = path.read_bytes()
    if not content.startswith(PNG):
        raise ValueError(f"PATH: {path} is no PNG")
    return Picture(
        path.stem, f"{path.stem.replace('_', ' ').capitalize()} of {source.name}.", content
    )


def _audit(source: Source) -> Section:
    from kondo_ref.audit.json_schema import audit_of
    from kondo_ref.audit.report import NO_FIGURES, document, verdict_sentence

    audit, _ = audit_of(source.data)
    # Its own title and verdict come from here, and its figures are in its own report.
    inside = [b for b in document(audit)[2:] if b != Paragraph(NO_FIGURES)]
    inside = [b for b in inside if b != Heading("Figures", 2)]
    blocks = tuple(replace(b, level=b.level + 1) if isinstance(b, Heading) else b for b in inside)
    return Section(f"Audit of {audit.target}", audit.verdict, verdict_sentence(audit), blocks)


def _claims(source: Source) -> Section:
    told = source.data
    claims = told["claims"]
    failing = [c for c in claims if not c["ok"]]
    rows = [
        (c["id"], c["statement"], "yes" if c["holds"] else "NO", _broken(c["boundaries"]))
        for c in [*failing, *(c for c in claims if c["ok"])]
    ]
    head = ("claim", "statement", "holds", "fails without a hypothesis")
    published = [n for c in claims for n in c["numbers"] or () if isinstance(n, Mapping)]
    blocks: list[Block] = [Table(head, tuple(rows))]
    if published:
        blocks += [Heading("Published numbers", LEVEL + 1), *records(published)]
    good = told["holds"] and not failing
    sentence = f"{len(claims) - len(failing)} of {plural(len(claims), 'claim')} as stated."
    return Section("Claims", "holds" if good else "fails", sentence, tuple(blocks))


def _broken(boundaries: Sequence[Mapping[str, Any]]) -> str:
    return f"{sum(b['fails'] for b in boundaries)} of {len(boundaries)}"


def _flops(source: Source) -> Section:
    told = source.data
    stages = [{"stage": name.replace("_", " "), "FLOP": n} for name, n in told["stages"].items()]
    rest = {k: v for k, v in told.items() if k not in ("schema", "stages")}
    blocks = (*records(stages), *nested(rest, LEVEL + 1))
    model = told["model"]
    sentence = (
        f"{told['step']:.4g} FLOP a step: forward {told['forward']:.4g}, "
        f"backward {told['backward']:.4g} ({told['convention']})."
    )
    return Section(f"FLOP of {_model(model)}", "done", sentence, blocks)


def _sweep(source: Source) -> Section:
    told = source.data
    rows = [
        {
            "unit": row["unit"],
            "rate": row["rate"],
            "screen": row["screen"],
            "forward FLOP": row["forward"],
            "backward FLOP": row["backward"],
            "executed share of the backward": row["backward_shares"]["executed"],
        }
        for row in told["rows"]
    ]
    sentence = f"{plural(len(rows), 'setting')} beside the dense step ({told['convention']})."
    blocks = (*records(rows), Heading("Dense", LEVEL + 1), *nested(told["dense"], LEVEL + 2))
    return Section(f"FLOP against rate, {_model(told['model'])}", "done", sentence, blocks)


def _model(model: Mapping[str, Any]) -> str:
    told = {k: v for k, v in model.items() if k not in ("kind", "parameters")}
    return f"{model['kind']} ({shown(told)})"


def _vectors(source: Source) -> Section:
    told = source.data
    failed = told["failed"]
    blocks = (pairs({k: told[k] for k in ("file", "backend", "worst_ratio")}), *_listed(failed))
    sentence = f"{told['cases'] - len(failed)} of {told['cases']} vectors are met."
    return Section(f"Vectors, {told['backend']}", "fails" if failed else "holds", sentence, blocks)


def _backend(source: Source) -> Section:
    told = source.data
    rows = [{k: c[k] for k in ("id", "verdict", "ratio", "message")} for c in told["checks"]]
    rows.sort(key=lambda row: row["verdict"] == "holds")
    good = told["verdict"] == "conforms"
    sentence = f"{plural(len(rows), 'check')}, seed {told['seed']}, {told['steps']} steps."
    blocks = (*records(rows), Heading("Environment", LEVEL + 1), pairs(told["environment"]))
    return Section(
        f"Backend {told['backend']}", "conforms" if good else "deviates", sentence, blocks
    )


def _listed(failed: Sequence[Any]) -> list[Block]:
    return [Paragraph(shown(f)) for f in failed]


def _other(source: Source) -> Section:
    told = {k: v for k, v in source.data.items() if k != "schema"}
    verdict = str(told.pop("verdict", "done"))
    known = verdict if verdict in VERDICTS else "done"
    sentence = f"{source.schema}, verdict {verdict}." if known != verdict else f"{source.schema}."
    return Section(source.name, known, sentence, tuple(nested(told, LEVEL + 1)))


VERDICTS = ("conforms", "deviates", "unusable", "identified", "holds", "fails", "done")
READERS: dict[str, Callable[[Source], Section]] = {
    "kondo-ref/run/1": _run,
    "kondo-ref/reproduce/1": _study,
    "kondo-ref/audit/1": _audit,
    "kondo-ref/claims/1": _claims,
    "kondo-ref/flops/1": _flops,
    "kondo-ref/flops-sweep/1": _sweep,
    "kondo-ref/vectors-report/1": _vectors,
    "kondo-ref/backend-report/1": _backend,
}


def section_blocks(told: Section) -> list[Block]:
    """Return a section with its heading and its verdict."""
    return [Heading(told.title, LEVEL), Verdict(told.verdict, told.sentence), *told.blocks]
