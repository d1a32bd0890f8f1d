"""The backbone: a network that was taught once to tell phones apart in anybody's speech.

A wake word begins with its weights, so that a phrase from one synthesizer is learned by ears that know many voices;
`enroll` listens with it as it is. It is trained by CTC (Graves et al. 2006): of each recording only the order of its
sounds must be known. `benchmarks/backbone.py` shows what those in this package were trained on: one of the network of
`backbone.toml`, for phrases that are typed, and a smaller one of that of `default.toml`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from wakeword import checkpoint
from wakeword.audio import FULL_SCALE
from wakeword.clips import Example
from wakeword.config import Config, SystemConfig
from wakeword.ctc import ctc_loss, decoded, edit_distance
from wakeword.errors import ConfigError, DataError
from wakeword.model import WakeModel
from wakeword.path import HEARING, hearing_in
from wakeword.phones import PHONES
from wakeword.run import Report, Run, run_identity
from wakeword.spotting import spotting_loss
from wakeword.team import locked_by_first

PACKAGED = Path(__file__).parent / "weights" / "backbone.safetensors"
SMALL, MICRO = (PACKAGED.with_name(f"backbone_{size}.safetensors") for size in ("small", "micro"))
NO_FIT = "train.backbone: got features or a model that are not the backbone's, expected false there"
MEMBER = "member."  # of the names of weights: what members begin with where a spotter has the last layers
WORDS = "words."  # likewise, of every second one: a GRU that was taught words, not phones (benchmarks/members.py)
BEGINNINGS = (MEMBER, WORDS)
HEAD = "head."  # of the names of weights: what is not the backbone's but its task's


@dataclass(frozen=True)
class Speech:
    """Where examples of transcribed speech come from; `said` are the phones of each recording by `Event.source`."""

    train: Callable[[int], Iterator[Example]]
    validation: Callable[[int], Iterator[Example]]
    said: Mapping[str, list[int]]
    provenance: dict[str, Any]


class SpeechBatch(NamedTuple):
    """pcm float32 [B, N] in -1..1, and of each example the phones of its recordings in their order."""

    pcm: Tensor
    recordings: list[list[list[int]]]

    @property
    def said(self) -> list[list[int]]:
        """The phones of each example."""
        return [list(chain.from_iterable(example)) for example in self.recordings]


@dataclass(frozen=True)
class Backbone:
    """Weights by name, batch norms included, of a `WakeModel` whose head says phones; HEARING too, once measured.

    There may be further GRUs and their norms, by the names of MEMBER and of WORDS.
    """

    weights: dict[str, Tensor]
    facts: dict[str, Any]

    @property
    def name(self) -> str:
        """What a bundle says it began with."""
        content = b"".join(value.numpy().tobytes() for value in self.weights.values())
        return f"backbone {hashlib.sha256(content).hexdigest()[:8]}"

    def fits(self, config: SystemConfig) -> bool:
        """Whether a configuration has the same features and the same network."""
        return self.facts["system"] == _system(config)

    def put_into(self, model: WakeModel, config: SystemConfig, head: bool = False) -> None:
        """Copies the weights into a model, the head's only if asked. Raises ConfigError where they do not fit."""
        if not self.fits(config):
            raise ConfigError(NO_FIT)
        others = (*HEARING, *BEGINNINGS) if head else (*HEARING, HEAD)
        wanted = _for_members({n: value for n, value in self.weights.items() if not n.startswith(others)}, config)
        if model.spotter is not None:
            wanted |= _for_spotter(self.weights, config)
        model.load_state_dict({**model.state_dict(), **wanted})

    def lend(self, model: WakeModel) -> None:
        """Copies the layers from the convolution up as far as they have the model's sizes; after the last the head."""
        own, borrowed = model.state_dict(), {}
        grus = [(f"gru.{i}.", f"gru_norm.{i}.") for i in range(len(model.gru))]
        for names in [("conv.", "conv_norm."), *grus, (HEAD,)]:
            layer = {name: self.weights.get(name) for name in own if name.startswith(names)}
            if any(value is None or value.shape != own[name].shape for name, value in layer.items()):
                break
            borrowed |= layer
        model.load_state_dict(own | borrowed)

    def for_members(self, config: SystemConfig) -> dict[str, Tensor]:
        """What a backbone of this configuration that began with this one gives to members, by the names of BEGINNINGS.

        Its own such weights; else, where the sizes differ, its last GRU, which the other cannot go on with.
        """
        own = {name: value for name, value in self.weights.items() if name.startswith(BEGINNINGS)}
        if own or self.fits(config):
            return own
        last = len(self.facts["system"]["model"]["gru_units"]) - 1
        names = {f"{kind}.{last}.": f"{MEMBER}{kind}." for kind in ("gru", "gru_norm")}
        return _renamed(self.weights, names)

    @property
    def hearing(self) -> dict[str, np.ndarray]:
        """What paths through the phones need (see `wakeword.path.hearing_in`)."""
        return hearing_in({name: value.numpy() for name, value in self.weights.items()})

    def model(self, config: SystemConfig) -> WakeModel:
        """The whole network with its head of phones, in eval mode."""
        model = WakeModel(config, len(PHONES))
        self.put_into(model, config, head=True)
        return model.eval()


def load_backbone(path: str | Path = PACKAGED) -> Backbone:
    """Reads what `train_backbone` wrote. Raises DataError if it is missing, damaged or of other phones."""
    groups, facts = checkpoint.load(Path(path))
    if facts.get("phones") != list(PHONES) or "backbone" not in groups:
        raise DataError(f"{path}: got something else than a backbone of these {len(PHONES)} phones")
    return Backbone(groups["backbone"], facts)


def packaged_backbone(config: SystemConfig) -> Backbone:
    """The one in this package that has a configuration's features and network. Raises ConfigError if none has."""
    for path in (PACKAGED, SMALL, MICRO):
        backbone = load_backbone(path)
        if backbone.fits(config):
            return backbone
    raise ConfigError(NO_FIT)


def train_backbone(
    config: Config,
    speech: Speech,
    out: str | Path,
    report: Report = lambda event: None,
    start_from: Path | None = None,
    spotting: float = 0.0,
) -> Backbone:
    """Trains, resuming what was cut off, and writes the best averaged weights to out/backbone.safetensors.

    `start_from` is a backbone to begin with: its layers from below, as far as the sizes agree. `spotting` is how much
    `wakeword.spotting`'s loss counts beside CTC's, by that backbone's hearing. Raises what `wakeword.train.train` does.
    """
    with locked_by_first(Path(out) / "training"):
        run = BackboneRun(config, speech, Path(out), start_from, spotting)
        run.to_its_end(report)
        if run.team.leads:
            run.write()
        run.team.wait()
        return load_backbone(Path(out) / PACKAGED.name)


class BackboneRun(Run[SpeechBatch]):
    """A network that says which sound begins. What it is judged by is the phone error rate."""

    def __init__(
        self, config: Config, speech: Speech, out: Path, start_from: Path | None = None, spotting: float = 0.0
    ) -> None:
        torch.manual_seed(config.train.seed)
        model = WakeModel(config, len(PHONES))
        begun = load_backbone(start_from) if start_from is not None else None
        if begun:
            begun.lend(model)
        super().__init__(config, model, out)
        self.speech, self.held_out, self.spotting = speech, [], spotting
        hearing = begun.hearing if begun else hearing_in({})
        self.hearing = {name: torch.from_numpy(value).to(self.team.device) for name, value in hearing.items()}
        self.identity = run_identity(config, speech.provenance, begun and begun.name, spotting)
        self.restore()

    def batches(self) -> Iterator[SpeechBatch]:
        size = self.config.train.batch_size
        return self._grouped(self.speech.train(self.progress.step * size), size)

    def loss(self, batch: SpeechBatch) -> Tensor:
        """Nats a phone, mean over the examples; and so much of nats a phrase."""
        logits, _ = self.model(batch.pcm, self.model.empty_state(len(batch.pcm)))
        loss = ctc_loss(logits, batch.said)
        if not self.spotting:
            return loss
        rng = np.random.default_rng([self.config.train.seed, self.progress.step])
        return loss + self.spotting * spotting_loss(logits, batch.recordings, self.hearing, rng)

    def criterion(self, model: WakeModel) -> tuple[tuple[float, float], dict[str, Any]]:
        limits = self.config.train
        if not self.held_out:
            examples = self.speech.validation(limits.validation_examples)
            self.held_out = list(self._grouped(examples, limits.batch_size))
        wrong = phones = loss = 0.0
        with torch.inference_mode():
            for batch in self.held_out:
                pcm = batch.pcm.to(self.team.device)
                logits = model(pcm, model.empty_state(len(pcm)))[0].cpu()
                loss += ctc_loss(logits, batch.said).item() / len(self.held_out)
                wrong += sum(map(edit_distance, map(decoded, logits), batch.said))
                phones += sum(map(len, batch.said))
        return (wrong / phones, loss), {"phone_error_rate": round(wrong / phones, 4), "loss": round(loss, 4)}

    def write(self) -> Backbone:
        """The best averaged weights so far as a file. Raises DataError if nothing was validated yet."""
        if self.progress.best is None:
            raise DataError(f"{self.out}: training ended before its first validation, expected more steps or minutes")
        facts = {
            "phones": list(PHONES),
            "system": _system(self.config),
            "provenance": self.speech.provenance,
            "training": {**self.facts(), "phone_error_rate": round(self.progress.best[0], 4)},
        }
        weights = self.best.state_dict()
        checkpoint.save(self.out / PACKAGED.name, {"backbone": weights}, facts)
        return Backbone(weights, facts)

    def _grouped(self, examples: Iterator[Example], size: int) -> Iterator[SpeechBatch]:
        while group := list(islice(examples, size)):
            pcm = torch.from_numpy(np.stack([example.pcm for example in group])).float() / FULL_SCALE
            yield SpeechBatch(pcm, [self._recordings(example) for example in group])

    def _recordings(self, example: Example) -> list[list[int]]:
        in_order = sorted(example.events, key=lambda event: event.start_sample)
        return [self.speech.said[event.source] for event in in_order]


def _for_members(weights: dict[str, Tensor], config: SystemConfig) -> dict[str, Tensor]:
    """The weights with the last GRU's once for each member, and its norm's, of joined outputs, side by side.

    Where a spotter has the backbone's last layers, members begin with those of BEGINNINGS in turn: what begins apart
    errs apart.
    """
    last, members = len(config.model.gru_units) - 1, config.model.members
    above = tuple(_names(last, len(config.model.spotter_units)))
    made = {name: value for name, value in weights.items() if not name.startswith((*above, *BEGINNINGS))}
    begun = [_renamed(weights, {f"gru.{last}.": "gru.", f"gru_norm.{last}.": "gru_norm."})]
    if config.model.spotter_units:
        begun = [found for start in BEGINNINGS if (found := _renamed(weights, {start: ""}))]
    for name in begun[0] if begun else ():
        each = [begun[member % len(begun)][name] for member in range(members)]
        if name.startswith("gru."):
            made |= {f"gru.{last + member}.{name[len('gru.') :]}": value for member, value in enumerate(each)}
        else:
            made[f"gru_norm.{last}.{name[len('gru_norm.') :]}"] = torch.cat(each) if each[0].ndim else each[0]
    return made


def _for_spotter(weights: dict[str, Tensor], config: SystemConfig) -> dict[str, Tensor]:
    """The last GRUs, their norms and the head of phones, as a `Spotter` names them."""
    names = _names(len(config.model.gru_units) - 1, len(config.model.spotter_grus))
    names |= {name: f"spotter.{name}" for name in (HEAD, *HEARING)}
    return _renamed(weights, names)


def _renamed(weights: dict[str, Tensor], prefixes: dict[str, str]) -> dict[str, Tensor]:
    """Those weights whose names begin with one of the prefixes, with the other one instead."""
    return {
        name.replace(own, its, 1): value
        for name, value in weights.items()
        for own, its in prefixes.items()
        if name.startswith(own)
    }


def _names(first: int, count: int) -> dict[str, str]:
    """How the names of the layers begin that a spotter has from the backbone, and how they do there."""
    kinds = {"gru": "gru", "gru_norm": "norm"}
    return {f"{own}.{first + i}.": f"spotter.{its}.{i}." for i in range(count) for own, its in kinds.items()}


def _system(config: SystemConfig) -> dict[str, Any]:
    """What must be equal for weights to mean the same: the features, and the network that tells phones apart."""
    model = config.model.model_dump(mode="json", exclude={"dropout", "members", "spotter", "spotter_units"})
    if config.model.spotter_units:
        model["gru_units"] = [*config.model.gru_units[:-1], *config.model.spotter_units]
    values = {"sample_rate_hz": config.audio.sample_rate_hz, "features": config.features.model_dump(mode="json")}
    return {**values, "model": model}
