"""The parser of every subcommand: what is wrong with the words is said in one line."""

import argparse
from collections.abc import Sequence
from typing import NoReturn


class ArgumentParser(argparse.ArgumentParser):
    """Refuses in one line that names the command and its help.

    The parsers of subcommands are of their parent's class, so this one is used for all.
    """

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """Parse all words: what is left over is refused here, by the command that it belongs to."""
        parsed, rest = self.parse_some(args, namespace)
        return self.whole(parsed, rest), []

    def parse_some(
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """Parse what is known, and return the words that are not."""
        return super().parse_known_args(args, namespace)

    def whole(self, parsed: argparse.Namespace, rest: list[str]) -> argparse.Namespace:
        """Return what was parsed, if nothing is left over."""
        if rest:
            self.error(f"unrecognized arguments: {' '.join(rest)}")
        return parsed

    def error(self, message: str) -> NoReturn:
        """Print the line and exit with code 2."""
        self.exit(2, f"{self.prog}: {' '.join(message.split())}; see {self.prog} --help\n")
