"""The microphone, with the real sounddevice and PortAudio, which reads a file: see sound_system.py."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sound_system import (
    PATIENCE_S,
    environment,
    file_microphone,
    listen,
    needs_alsa,
    run_python,
)
from test_listener import speechlike, wakeful_threshold

import wakeword
from wakeword import audio
from wakeword.errors import AudioError
from wakeword.listener import Listener
from wakeword.microphone import Device, find_device
from wakeword.sources import WavSource


@needs_alsa
def test_every_sample_of_the_microphone_arrives_as_it_is(tmp_path: Path) -> None:
    pcm = audio.to_float(speechlike(5.0))
    code = """
import sys, numpy as np
from wakeword.microphone import MicrophoneSource
source, heard = MicrophoneSource("wavmic", 16000), []
for block in source.blocks():
    heard.append(block)
    if sum(map(len, heard)) >= 80000:
        source.close()
sys.stdout.buffer.write(np.concatenate(heard)[:80000].tobytes())
"""
    assert np.array_equal(np.frombuffer(run_python(code, file_microphone(tmp_path, pcm)), np.float32), pcm)


@needs_alsa
def test_an_interruption_between_any_two_lines_leaves_nothing_locked(tmp_path: Path) -> None:
    # 80 of them were enough, mostly, to find one that came while `queue.Queue` held its lock.
    code = """
import faulthandler, random, signal
from wakeword.microphone import MicrophoneSource
signal.signal(signal.SIGALRM, signal.default_int_handler)
rng, interrupted = random.Random(0), 0
for _ in range(300):
    faulthandler.dump_traceback_later(10, exit=True)
    source = MicrophoneSource("wavmic", 16000, on_event=lambda line: None)
    try:
        signal.setitimer(signal.ITIMER_REAL, rng.uniform(0.005, 0.01))
        for _ in source.blocks():
            pass
    except KeyboardInterrupt:
        interrupted += 1
    source.close()
print(interrupted)
"""
    assert int(run_python(code, file_microphone(tmp_path, np.full(16000, 0.5, np.float32)))) == 300


@needs_alsa
def test_an_array_of_microphones_is_chosen_by_name_and_heard_as_their_mean(tmp_path: Path) -> None:
    env = file_microphone(tmp_path, np.tile(np.float32([0.1, 0.2, 0.3, 0.4]), 80_000))  # four channels, interleaved
    four = 'type plug slave { pcm "wavmic" channels 4 rate 16000 format FLOAT_LE }'
    with (tmp_path / "alsa.conf").open("a") as config:
        config.write(f"pcm.quartet {{ {four} }}\n")
    code = """
import json
from wakeword.microphone import MicrophoneSource, list_devices
source = MicrophoneSource("quart", 16000)
block = next(source.blocks())
source.close()
channels = {device.name: device.channels for device in list_devices()}
print(json.dumps([source.name, channels["quartet"], float(block.min()), float(block.max())]))
"""
    name, channels, lowest, highest = json.loads(run_python(code, env))
    assert (name, channels >= 4) == ("quartet", True)
    assert (lowest, highest) == pytest.approx((0.25, 0.25), abs=1e-4)


@needs_alsa
def test_sound_lost_to_a_slow_consumer_is_reported_and_becomes_silence(tmp_path: Path) -> None:
    code = """
import json, time, numpy as np
from wakeword.microphone import QUEUE_S, MicrophoneSource
events, kept = [], 0
source = MicrophoneSource("wavmic", 16000, on_event=events.append)
time.sleep(1.0)  # the slow consumer; wavmic delivers far more than QUEUE_S meanwhile
for block in source.blocks():
    if source.overflows:
        break
    kept += len(block)
print(json.dumps([kept / 16000 - QUEUE_S, source.lost_samples, float(np.abs(block).max()), events]))
"""
    env = file_microphone(tmp_path, np.full(16000, 0.5, np.float32))
    kept_more_s, lost_samples, loudest, events = json.loads(run_python(code, env))
    assert (kept_more_s, loudest) == (0, 0)
    assert lost_samples > 16000
    assert ["overflow 1" in event for event in events] == [True]


@needs_alsa
def test_when_the_computer_slept_time_goes_on_and_what_was_before_is_no_context(tmp_path: Path) -> None:
    code = """
import json
from wakeword import microphone
from wakeword.sources import Gap
now_s, asleep_s, events, found = microphone._now_s, 0.0, [], []
microphone._now_s = lambda: now_s() + asleep_s  # what the clock does when the computer sleeps
source = microphone.MicrophoneSource("wavmic", 16000, on_event=events.append)
for number, block in enumerate(source.blocks()):
    asleep_s = 3600.0 if number >= 3 else 0.0
    if isinstance(block, Gap):
        found.append(block.samples / 16000)
        source.close()
print(json.dumps([found, events]))
"""
    env = file_microphone(tmp_path, np.full(16000, 0.5, np.float32))
    found, events = json.loads(run_python(code, env))
    assert found == pytest.approx([3600.0], abs=5.0)
    # Others may follow: wavmic is faster than real time, so a machine that halts for a moment overflows the queue.
    assert ["did the computer sleep?" in event for event in events].count(True) == 1


@needs_alsa
def test_a_microphone_can_be_opened_again_while_it_is_listened_to(tmp_path: Path) -> None:
    code = """
import json
from wakeword.microphone import MicrophoneSource
from wakeword.sources import Gap
events, kinds = [], []
source = MicrophoneSource("wavmic", 16000, on_event=events.append)
for block in source.blocks():
    kinds.append(type(block).__name__)
    if len(kinds) == 5:
        source.reopen()
    if "Gap" in kinds and len(kinds) - kinds.index("Gap") > 3:
        source.close()
print(json.dumps([kinds.count("Gap"), kinds[-1], events]))
"""
    env = file_microphone(tmp_path, np.full(16000, 0.5, np.float32))
    gaps, last, events = json.loads(run_python(code, env))
    assert (gaps, last) == (1, "ndarray")
    assert ["is opened again" in events[0], "is back after" in events[1]] == [True, True]


@needs_alsa
def test_a_microphone_that_is_muted_is_reported_once_and_again_when_it_is_heard(tmp_path: Path) -> None:
    code = """
import json
from wakeword.microphone import MicrophoneSource
events, heard_s = [], 0.0
source = MicrophoneSource("wavmic", 16000, on_event=events.append)
for block in source.blocks():
    heard_s += len(block) / 16000
    if heard_s > 21.0:
        source.close()
print(json.dumps(events))
"""
    sound = np.concatenate([np.zeros(15 * 16000, np.float32), np.full(10 * 16000, 0.5, np.float32)])
    events = json.loads(run_python(code, file_microphone(tmp_path, sound)))
    muted = [event for event in events if "overflow" not in event]
    assert ["nothing but zeros" in muted[0], "gives sound again" in muted[1], len(muted)] == [True, True, 2]


@needs_alsa
@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGINT])
def test_the_microphone_gives_the_detections_of_the_file_and_ends_well(
    tiny_bundle: Path, tmp_path: Path, end: signal.Signals
) -> None:
    # wavmic opens at its own rate, 44.1 kHz; the silence keeps what follows the file's end out of the way.
    pcm = audio.to_float(speechlike(6.0, 44100))
    audio.write(tmp_path / "same.wav", pcm, 44100)
    threshold = wakeful_threshold(tiny_bundle, audio.read(tmp_path / "same.wav", 16000))
    file = list(Listener(WavSource(tmp_path / "same.wav"), wakeword.load(tiny_bundle, threshold)))
    env = file_microphone(tmp_path, np.concatenate([pcm, np.zeros(44100 * 300, np.float32)]))
    process = listen(tiny_bundle, "wavmic", threshold, env)
    heard = [process.next() for detection in file if detection.end_s < 5.5]
    assert heard
    assert [line["end_s"] for line in heard] == pytest.approx([d.end_s for d in file][: len(heard)], abs=1e-6)
    assert process.stop(end) == 0
    assert "listening for hey test on wavmic at 44100 Hz" in process.process.stderr.read()


@needs_alsa
def test_without_a_microphone_the_verb_says_so_in_one_line(tiny_bundle: Path, tmp_path: Path) -> None:
    env = environment(tmp_path, "pcm.none { type hw card 99 }\n")
    command = [sys.executable, "-m", "wakeword", "listen", str(tiny_bundle)]
    run = subprocess.run(command, env=env, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert (run.returncode, run.stdout, run.stderr.count("\n")) == (2, "", 1)
    assert "no sound input" in run.stderr
    assert "--list-devices" in run.stderr


def device(index: int, name: str, host_api: str = "MME", is_default: bool = False) -> Device:
    return Device(index, name, host_api, 1, 44100, is_default)


DEVICES = [
    device(1, "Webcam"),
    device(4, "USB Mic", is_default=True),
    device(7, "USB Mic Array"),
    device(9, "Webcam", "WASAPI"),
]


@pytest.mark.parametrize(
    ("wanted", "index"), [(None, 4), (7, 7), ("7", 7), ("USB Mic", 4), ("array", 7), ("webcam", 1), ("Webcam", 1)]
)
def test_a_device_is_found_by_index_name_or_part_of_it(wanted: str | int | None, index: int) -> None:
    assert find_device(wanted, DEVICES).index == index


@pytest.mark.parametrize(
    ("wanted", "complaint"),
    [("usb", "'usb', which fits several"), ("phone", "'phone', which is not"), (3, "'3', which is")],
)
def test_a_device_that_is_not_clear_is_refused_with_those_there_are(wanted: str | int, complaint: str) -> None:
    with pytest.raises(AudioError, match=f"{complaint}.*4 'USB Mic', 7 'USB Mic Array'"):
        find_device(wanted, DEVICES)
