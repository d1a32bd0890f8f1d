"""Training on the shards that `wakeword synth --hours` wrote."""

from __future__ import annotations

from pathlib import Path

from wakeword.batches import TrainingData
from wakeword.config import Config
from wakeword.errors import DataError
from wakeword.shards import Shards, process_rank


def from_shards(folder: Path, config: Config) -> TrainingData:
    """Examples of shards; of several processes that torchrun started, each is given its own.

    Raises DataError if the shards do not fit the configuration, or are none of `wakeword synth`.
    """
    train, validation = Shards(folder, "train"), Shards(folder, "validation")
    found = (train.index.sample_rate_hz, train.index.samples)
    expected = (config.audio.sample_rate_hz, config.example_samples)
    if found != expected:
        raise DataError(f"{folder}: got examples of (rate, samples) {found}, expected {expected}: another config?")
    rank, world = process_rank()
    return TrainingData(
        phrases=train.index.phrases,
        train=lambda start, times: train.stream(start, rank, world),
        validation=lambda count: (validation[number] for number in range(min(count, len(validation)))),
        provenance={"dataset": folder.name, "examples": {"train": len(train), "validation": len(validation)}},
    )
