"""Runs every Python example of README.md and docs/*.md as a test.

A fenced block of Python is executed; with prompts in it, it is a doctest. The blocks of one page
share their names. `<!--- skip: next -->` before a block leaves it out.
"""

from sybil import Sybil
from sybil.parsers.myst import DocTestDirectiveParser, PythonCodeBlockParser, SkipParser

pytest_collect_file = Sybil(
    parsers=[SkipParser(), DocTestDirectiveParser(), PythonCodeBlockParser()],
    patterns=["README.md", "docs/*.md"],
).pytest()
