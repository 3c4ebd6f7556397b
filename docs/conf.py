"""Sphinx configuration: `python -m sphinx -W -n -b html docs docs/_build/html`."""

import re
import tomllib
from importlib import import_module
from pathlib import Path
from typing import Any

import kondo_ref

HERE = Path(__file__).parent

project = "kondo_ref"
author = "The kondo_ref developers"
project_copyright = f"2026, {author}"
release = version = kondo_ref.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "numpydoc"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"kondo_ref {release}"
html_static_path = ["_static"]
html_css_files = ["custom.css"]

myst_enable_extensions = ["colon_fence", "dollarmath"]
myst_heading_anchors = 3

# Single backticks in docstrings are names; most of them are arguments, which nothing can link to.
default_role = "code"
# Shapes stand in the docstrings; annotations would say NDArray for all of them.
autodoc_typehints = "none"
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True}
# An alias of a type is shown by what it stands for, which is documented elsewhere.
nitpick_ignore_regex = [("py:class", r"(collections\.abc|numpy)\..*")]

numpydoc_show_class_members = False
pyproject = tomllib.loads(HERE.with_name("pyproject.toml").read_text("utf-8"))
numpydoc_validation_checks = set(pyproject["tool"]["numpydoc_validation"]["checks"])
# What a module imports from elsewhere is shown to numpydoc before it is left out of the page.
numpydoc_validation_exclude = {
    rf"^{re.escape(f'{module.__name__}.{name}')}$"
    for page in HERE.glob("api*.md")
    for module in map(import_module, re.findall(r"automodule:: (\S+)", page.read_text("utf-8")))
    for name, value in vars(module).items()
    if not str(getattr(value, "__module__", "")).startswith("kondo_ref")
}


def plain_formulas(
    _app: Any, _what: str, name: str, _object: Any, _options: Any, lines: list[str]
) -> None:
    """Keep reST from reading w_- as a link and |x| as a substitution: they are formulas here."""
    if name.startswith(("kondo_ref.claims", "kondo_ref.exact")):
        lines[:] = [re.sub(r"(?<=\w)_(?=\W|$)|\|", r"\\\g<0>", line) for line in lines]


def setup(app: Any) -> None:
    app.connect("autodoc-process-docstring", plain_formulas, priority=100)
