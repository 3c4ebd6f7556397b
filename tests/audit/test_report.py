"""Reports of an audit: text, JSON and its schema, Markdown, HTML, from audits made by hand."""

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from fake_subjects import CLAIM, KEPT, NAN, audit

from kondo_ref import Calibrated, Fixed, Gate, Quantile, Rolling
from kondo_ref.audit import Audit, Claim, Options, Trait, write_report
from kondo_ref.audit.catalogue import DIMENSIONS
from kondo_ref.audit.json_schema import SCHEMA_FILE, audit_json, claim_json, read_audit
from kondo_ref.audit.observation import FRAMEWORKS, SURFACES
from kondo_ref.audit.report import claim_sentence, document
from kondo_ref.audit.report_text import WIDTH, failure, stale_sentence, text
from kondo_ref.audit.request import Request
from kondo_ref.audit.verdict import CLAIMS, SEVERITIES, VERDICTS
from kondo_ref.files import to_json
from kondo_ref.report.blocks import Code, Heading, Picture, Table
from kondo_ref.report.markdown import escaped, markdown
from kondo_ref.report.page import html
from kondo_ref.report.words import shown

SCHEMA = json.loads(SCHEMA_FILE.read_text("utf-8"))
KNOWN = {"accepted": {NAN.id: "the loader refuses it"}}
STALE = {"accepted": {"ties.all-kept": "old"}, "stale": ("ties.all-kept",)}
UNUSABLE = {"unusable": Trait(None, "exact", "an ordinary batch raised: no such key")}
GATES = [
    Claim("dg", Gate.named("dg")),
    Claim("dg", Gate.named("dg", price=Fixed(-np.inf), temperature=0.5), "none"),
    Claim("pg", Gate.named("pg")),
    Claim("zero-price", Gate.named("zero-price", unit="sequence"), "kept", skips=True),
    Claim("dg", Gate.named("dg")),
    Claim("dg", Gate.named("dg"), samples=True),
    CLAIM,
    Claim("kondo", Gate.named("kondo", rate=0.1)),
    Claim("kondo", Gate.named("kondo", price=Fixed(0.25), temperature=0.0)),
    Claim("kondo", Gate.named("kondo", price=Calibrated(0.03))),
    Claim("kondo", Gate.named("kondo", price=Rolling(0.03, 64, 8))),
    Claim("dg", Gate.named("dg", price=Quantile(0.5))),
]
AUDITS = [
    audit(),
    audit(**KNOWN),
    audit("conforms", (), **STALE),
    audit("conforms", (NAN,), **KNOWN),
    audit("identified", (), None),
    audit("unusable", (), identified=UNUSABLE),
    audit("unusable", (replace(NAN, id="robustness.raises"),), identified={}),
    *(audit(claim=claim) for claim in GATES),
]


def test_the_verdict_comes_first() -> None:
    lines = text(audit()).splitlines()
    assert lines[:3] == [
        "target     targets.py:loss",
        "surface    logits, numpy",
        "claim      kondo-top-k: rate 0.25, normaliser decisions",
    ]
    assert lines[4].startswith("DEVIATES  The target does not do what is claimed. 2 findings: ")
    assert "1 wrong estimator, 1 fragile on edge inputs" in " ".join(lines[4:6])


def test_a_finding_is_told_whole_and_the_gravest_first() -> None:
    told = text(audit(), "kondo-ref audit --replay a.json --finding {id}")
    assert told.index(KEPT.id) < told.index(NAN.id)
    own = told[told.index(f"* {KEPT.id}") : told.index(f"* {NAN.id}")]
    for part in (
        "[wrong estimator]",
        KEPT.summary,
        "found      Z = 1 of 4 decisions",
        "norm ratio 4; cosine 1; coefficient ratio 3.4e+16; rates.target 0.25; rates.realised",
        "nearest    mean-over-kept",
        "replay     kondo-ref audit --replay a.json --finding normalizer.kept",
    ):
        assert part in own
    assert "replay" not in told[told.index(f"* {NAN.id}") :]


def test_what_was_identified_has_its_evidence() -> None:
    told = text(audit("identified", (), None))
    assert "claim      none (identify only)" in told
    assert re.search(r"^  rate +0\.25 +tested +k = 1, 3, 25 of 4, 10, 100$", told, re.M)
    assert re.search(r"^  baseline +- +assumed +not part of this surface$", told, re.M)


@pytest.mark.parametrize("one", AUDITS, ids=lambda a: f"{a.verdict}-{a.claim and a.claim.method}")
def test_no_line_is_wide(one: Audit) -> None:
    assert max(map(len, text(one).splitlines())) <= WIDTH


def test_accepted_and_stale_are_told() -> None:
    told = text(audit(**KNOWN))
    assert "1 known deviation accepted." in " ".join(told.split())
    assert "* robustness.nan-silent  [fragile on edge inputs]  (accepted)" in told
    assert "accepted   the loader refuses it" in told
    told = text(audit("conforms", (), **STALE))
    assert "accepted, but no longer shown: take them off the list\n  ties.all-kept  (old)" in told
    assert stale_sentence(audit("conforms", (), **STALE)).endswith("take it off the list")
    assert stale_sentence(audit()) == ""


def test_the_message_of_a_failure() -> None:
    assert failure(audit("conforms", ())) == ""
    message = failure(audit(**KNOWN))
    assert message.startswith("targets.py:loss deviates from its claim (1 finding)\nclaim: kondo-")
    assert KEPT.summary in message
    assert NAN.id not in message
    unusable = audit("unusable", (), identified=UNUSABLE)
    told = "is unusable. An ordinary batch raised: no such key.\nclaim: kondo-top-k: rate 0.25"
    assert failure(unusable).startswith(f"targets.py:loss {told}")
    assert "UNUSABLE  The target cannot be audited as it is called. An ordinary" in text(unusable)
    assert "identified" not in text(unusable)


def test_a_value_in_words() -> None:
    assert shown(None) == "-"
    assert shown(True) == "yes"
    assert shown(1 / 3) == "0.3333"
    assert shown(float("inf")) == "inf"
    assert shown(list(range(20))) == "[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, … 8 more]"
    assert shown({"a": 1, "b": [2.0]}) == "a 1, b [2]"


@pytest.mark.parametrize("claim", GATES, ids=claim_sentence)
def test_a_claim_in_words(claim: Claim) -> None:
    told = claim_sentence(claim)
    assert told.startswith(f"{claim.method}: ")
    assert ("temperature" in told) == (claim.method in ("dg", "kondo"))
    assert (f"{claim.gate.target_rate}" in told) == (claim.gate.target_rate is not None)
    assert ("skips" in told) == claim.skips


@pytest.mark.parametrize("one", AUDITS, ids=lambda a: f"{a.verdict}-{a.claim and a.claim.method}")
def test_json_follows_its_schema_and_comes_back(one: Audit) -> None:
    request = Request("targets.py:loss", options=Options(time_limit=3.0, returns=("loss", "info")))
    told = to_json(audit_json(one, request))
    report = json.loads(told, parse_constant=pytest.fail)  # of NaN and Infinity
    jsonschema.Draft202012Validator(SCHEMA).validate(report)
    back, asked = read_audit(told)
    assert json.loads(to_json(audit_json(back, asked))) == report
    assert back.claim == one.claim
    assert asked.options == request.options


def test_the_keys_of_the_json() -> None:
    report = audit_json(audit())
    named = ["schema", "target", "claim", "verdict", "identified", "findings", "environment"]
    assert [key for key in report if key in named] == named
    assert report["claim"] == "kondo-top-k"
    assert report["parameters"]["rate"] == 0.25
    assert report["identified"]["rate"] == {
        "value": 0.25,
        "confidence": "tested",
        "evidence": "k = 1, 3, 25 of 4, 10, 100",
    }
    finding = report["findings"][1]
    assert finding["id"] == "normalizer.kept"
    assert finding["evidence"]["rates"] == {"target": 0.25, "realised": "nan"}
    assert finding["evidence"]["coefficients"] == [1.0, 0.0, 0.0, 0.0]


def test_the_schema_has_the_words_of_the_code() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    known, finding = SCHEMA["properties"], SCHEMA["$defs"]["finding"]["properties"]
    assert known["surface"]["enum"] == list(SURFACES)
    assert known["framework"]["enum"] == list(FRAMEWORKS)
    assert known["claim"]["enum"] == [*CLAIMS, None]
    assert known["verdict"]["enum"] == [*VERDICTS, "identified"]
    assert finding["dimension"]["enum"] == list(DIMENSIONS)
    assert finding["severity"]["enum"] == list(SEVERITIES)


@pytest.mark.parametrize(
    "change",
    [
        {"schema": "kondo-ref/audit/2"},
        {"verdict": "passes"},
        {"claim": "reinforce"},
        {"identified": {"rate": 0.25}},
        {"findings": [{"id": "ties.all-kept"}]},
        {"findings": [{**audit_json(audit())["findings"][0], "severity": "bad"}]},
        {"seed": -1},
    ],
)
def test_the_schema_refuses(change: dict[str, object]) -> None:
    report = {**audit_json(audit()), **change}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(report, SCHEMA)


@pytest.mark.parametrize("told", ["", "[]", "{}", '{"schema": "kondo-ref/audit/1"}', "\x00"])
def test_json_that_is_none_of_ours(told: str) -> None:
    with pytest.raises(ValueError, match="the JSON is not that of an audit"):
        read_audit(told)


def test_a_fixed_price_of_a_claim_as_json() -> None:
    assert claim_json(GATES[1])["price"] == -np.inf
    assert audit_json(audit(claim=GATES[1]))["parameters"]["price"] == "-inf"
    assert claim_json(GATES[10])["price"] == "rolling:64:8"


PICTURE = Picture("rates", "Kept | executed", b"PNG", b"<svg>light</svg>", b"<svg>dark</svg>")


def test_markdown_has_everything_and_nothing_breaks_out_of_it(tmp_path: Path) -> None:
    path = tmp_path / "audit.md"
    finding = replace(KEPT, found="x | y <script> `z` *b*", evidence={"a|b": "c|d`e"})
    write_report(audit(findings=(finding,)), path, [PICTURE], "kondo-ref audit x")
    told = path.read_text("utf-8")
    assert told.startswith("# Audit of targets.py:loss\n\n**❌ DEVIATES.** The target")
    assert "### normalizer.kept" in told
    assert r"| found | x \| y \<script\> \`z\` \*b\* |" in told
    assert "| a\\|b | `` c¦d`e `` |" in told
    assert "```bash\nkondo-ref audit x\n```" in told
    assert "![Kept \\| executed](audit-rates.png)" in told
    assert (tmp_path / "audit-rates.png").read_bytes() == b"PNG"
    for line in told.splitlines():
        if line.startswith("|"):
            assert len(re.split(r"(?<!\\)\|", line)) in (4, 6)  # tables of two and four columns


def test_markdown_of_what_needs_care() -> None:
    assert escaped("a_b\n c") == r"a\_b c"
    told = markdown([Code("```\n", "bash"), Heading("#", 2)], lambda p: p.name)
    assert told == "````bash\n```\n\n````\n\n## \\#\n"


class Page(HTMLParser):
    """Collects the tags, and checks that they close in order."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []
        self.seen: set[str] = set()
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        self.links += [v or "" for k, v in attrs if k in ("src", "href", "srcset")]
        if tag not in ("meta", "img", "source"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_html_is_one_file_without_scripts(tmp_path: Path) -> None:
    path = tmp_path / "audit.html"
    finding = replace(KEPT, found="<script>alert(1)</script>", evidence={"<b>": '"&'})
    write_report(audit(findings=(finding,), **STALE), path, [PICTURE], "kondo-ref audit x")
    told = path.read_text("utf-8")
    page = Page(told)
    assert [p.name for p in tmp_path.iterdir()] == ["audit.html"]
    assert "script" not in page.seen
    assert len(page.links) == 2
    assert all(link.startswith("data:image/svg+xml;base64,") for link in page.links)
    assert "&lt;script&gt;" in told
    assert '<td data-head="value"><code>&quot;&amp;</code></td>' in told
    assert "prefers-color-scheme: dark" in told
    assert 'name="viewport"' in told
    assert "<title>Audit of targets.py:loss: deviates</title>" in told


def test_a_table_without_rows() -> None:
    assert "<tbody></tbody>" in html([Table(("", ""), ())], "t")


def test_a_report_without_figures_says_so() -> None:
    told = markdown(document(audit()), lambda p: p.name)
    assert "## Figures\n\nNone: matplotlib" in told


def test_a_report_of_another_form(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"report: expected a file that ends in \.md or \.html"):
        write_report(audit(), tmp_path / "audit.pdf")
