"""What is learned when a wake word is: labelled examples in, a checked bundle out. `wakeword.run` holds the loop.

Examples come in as an iterator, so that this file knows nothing of how they are made. Example i of a run is always the
same one, whether the run was cut off before it or not.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from wakeword import checkpoint
from wakeword.backbone import load_backbone, packaged_backbone
from wakeword.batches import Batch, TrainingData, batches
from wakeword.bundle import Bundle, Card, check_replaceable, read_bundle, write_bundle
from wakeword.clips import Example, PhraseLengths
from wakeword.config import Config, SystemConfig
from wakeword.errors import DataError
from wakeword.export import export
from wakeword.hardness import Hardness
from wakeword.model import State, WakeModel, weighted_loss
from wakeword.path import Paths
from wakeword.run import CHECKPOINT, Report, Run, run_identity
from wakeword.sections import DetectorConfig
from wakeword.teacher import Teacher
from wakeword.team import locked_by_first
from wakeword.validate import Validation, validate


def train(
    config: Config,
    data: TrainingData,
    out: str | Path,
    report: Report = lambda event: None,
    start_from: str | Path | None = None,
    teacher: Bundle | None = None,
) -> Bundle:
    """Trains and writes a bundle into `out`; resumes from `out/training/` if an earlier run was cut off there.

    `start_from` is the folder of an earlier run of the same network, whose best weights this one begins with, or the
    file of a backbone; without it `config.train.backbone` says whether it is the packaged backbone.
    `teacher`: a bundle of the same phrases, whose probabilities are learned instead of the labels (see `teacher`).
    `report` is called with one dict for every few steps ("step") and every validation ("validation"). Started by
    torchrun, all processes train one network together, each on its GPU if there is one; the first writes and reports.
    Raises FileError if `out` cannot be written or another run is writing it, BundleError if another model is in it,
    DataError if it holds a run with another configuration or other clips, or if training diverges.
    """
    if not (Path(out) / CHECKPOINT).exists():
        check_replaceable(out, data.phrases)
    with locked_by_first(Path(out) / "training"):
        run = WakeRun(config, data, Path(out), start_from, teacher)
        run.to_its_end(report)
        if run.team.leads:
            run.write_bundle()
        run.team.wait()
        return read_bundle(out)


class WakeRun(Run[Batch]):
    """A network that says, after each step, whether one of the phrases has just ended.

    Each member of an ensemble learns alone, so that they err in different ways, and their mean in few.
    """

    def __init__(
        self,
        config: Config,
        data: TrainingData,
        out: Path,
        start_from: str | Path | None = None,
        teacher: Bundle | None = None,
    ) -> None:
        torch.manual_seed(config.train.seed)
        model = WakeModel(config, len(data.phrases), _paths(config, data))
        self.start_from = _begin(model, config, start_from)
        super().__init__(config, model, out)
        self.data = data
        self.held_out: list[Example] = []
        self.teacher = Teacher(teacher, data.phrases, config).to(self.team.device) if teacher else None
        learned_from = [self.teacher.name] if self.teacher else []
        self.identity = run_identity(config, data.phrases, data.provenance, self.start_from, *learned_from)
        facts, carried = self.restore()
        self.ended = tuple(carried[name].to(self.team.device) for name in sorted(carried))
        self.hardness, self.times = Hardness(facts.get("peaks")), facts.get("times", {})

    def batches(self) -> Iterator[Batch]:
        """From the next step's first example on, drawn by what is known of their hardness."""
        examples = self.data.train(self.progress.step * self.config.train.batch_size, self.times)
        return batches(examples, self.config, self.data.phrases)

    def loss(self, batch: Batch) -> Tensor:
        said, ended = self.model.each(batch.pcm, self._begun(len(batch.pcm)))
        self.ended = tuple(gru.detach() for gru in ended)
        wrong = torch.sigmoid(said.detach().mean(dim=0)) * batch.weight * (1.0 - batch.target)
        self.hardness.observe(batch.events, wrong.amax(dim=2).cpu().numpy(), self.config)
        if self.teacher:
            return torch.stack([self.teacher.loss(batch.pcm, one) for one in said]).mean()
        how_much = self.config.train.positive_weight
        return torch.stack([weighted_loss(one, batch.target, batch.weight, how_much) for one in said]).mean()

    def _begun(self, count: int) -> State:
        """The state that examples begin with: nothing, or, for `train.carried` of them, what others ended with.

        A device hears for days, and the GRUs of a small network may get to where six seconds never bring them.
        """
        state, share = self.model.empty_state(count), self.config.train.carried
        if not share or not self.ended or self.ended[0].shape[1] != count:
            return state
        others, kept = torch.randperm(count), (torch.rand(1, count, 1) < share).to(self.team.device)
        return state._replace(gru=tuple(gru[:, others] * kept for gru in self.ended))

    def more_tensors(self) -> dict[str, Tensor]:
        return {f"ended{number:02}": gru for number, gru in enumerate(self.ended)} if self.config.train.carried else {}

    def criterion(self, model: WakeModel) -> tuple[tuple[float, float], dict[str, Any]]:
        if not self.held_out:
            self.held_out = list(self.data.validation(self.config.train.validation_examples))
        result = validate(model, self.held_out, self.data.phrases, self.config)
        return (result.ranking, result.loss), result.summary()

    def renew(self) -> bool:
        """Renews the weights that negatives are drawn by; False if they stay as they were."""
        before, share = self.times, self.config.train.hard_negatives
        self.times = self.hardness.weights(share) if share else {}
        return self.times != before

    def more_facts(self) -> dict[str, Any]:
        return {"peaks": self.hardness.peaks, "times": self.times}

    def write_bundle(self) -> Bundle:
        """The better of the best and the last averaged weights, their rule, and where they come from, checked."""
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
            paths=self.data.pronunciations if self.config.model.spotter else [],
            config=_system(self.config, result.detector),
            provenance={
                **self.data.provenance,
                "training": self._told() | {"validation": result.summary()},
                "synth": self.config.synth.model_dump(),
                "train": self.config.train.model_dump(),
            },
        )
        return write_bundle(self.out, card, *export(self.best.cpu(), card, half=self.config.train.half_weights))

    def _told(self) -> dict[str, Any]:
        """How training went, for the card."""
        kept = ("step", "loss", "miss_rate", "fa_per_hour")
        history = [{key: line[key] for key in kept} for line in self.progress.history]
        teacher = {"teacher": self.teacher.name} if self.teacher else {}
        return {**self.facts(), "start_from": self.start_from, **teacher, "history": history}

    def _calibrate(self, model: WakeModel, lengths: PhraseLengths) -> Validation:
        held_out = self.data.validation(self.config.train.calibration_examples)
        with self.as_deployed(model):
            return validate(model, lengths.watch(held_out), self.data.phrases, self.config, choosing=True)


def _system(config: Config, detector: DetectorConfig) -> SystemConfig:
    """What a bundle is run by, with the rule that it was calibrated with."""
    values = config.model_dump(include=set(SystemConfig.model_fields))
    return SystemConfig.model_validate({**values, "detector": detector.model_dump()})


def _paths(config: Config, data: TrainingData) -> Paths | None:
    return Paths.of(data.pronunciations) if config.model.spotter and data.pronunciations else None


def _begin(model: WakeModel, config: Config, start_from: str | Path | None) -> str | None:
    """Puts the weights into a model that it is to begin with; returns where they come from."""
    if start_from is not None and not Path(start_from).is_file():
        _begin_with(model, Path(start_from))
        return Path(start_from).name
    if start_from is None and not config.train.backbone:
        return None
    backbone = load_backbone(start_from) if start_from else packaged_backbone(config)
    backbone.put_into(model, config)
    return backbone.name


def _begin_with(model: WakeModel, folder: Path) -> None:
    if not (folder / CHECKPOINT).is_file():
        raise DataError(f"{folder}: got a folder without {CHECKPOINT}, expected that of an earlier training run")
    try:
        model.load_state_dict(checkpoint.load(folder / CHECKPOINT)[0]["best"])
    except (KeyError, RuntimeError):
        raise DataError(f"{folder}: got weights of another network, expected the sizes of this one") from None
