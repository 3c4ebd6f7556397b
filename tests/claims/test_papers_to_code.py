"""The page from the papers to the code: every link on it leads somewhere, every claim is on it."""

import ast
import re
from functools import cache
from importlib import import_module
from pathlib import Path

import pytest

from kondo_ref.claims import register

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "papers-to-code.md"
HEAD = ["where", "what", "function", "test", "claim"]
ROLE = re.compile(r"\{py:\w+\}`~?([\w.]+)`|\{py:\w+\}`[^`<]+<([\w.]+)>`")
CODE = re.compile(r"(?<![}\w])`([^`]+)`")


def rows(page):
    """Return the rows of the page's tables of five columns, each as a dict by heading."""
    found, inside = [], False
    for line in page.splitlines():
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        if cells == HEAD:
            inside = True
        elif not cells:
            inside = False
        elif inside and not set("".join(cells)) <= set("-: "):
            assert len(cells) == len(HEAD), line
            found.append(dict(zip(HEAD, cells, strict=True)))
    return found


def functions(text):
    return ["".join(match) for match in ROLE.findall(text)]


def known(name):
    """Tell whether a dotted name can be imported."""
    parts = name.split(".")
    for cut in range(len(parts), 0, -1):
        try:
            found = import_module(".".join(parts[:cut]))
        except ImportError:
            continue
        for part in parts[cut:]:
            if not hasattr(found, part):
                # A field of a dataclass without a default is not an attribute of the class.
                return part in getattr(found, "__dataclass_fields__", {})
            found = getattr(found, part)
        return True
    return False


@cache
def defined(path):
    """Return the names of the functions that a file defines at its top."""
    tree = ast.parse((ROOT / path).read_text("utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def exists(test):
    """Tell whether a test given as ``file::function`` exists by name."""
    path, _, name = test.partition("::")
    return (ROOT / path).is_file() and (not name or name in defined(path))


def dead(page, ids):
    """Return what on the page leads nowhere."""
    found = []
    for row in rows(page):
        found += [name for name in functions(row["function"]) if not known(name)]
        found += [test for test in CODE.findall(row["test"]) if not exists(test)]
        found += [claim for claim in CODE.findall(row["claim"]) if claim not in ids]
    return found


def bare(page):
    """Return the rows without a function or without a test."""
    return [
        row["what"]
        for row in rows(page)
        if not functions(row["function"]) or not CODE.findall(row["test"])
    ]


@pytest.fixture(scope="module")
def page():
    return PAGE.read_text("utf-8")


@pytest.fixture(scope="module")
def ids():
    return {claim.id for claim in register.all_claims()}


def test_every_link_leads_somewhere(page, ids):
    assert len(rows(page)) == len(re.findall(r"^\| (?:\[|ours)", page, re.M)) > 30
    assert dead(page, ids) == []


def test_every_row_has_a_function_and_a_test(page):
    assert bare(page) == []


def test_every_claim_is_on_the_page(page, ids):
    assert ids - {claim for row in rows(page) for claim in CODE.findall(row["claim"])} == set()


def test_every_paper_is_on_the_page(page):
    where = " ".join(row["where"] for row in rows(page))
    assert {"[DG]", "[K]", "[DD]", "[CE]", "ours"} <= set(re.findall(r"\[[A-Z]+\]|ours", where))


def test_every_claim_is_on_its_groups_page():
    for claim in register.all_claims():
        text = (ROOT / "docs" / f"claims-{claim.group}.md").read_text("utf-8")
        assert f"`{claim.id}`" in text, claim.id


LIVE = "tests/claims/test_papers_to_code.py::test_every_link_leads_somewhere"
ALIVE = (
    "| where | what | function | test | claim |\n|---|---|---|---|---|\n"
    "| [K] | gate | {py:class}`~kondo_ref.gate.Gate`, "
    "{py:func}`w <kondo_ref.gate.keep_probability>` "
    f"| `{LIVE}` | `known` |\n"
)


@pytest.mark.parametrize(
    ("old", "new", "lost"),
    [
        ("gate.Gate", "gate.Gait", ["kondo_ref.gate.Gait"]),
        ("kondo_ref.gate.keep", "kondo_ref.gait.keep", ["kondo_ref.gait.keep_probability"]),
        ("leads_somewhere", "leads_nowhere", [LIVE.replace("somewhere", "nowhere")]),
        ("tests/claims", "tests/claim", [LIVE.replace("claims/", "claim/")]),
        ("`known`", "`unknown`", ["unknown"]),
        ("`known`", "`known`, `unknown`", ["unknown"]),
        ("", "", []),
    ],
)
def test_a_dead_link_is_seen(old, new, lost):
    assert dead(ALIVE.replace(old, new, 1), {"known"}) == lost


@pytest.mark.parametrize("cell", ["{py:class}`~kondo_ref.gate.Gate`", f"`{LIVE}`"])
def test_a_row_without_a_link_is_seen(cell):
    assert bare(ALIVE) == []
    page = re.sub(r"\| \{py.*?\| `", "| - | `", ALIVE) if "py" in cell else ALIVE.replace(cell, "-")
    assert bare(page) == ["gate"]
