"""Many examples in a folder: audio/<split>/000123.flac, dataset.json and, written last, manifest.jsonl.

Every file is complete or not there, and each finished batch is noted in a journal, so a run that was killed goes on
where it stopped and ends with the same bytes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from synth.build import Clips, in_batches
from wakeword.audio import write
from wakeword.clips import MANIFEST_NAME, Clip, write_manifest
from wakeword.errors import DataError
from wakeword.files import LOCK_NAME, locked, replacing, writing

FORMAT = 2  # raise it when the same recipe renders to other bytes: a folder takes one kind
DATASET_NAME, JOURNAL_NAME = "dataset.json", ".journal.jsonl"
Progress = Callable[[int, int], None]


def write_dataset(clips: Clips, out: str | Path, workers: int = 0, progress: Progress | None = None) -> dict[str, Any]:
    """Renders `clips.config.synth.examples` examples into `out` and returns what dataset.json says.

    `progress(done, total)` is called after each batch. Raises DataError if the folder holds a dataset of another
    configuration or of other clips, and FileError if another run is writing it or it cannot be written.
    """
    out = Path(out)
    with locked(out), writing(out):
        return _write(clips, out, workers, progress)


def _write(clips: Clips, out: Path, workers: int, progress: Progress | None) -> dict[str, Any]:
    description = describe(clips)
    claim(out, description)
    paths = {split: [_path(split, i) for i in range(n)] for split, n in description["examples"].items()}
    total = sum(description["examples"].values())
    done = _finished(out, clips.config.example_samples)
    with open(out / JOURNAL_NAME, "a", encoding="utf-8", newline="\n") as journal:
        for split, wanted in paths.items():
            missing = [index for index, path in enumerate(wanted) if path not in done]
            for batch in in_batches(clips, partial(_write_batch, out), split, missing, workers):
                journal.writelines(clip.model_dump_json() + "\n" for clip in batch)
                journal.flush()
                done.update((clip.path, clip) for clip in batch)
                if progress:
                    progress(len(done), total)
    write_manifest(out / MANIFEST_NAME, (done[path] for wanted in paths.values() for path in wanted))
    (out / JOURNAL_NAME).unlink()
    return description


def describe(clips: Clips) -> dict[str, Any]:
    """What a dataset is made from: dataset.json. Equal descriptions mean equal bytes."""
    synth = clips.config.synth
    validation = min(max(round(synth.examples * synth.validation_fraction), 1), synth.examples - 1)
    return {
        "format": FORMAT,
        "examples": {"train": synth.examples - validation, "validation": validation},
        "config": clips.config.model_dump(mode="json"),
        "clips_digest": hashlib.sha256(f"{clips.bank.digest} {clips.phrases}".encode()).hexdigest(),
        "clips": clips.summary(),
        "sources": [share.model_dump() for share in clips.sources],
        "rejected": [{"path": one.path, "reason": one.reason} for one in clips.rejected],
    }


def claim(out: Path, description: dict[str, Any]) -> None:
    """Writes dataset.json, or makes sure that the one there says the same of all that shapes the audio."""
    path = out / DATASET_NAME
    if path.exists():
        try:
            found = json.loads(path.read_text("utf-8"))
            same = _identity(found) == _identity(description)
        except (ValueError, KeyError, TypeError):
            raise DataError(
                f"{path}: got something else than a dataset's description, expected an empty folder"
            ) from None
        if not same:
            raise DataError(f"{out}: got a dataset of another configuration or other clips, expected an empty folder")
    elif any(leaf for leaf in out.iterdir() if leaf.name != LOCK_NAME):
        raise DataError(f"{out}: got a folder with other files in it, expected an empty one or a dataset to go on with")
    with replacing(path) as temporary:
        Path(temporary).write_text(json.dumps(description, indent=1) + "\n", "utf-8")


def _identity(description: dict[str, Any]) -> list[Any]:
    config = description["config"]
    shards = description.get("shards")
    return [description["format"], description["clips_digest"], config["audio"], config["synth"], shards]


def _finished(out: Path, example_samples: int) -> dict[str, Clip]:
    """Clips that an earlier run noted and whose files are still there, by path. Sweeps up what it left half-written."""
    for partial_file in out.glob("audio/*/.*.part"):
        partial_file.unlink()
    finished = {}
    for name in (MANIFEST_NAME, JOURNAL_NAME):
        lines = (out / name).read_text("utf-8").splitlines() if (out / name).exists() else []
        for line in lines:
            try:
                clip = Clip.model_validate_json(line)
            except ValidationError:
                continue  # the line that a kill cut short
            if _is_whole(out / clip.path, example_samples):
                finished[clip.path] = clip
    return finished


def _is_whole(path: Path, example_samples: int) -> bool:
    import soundfile

    try:
        return soundfile.info(str(path)).frames == example_samples
    except (soundfile.LibsndfileError, OSError):
        return False


def _path(split: str, index: int) -> str:
    return f"audio/{split}/{index:06d}.flac"


def _write_batch(out: Path, clips: Clips, split: str, indices: list[int]) -> list[Clip]:
    """Renders and writes some examples. Runs in a worker."""
    rate, written = clips.config.audio.sample_rate_hz, []
    for index in indices:
        example, path = clips.example(split, index), _path(split, index)
        write(out / path, example.pcm, rate)
        fields = {"samples": len(example.pcm), "events": list(example.events), "recipe": example.recipe}
        written.append(Clip(path=path, sample_rate_hz=rate, split=split, **fields))
    return written
