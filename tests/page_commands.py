"""Commands that a page shows with their output, and what they print.

A page has a block of ``bash`` and right after it one of ``text``. ``python tests/page_commands.py``
writes the outputs into the pages that are held to them.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.M | re.S)
# A page, and the folder of files that its commands are run beside.
PAGES = {"count-flops.md": ROOT / "examples" / "flops"}


def blocks(page: str, language: str) -> list[str]:
    """Return the contents of the fenced blocks of a language."""
    return [text for found, text in BLOCK.findall(page) if found == language]


def shown(page: str) -> list[tuple[str, str]]:
    """Return the commands that a page shows with their output."""
    found = BLOCK.findall(page)
    return [(b, o) for (one, b), (two, o) in pairwise(found) if (one, two) == ("bash", "text")]


def run(command: str, beside: Path, folder: Path) -> str:
    """Return what a command prints in a folder that has copies of other files beside it."""
    for path in beside.iterdir():
        if path.is_file():
            shutil.copy(path, folder)
    words = shlex.split(command)
    assert words[0] == "kondo-ref", command
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")}
    done = subprocess.run(
        [sys.executable, "-m", "kondo_ref", *words[1:]],
        cwd=folder,
        env={**environment, "COLUMNS": "100"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in (0, 1), done.stderr
    return "\n".join(line.rstrip() for line in done.stdout.splitlines()) + "\n"


def main() -> None:
    """Write into every page what its commands print."""
    for name, beside in PAGES.items():
        page = (DOCS / name).read_text("utf-8")
        for command, output in shown(page):
            with TemporaryDirectory() as folder:
                printed = run(command, beside, Path(folder))
            before = f"```bash\n{command}```\n\n```text\n"
            page = page.replace(f"{before}{output}```", f"{before}{printed}```")
        (DOCS / name).write_text(page, "utf-8")


if __name__ == "__main__":
    main()
