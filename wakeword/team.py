"""Several processes that train one network together, as torchrun starts them, each on a processor or GPU of its own.

Each draws examples of its own. Gradients and batch statistics are averaged over all of them at every step, so that each
holds the same network. Whatever else could tell them apart, the clock above all, goes by the first one's word. A
process that was started alone is a team of one, in which none of this does anything.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, distributed

from wakeword.files import locked
from wakeword.shards import process_rank


@contextmanager
def locked_by_first(folder: Path) -> Iterator[None]:
    """A folder's lock, held by the first process for all of its team. Raises FileError as `files.locked` does."""
    with locked(folder) if process_rank()[0] == 0 else nullcontext():
        yield


@dataclass(frozen=True)
class Team:
    """`rank` of `world` processes; `device` is what this one computes on."""

    rank: int
    world: int
    device: torch.device

    @classmethod
    def gathered(cls) -> Team:
        """As the environment says, once all of them are there. Each has a GPU where there are some."""
        rank, world = process_rank()
        gpus = torch.cuda.device_count()
        if world > 1 and not distributed.is_initialized():
            distributed.init_process_group("nccl" if gpus else "gloo")
        local = int(os.environ.get("LOCAL_RANK", "0"))
        return cls(rank, world, torch.device("cuda", local % gpus) if gpus else torch.device("cpu"))

    @property
    def leads(self) -> bool:
        """Whether this process is the one that writes files and reports."""
        return self.rank == 0

    def average(self, tensors: Iterable[Tensor]) -> None:
        """Puts the mean over the team into each of these, which must come in the same order everywhere."""
        mine = [tensor for tensor in tensors if tensor.dtype.is_floating_point]
        if self.world == 1 or not mine:
            return
        joined = torch.cat([tensor.reshape(-1) for tensor in mine])
        distributed.all_reduce(joined)
        parts = (joined / self.world).split([tensor.numel() for tensor in mine])
        with torch.no_grad():
            for tensor, part in zip(mine, parts, strict=True):
                tensor.copy_(part.reshape(tensor.shape))

    def led(self, value: float) -> float:
        """The first process's number."""
        if self.world == 1:
            return value
        said = torch.tensor(value, dtype=torch.float64, device=self.device)
        distributed.broadcast(said, 0)
        return said.item()

    def wait(self) -> None:
        """Until all of them are here: the last thing that a team does.

        gloo's threads give back what they exchanged only when Python lets them. A process that ended at once after
        `average` or `led` could be aborted by them.
        """
        if self.world > 1:
            distributed.barrier()
