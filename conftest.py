"""Runs every Python example of README.md and docs/*.md as a test.

A fenced block of Python is executed; with prompts in it, it is a doctest. The blocks of one page
share their names, so they run in one process. `<!--- skip: next -->` before a block leaves it out.
"""

import pytest
from sybil import Sybil
from sybil.parsers.myst import DocTestDirectiveParser, PythonCodeBlockParser, SkipParser

pytest_collect_file = Sybil(
    parsers=[SkipParser(), DocTestDirectiveParser(), PythonCodeBlockParser()],
    patterns=["README.md", "docs/*.md"],
).pytest()


@pytest.hookimpl(tryfirst=True)  # xdist reads the marks in the same hook
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the blocks of a page together."""
    for item in items:
        if item.path.suffix == ".md":
            item.add_marker(pytest.mark.xdist_group(item.path.name))
