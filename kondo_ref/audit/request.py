"""What a door asks for: a target, how it is called, what it is held to. Request -> Audit.

The command line, `kondo_ref.audit.check` and the pytest plugin all make one of these, so they say
the same of the same target.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from typing import Any

from kondo_ref import checks
from kondo_ref.audit.observation import FRAMEWORKS, SURFACES, Subject
from kondo_ref.audit.options import Options
from kondo_ref.audit.verdict import Audit, Claim

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Request:
    """An audit to be made.

    Parameters
    ----------
    target : str or object
        ``module:object``, ``path.py:object``, an object, or for the framework subprocess a command.
    surface : str
        One of `kondo_ref.audit.observation.SURFACES`.
    framework : str, optional
        One of `kondo_ref.audit.observation.FRAMEWORKS`; guessed without.
    claim : Claim, optional
        None: identify only.
    options : Options
        How the target is called.
    accept : mapping of str to str
        Finding id -> reason.
    seed : int
    quick : bool
        Fewer repeats of random gates.

    Raises
    ------
    TypeError, ValueError
        A name that is not known, a reason that is empty.
    """

    target: Any
    surface: str = "logits"
    framework: str | None = None
    claim: Claim | None = None
    options: Options = field(default_factory=Options)
    accept: Mapping[str, str] = field(default_factory=dict)
    seed: int = 0
    quick: bool = False

    def __post_init__(self) -> None:
        checks.one_of("surface", self.surface, SURFACES)
        if self.framework is not None:
            checks.one_of("framework", self.framework, FRAMEWORKS)
        checks.count("seed", self.seed, 0)
        if self.claim is not None and self.claim.baseline and self.surface != "rewards":
            raise ValueError(
                f"baseline: of the surface rewards alone, got {self.claim.baseline!r} "
                f"for {self.surface}"
            )
        for identity, reason in self.accept.items():
            require_known(identity)
            if not isinstance(reason, str) or not reason.strip():
                raise ValueError(f"accept: {identity} needs a reason, as in {identity}=REASON")

    def subject(self) -> Subject:
        """Return the subject that stands for the target; loaded anew at every call."""
        from kondo_ref.audit.guard import kept_alive
        from kondo_ref.audit.target import subject

        with kept_alive():
            return subject(
                self.target, surface=self.surface, framework=self.framework, options=self.options
            )

    def audit(self, subject: Subject | None = None, progress: Progress | None = None) -> Audit:
        """Run the audit.

        Parameters
        ----------
        subject : Subject, optional
            Of `subject`, where it is already there.
        progress : callable, optional
            Called with (stage, done, total).
        """
        from kondo_ref.audit.engine import audit
        from kondo_ref.audit.guard import kept_alive

        with kept_alive():
            done = audit(
                self.subject() if subject is None else subject,
                self.claim,
                accept=dict(self.accept),
                seed=self.seed,
                progress=progress,
                quick=self.quick,
            )
        if self.options.dtype in (None, "float64"):
            return done
        # The narrower dtype was asked for: it is no choice of the target.
        left = tuple(f for f in done.findings if f.id != "robustness.precision")
        return replace(done, findings=left)


def require_known(identity: str) -> None:
    """Refuse the id of a finding that the catalogue does not have."""
    from kondo_ref.audit.catalogue import CATALOGUE

    if identity not in CATALOGUE:
        near = get_close_matches(identity, CATALOGUE, n=3)
        hint = f"; did you mean {' or '.join(near)}?" if near else ""
        raise ValueError(f"accept: no finding has the id {checks.shown(identity)}{hint}")


def accepted(words: list[str] | tuple[str, ...]) -> dict[str, str]:
    """Return the accepted findings of words like ``id=reason``."""
    found = {}
    for word in words:
        identity, equals, reason = word.partition("=")
        if not equals:
            raise ValueError(f"accept: expected id=reason, got {checks.shown(word)}")
        found[identity.strip()] = reason.strip()
    return found
