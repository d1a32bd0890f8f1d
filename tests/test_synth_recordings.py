"""What becomes of every kind of bad recording, and of odd but good ones."""

from __future__ import annotations

import os
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import soundfile
from synth_clips import RATE_HZ, make_clips, noise, plain, syllables, tiny

from synth import Clips, open_clips
from synth.bank import Bank
from synth.trim import word_bounds
from synth.voicing import voiced_s
from wakeword.audio import write
from wakeword.config import Config
from wakeword.errors import DataError

END_TOLERANCE_S = 0.08  # the smoothing length on each side, less the margins


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("WAKEWORD_CACHE", str(tmp_path / "cache"))
    return make_clips(tmp_path / "clips")


def reason(clips: Clips, name: str) -> str:
    return {Path(one.path).name: one.reason for one in clips.rejected}[name]


def bad_file(path: Path, what: str) -> None:
    float_take = syllables(0.6)
    if what == "text":
        path.write_text("this is not audio")
    elif what == "truncated":
        soundfile.write(path, noise(4.0), RATE_HZ, format="FLAC")
        path.write_bytes(path.read_bytes()[:40000])
    elif what == "empty":
        soundfile.write(path, np.zeros(0), RATE_HZ, format="WAV")
    elif what == "nan":
        float_take[100] = np.nan
        soundfile.write(path, float_take, RATE_HZ, "FLOAT", format="WAV")
    elif what == "clipped":
        write(path, np.clip(100.0 * float_take, -1.0, 1.0), RATE_HZ)
    elif what == "zero":
        write(path, np.zeros(8000, np.float32), RATE_HZ)
    elif what == "blip":
        write(path, np.pad(noise(0.05), (8000, 8000)), RATE_HZ)
    elif what == "hiss":
        write(path, np.pad(noise(0.6), (8000, 8000)), RATE_HZ)
    elif what == "long":
        write(path, syllables(3.5), RATE_HZ)


@pytest.mark.parametrize(
    ("name", "what", "expected"),
    [
        ("bad.wav", "text", "not readable audio"),
        ("bad.flac", "truncated", ""),
        ("bad.wav", "empty", "no samples"),
        ("bad.wav", "nan", "NaN"),
        ("bad.wav", "clipped", "clipped"),
        ("bad.wav", "zero", "silent"),
        ("bad.wav", "blip", "too short"),
        ("bad.wav", "hiss", "no voice"),
        ("bad.wav", "long", "too long"),
    ],
)
def test_one_bad_activate_is_skipped_and_listed_with_its_reason(
    folder: Path, name: str, what: str, expected: str
) -> None:
    bad_file(folder / "activates" / name, what)
    clips = open_clips(folder, tiny())
    assert expected in reason(clips, name)
    assert len(clips.rejected) == clips.summary()["rejected"] == 1
    assert len([take for take in clips.bank.takes if take.kind == "activates"]) == 6


def test_a_format_that_cannot_be_decoded_is_named(folder: Path) -> None:
    (folder / "activates" / "memo.m4a").write_bytes(b"....ftypM4A ")
    assert "not supported: .m4a" in reason(open_clips(folder, tiny()), "memo.m4a")


@pytest.mark.parametrize("kind", ["activates", "negatives", "backgrounds"])
def test_a_missing_an_empty_and_an_unusable_folder_are_the_users_mistake(folder: Path, kind: str) -> None:
    files = list((folder / kind).iterdir())
    for file in files:
        file.write_text("not audio")
    with pytest.raises(DataError, match=f"got {len(files)} files and none is usable, expected {kind}"):
        open_clips(folder, tiny())
    for file in files:
        file.unlink()
    with pytest.raises(DataError, match="no audio found"):
        open_clips(folder, tiny())
    (folder / kind).rmdir()
    with pytest.raises(DataError, match=f"no such folder, expected recordings of {kind}"):
        open_clips(folder, tiny())


def test_a_kind_that_the_configuration_never_draws_may_be_missing(folder: Path) -> None:
    for file in (folder / "negatives").iterdir():
        file.unlink()
    assert "negatives" not in open_clips(folder, tiny(negatives=[0, 0])).splits["train"]


def take_of(clips: Clips, take_id: str) -> np.ndarray:
    (take,) = [take for take in clips.bank.takes if take.id == take_id]
    return clips.bank.read(take.id, 0, take.samples)


def test_stereo_and_8_khz_arrive_mono_at_the_configured_rate(folder: Path) -> None:
    take = syllables(0.6, rate_hz=8000)
    soundfile.write(folder / "activates" / "odd.wav", np.stack([take, take], axis=1), 8000)
    seconds = len(take_of(open_clips(folder, tiny()), "activates/odd.wav")) / RATE_HZ
    assert abs(seconds - 0.6) < END_TOLERANCE_S


def test_silence_hum_and_a_loud_click_around_a_word_are_trimmed() -> None:
    word, before, after = syllables(0.7), noise(0.5) * 0.05, noise(0.9) * 0.05
    take = np.concatenate([before, word, after])
    take += 0.2 * np.sin(2 * np.pi * 50 * np.arange(len(take)) / RATE_HZ).astype(np.float32)
    take[len(take) - 800 :][:30] += 0.9
    start, stop = word_bounds(take, RATE_HZ)
    assert abs(start / RATE_HZ - 0.5) < END_TOLERANCE_S
    assert abs(stop / RATE_HZ - 1.2) < END_TOLERANCE_S


def test_a_thud_as_long_as_the_word_and_louder_is_not_taken_for_it() -> None:
    word = 0.1 * syllables(0.7) / np.abs(syllables(0.7)).max()
    thud = 0.5 * np.sin(2 * np.pi * 60 * np.arange(word.size) / RATE_HZ) * np.hanning(word.size)
    take = np.concatenate([noise(0.5) * 1e-3, word, noise(0.5) * 1e-3, thud, noise(0.5) * 1e-3]).astype(np.float32)
    start, stop = word_bounds(take, RATE_HZ)
    assert abs(start / RATE_HZ - 0.5) < END_TOLERANCE_S
    assert abs(stop / RATE_HZ - 1.2) < END_TOLERANCE_S


def test_voiced_time_is_that_of_the_vowels_alone() -> None:
    vowel = sum(np.sin(2 * np.pi * 110 * k * np.arange(8000) / RATE_HZ) / k for k in range(1, 15))
    pcm = np.concatenate([noise(1.0), 0.1 * vowel, noise(1.0)]).astype(np.float32)
    assert abs(voiced_s(pcm, RATE_HZ) - 0.5) <= 0.03  # a frame's length: frames half in the vowel may go either way
    assert voiced_s(noise(2.0), RATE_HZ) == voiced_s(np.zeros(RATE_HZ, np.float32), RATE_HZ) == 0.0
    assert voiced_s(pcm[:100], RATE_HZ) == 0.0


def test_a_long_negative_is_left_whole_and_a_short_one_is_trimmed(folder: Path) -> None:
    write(folder / "negatives" / "short.wav", np.pad(syllables(0.8), 8000), RATE_HZ)
    clips = open_clips(folder, tiny())
    assert abs(len(take_of(clips, "negatives/short.wav")) / RATE_HZ - 0.8) < END_TOLERANCE_S
    assert len(take_of(clips, "negatives/5.flac")) == 6 * RATE_HZ


def test_each_of_several_phrases_has_its_own_folder(folder: Path) -> None:
    for number in range(3):
        write(folder / "activates" / "lights_off" / f"{number}.wav", syllables(0.6, number), RATE_HZ)
    with pytest.raises(DataError, match="'lights on'"):
        open_clips(folder, tiny(), ["lights off", "lights on"])
    write(folder / "activates" / "Lights on" / "1.wav", syllables(0.6, 8), RATE_HZ)
    write(folder / "activates" / "Lights on" / "2.wav", syllables(0.6, 9), RATE_HZ)
    clips = open_clips(folder, tiny(), ["lights off", "lights on"])
    labels = [s.take.label for s in clips.splits["train"]["activates"] + clips.splits["validation"]["activates"]]
    assert sorted(labels) == ["lights off"] * 3 + ["lights on"] * 2
    assert len(clips.rejected) == 6


def test_twenty_minutes_are_decoded_in_little_memory(folder: Path) -> None:
    """Done by hand with three hours, too: the peak stays the same."""
    with soundfile.SoundFile(folder / "backgrounds" / "long.wav", "w", 8000, 1) as file:
        for minute in range(20):
            file.write(noise(60.0, minute, 8000))
    tracemalloc.start()
    clips = open_clips(folder, tiny())
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(take_of(clips, "backgrounds/long.wav")) == 20 * 60 * RATE_HZ
    assert peak_bytes < 16 << 20  # the recording itself is 38 MiB as int16, 77 as float32


def opened_bank(folder: Path, config: Config) -> Bank:
    return open_clips(folder, config).bank


def test_the_cache_is_reused_until_a_file_changes_and_rebuilt_when_damaged(folder: Path) -> None:
    first = opened_bank(folder, tiny())
    assert opened_bank(folder, plain()).folder == first.folder
    (first.folder / "index.json").write_text("{")
    assert opened_bank(folder, tiny()).takes == first.takes
    write(folder / "activates" / "0.wav", syllables(0.9, 77), RATE_HZ)
    assert opened_bank(folder, tiny()).folder != first.folder


def test_a_cache_that_cannot_be_written_is_an_error_in_one_line(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "in_the_way").write_text("")
    monkeypatch.setenv("WAKEWORD_CACHE", str(folder / "in_the_way"))
    with pytest.raises(DataError, match="cannot be cached"):
        open_clips(folder, tiny())


def test_what_a_killed_run_left_in_the_cache_is_removed_after_a_day(folder: Path, tmp_path: Path) -> None:
    old, new = (tmp_path / "cache" / "clips" / f".building-{name}" for name in ("old", "new"))
    for left_over in (old, new):
        left_over.mkdir(parents=True)
    os.utime(old, (0, 0))
    open_clips(folder, tiny())
    assert (old.exists(), new.exists()) == (False, True)


def test_a_file_that_changes_while_it_is_read_is_skipped_and_listed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from synth import recordings

    decode = recordings.decode

    def meddled(recording, rules):
        yield from decode(recording, rules)
        if recording.path.name == "3.wav":
            with open(recording.path, "ab") as file:
                file.write(b"more")

    monkeypatch.setattr(recordings, "decode", meddled)
    clips = open_clips(folder, tiny())
    assert reason(clips, "3.wav") == "changed while it was read"
    assert len(clips.bank.takes) == 14
