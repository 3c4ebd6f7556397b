"""A target's name -> a subject: the one door through which the audit reaches foreign code."""

from typing import Any

from kondo_ref.audit.observation import Subject
from kondo_ref.audit.options import Options

__all__ = ["Options", "subject"]


def subject(
    target: str | Any,
    *,
    surface: str,
    framework: str | None = None,
    options: Options = Options(),  # noqa: B008
) -> Subject:
    """Return the subject that stands for a target.

    Parameters
    ----------
    target : str or object
        ``module:object``, ``path.py:object``, an object, or for the framework subprocess a command.
    surface : str
        One of `kondo_ref.audit.observation.SURFACES`.
    framework : str, optional
        One of `kondo_ref.audit.observation.FRAMEWORKS`; guessed from the target's module where it
        imports one of them.
    options : Options

    Returns
    -------
    Subject

    Raises
    ------
    ImportError
        The framework is not installed.
    TypeError, ValueError
        An argument is not as expected, or the target cannot be loaded or called so.
    """
    raise NotImplementedError
