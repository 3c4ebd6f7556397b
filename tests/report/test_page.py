"""The page: every number of a result is on it, nothing of it is taken for HTML, nothing outside."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from kondo_ref.cli import main
from kondo_ref.report.blocks import Heading, Picture, Table
from kondo_ref.report.document import report
from kondo_ref.report.sections import READERS, section
from kondo_ref.report.sources import Source, sources
from kondo_ref.report.tables import ROWS, nested, records, transposed

RESULTS = Path(__file__).parents[2] / "docs" / "results"
MNIST = RESULTS / "mnist"


class Reader(HTMLParser):
    """Collects text, places and links of a page, and whether its tags match."""

    VOID = ("meta", "img", "source")

    def __init__(self) -> None:
        super().__init__()
        self.text, self.places, self.links, self.images, self.open = [], [], [], [], []

    def handle_starttag(self, tag, attributes) -> None:  # type: ignore[no-untyped-def]
        given = dict(attributes)
        if tag not in self.VOID:
            self.open.append(tag)
        if "id" in given:
            self.places.append(given["id"])
        if tag == "a":
            self.links.append(given["href"])
        self.images += [given[name] for name in ("src", "srcset") if name in given]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def read(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    assert reader.open == []
    return reader


def source(schema: str, **fields: object) -> Source:
    return Source(Path("x.json"), schema, {"schema": schema, **fields})


def test_a_run_is_told_with_figure_configuration_and_environment() -> None:
    told = json.loads((MNIST / "result.json").read_text("utf-8"))
    page, _ = report(sources([MNIST]), "T")
    text = " ".join(read(page).text)
    for row in told["methods"]:
        assert row["method"] in text
        assert f"{row['online_error']:.4g} ± {row['online_error_se']:.4g}" in text
    assert str(told["configuration"]["learning_rate"]) in text
    assert told["environment"]["platform"] in text
    (drawn,) = [b for b in section(sources([MNIST])[0]).blocks if isinstance(b, Picture)]
    assert drawn.png == (MNIST / "figure.png").read_bytes()


def test_nothing_is_outside_the_page() -> None:
    reader = read(report(sources([MNIST, RESULTS / "bandit"]), "T")[0])
    assert len(reader.images) >= 3
    assert all(image.startswith("data:image/") for image in reader.images)
    assert len(reader.links) == 3
    assert {link.removeprefix("#") for link in reader.links} <= set(reader.places)


def test_what_a_file_says_is_text_and_no_html() -> None:
    bad = "<script>alert(1)</script>\"'&"
    page, _ = report(
        [source("kondo-ref/x/1", verdict=bad, **{bad: bad, "rows": [{bad: bad}]})], bad
    )
    assert "<script" not in page
    assert "".join(read(page).text).count("<script>alert(1)</script>") >= 4


@pytest.mark.parametrize("schema", sorted(READERS))
def test_a_file_that_is_not_as_its_schema_says_is_refused(schema: str) -> None:
    with pytest.raises(ValueError, match=r"^(PATH: x.json is not as|the JSON is not that)"):
        section(source(schema))


def test_an_unknown_schema_is_shown_as_it_is() -> None:
    told = section(source("kondo-ref/new/7", a=1, inside={"b": [1.5, 2.0]}, rows=[{"c": 2}]))
    assert told.verdict == "done"
    assert Heading("inside", 3) in told.blocks
    assert Table(("c",), (("2",),), code=()) in told.blocks


@pytest.mark.parametrize(
    ("fields", "verdict"),
    [({"failed": []}, "holds"), ({"failed": [{"id": "v1", "field": "price"}]}, "fails")],
)
def test_vectors_that_fail_are_said_to(fields: dict[str, object], verdict: str) -> None:
    told = section(
        source(
            "kondo-ref/vectors-report/1", file="f", backend="b", cases=4, worst_ratio=2.0, **fields
        )
    )
    assert told.verdict == verdict
    assert told.sentence == f"{4 - len(fields['failed'])} of 4 vectors are met."  # type: ignore[arg-type]


@pytest.mark.parametrize(("ok", "holds"), [(False, True), (True, False), (True, True)])
def test_a_claim_that_is_not_as_stated_makes_the_claims_fail(ok: bool, holds: bool) -> None:
    good = {"id": "a", "statement": "s", "holds": True, "ok": True, "boundaries": [], "numbers": 0}
    claims = [good, {**good, "id": "b", "ok": ok}]
    told = section(source("kondo-ref/claims/1", holds=holds, claims=claims))
    assert told.verdict == ("holds" if ok and holds else "fails")
    if not ok:  # first, where it is seen
        assert told.blocks[0].rows[0][0] == "b"  # type: ignore[union-attr]


def test_an_audit_is_told_with_its_findings() -> None:
    text = Path(__file__).with_name("audit.json").read_text("utf-8")
    told = section(Source(Path("a.json"), "kondo-ref/audit/1", json.loads(text)))
    assert told.verdict == "deviates"
    assert Heading("detach.gate", 4) in told.blocks
    assert all(b.level > 2 for b in told.blocks if isinstance(b, Heading))


def test_values_and_errors_share_a_cell_and_long_tables_say_so() -> None:
    (table,) = records([{"m": "a", "x": 1.0, "x_se": 0.25, "y_se": 3.0, "none": None}])
    assert table == Table(("m", "x", "y se"), (("a", "1 ± 0.25", "3"),), code=())
    _, rest = records([{"n": i} for i in range(ROWS + 2)])
    assert "2 rows more" in rest.text  # type: ignore[union-attr]
    turned = transposed([{"m": "a", "x": 1}, {"m": "b", "x": 2}], "m")
    assert turned == Table(("", "a", "b"), (("x", "1", "2"),), code=())
    assert nested({}, 3) == []


def test_the_command_writes_the_page_and_says_what_is_in_it(tmp_path, capsys) -> None:  # type: ignore[no-untyped-def]
    out = tmp_path / "r.html"
    assert main(["report", str(MNIST), "--out", str(out)]) == 0
    assert re.search(r"^done +Run mnist: mnist \(full\)", capsys.readouterr().out)
    assert out.read_text("utf-8").startswith("<!DOCTYPE html>")
    assert main(["report", str(MNIST), "--out", str(out), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["schema"] == "kondo-ref/report/1"
    assert [s["verdict"] for s in told["sections"]] == ["done"]


def test_the_command_refuses_in_one_line(tmp_path, capsys) -> None:  # type: ignore[no-untyped-def]
    for words in (
        ["nothing"],
        [str(MNIST), "--out", str(tmp_path / "r.pdf")],
        [str(MNIST), "--out", str(tmp_path / "nowhere" / "r.html")],
    ):
        assert main(["report", *words]) == 2
        said = capsys.readouterr().err
        assert said.count("\n") == 1
        assert "tmp" not in said.rpartition("/")[2]


def test_a_study_is_told_with_ours_beside_the_published() -> None:
    path = RESULTS / "reproduce" / "token-reversal"
    page, (told,) = report(sources([path]), "a study")
    assert told.title == "Study token-reversal"
    assert told.sentence == "20 units, 5 seeds."
    (table,) = [b for b in told.blocks if isinstance(b, Table) and "published" in b.head]
    rows = json.loads((path / "result.json").read_text("utf-8"))["table"]
    assert len(table.rows) == len(rows)
    assert table.rows[0][2:5] == ("0.526", "[0.375, 0.777]", "0.69")
    assert "data:image/png" in page


def test_a_quick_study_says_that_it_is_none() -> None:
    path = RESULTS / "reproduce" / "vocabulary" / "result.json"
    data = json.loads(path.read_text("utf-8"))
    data["configuration"]["quick"], data["figures"] = True, []
    told = section(Source(Path("result.json"), data["schema"], data))
    assert told.sentence.endswith("A quick run, which is not the study.")
