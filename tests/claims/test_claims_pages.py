"""What the pages show of a claim is what its functions give, and every claim is on its page."""

import re
from pathlib import Path

import pytest
from records import CLAIMS, record

from kondo_ref.claims import pages, register

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize("group", register.GROUPS)
def test_the_page_shows_what_the_functions_give(group):
    page = (DOCS / f"claims-{group}.md").read_text("utf-8")
    assert pages.rewritten(page, record) == page
    shown = [match[1] for match in pages.BLOCK.finditer(page)]
    assert sorted(shown) == sorted(claim.id for claim in CLAIMS if claim.group == group)


def missing_tests(page):
    """Return the test files that a page names and that are not there."""
    named = re.findall(r"`(tests/[\w/]+\.py)`", page)
    return [name for name in named if not (DOCS.parent / name).is_file()]


@pytest.mark.parametrize("group", register.GROUPS)
def test_the_tests_that_a_page_names_are_there(group):
    page = (DOCS / f"claims-{group}.md").read_text("utf-8")
    assert "`tests/claims/test_claims.py`" in page
    assert missing_tests(page) == []


def test_a_missing_test_is_seen():
    assert missing_tests("held by `tests/no/such.py`") == ["tests/no/such.py"]


def test_the_overview_links_every_page():
    text = (DOCS / "claims.md").read_text("utf-8")
    toctree = (DOCS / "index.md").read_text("utf-8")
    for name in (*(f"claims-{group}" for group in register.GROUPS), "papers-to-code"):
        assert f"({name}.md)" in text
        assert f"\n{name}\n" in toctree


@pytest.mark.parametrize(
    ("old", "new"),
    [("0.5", "0.6"), ("fails", "holds"), ("<!-- claim one -->", "<!-- claim two -->")],
)
def test_a_page_that_says_something_else_is_seen(old, new):
    own = {
        name: {
            "statement": "A statement.",
            "source": "ours",
            "function": "kondo_ref.claims.register.norm",
            "value": "the mean",
            "relation": "at most",
            "actual": number,
            "claimed": 1.0,
            "boundaries": [{"hypothesis": "h*", "instead": "a | b", "shows": "It fails."}],
            "numbers": [{"label": "n", "published": 2.0, "ours": None, "sampled": True}],
            "remark": "",
        }
        for name, number in (("one", 0.5), ("two", 0.25))
    }
    page = pages.rewritten("# A\n<!-- claim one -->\n<!-- end -->\nb\n", own.get)
    assert "mean, 0.5 ≤ 1." in page
    assert "| h\\* | a \\| b | It fails. |\n" in page
    assert "| n | 2 (sampled) | not finite |\n" in page
    assert pages.rewritten(page, own.get) == page
    changed = page.replace(old, new)
    assert changed != page
    assert pages.rewritten(changed, own.get) != changed
