"""One training run, whatever it learns: batch, step, average, validate, checkpoint, stop.

What is learned is a subclass's: it says where batches come from, what the loss is and how good a network is. A run that
was killed goes on from its last checkpoint exactly as if it had not been. Several processes can be one run (see
`team`): each goes through all of this, the validation included, and one of them writes.
"""

from __future__ import annotations

import copy
import hashlib
import json
import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor, nn

from wakeword import checkpoint
from wakeword.config import Config
from wakeword.errors import DataError
from wakeword.model import WakeModel
from wakeword.prefetch import prefetched
from wakeword.rounding import rounded_weights
from wakeword.team import Team

CHECKPOINT = Path("training") / "checkpoint.safetensors"
CHECKPOINT_EVERY_S = 30.0
REPORT_EVERY_STEPS = 25

Report = Callable[[dict[str, Any]], None]
Batch = TypeVar("Batch")


@dataclass
class Progress:
    """Everything but tensors that a resumed run needs."""

    step: int = 0
    elapsed_s: float = 0.0
    waited_s: float = 0.0
    best: tuple[float, float] | None = None
    stale: int = 0
    done: bool = False
    history: list[dict[str, Any]] = field(default_factory=list)


class Run(ABC, Generic[Batch]):
    """The moving parts of a run, and how they are saved: network, averaged weights, the best of these, optimizer."""

    identity: str
    """What must be equal for a checkpoint to be gone on with."""

    def __init__(self, config: Config, model: WakeModel, out: Path) -> None:
        self.config, self.out, self.team = config, out, Team.gathered()
        self.path = out / CHECKPOINT
        self.model = model.to(self.team.device).train()
        model.freeze(config.train.frozen_layers)
        self.average = copy.deepcopy(model).eval().requires_grad_(False)
        self.best = copy.deepcopy(self.average)
        learning = [p for p in model.parameters() if p.requires_grad]
        decayed = [p for p in learning if p.ndim > 1]
        plain = [p for p in learning if p.ndim == 1]
        groups = [
            {"params": decayed, "weight_decay": config.train.weight_decay},
            {"params": plain, "weight_decay": 0.0},
        ]
        self.optimizer = torch.optim.AdamW(groups, lr=config.train.learning_rate)
        self.progress = Progress()

    @abstractmethod
    def batches(self) -> Iterator[Batch]:
        """Batches without end, from the next step's on. Asked for anew whenever `renew` says so."""

    @abstractmethod
    def loss(self, batch: Batch) -> Tensor:
        """What the next step makes smaller."""

    @abstractmethod
    def criterion(self, model: WakeModel) -> tuple[tuple[float, float], dict[str, Any]]:
        """How bad a network is on held-out data, and the same in words for a log line."""

    def renew(self) -> bool:
        """Called after each validation: whether batches have to be drawn in another way from here on."""
        return False

    def more_facts(self) -> dict[str, Any]:
        """What else of JSON a checkpoint has to hold; `restore` is where it comes back."""
        return {}

    def more_tensors(self) -> dict[str, Tensor]:
        """What else of tensors it has to hold; it comes back there, too."""
        return {}

    def finished(self) -> bool:
        limits = self.config.train
        spent = limits.max_minutes is not None and self.progress.elapsed_s >= 60 * limits.max_minutes
        return self.progress.done or self.progress.step >= limits.max_steps or spent

    def to_its_end(self, report: Report) -> None:
        """Trains until it is finished. `report` gets a dict every few steps ("step") and validations ("validation")."""
        limits, saved_s = self.config.train, time.monotonic()
        while not self.finished():
            with closing(prefetched(self.batches())) as supply:
                redraw = False
                while not (redraw or self.finished()):
                    begin_s = time.monotonic()
                    batch = self._placed(next(supply))
                    waited_s = time.monotonic() - begin_s
                    loss = self.train_step(batch)
                    self.count(waited_s, time.monotonic() - begin_s)
                    if self.team.leads and self.progress.step % REPORT_EVERY_STEPS == 0:
                        report({"event": "step", **self.facts(), "loss": _finite(loss)})
                    if self.progress.step % limits.validate_every_steps == 0 or self.finished():
                        line = self.validate()
                        if self.team.leads:
                            report({"event": "validation", **line})
                        redraw = self.renew()
                    if time.monotonic() - saved_s > CHECKPOINT_EVERY_S or self.finished():
                        self.save()
                        saved_s = time.monotonic()

    def train_step(self, batch: Batch) -> float:
        """One step of the optimizer. Returns the loss."""
        for group in self.optimizer.param_groups:
            group["lr"] = self.config.train.learning_rate * self._schedule()
        self.optimizer.zero_grad(set_to_none=True)
        with self.as_deployed(self.model):
            loss = self.loss(batch)
            loss.backward()
        self.team.average(p.grad for p in self.model.parameters() if p.grad is not None)
        self.team.average(self._statistics())
        largest = self.config.train.gradient_clip / self.model.members**0.5  # of a mean over members
        nn.utils.clip_grad_norm_(self.model.parameters(), largest)
        self.optimizer.step()
        self._update_average()
        return loss.item()

    def as_deployed(self, model: WakeModel) -> AbstractContextManager[None]:
        """While it is open the model's weights are what they will be on a device."""
        return rounded_weights(model) if self.config.train.int8_weights else nullcontext()

    def count(self, waited_s: float, spent_s: float) -> None:
        self.progress.step += 1
        self.progress.waited_s += waited_s
        self._spend(spent_s)

    def facts(self) -> dict[str, Any]:
        done = self.progress
        return {"step": done.step, "elapsed_s": round(done.elapsed_s, 1), "waited_s": round(done.waited_s, 1)}

    def validate(self) -> dict[str, Any]:
        """Judges the averaged weights, keeps them if they are the best so far, counts patience."""
        begin_s = time.monotonic()
        with self.as_deployed(self.average):
            criterion, summary = self.criterion(self.average)
        if self.progress.best is None or criterion < tuple(self.progress.best):
            self.progress.best, self.progress.stale = criterion, 0
            self.best.load_state_dict(self.average.state_dict())
        else:
            self.progress.stale += 1
        self.progress.done = self.progress.stale >= self.config.train.patience
        self._spend(time.monotonic() - begin_s)
        line = {**self.facts(), **summary, "best": self.progress.stale == 0}
        self.progress.history.append(line)
        return line

    def save(self) -> None:
        if not self.team.leads:
            return
        groups = {
            "model": self.model.state_dict(),
            "average": self.average.state_dict(),
            "best": self.best.state_dict(),
            "optimizer": checkpoint.optimizer_tensors(self.optimizer),
            "random": {"torch": torch.get_rng_state()},
            "more": self.more_tensors(),
        }
        facts = {"identity": self.identity, "progress": vars(self.progress), **self.more_facts()}
        checkpoint.save(self.path, groups, facts)

    def restore(self) -> tuple[dict[str, Any], dict[str, Tensor]]:
        """Goes on from the last checkpoint, and returns its facts and further tensors; nothing if there is none."""
        if not self.path.exists():
            return {}, {}
        groups, facts = checkpoint.load(self.path)
        if facts.get("identity") != self.identity:
            raise DataError(f"{self.out}: holds a run with another configuration or other clips: choose another --out")
        self.model.load_state_dict(groups["model"])
        self.average.load_state_dict(groups["average"])
        self.best.load_state_dict(groups["best"])
        checkpoint.restore_optimizer(self.optimizer, groups.get("optimizer", {}))
        torch.set_rng_state(groups["random"]["torch"])
        self.progress = Progress(**facts["progress"])
        return facts, groups.get("more", {})

    def _statistics(self) -> Iterator[Tensor]:
        """Of the batch norms that learn. What else a network holds is the same everywhere, and no mean may round it."""
        for module in self.model.modules():
            if isinstance(module, nn.BatchNorm1d) and module.training:
                yield from module.buffers()

    def _placed(self, batch: Batch) -> Batch:
        """The same on this process's device."""
        moved = (part.to(self.team.device) if isinstance(part, Tensor) else part for part in batch)
        return type(batch)(*moved)

    def _spend(self, seconds: float) -> None:
        """Counts time. That of the first process is everybody's, so that all of them stop at the same step."""
        self.progress.elapsed_s = self.team.led(self.progress.elapsed_s + seconds)

    def _schedule(self) -> float:
        """Linear warm-up, then half a cosine to a hundredth over the steps or minutes that are allowed."""
        limits, step = self.config.train, self.progress.step
        warm = min(1.0, (step + 1) / max(1, limits.warmup_steps))
        share = step / limits.max_steps
        if limits.max_minutes is not None:
            share = max(share, self.progress.elapsed_s / (60 * limits.max_minutes))
        return warm * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(1.0, share))))

    def _update_average(self) -> None:
        """Exponential moving average of weights and batch statistics; short at first, to forget the random start."""
        decay = min(self.config.train.ema_decay, (1 + self.progress.step) / (10 + self.progress.step))
        with torch.no_grad():
            for mean, now in zip(self.average.state_dict().values(), self.model.state_dict().values(), strict=True):
                if mean.dtype.is_floating_point:
                    mean.lerp_(now, 1 - decay)
                else:
                    mean.copy_(now)


def run_identity(config: Config, *facts: Any) -> str:
    """What must be equal for a checkpoint to be gone on with: all but the limits of the run's length.

    `facts` of JSON are those of its data and of what it began with.
    """
    values = config.model_dump(exclude={"train": {"max_minutes", "max_steps", "patience"}})
    content = json.dumps([values, *facts], sort_keys=True, default=str)
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def _finite(loss: float) -> float:
    if not math.isfinite(loss):
        raise DataError(f"training diverged: got a loss of {loss}, expected a finite one: lower train.learning_rate")
    return round(loss, 5)
