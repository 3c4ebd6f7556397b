"""A model as torch modules: what the learner asks of any, and how parameters go in and come out.

`torch.nn.Linear` keeps its weight as (outputs, inputs), the reference as (inputs, outputs), so the
weights of products are transposed on the way; every number stays as it is.
"""

from abc import abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from kondo_ref.backends.torch_checks import NUMPY_DTYPES, Tensor, tensor_of
from kondo_ref.models.kinds import Model
from kondo_ref.parameters import Parameters


class Entry(NamedTuple):
    """One parameter: the reference's name, the tensor, and whether it is kept transposed."""

    name: str
    parameter: Tensor
    transposed: bool


@dataclass(frozen=True, eq=False)
class Run:
    """A forward, and what the update goes on from.

    Parameters
    ----------
    batch : object
        As the network's `read` gave it.
    logits : (R, K) tensor
        Of all rows; with a graph if one was asked for.
    below : (R, D) tensor or None
        What the last block of a transformer was given; with a graph likewise.
    """

    batch: Any
    logits: Tensor
    below: Tensor | None = None


class Network(nn.Module):
    """A model as modules; `start` makes one with parameters.

    Parameters
    ----------
    model : MLP or Transformer
    """

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.model = model

    @abstractmethod
    def entries(self) -> Iterator[Entry]:
        """Yield the parameters by the reference's names."""

    @abstractmethod
    def read(self, observations: Any) -> Any:
        """Return a batch that was checked, on the network's device."""

    @abstractmethod
    def run(self, batch: Any, *, graph: bool) -> Run:
        """Run the forward over all rows, with a graph for `rerun` or without."""

    @abstractmethod
    def decisions(self, run: Run) -> Tensor:
        """Return the logits without a graph, shaped as the batch's decisions and (K,)."""

    @abstractmethod
    def rerun(self, run: Run, kept: Tensor) -> tuple[Tensor, int]:
        """Return the logits (kept, K) with a graph, and the rows that the graph has.

        Where `run` has a graph of those very rows, that is the one; else there is another forward,
        of what the kept decisions depend on alone.
        """

    @abstractmethod
    def rows(self, run: Run) -> int:
        """Return the rows of the forward."""

    def check_mask(self, run: Run, mask: Any) -> None:
        """Refuse a mask that calls valid what is no decision."""

    def dense_rows(self, run: Run, mask: Tensor | None) -> int | None:
        """Return the rows that a backward of all valid decisions takes; None: as many as they."""

    @classmethod
    def start(cls, model: Any, parameters: Parameters, device: torch.device) -> "Network":
        """Return the network with a copy of some parameters, in their dtype."""
        # Made without memory first: an initialization would move torch's global generator.
        with torch.device("meta"):
            network = cls(model)
        dtype = tensor_of(parameters.flat[:0], device).dtype
        network.to(dtype).to_empty(device=device)
        with torch.no_grad():
            for name, parameter, transposed in network.entries():
                parameter.copy_(layout(parameters[name], device, transposed=transposed))
        return network

    @property
    def device(self) -> torch.device:
        """Where the parameters are."""
        return next(self.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        """The dtype of the parameters."""
        return next(self.parameters()).dtype

    def gather(self, tensor: Callable[[Tensor], Tensor | None]) -> Parameters:
        """Return a NumPy copy of one tensor for each parameter, zeros where it is None."""
        result = Parameters.zeros(self.model.shapes, NUMPY_DTYPES[self.dtype])
        for name, parameter, transposed in self.entries():
            value = tensor(parameter)
            if value is not None:
                array = value.detach().cpu().numpy()
                result[name][...] = array.T if transposed else array
        return result


def layout(view: NDArray[Any], device: torch.device, *, transposed: bool) -> Tensor:
    """Return a copy of a parameter or moment as torch keeps it."""
    return tensor_of(np.array(view.T if transposed else view, order="C"), device)


def linear_entries(name: str, linear: nn.Linear, bias: str) -> Iterator[Entry]:
    """Yield the weight of a product, and its bias if it has one."""
    yield Entry(name, linear.weight, transposed=True)
    if linear.bias is not None:
        yield Entry(bias, linear.bias, transposed=False)
