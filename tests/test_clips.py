"""Manifests: what is written is read back, and what is none is named with its line."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from wakeword.audio import write
from wakeword.clips import Clip, Event, read_examples, read_manifest, write_manifest
from wakeword.errors import DataError

RATE_HZ = 16000
EVENT = Event(kind="activate", label="hé", start_sample=3, end_sample=90)


def clip(name: str, samples: int = 100) -> Clip:
    return Clip(path=name, sample_rate_hz=RATE_HZ, samples=samples, split="train", events=[EVENT], recipe={"gain": 1.5})


def test_a_manifest_reads_back_what_was_written(tmp_path: Path) -> None:
    clips = [clip("a.wav"), clip("b.wav")]
    write_manifest(tmp_path / "manifest.jsonl", clips)
    assert list(read_manifest(tmp_path / "manifest.jsonl")) == clips


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "invalid json"),
        ('{"path": "a.wav"}', "sample_rate_hz: field required"),
        (clip("a").model_dump_json().replace("train", "test"), "split: input should be 'train' or 'validation'"),
    ],
)
def test_a_line_that_is_no_clip_is_named(tmp_path: Path, line: str, message: str) -> None:
    (tmp_path / "manifest.jsonl").write_text(clip("a.wav").model_dump_json() + "\n" + line + "\n", "utf-8")
    with pytest.raises(DataError, match=rf"manifest\.jsonl:2: got a line that is no clip: {message}") as caught:
        list(read_manifest(tmp_path / "manifest.jsonl"))
    assert "\n" not in str(caught.value)


def test_a_manifest_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "manifest.jsonl").write_bytes(b"\xff\xfe")
    with pytest.raises(DataError, match="not UTF-8"):
        list(read_manifest(tmp_path / "manifest.jsonl"))


def test_examples_come_round_again_from_any_number_on(tmp_path: Path) -> None:
    for number in range(3):
        write(tmp_path / f"{number}.wav", np.full(100, number, np.int16), RATE_HZ)
    clips = [clip(f"{number}.wav") for number in range(3)]
    assert [example.pcm[0] for example in islice(read_examples(tmp_path, clips, start=4), 4)] == [1, 2, 0, 1]


def test_a_file_of_another_length_than_its_manifest_says_is_named(tmp_path: Path) -> None:
    write(tmp_path / "a.wav", np.zeros(99, np.int16), RATE_HZ)
    with pytest.raises(DataError, match=r"a\.wav: got 99 samples, expected the 100"):
        next(read_examples(tmp_path, [clip("a.wav")]))
