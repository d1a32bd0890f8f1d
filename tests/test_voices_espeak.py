"""espeak's voices: real ones, spoken here."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("espeakng_loader", reason="needs the extra 'espeak'")

from synth.phrases import nonsense
from synth.spoken import speak_nonsense
from synth.voices import Spoken, espeak, espeak_data, reading
from synth.voices.espeak import EspeakEngine, EspeakParams, espeak_clips
from synth.voices.espeak_data import ACCENTS, FOREIGN, voices
from wakeword.audio import read
from wakeword.errors import DataError

TEXTS = ["hey computer", "good morning"]


@pytest.fixture(scope="module")
def engine() -> EspeakEngine:
    engine = EspeakEngine(names=voices((*ACCENTS, *FOREIGN)))
    engine.speak("hey computer", EspeakParams("en"))  # after all that other tests made this process read, it may be cut
    return engine


def test_there_are_hundreds_of_voices_and_no_name_twice() -> None:
    assert len(voices()) == len(set(voices())) > 800
    assert {"en-us", "en-us+f3", "en-gb-scotland+m1"} <= set(voices())


def test_speech_is_float32_with_sound_at_both_ends(engine: EspeakEngine) -> None:
    pcm = engine.speak("hey computer", EspeakParams("en-us+f3"))
    assert pcm.dtype == np.float32
    assert 0.4 < len(pcm) / engine.sample_rate_hz < 1.5
    assert pcm[0] != 0 != pcm[-1]
    assert 0.05 < np.abs(pcm).max() <= 1


def test_voices_sound_different_and_slow_speech_is_longer(engine: EspeakEngine) -> None:
    one, other = (engine.speak("hey computer", EspeakParams(name)) for name in ("en-us+f3", "en-gb-scotland+m1"))
    assert len(one) != len(other) or not np.array_equal(one, other)
    slow, fast = (engine.speak("hey computer", EspeakParams("en-us", rate_wpm=rate)) for rate in (120, 220))
    assert len(slow) > 1.3 * len(fast)


def test_every_foreign_language_reads_the_same_letters_in_its_own_way(engine: EspeakEngine) -> None:
    said = [engine.speak("dagelin churaste", EspeakParams(language)) for language in FOREIGN]
    assert all(len(pcm) > 0.5 * engine.sample_rate_hz for pcm in said)
    assert len({pcm.tobytes() for pcm in said}) == len(FOREIGN)


def test_nonsense_is_new_every_time_and_lands_in_one_folder_a_voice(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    assert len({nonsense(rng, 2) for _ in range(100)}) == 100
    speak_nonsense(tmp_path, 5, languages=["it", "sw"])
    files = sorted(tmp_path.glob("*/*.wav"))
    assert len(files) == 5
    assert {file.parent.name.partition("+")[0] for file in files} <= {"it", "sw"}


def test_two_engines_in_one_process_do_not_disturb_each_other(engine: EspeakEngine) -> None:
    params = EspeakParams("en-us")
    other = EspeakEngine()
    assert min(len(one.speak("hello", params)) for one in (engine, other, engine)) > 0.2 * engine.sample_rate_hz
    del other
    assert len(engine.speak("hello", params)) > 0.2 * engine.sample_rate_hz


def test_phonemes_can_be_written_out(engine: EspeakEngine) -> None:
    word, spelled = (engine.speak(text, EspeakParams("en-us")) for text in ("hey", "[[h'eI]]"))
    assert abs(len(word) - len(spelled)) < 0.1 * len(word)


def test_an_empty_text_and_an_unknown_voice_are_refused(engine: EspeakEngine, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="got the text ' '"):
        engine.speak(" ", EspeakParams("en-us"))
    with pytest.raises(DataError, match="got the text ''"):
        espeak_clips([""], tmp_path, 1, seed=1)
    with pytest.raises(DataError, match=r"got voice 'en-us\+nobody'"):
        engine.speak("hey", EspeakParams("en-us+nobody"))
    with pytest.raises(DataError, match=r"got voice 'en-us\+nobody'"):
        espeak_clips(TEXTS, tmp_path, 1, seed=1, names=["en-us+nobody"])


def test_draws_depend_on_the_generator_alone(engine: EspeakEngine) -> None:
    first, again, other = (engine.draw(np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert first == again != other


def test_the_same_seed_gives_the_same_bytes_with_one_worker_and_with_two(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(espeak, "BATCH_CLIPS", 12)
    names = ["en-us", "en-us+f2", "en-029+sandro", "en-gb-x-rp+klatt3"]  # two of them breathe, which is noise
    one, two, other = (
        espeak_clips(TEXTS, tmp_path / str(i), 18, seed, names=names, workers=workers)
        for i, (seed, workers) in enumerate([(5, 1), (5, 2), (6, 2)])
    )
    assert content(one) == content(two) != content(other)


def test_the_folder_is_the_voice_and_clips_without_sound_are_dropped_and_counted(tmp_path: Path) -> None:
    made = espeak_clips(["hey computer", "..."], tmp_path, 6, seed=2, workers=1)
    assert [clip.text for clip in made.dropped] == ["..."] * 3
    assert sorted(tmp_path.rglob("*.wav")) == sorted(clip.path for clip in made.clips)
    assert all(clip.path.parent.name == clip.params.voice for clip in made.clips)
    assert all(len(read(clip.path, 22050)) > 2205 for clip in made.clips)


def test_a_data_path_too_long_for_espeak_is_copied_to_a_short_one(tmp_path: Path) -> None:
    data = tmp_path / ("deep" * 30) / ("er" * 30)
    data.mkdir(parents=True)
    (data / "phontab").write_bytes(b"x")
    with espeak_data.short_path(data) as short:
        assert len(str(short)) < 160
        assert (short / "phontab").read_bytes() == b"x"
    assert not short.exists()
    with pytest.raises(DataError, match="expected at most 159"):
        EspeakEngine(data, names=["en-us"])


def content(made: Spoken) -> list[tuple[str, bytes]]:
    return [(clip.path.parent.name, clip.path.read_bytes()) for clip in made.clips]


def test_a_reading_survives_the_death_of_the_process_that_reads() -> None:
    engine = EspeakEngine(names=["en-us"])
    before = engine.ipa("hey computer", "en-us")
    reading.reader(None)._process.kill()
    assert engine.ipa("hey computer", "en-us") == before


def test_a_text_of_which_every_process_dies_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    reader = reading.Reader(None)
    monkeypatch.setattr(reader, "_asked", lambda question: None)
    with pytest.raises(DataError, match="died 3 times while it read"):
        reader.ask("read_here", "hey", "en-us", 2)


@pytest.mark.skipif(not espeak.FORKS, reason="only Linux has the process that others are forked from")
def test_ctrl_c_while_the_process_that_speaks_is_starting_is_no_traceback(tmp_path: Path) -> None:
    speak = ["speak", "hey computer", "-n", "2000", "--out", str(tmp_path / "clips")]
    heeding = "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler)"  # unlike a background job
    command = [sys.executable, "-c", f"{heeding}; from wakeword.cli import main; sys.exit(main({speak}))"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True) as process:
        while process.poll() is None and not _forks(process.pid):
            time.sleep(0.005)
        time.sleep(0.15)  # Python has begun, and imports
        os.killpg(process.pid, signal.SIGINT)
        _, complaint = process.communicate(timeout=120)
    assert (process.returncode, complaint) == (130, "")


@pytest.mark.skipif(not espeak.FORKS, reason="only Linux has the process that others are forked from")
def test_processes_that_speak_end_with_one_that_was_killed(tmp_path: Path) -> None:
    speak = ["speak", "hey computer", "-n", "2000", "--out", str(tmp_path / "clips")]
    command = [sys.executable, "-m", "wakeword", *speak]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL, start_new_session=True) as process:
        while process.poll() is None and not list(tmp_path.rglob("*.wav")):
            time.sleep(0.01)
        assert process.poll() is None
        process.kill()
    end = time.monotonic() + 60
    while (left := _in_session(process.pid)) and time.monotonic() < end:
        time.sleep(0.1)
    assert not left


def _in_session(session: int) -> list[str]:
    """The processes of it that have not ended."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, _, its_session = stat.read_text().rpartition(")")[2].split()[:4]
        except OSError:  # it has ended
            continue
        if int(its_session) == session and state != "Z":
            found.append(stat.parent.name)
    return found


def _forks(parent: int) -> bool:
    """Whether a process has started the one that others are forked from, which is busy importing for a while."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            status, started = (folder / "status").read_text(), (folder / "cmdline").read_text()
        except OSError:  # it has ended
            continue
        if f"PPid:\t{parent}\n" in status and "forkserver" in started:
            return True
    return False
