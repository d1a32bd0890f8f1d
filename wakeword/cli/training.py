"""What `train` and `demo` have in common: clips opened, training run, progress shown."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

import torch

from synth import Clips, stream
from synth import open_clips as open_folder
from synth.casting import Casting
from synth.spoken import ESPEAK_ALONE, phrase_warnings, reading, speak_clips
from wakeword.batches import TrainingData
from wakeword.bundle import Bundle
from wakeword.cli.sharded import from_shards
from wakeword.clips import MANIFEST_NAME, read_examples, read_manifest
from wakeword.config import Config, override
from wakeword.errors import DataError
from wakeword.path import MIN_PHONES
from wakeword.phones import phones
from wakeword.shards import INDEX_NAME, process_rank
from wakeword.train import train

Report = Callable[[dict[str, Any]], None]
NO_REAL_SPEECH = (
    "only synthetic speech was given, so its false accepts are measured on that alone; people will wake it more often. "
    "With an hour of your home (wakeword record NAME --background 60), --negatives and `wakeword calibrate` mend that."
)
EXAMPLES_APART = 1 << 32  # between the first examples of processes that train together: more than any of them renders
LISTED_FILES = 10  # of those that were skipped; with --json all are


def reporter(as_json: bool) -> Report:
    """Prints events: JSON lines, or sentences; progress stays on one line of a terminal. Of a team, one prints."""
    if process_rank()[0] > 0:
        return lambda event: None
    if as_json:
        return lambda event: print(json.dumps(event), flush=True)
    return _print_sentence


def spoken_clips(
    phrases: Sequence[str], report: Report, casting: Casting = ESPEAK_ALONE, real_speech: bool = True
) -> Path:
    """A folder of clips made from the phrases' text by synthetic voices, in the user's cache; made once.

    Where no real speech goes with them, it is reported what that means.
    """
    if not real_speech:
        report({"event": "note", "note": NO_REAL_SPEECH})
    for phrase in phrases:
        for warning in phrase_warnings(phrase, casting.language):
            report({"event": "warning", "phrase": phrase, "warning": warning})
    return speak_clips(phrases, progress=_counter("speaking", report), casting=casting)


def _counter(event: str, report: Report) -> Callable[[int, int], None]:
    """Reports how much of something is done."""
    return lambda done, total: report({"event": event, "done": done, "of": total})


def open_clips(
    folder: Path,
    config: Config,
    phrases: Sequence[str] | None,
    report: Report,
    added: Mapping[str, Sequence[Path]] | None = None,
    spoken: bool = False,
) -> Clips:
    """The folder's clips and those of the added folders, with a report of what was found and what was skipped.

    `spoken`: whether synthesizers made those of the folder, for a network that begins with what people said (see
    `synth.open_clips`).
    """
    opened = open_folder(folder, config, phrases, _counter("decoding", report), added, spoken)
    skipped = [f"{one.path}: {one.reason}" for one in opened.rejected]
    report({"event": "clips", **opened.summary(), "skipped": skipped})
    return opened


@dataclass(frozen=True)
class Material:
    """What examples are made of: recordings, or phrases that synthesizers say; and added recordings."""

    phrases: Sequence[str] | None
    clips: Path | None
    added: Mapping[str, Sequence[Path]]
    casting: Casting
    workers: int | None
    report: Report

    @cached_property
    def folder(self) -> Path:
        return self.clips or spoken_clips(self.phrases or [], self.report, self.casting, "negatives" in self.added)

    def examples(self, config: Config) -> TrainingData:
        """As a configuration draws them."""
        backed = not self.clips and config.train.backbone and not config.train.teacher
        opened = open_clips(self.folder, config, self.phrases, self.report, self.added, backed)
        return rendered(opened, config, self.workers, self.casting)


def rendered(clips: Clips, config: Config, workers: int | None, casting: Casting = ESPEAK_ALONE) -> TrainingData:
    """Examples rendered on the fly by `workers` processes (None: half the cores)."""
    cores, first = os.cpu_count() or 2, process_rank()[0] * EXAMPLES_APART
    processes = max(1, cores // 2) if workers is None else workers
    torch.set_num_threads(max(1, cores - processes))  # more than its share of the cores makes torch slower, not faster
    return TrainingData(
        phrases=list(clips.phrases),
        train=lambda start, times: stream(clips, config, "train", first + start, workers=processes, times=times),
        validation=lambda count: stream(clips, config, "validation", 0, count, workers=processes),
        provenance={"clips": clips.summary(), "clips_digest": clips.bank.digest},
        pronunciations=pronunciations(clips.phrases, casting) if config.model.spotter else [],
    )


def pronunciations(phrases: Sequence[str], casting: Casting) -> list[list[list[int]]]:
    """Of each phrase, as numbers of `wakeword.phones`: all its spellings in all accents that espeak has of a language.

    Empty if one of them has too few sounds to be listened for by them.
    """
    english, said = casting.language == "en", []
    for phrase in phrases:
        others = casting.written_others(phrase, phrases)
        read = [ipa for text in casting.written(phrase) for ipa in reading(text, casting.language, others).ipa]
        said.append([list(one) for one in sorted({tuple(phones(ipa, english)) for ipa in read})])
    return said if min(len(one) for mine in said for one in mine) >= MIN_PHONES else []


def from_dataset(folder: Path, config: Config, phrases: Sequence[str] | None = None) -> TrainingData:
    """Examples that `wakeword synth` wrote. Raises DataError if they fit neither the configuration nor the phrases."""
    data = from_shards(folder, config) if (folder / INDEX_NAME).exists() else _from_manifest(folder, config)
    if phrases and sorted(phrases) != sorted(data.phrases):
        raise DataError(f"{folder}: got examples of {data.phrases}, expected some of {list(phrases)}")
    return data


def _from_manifest(folder: Path, config: Config) -> TrainingData:
    clips = list(read_manifest(folder / MANIFEST_NAME))
    sides = {side: [clip for clip in clips if clip.split == side] for side in ("train", "validation")}
    phrases = sorted({event.label for clip in clips for event in clip.events if event.kind == "activate"})
    if not phrases:
        raise DataError(f"{folder}: got examples without a single activate, expected some: see synth.activates")
    for side, found in sides.items():
        if not found:
            raise DataError(f"{folder}: got no {side} examples, expected a dataset of `wakeword synth`")
    rank, world = process_rank()
    first = rank * len(sides["train"]) // world
    shapes = {(clip.sample_rate_hz, clip.samples) for clip in clips}
    expected = (config.audio.sample_rate_hz, config.example_samples)
    if shapes != {expected}:
        raise DataError(
            f"{folder}: got examples of (rate, samples) {sorted(shapes)}, expected {expected}: another config?"
        )
    return TrainingData(
        phrases=phrases,
        train=lambda start, times: read_examples(folder, sides["train"], first + start),
        validation=lambda count: islice(
            read_examples(folder, sides["validation"]), min(count, len(sides["validation"]))
        ),
        provenance={"dataset": folder.name, "examples": {side: len(found) for side, found in sides.items()}},
    )


def train_bundle(
    config: Config,
    data: TrainingData,
    out: Path,
    report: Report,
    start_from: Path | None = None,
    teacher: Bundle | None = None,
) -> Bundle:
    """Trains, and reports the bundle that was written. Raises what `wakeword.train.train` does.

    Without pronunciations there is no spotter, whatever the configuration says.
    """
    if config.model.spotter and not data.pronunciations:
        config = override(config, model={"spotter": False})
    bundle = train(config, data, out, report, start_from, teacher)
    card = bundle.card
    report({"event": "bundle", "path": str(out), "phrases": card.phrases, "thresholds": card.thresholds})
    return bundle


def _print_sentence(event: dict[str, Any]) -> None:
    kind, terminal = event["event"], sys.stdout.isatty()
    if kind in ("speaking", "decoding", "step"):
        text = _progress_text(event)
        last = kind != "step" and event["done"] == event["of"]
        if terminal:
            print(f"\r\x1b[K{text}", end="\n" if last else "", flush=True)
        elif last or (kind == "step" and event["step"] % 100 == 0):
            print(text, flush=True)
        return
    print(("\r\x1b[K" if terminal else "") + _result_text(event), flush=True)


def _progress_text(event: dict[str, Any]) -> str:
    if event["event"] != "step":
        return f"{event['event']}: {event['done']} of {event['of']}"
    waited = event["waited_s"] / max(event["elapsed_s"], 1e-9)
    return (
        f"step {event['step']}: loss {event['loss']:.4f}, {event['elapsed_s']:.0f} s, waited for examples {waited:.0%}"
    )


def _result_text(event: dict[str, Any]) -> str:
    if event["event"] == "clips":
        sides = [f"{side}: " + _side_text(event[side]) for side in ("train", "validation")]
        return "\n".join([*sides, *_skipped_lines(event["skipped"])])
    if event["event"] == "validation":
        mark = " (best)" if event["best"] else ""
        if "phone_error_rate" in event:
            return (
                f"step {event['step']}: loss {event['loss']:.4f}, {event['phone_error_rate']:.1%} of phones wrong{mark}"
            )
        return (
            f"step {event['step']}: validation loss {event['loss']:.4f}, missed {event['miss_rate']:.2%} at "
            f"{event['fa_per_hour']:.2f} false accepts/h ({event['positives']} words, {event['hours']:.2f} h){mark}"
        )
    if event["event"] == "warning":
        return f"warning: {event['phrase']!r} is {event['warning']}"
    if event["event"] == "note":
        return f"note: {event['note']}"
    if event["event"] == "heard":
        return (
            f"heard {event['heard']} of {event['words']} words and {event['false_accepts']} that were not said: "
            f"see {event['picture']}, listen to {event['wav']}"
        )
    phrases = ", ".join(
        f"{p!r} at threshold {t:.3f}" for p, t in zip(event["phrases"], event["thresholds"], strict=True)
    )
    return f"wrote {event['path']}: {phrases}"


def _skipped_lines(files: list[str]) -> list[str]:
    more = [f"  and {len(files) - LISTED_FILES} more: --json lists all"] if len(files) > LISTED_FILES else []
    return [f"skipped {len(files)} files:", *(f"  {file}" for file in files[:LISTED_FILES]), *more] if files else []


def _side_text(kinds: dict[str, dict[str, float]]) -> str:
    return ", ".join(f"{found['files']} {kind} ({found['hours']:.2f} h)" for kind, found in kinds.items())
