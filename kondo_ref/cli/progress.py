"""A progress bar for what takes longer than a few seconds, where a person is looking."""

import sys


class Progress:
    """A progress bar; silent when standard error is not a terminal.

    Parameters
    ----------
    total : int
        Of `unit`.
    quiet : bool
        Show nothing.
    unit : str
    """

    def __init__(self, total: int, *, quiet: bool, unit: str = "step") -> None:
        self.bar = None
        if quiet or not sys.stderr.isatty() or total == 0:
            return
        try:
            from tqdm import tqdm
        except ModuleNotFoundError:
            print("kondo-ref: running; kondo-ref[plots] shows progress", file=sys.stderr)
            return
        self.bar = tqdm(total=total, unit=unit, unit_scale=True, dynamic_ncols=True)

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *error: object) -> None:
        if self.bar is not None:
            self.bar.close()

    def describe(self, what: str) -> None:
        """Say what is being done, beside the bar."""
        if self.bar is not None:
            self.bar.set_description(what)

    def show(self, done: int) -> None:
        """Show how much is done."""
        if self.bar is not None:
            self.bar.update(done - self.bar.n)
