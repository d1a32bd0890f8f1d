"""The training loop, in plain sight: batch, step, average, validate, checkpoint, stop, export.

Examples come in as an iterator, so that this file knows nothing of how they are made. Example i of a run is always the
same one: training that was killed goes on from its last checkpoint exactly as if it had not been.
"""

from __future__ import annotations

import copy
import hashlib
import json
import math
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from wakeword import checkpoint
from wakeword.batches import Batch, TrainingData, batches
from wakeword.bundle import Bundle, Card, write_bundle
from wakeword.clips import Example, PhraseLengths
from wakeword.config import Config, SystemConfig
from wakeword.errors import DataError
from wakeword.export import export
from wakeword.files import locked
from wakeword.hardness import Hardness
from wakeword.model import WakeModel, weighted_loss
from wakeword.prefetch import prefetched
from wakeword.validate import Validation, validate

CHECKPOINT = Path("training") / "checkpoint.safetensors"
CHECKPOINT_EVERY_S = 30.0
REPORT_EVERY_STEPS = 25


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


Report = Callable[[dict[str, Any]], None]


def train(
    config: Config,
    data: TrainingData,
    out: str | Path,
    report: Report = lambda event: None,
    start_from: str | Path | None = None,
) -> Bundle:
    """Trains and writes a bundle into `out`; resumes from `out/training/` if an earlier run was cut off there.

    `start_from` is the folder of an earlier run of the same network, whose best weights this one begins with.
    `report` is called with one dict for every few steps ("step") and every validation ("validation").
    Raises FileError if `out` cannot be written or another run is writing it, DataError if it holds a run with another
    configuration or other clips, or if training diverges.
    """
    with locked(Path(out) / "training"):
        return _train(Run(config, data, Path(out), start_from), report)


def _train(run: Run, report: Report) -> Bundle:
    limits = run.config.train
    held_out = list(run.data.validation(limits.validation_examples))
    saved_s = time.monotonic()
    while not run.finished():
        with closing(prefetched(batches(run.examples(), run.config, run.data.phrases))) as supply:
            redraw = False
            while not (redraw or run.finished()):
                begin_s = time.monotonic()
                batch = next(supply)
                waited_s = time.monotonic() - begin_s
                loss = run.train_step(batch)
                run.count(waited_s, time.monotonic() - begin_s)
                if run.progress.step % REPORT_EVERY_STEPS == 0:
                    report({"event": "step", **run.facts(), "loss": _finite(loss)})
                if run.progress.step % limits.validate_every_steps == 0 or run.finished():
                    report({"event": "validation", **run.validate(held_out)})
                    redraw = run.weigh_negatives()
                if time.monotonic() - saved_s > CHECKPOINT_EVERY_S or run.finished():
                    run.save()
                    saved_s = time.monotonic()
    return run.write_bundle()


class Run:
    """The moving parts of one training run, and how they are saved."""

    def __init__(self, config: Config, data: TrainingData, out: Path, start_from: str | Path | None = None) -> None:
        torch.manual_seed(config.train.seed)
        self.config, self.data, self.out = config, data, out
        self.path = out / CHECKPOINT
        self.model = WakeModel(config, len(data.phrases)).train()
        if start_from is not None:
            self._begin_with(Path(start_from))
        self.average = copy.deepcopy(self.model).eval().requires_grad_(False)
        self.best = copy.deepcopy(self.average)
        decayed = [p for p in self.model.parameters() if p.ndim > 1]
        plain = [p for p in self.model.parameters() if p.ndim == 1]
        groups = [
            {"params": decayed, "weight_decay": config.train.weight_decay},
            {"params": plain, "weight_decay": 0.0},
        ]
        self.optimizer = torch.optim.AdamW(groups, lr=config.train.learning_rate)
        self.progress = Progress()
        self.hardness, self.times = Hardness(), {}
        self.start_from = None if start_from is None else Path(start_from).name
        self.identity = _identity(config, data, self.start_from)
        if self.path.exists():
            self._restore()

    def finished(self) -> bool:
        limits = self.config.train
        spent = limits.max_minutes is not None and self.progress.elapsed_s >= 60 * limits.max_minutes
        return self.progress.done or self.progress.step >= limits.max_steps or spent

    def examples(self) -> Iterator[Example]:
        """From the next step's first example on, drawn by what is known of their hardness."""
        return self.data.train(self.progress.step * self.config.train.batch_size, self.times)

    def weigh_negatives(self) -> bool:
        """Renews the weights that negatives are drawn by; False if they stay as they were."""
        before, share = self.times, self.config.train.hard_negatives
        self.times = self.hardness.weights(share) if share else {}
        return self.times != before

    def train_step(self, batch: Batch) -> float:
        """One step of the optimizer. Returns the loss."""
        for group in self.optimizer.param_groups:
            group["lr"] = self.config.train.learning_rate * self._schedule()
        logits, _ = self.model(batch.pcm, self.model.empty_state(len(batch.pcm)))
        loss = weighted_loss(logits, batch.target, batch.weight, self.config.train.positive_weight)
        wrong = torch.sigmoid(logits.detach()) * batch.weight * (1.0 - batch.target)
        self.hardness.observe(batch.events, wrong.amax(dim=2).numpy(), self.config)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), self.config.train.gradient_clip)
        self.optimizer.step()
        self._update_average()
        return loss.item()

    def count(self, waited_s: float, spent_s: float) -> None:
        self.progress.step += 1
        self.progress.waited_s += waited_s
        self.progress.elapsed_s += spent_s

    def facts(self) -> dict[str, Any]:
        done = self.progress
        return {"step": done.step, "elapsed_s": round(done.elapsed_s, 1), "waited_s": round(done.waited_s, 1)}

    def validate(self, held_out: list[Example]) -> dict[str, Any]:
        """Scores the averaged weights, keeps them if they are the best so far, counts patience."""
        begin_s = time.monotonic()
        result = validate(self.average, held_out, self.data.phrases, self.config)
        criterion = (result.ranking, result.loss)
        if self.progress.best is None or criterion < tuple(self.progress.best):
            self.progress.best, self.progress.stale = criterion, 0
            self.best.load_state_dict(self.average.state_dict())
        else:
            self.progress.stale += 1
        self.progress.done = self.progress.stale >= self.config.train.patience
        self.progress.elapsed_s += time.monotonic() - begin_s
        line = {**self.facts(), **result.summary(), "best": self.progress.stale == 0}
        self.progress.history.append(line)
        return line

    def save(self) -> None:
        groups = {
            "model": self.model.state_dict(),
            "average": self.average.state_dict(),
            "best": self.best.state_dict(),
            "optimizer": checkpoint.optimizer_tensors(self.optimizer),
            "random": {"torch": torch.get_rng_state()},
        }
        facts = {"progress": vars(self.progress), "peaks": self.hardness.peaks, "times": self.times}
        checkpoint.save(self.path, groups, {"identity": self.identity, **facts})

    def write_bundle(self) -> Bundle:
        """The better of the best and the last averaged weights, their thresholds, and where they come from, checked."""
        if self.progress.best is None:
            raise DataError(f"{self.out}: training ended before its first validation, expected more steps or minutes")
        lengths = PhraseLengths(self.data.phrases)
        result = self._calibrate(self.best, lengths)
        if self.progress.stale:  # validation has few hours, in which one loud moment may speak against the last weights
            last = self._calibrate(self.average, PhraseLengths(self.data.phrases))
            if (last.ranking, last.loss) < (result.ranking, result.loss):
                self.best.load_state_dict(self.average.state_dict())
                result = last
                self.save()
        card = Card(
            phrases=self.data.phrases,
            thresholds=result.thresholds,
            phrase_s=lengths.median_s(self.config.audio.sample_rate_hz),
            config=SystemConfig.model_validate(self.config.model_dump(include=set(SystemConfig.model_fields))),
            provenance={
                **self.data.provenance,
                "training": {**self.facts(), "start_from": self.start_from, "validation": result.summary()},
                "synth": self.config.synth.model_dump(),
                "train": self.config.train.model_dump(),
            },
        )
        return write_bundle(self.out, card, *export(self.best, card))

    def _calibrate(self, model: WakeModel, lengths: PhraseLengths) -> Validation:
        held_out = self.data.validation(self.config.train.calibration_examples)
        return validate(model, lengths.watch(held_out), self.data.phrases, self.config)

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

    def _begin_with(self, folder: Path) -> None:
        if not (folder / CHECKPOINT).is_file():
            raise DataError(f"{folder}: got a folder without {CHECKPOINT}, expected that of an earlier training run")
        try:
            self.model.load_state_dict(checkpoint.load(folder / CHECKPOINT)[0]["best"])
        except (KeyError, RuntimeError):
            raise DataError(f"{folder}: got weights of another network, expected the sizes of this one") from None

    def _restore(self) -> None:
        groups, facts = checkpoint.load(self.path)
        if facts["identity"] != self.identity:
            raise DataError(f"{self.out}: holds a run with another configuration or other clips: choose another --out")
        self.model.load_state_dict(groups["model"])
        self.average.load_state_dict(groups["average"])
        self.best.load_state_dict(groups["best"])
        checkpoint.restore_optimizer(self.optimizer, groups.get("optimizer", {}))
        torch.set_rng_state(groups["random"]["torch"])
        self.progress = Progress(**facts["progress"])
        self.hardness, self.times = Hardness(facts["peaks"]), facts["times"]


def _identity(config: Config, data: TrainingData, start_from: str | None) -> str:
    """What must be equal for a checkpoint to be gone on with: all but the limits of the run's length."""
    values = config.model_dump()
    for limit in ("max_minutes", "max_steps", "patience"):
        values["train"].pop(limit)
    content = json.dumps([values, data.phrases, data.provenance, start_from], sort_keys=True, default=str)
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def _finite(loss: float) -> float:
    if not math.isfinite(loss):
        raise DataError(f"training diverged: got a loss of {loss}, expected a finite one: lower train.learning_rate")
    return round(loss, 5)
