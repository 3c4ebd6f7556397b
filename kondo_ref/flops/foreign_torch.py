"""Counting what torch code executes: FLOP by stage and module, rows by the hooks of its tensors.

The FLOP are those of `torch.utils.flop_counter.FlopCounterMode`, told apart by where they run: a
forward, a backward, a forward run again inside a backward, an optimizer's step. Where that mode
has no rule it counts 0 without a word; here such an operation gets a rule, or is an error if its
name says that it multiplies and adds. Compiled functions run uncompiled while they are counted.
"""

import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from importlib import import_module
from inspect import signature
from typing import Any

from kondo_ref.flops.foreign_report import FlopReport
from kondo_ref.flops.foreign_tally import Call, Tally

CONVENTION = "products alone (matrix products, convolutions, attention, causal or not in full)"
# Parts of the names of operations that multiply and add, and of some that only look so.
PRODUCTS = re.compile(
    r"(^|_)(\w*mm|mv|addmv|v?dot|rnn|lstm|gru|(bi|tri)?linear|"
    r"conv(olution|_tbc|_depthwise|_transpose|_dilated|\d)\w*|attention|cdist|pdist|matmul\w*|"
    r"einsum|fft|linalg|cholesky|solve|svd|qr|inverse|kron)(_|$)"
)
NO_PRODUCTS = re.compile(
    r"vector_norm|powsum|linalg_(cross|diagonal|check_errors)|_thnn_|reorder|flatten|upsample"
)
# Namespaces whose operations do no arithmetic.
STILL = ("prim", "prims", "profiler", "c10d", "_c10d_functional", "rngprims")


def require() -> Any:
    """Return the module torch.

    Raises
    ------
    ImportError
        It is not installed.
    """
    try:
        return import_module("torch")
    except ModuleNotFoundError as error:
        raise ImportError(
            'torch is not installed; install it: python -m pip install "kondo-ref[torch]"'
        ) from error


def versions() -> dict[str, str]:
    """Return the version of torch."""
    return {"torch": str(require().__version__)}


def measure(
    step: Callable[[float], Any], rate: float, row_dimensions: int | None = None
) -> FlopReport:
    """Run a step once at a rate and return what it executed.

    Where it ran no backward and returned a tensor with a graph, that tensor is the loss, and its
    backward belongs to the step.

    Raises
    ------
    ImportError
        torch is not installed.
    ValueError
        The step raises, or an operation has no rule for its FLOP.
    """
    torch = require()
    with counted(row_dimensions) as tally:
        try:
            loss = step(rate)
            if isinstance(loss, torch.Tensor) and loss.requires_grad and not tally.backward_ran:
                loss.backward()
        except Exception as error:  # whatever foreign code raises
            reason = " ".join(str(error).split())
            raise ValueError(
                f"step: raised {type(error).__name__} at rate {rate:g} ({reason})"
            ) from error
    return tally.report()


@contextmanager
def counted(row_dimensions: int | None = None) -> Iterator[Tally]:
    """Count what runs inside; see `kondo_ref.flops.foreign.counted`."""
    require()
    tally = Tally(row_dimensions)
    with ExitStack() as stack:
        stack.enter_context(warnings.catch_warnings())
        # The hooks of a compiled module; it runs uncompiled here.
        warnings.filterwarnings("ignore", message="Using `torch.compile", category=UserWarning)
        counter = _counter(tally)
        _hook(tally, counter.mod_tracker, stack)
        stack.enter_context(counter)
        yield tally


def _counter(tally: Tally) -> Any:
    """Return a FLOP counter that tells the tally of every operation."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode
    from torch.utils.module_tracker import ModuleTracker

    class Counter(FlopCounterMode):
        def _count_flops(self, packet: Any, out: Any, args: Any, kwargs: Any) -> Any:
            in_backward = self.mod_tracker.is_bw
            tally.backward_ran |= in_backward
            formula = self.flop_registry.get(packet)
            if formula is not None:
                flop = int(formula(*args, **kwargs, out_val=out))
                tally.add(str(packet), flop, in_backward=in_backward)
            elif _multiplies_and_adds(packet):
                tally.unruled[str(packet)] += 1
            return out

    class Tracker(ModuleTracker):
        """Knows whether a backward runs; without its hooks, which autograd.grad may refuse."""

        def __enter__(self) -> Any:
            return self

        def __exit__(self, *error: object) -> None:
            pass

    counter = Counter(display=False)
    counter.mod_tracker = Tracker()
    aten = torch.ops.aten
    known = counter.flop_registry
    forward = known[aten._scaled_dot_product_flash_attention]
    backward = known[aten._scaled_dot_product_flash_attention_backward]
    known.setdefault(aten._scaled_dot_product_flash_attention_for_cpu, forward)
    known.setdefault(aten._scaled_dot_product_flash_attention_for_cpu_backward, backward)
    for name in ("addmm", "baddbmm"):
        known.setdefault(getattr(aten, f"{name}_"), known[getattr(aten, name)])
    known.setdefault(aten.mv, lambda matrix, *_, **__: 2 * matrix.numel())
    for packet in (aten.addmv, aten.addmv_):
        known.setdefault(packet, lambda _, matrix, *__, **___: 2 * matrix.numel())
    for packet in (aten.dot, aten.vdot):
        known.setdefault(packet, lambda vector, *_, **__: 2 * vector.numel())
    return counter


def _multiplies_and_adds(packet: Any) -> bool:
    namespace, _, name = str(packet).partition(".")
    if namespace != "aten":
        return namespace not in STILL
    return bool(PRODUCTS.search(name)) and not NO_PRODUCTS.search(name)


def _hook(tally: Tally, tracker: Any, stack: ExitStack) -> None:
    """Put hooks on all modules and optimizers until the stack is closed."""
    from torch.nn.modules import module as modules
    from torch.optim import optimizer as optimizers

    def before(module: Any, _: Any) -> None:
        tally.enter(module, in_backward=tracker.is_bw)

    def after(_: Any, args: Any, *rest: Any) -> None:
        # Keyword arguments and outputs; of a call that raised, no outputs.
        *kwargs, outputs = rest
        if not tally.inside:
            return  # of a module that was called before the counting began
        call = tally.leave()
        graph = []
        for tensor in _tensors(outputs):
            if not call.in_backward:
                tally.add_rows(call.name, tuple(tensor.shape))
            if tensor.requires_grad and tensor.grad_fn is not None:
                graph.append(tensor.grad_fn)
                stack.callback(tensor.register_hook(rows_of(call.name)).remove)
        own(call, graph, {tensor.grad_fn for tensor in _tensors((args, kwargs))})

    def rows_of(name: str) -> Callable[[Any], None]:
        def rows(gradient: Any) -> None:
            shape = tuple(gradient.shape)
            tally.add_backward_rows(name, shape, _nonzero_rows(gradient, tally.rows(shape)))

        return rows

    def own(call: Call, pending: list[Any], seen: set[Any]) -> None:
        """Make the nodes from a module's outputs back to its inputs, `seen`, say whose they are."""
        while pending:
            node = pending.pop()
            # A node without successors puts a gradient into a parameter and multiplies nothing.
            if node is None or node in seen or not node.next_functions:
                continue
            seen.add(node)
            number = node.metadata.get(tally)
            if number is not None and number <= call.nodes:
                continue  # what another module did before this one was called
            if number is None:
                node.metadata[tally] = tally.own_node()
                stack.callback(node.register_prehook(entering(call.name)).remove)
                stack.callback(node.register_hook(lambda *_: tally.leave_backward()).remove)
            pending += [following for following, _ in node.next_functions]

    def entering(name: str) -> Callable[..., None]:
        return lambda *_: tally.enter_backward(name)

    def updating(state: bool) -> Callable[..., None]:
        def hook(*_: Any) -> None:
            tally.updating = state

        return hook

    register = modules.register_module_forward_hook
    # Not in every torch; without them a graph is followed past what comes in by keyword.
    keywords = {"with_kwargs": True} if "with_kwargs" in signature(register).parameters else {}
    handles = (
        modules.register_module_forward_pre_hook(before),
        register(after, always_call=True, **keywords),
        optimizers.register_optimizer_step_pre_hook(updating(True)),
        optimizers.register_optimizer_step_post_hook(updating(False)),
    )
    for handle in handles:
        stack.callback(handle.remove)


def _tensors(tree: Any) -> list[Any]:
    from torch import Tensor
    from torch.utils import _pytree

    return [leaf for leaf in _pytree.tree_leaves(tree) if isinstance(leaf, Tensor)]


def _nonzero_rows(gradient: Any, count: int) -> int | None:
    """Return how many rows have a non-zero element; None under vmap, where no value can be read."""
    if gradient.numel() == 0:
        return 0
    try:
        return int((gradient.detach().reshape(count, -1) != 0).any(1).sum().item())
    except RuntimeError:
        return None
