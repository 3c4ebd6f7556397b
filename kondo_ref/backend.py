"""Backends by name: other arithmetic for the same semantics, loaded when asked for.

A backend does the stations of the data's way on its own arrays: logits, policy, actions, screening,
compacted backward, update. It seeds nothing: uniforms are inputs. It skips the backward of dropped
rows for real. Only parameters, checkpoints and what an environment needs cross over to NumPy.
"""

from importlib import import_module
from importlib.metadata import entry_points
from typing import Any, Protocol, runtime_checkable

from numpy.typing import NDArray

from kondo_ref.gate import Gate
from kondo_ref.parameters import Parameters
from kondo_ref.screening import Screening
from kondo_ref.step import StepResult, TrainingState

ENTRY_POINT_GROUP = "kondo_ref.backends"

BUILTIN = {
    "numpy": ("kondo_ref.backends.numpy_backend:NumpyBackend", None),
    "numba": ("kondo_ref.backends.numba_backend:NumbaBackend", "numba"),
    "torch": ("kondo_ref.backends.torch_backend:TorchBackend", "torch"),
    "jax": ("kondo_ref.backends.jax_backend:JaxBackend", "jax"),
    "numpy:counting": ("kondo_ref.backends.counting_backend:CountingBackend", None),
    "numpy:readonly": ("kondo_ref.backends.readonly_backend:ReadonlyBackend", None),
    "numpy:loops": ("kondo_ref.backends.loops_backend:LoopsBackend", None),
}

PARTS = ("name", "versions", "array", "to_numpy", "policy_gradient", "learner")


class Learner(Protocol):
    """A model in training on a backend's arrays; `kondo_ref.step.Learner` defines what each does.

    Arrays that go in and come out are the backend's own, from `Backend.array`; the rest is NumPy.
    """

    @property
    def gradient(self) -> Parameters:
        """The gradient of the last update, as NumPy arrays."""

    def state(self) -> TrainingState:
        """Return a copy of parameters and optimizer, as NumPy arrays, without loss."""

    def logits(self, observations: Any) -> Any:
        """Return the logits of a batch, and nothing to learn from.

        The batch is observations (N, D[0]) for an MLP, tokens (B, T) for a transformer; its logits
        are (N, K) or (B, T, K).
        """

    def forward(self, observations: Any) -> Any:
        """Return the policy of a batch; it has `log_probabilities`, shaped as the logits."""

    def sample(self, policy: Any, uniforms: Any) -> Any:
        """Return an action for each decision, by the inverse CDF of `uniforms` (N,)."""

    def generate(self, prompts: Any, uniforms: Any) -> Any:
        """Return sampled continuations (B, S) of prompts (B, P); of a model of sequences only."""

    def confidence(self, policy: Any) -> Any:
        """Return the baseline sum over a of pi(a)^2, (N,)."""

    def screen(
        self,
        policy: Any,
        actions: Any,
        advantages: Any,
        gate: Gate,
        *,
        uniforms: Any = None,
        mask: Any = None,
        history: Any = None,
    ) -> Screening:
        """Return the screening of a batch; its arrays are the backend's."""

    def update(
        self,
        policy: Any,
        actions: Any,
        advantages: Any,
        gate: Gate,
        *,
        normalizer: str = "decisions",
        uniforms: Any = None,
        mask: Any = None,
        history: Any = None,
    ) -> StepResult:
        """Screen, run the backward on the kept rows alone, step the optimizer if there are any.

        The arrays of the result's screening are the backend's; its loss is a number.
        """


@runtime_checkable
class Backend(Protocol):
    """What this project asks of a backend.

    A backend that trains more than an MLP says so in an attribute ``models``, names of
    `kondo_ref.models.kinds.KINDS`.
    """

    name: str

    def versions(self) -> dict[str, str]:
        """Return the versions of what it stands on, by package."""

    def array(self, values: NDArray[Any]) -> Any:
        """Return the backend's array of NumPy's `values` (...), of the same dtype."""

    def to_numpy(self, values: Any) -> NDArray[Any]:
        """Return the NumPy array of a backend's array, of the same dtype."""

    def policy_gradient(self, *args: Any, **kwargs: Any) -> Any:
        """As `kondo_ref.policy_gradient`; the arrays may be the backend's or NumPy's."""

    def learner(self, state: TrainingState) -> Learner:
        """Return a learner that starts from `state`, in the dtype of its parameters."""


def backend_names() -> dict[str, str]:
    """Return the target ``module:object`` of every known backend, by name."""
    registered = {point.name: point.value for point in entry_points(group=ENTRY_POINT_GROUP)}
    return registered | {name: target for name, (target, _) in BUILTIN.items()}


def load_backend(name: str, *, needs: tuple[str, ...] = PARTS, **options: Any) -> Backend:
    """Return the backend of a name.

    Parameters
    ----------
    name : str
        A built-in name, a name registered under the entry-point group ``kondo_ref.backends``, or
        ``module:object``. A class or function is called with `options`.
    needs : tuple of str
        The parts of the protocol that will be used; the golden vectors need `policy_gradient`.
    **options
        Of the backend, as ``device`` of torch.

    Returns
    -------
    Backend

    Raises
    ------
    ValueError
        No backend of that name, it cannot be imported, or it lacks a part of the protocol.
    """
    known = backend_names()
    target = known.get(name, name)
    module_name, colon, attribute = target.partition(":")
    if not colon or not module_name or not attribute:
        raise ValueError(
            f"backend: expected one of {', '.join(sorted(known))}, or module:object; got {name!r}"
        )
    try:
        found = getattr(import_module(module_name), attribute)
    except Exception as error:  # whatever a module does while it is imported
        remedy = _remedy(name, error)
        raise ValueError(f"backend: cannot load {name!r} ({error}){remedy}") from error
    try:
        backend = found(**options) if callable(found) else found
    except Exception as error:
        raise ValueError(f"backend: {name!r} cannot be made ({error})") from error
    missing = [part for part in needs if not hasattr(backend, part)]
    if missing:
        raise ValueError(f"backend: {name!r} lacks {', '.join(missing)}")
    result: Backend = backend
    return result


def _remedy(name: str, error: Exception) -> str:
    """Return how to install what is missing, if it is something that the backend stands on."""
    extra = BUILTIN.get(name, ("", None))[1]
    ours = (getattr(error, "name", None) or "kondo_ref").startswith("kondo_ref")
    if extra is None or ours or not isinstance(error, ModuleNotFoundError):
        return ""
    return f'; install it: python -m pip install "kondo-ref[{extra}]"'
