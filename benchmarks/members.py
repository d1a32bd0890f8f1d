"""Trains what every second member begins with: a GRU that knows words, on the first GRU of the packaged backbone.

    python benchmarks/members.py --audio AUDIO --work DIR [--leave-out operator,voyager] [--examples 12000]
        [--max-steps 3000]

A backbone learns phones; which of them make a word, members have to learn from synthesizers. Here a GRU learns it from
people, too: of phrases that are drawn from what is said, runs of 4 to 12 phones, it says where each ends. A second
network reads a phrase's phones and gives the vector that the GRU's output must resemble there and nowhere else, be it
in other speech or where only some of the phones are said. What ships is the GRU alone.

The clips in DIR are those of `benchmarks/backbone.py`, made by the same options where they are not there yet. What the
frozen layers hear in --examples of them is computed once, each recording's phones laid along it by the whole backbone
(Viterbi). The result is DIR/members/backbone.safetensors, with the thresholds of `enroll` measured anew.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

sys.path[0] = str(Path(__file__).resolve().parent.parent)  # instead of this folder, whose synth.py is not the package

from benchmarks.backbone import brief_thresholds, speech  # noqa: E402
from benchmarks.transcribed import add_arguments, laid_out  # noqa: E402
from wakeword import checkpoint  # noqa: E402
from wakeword.audio import FULL_SCALE  # noqa: E402
from wakeword.backbone import MEMBER, PACKAGED, WORDS, Backbone, load_backbone  # noqa: E402
from wakeword.config import Config, load_config  # noqa: E402
from wakeword.files import write_bytes  # noqa: E402
from wakeword.labels import first_step_after  # noqa: E402
from wakeword.likeness import loudest_steps  # noqa: E402
from wakeword.model import BATCH_NORM_EPSILON  # noqa: E402
from wakeword.phones import PHONES  # noqa: E402
from wakeword.spotting import PHRASE_PHONES, drawn, places  # noqa: E402

BATCH, PHRASES, HELD_OUT = 24, 40, 256  # examples, phrases drawn from them, examples that train nothing
LEARNING_RATE, WARMUP, DROPOUT, DECAY, LARGEST_GRADIENT = 2e-3, 100, 0.1, 1e-3, 1.0
LABELS = load_config("default").labels  # members are taught a phrase so
LATE_STEPS = 8  # of an example, in which the last phone of a recording may still be heard
UNSURE = -3.0  # mean log-probability of its phones under which a recording gives no phrases
ALTERED = (0.6, 0.8)  # a phone of a near miss is another in so many cases, left out up to there, else one is added
POSITIVE, MOMENTS = 20.0, 50.0  # how much a moment that is the phrase's counts, and cross-entropy's sum is divided by
REPORT_EVERY = 200


class Said(NamedTuple):
    """A recording in an example: its phones, the step at which each is heard, and how sure the backbone is of them."""

    phones: tuple[int, ...]
    steps: tuple[int, ...]
    sureness: float


Phrase = tuple[int, ...]


def main() -> int:
    arguments = _arguments()
    clips, config = laid_out(arguments), load_config("backbone")
    out, backbone = arguments.work / "members", load_backbone()
    features, said = heard(backbone, config, clips, out, arguments.examples)
    words = trained(backbone, features, said, arguments.max_steps)
    weights = {name: value for name, value in backbone.weights.items() if not name.startswith(WORDS)}
    weights |= {f"{WORDS}{name}": value for name, value in words.state_dict().items() if name.startswith("gru")}
    facts = backbone.facts
    facts = {**facts, "brief_thresholds": brief_thresholds(Backbone(weights, facts), arguments.audio)}
    checkpoint.save(out / PACKAGED.name, {"backbone": weights}, facts)
    return 0


def heard(
    backbone: Backbone, config: Config, clips: Path, out: Path, examples: int
) -> tuple[np.ndarray, list[list[Said]]]:
    """What members hear in each example, float16 [N, T, H], and what is said; of those whose phones could all be laid.

    Kept in `out`.
    """
    kept, told = out / "features.npy", out / "said.json"
    if not told.exists():
        out.mkdir(parents=True, exist_ok=True)
        found = list(_heard(backbone, config, clips, examples))
        np.save(kept, np.stack([features for features, _ in found]))
        write_bytes(told, json.dumps([said for _, said in found]).encode())  # last: with it, both are whole
    examples_said = json.loads(told.read_text("utf-8"))
    said = [[Said(tuple(phones), tuple(steps), sure) for phones, steps, sure in one] for one in examples_said]
    return np.load(kept), said


@torch.inference_mode()
def _heard(backbone: Backbone, config: Config, clips: Path, examples: int) -> Iterator[tuple[np.ndarray, list[Said]]]:
    found, model = speech(clips, config), backbone.model(config)
    first: list[Tensor] = []
    model.gru_norm[0].register_forward_hook(lambda _module, _given, steps: first.append(steps.transpose(1, 2)))
    supply = islice(found.train(0), examples)
    while group := list(islice(supply, BATCH)):
        pcm = torch.from_numpy(np.stack([example.pcm for example in group])).float() / FULL_SCALE
        posteriors = torch.softmax(model(pcm, model.empty_state(len(pcm)))[0], dim=2).numpy()
        for example, features, sounds in zip(group, first.pop().numpy(), posteriors, strict=True):
            said = [
                _laid(sounds, found.said[event.source], event.start_sample, event.end_sample, config)
                for event in example.events
            ]
            if said and all(said):
                yield features.astype(np.float16), said


def _laid(posteriors: np.ndarray, phones: list[int], start: int, end: int, config: Config) -> Said | None:
    """A recording's phones along what is heard of it, and a little after; None if they do not fit."""
    first = max(0, first_step_after(start, config) - 1)
    stretch = posteriors[first : first_step_after(end, config) - 1 + LATE_STEPS]
    laid = loudest_steps(stretch, phones) if phones else []
    if len(laid) != len(phones) or not laid:
        return None
    sureness = float(np.mean([np.log(stretch[step, phone] + 1e-6) for step, phone in laid]))
    return Said(tuple(phones), tuple(first + step for step, _ in laid), sureness)


class Words(nn.Module):
    """A GRU as a member has it, and the reader of phrases."""

    def __init__(self, inputs: int, units: int) -> None:
        super().__init__()
        self.gru = nn.GRU(inputs, units, batch_first=True)
        self.gru_norm = nn.BatchNorm1d(units, eps=BATCH_NORM_EPSILON)
        self.dropout = nn.Dropout(DROPOUT)
        self.phone = nn.Embedding(len(PHONES) + 1, 64)  # and one for what is past a phrase's end
        self.reader = nn.GRU(64, 128, batch_first=True, bidirectional=True)
        self.vector = nn.Linear(256, units + 1)

    def forward(self, features: Tensor, phrases: Sequence[Phrase]) -> Tensor:
        """features [B, T, H] -> logits [P, B * T] that a phrase ended just before."""
        steps = self.dropout(self.gru(features)[0]).transpose(1, 2)
        steps = self.dropout(self.gru_norm(steps).transpose(1, 2)).flatten(0, 1)
        lengths = torch.tensor([len(phrase) for phrase in phrases])
        phones = torch.full((len(phrases), int(lengths.max())), len(PHONES))
        for row, phrase in zip(phones, phrases, strict=True):
            row[: len(phrase)] = torch.tensor(phrase)
        packed = nn.utils.rnn.pack_padded_sequence(self.phone(phones), lengths, batch_first=True, enforce_sorted=False)
        vectors = self.vector(torch.cat(list(self.reader(packed)[1]), dim=1))
        return vectors[:, :-1] @ steps.T + vectors[:, -1:]


def trained(backbone: Backbone, features: np.ndarray, said: list[list[Said]], steps: int) -> Words:
    """Begins with what members begin with. The features' last HELD_OUT examples only tell how far it is."""
    torch.manual_seed(0)
    words = Words(features.shape[2], backbone.weights[f"{MEMBER}gru_norm.weight"].shape[0])
    begun = {name.removeprefix(MEMBER): value for name, value in backbone.weights.items() if name.startswith(MEMBER)}
    words.load_state_dict(words.state_dict() | begun)
    optimizer = torch.optim.AdamW(words.parameters(), weight_decay=DECAY)
    rng, begin_s = np.random.default_rng(0), time.monotonic()
    for step in range(steps):
        warm = min(1.0, (step + 1) / WARMUP)
        optimizer.param_groups[0]["lr"] = LEARNING_RATE * warm * 0.5 * (1 + math.cos(math.pi * step / steps))
        chosen = rng.choice(len(said) - HELD_OUT, BATCH, replace=False)
        loss, _ = _loss(words.train(), features, said, chosen, rng)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(words.parameters(), LARGEST_GRADIENT)
        optimizer.step()
        if (step + 1) % REPORT_EVERY == 0:
            nats, found = _judged(words.eval(), features, said)
            spent_s = time.monotonic() - begin_s
            print(f"batch {step + 1}: {nats:.3f}, {found:.1%} of phrases found, {spent_s:.0f} s", file=sys.stderr)
    return words.eval()


@torch.inference_mode()
def _judged(words: Words, features: np.ndarray, said: list[list[Said]]) -> tuple[float, float]:
    rng, first = np.random.default_rng(5), len(said) - HELD_OUT
    batches = [np.arange(at, at + BATCH) for at in range(first, len(said) - BATCH, BATCH)]
    judged = [_loss(words, features, said, batch, rng) for batch in batches]
    return float(np.mean([loss.item() for loss, _ in judged])), float(np.mean([found for _, found in judged]))


def _loss(
    words: Words, features: np.ndarray, said: list[list[Said]], chosen: np.ndarray, rng: np.random.Generator
) -> tuple[Tensor, float]:
    """Of some examples, and the share of phrases that are louder where they are said than anywhere else in them.

    Each moment of a phrase against all that are not (InfoNCE), and the cross-entropy of every moment.
    """
    batch = [said[number] for number in chosen]
    phrases = _drawn(batch, rng)
    logits = words(torch.from_numpy(features[chosen]).float(), phrases)
    target, weight = (torch.from_numpy(one).flatten(1) for one in _labels(batch, phrases, features.shape[1]))
    others = logits.masked_fill((target > 0) | (weight == 0), -1e9)
    is_said = target.sum(dim=1) > 0
    against = nn.functional.softplus(others.logsumexp(dim=1, keepdim=True) - logits) * target
    apart = (against.sum(dim=1) / target.sum(dim=1).clamp(min=1))[is_said].mean()
    each = weight * (1 + (POSITIVE - 1) * target)
    entropy = nn.functional.binary_cross_entropy_with_logits(logits, target, weight=each, reduction="none")
    own = logits.detach().masked_fill(target == 0, -1e9).amax(dim=1)
    found = (own > others.detach().amax(dim=1))[is_said].float().mean().item()
    return apart + entropy.sum(dim=1).mean() / MOMENTS, found


def _drawn(batch: list[list[Said]], rng: np.random.Generator) -> list[Phrase]:
    """Runs of phones that are said, and half as many that are nearly said."""
    sure = [[one.phones for one in each if one.sureness > UNSURE] for each in batch]
    runs = list(dict.fromkeys(phrase.said for phrase in drawn(sure, rng, PHRASES)))
    near = [altered for run in runs if (altered := _altered(run, rng)) != run]
    return runs + near[: len(near) // 2]


def _altered(run: Phrase, rng: np.random.Generator) -> Phrase:
    """With one or two phones changed, left out or added."""
    phones = list(run)
    for _ in range(int(rng.integers(1, 3))):
        at, how = int(rng.integers(len(phones))), rng.random()
        if how < ALTERED[0]:
            phones[at] = int(rng.integers(1, len(PHONES)))
        elif how < ALTERED[1] and len(phones) > PHRASE_PHONES[0]:
            del phones[at]
        else:
            phones.insert(at, int(rng.integers(1, len(PHONES))))
    return tuple(phones)


def _labels(batch: list[list[Said]], phrases: Sequence[Phrase], steps: int) -> tuple[np.ndarray, np.ndarray]:
    """(target, weight), float32 [P, B, T], as `wakeword.labels.targets` has them for a wake word."""
    target = np.zeros((len(phrases), len(batch), steps), np.float32)
    weight = np.ones_like(target)
    for example, recordings in enumerate(batch):
        for said in recordings:
            for number, phrase in enumerate(phrases):
                for at in places(said.phones, phrase):
                    end = said.steps[at + len(phrase) - 1] + 1
                    weight[number, example, max(0, end - LABELS.ignore_steps - 1) : end] = 0.0
                    target[number, example, end : end + LABELS.label_steps] = 1.0
    weight[target == 1.0] = 1.0
    return target, weight


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_arguments(parser)
    parser.add_argument("--examples", type=int, default=12000)
    parser.add_argument("--max-steps", type=int, default=3000)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
