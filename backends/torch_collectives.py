"""What the ranks of a torch.distributed group tell each other, so that none waits for another.

Every rank makes the same calls in the same order, whatever it has to contribute, also when it has
nothing and when its part of the work raised an error: the error is told, and every rank raises.
Numbers, text and tensors go over as such; nothing is pickled.
"""

from collections.abc import Callable
from typing import Any, TypeVar

import torch
import torch.distributed as dist

from kondo_ref.backends.torch_checks import Tensor

Result = TypeVar("Result")


class Ranks:
    """The processes of a group, seen from one of them.

    Parameters
    ----------
    group : ProcessGroup or None
        None for the default group.
    device : torch.device
        Where tensors that are sent have to be.

    Raises
    ------
    ValueError
        There is no group, or this process is not in it.
    """

    def __init__(self, group: Any, device: torch.device) -> None:
        if not dist.is_available() or not dist.is_initialized():
            raise ValueError(
                "group: torch.distributed has none; call torch.distributed.init_process_group first"
            )
        self.rank: int = dist.get_rank(group)
        if self.rank < 0:
            raise ValueError("group: expected one that this process is in, got another")
        self.size: int = dist.get_world_size(group)
        self._group, self._device = group, device

    def numbers(self, own: list[int]) -> list[list[int]]:
        """Return the integers of every rank, as many as here."""
        sent = torch.tensor(own, dtype=torch.int64, device=self._device)
        found = [torch.empty_like(sent) for _ in range(self.size)]
        dist.all_gather(found, sent, group=self._group)
        return [row.tolist() for row in found]

    def texts(self, own: str) -> list[str]:
        """Return the text of every rank."""
        code = torch.tensor(list(own.encode()), dtype=torch.uint8, device=self._device)
        counts = [row[0] for row in self.numbers([code.numel()])]
        parts = torch.split(self.concatenated(code, counts), counts)
        return [bytes(part.tolist()).decode() for part in parts]

    def concatenated(self, own: Tensor, counts: list[int]) -> Tensor:
        """Return the vectors of all ranks, one after the other, (sum of counts,).

        Parameters
        ----------
        own : (counts[rank],) tensor
        counts : list of int
            The length of every rank's vector; 0 for one that has nothing.
        """
        sent = own.new_zeros(max(1, *counts))
        sent[: own.numel()] = own
        found = [torch.empty_like(sent) for _ in range(self.size)]
        dist.all_gather(found, sent, group=self._group)
        return torch.cat([part[:n] for part, n in zip(found, counts, strict=True)])

    def add(self, own: Tensor) -> Tensor:
        """Add the tensors of all ranks into `own`; the same bits on every rank."""
        dist.all_reduce(own, group=self._group)
        return own

    def together(
        self, work: Callable[[], tuple[Result, list[int]]], width: int
    ) -> tuple[Result, list[list[int]]]:
        """Do `work`, as every rank does, and return its result and the integers of every rank.

        Parameters
        ----------
        work : callable
            Returns a result that stays here and `width` integers that are told. It is no place to
            speak to the other ranks.
        width : int

        Raises
        ------
        Exception
            What `work` raised here.
        ValueError
            What it raised elsewhere; the message names the rank.
        """
        failed: Exception | None = None
        try:
            result, told = work()
        except Exception as error:  # whatever it is, the others must not wait for this rank
            failed, told = error, [0] * width
        rows = self.numbers([failed is not None, *told])
        where = [rank for rank, row in enumerate(rows) if row[0]]
        if where:
            texts = self.texts("" if failed is None else " ".join(str(failed).split()))
            if failed is not None:
                raise failed
            raise ValueError(f"rank {where[0]} refused its part: {texts[where[0]]}")
        return result, [row[1:] for row in rows]

    def same(self, **own: str) -> None:
        """Refuse, on every rank, what is not the same on every rank.

        Parameters
        ----------
        **own : str
            By the name that an error is to have.
        """
        for name, text in own.items():
            texts = self.texts(text)
            other = next((rank for rank in range(self.size) if texts[rank] != texts[0]), None)
            if other is not None:
                raise ValueError(
                    f"{name}: expected the same on every rank, rank {other} differs from rank 0"
                )
