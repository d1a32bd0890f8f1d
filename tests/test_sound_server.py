"""The microphone and the loudspeaker of a sound server, which come and go: see sound_system.py."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from sound_system import Pulse, level_listener, listen, needs_alsa, needs_pulse, run_python
from test_listener import beeps

from wakeword.chime import PLAY_RATE_HZ, chime


@pytest.fixture
def pulse() -> Iterator[Pulse]:
    # Not tmp_path: the path of a socket must be short.
    with tempfile.TemporaryDirectory(prefix="ww") as folder:
        pulse = Pulse(Path(folder))
        yield pulse
        pulse.unplug()


@needs_pulse
def test_plugins_that_portaudio_only_looked_at_do_not_stay(pulse: Pulse) -> None:
    def plugins_after(code: str) -> int:
        count = "print(len({line.split()[-1] for line in open('/proc/self/maps') if 'libasound_module' in line}))"
        return int(run_python(f"{code}\n{count}", pulse.env))

    assert plugins_after("import sounddevice") > 0
    assert plugins_after("from wakeword.microphone import list_devices; list_devices()") == 0
    opened = "from wakeword.microphone import MicrophoneSource\nsource = MicrophoneSource('pulse')"
    assert plugins_after(f"{opened}\nnext(source.blocks())") > 0  # what it needs is there again


@needs_alsa
@needs_pulse
def test_a_word_that_is_played_to_the_microphone_is_heard(pulse: Pulse) -> None:
    process = level_listener(pulse.env, "pulse")
    assert process.next() == {"ready": True}
    pulse.play(beeps([0.5, 1.2], 1.8))
    first, second = process.next(), process.next()
    assert second["end_s"] - first["end_s"] == pytest.approx(0.7, abs=0.02)
    process.stop()


@needs_alsa
@needs_pulse
def test_a_detection_is_answered_by_a_chime_from_the_loudspeaker(tiny_bundle: Path, pulse: Pulse) -> None:
    recorder, process = pulse.record(), listen(tiny_bundle, "pulse", 0.01, pulse.env, "--chime")
    process.next()  # a network that was hardly trained wakes even in silence
    played = np.frombuffer(recorder.stdout.read(2 * 44100 * 2), np.int16) / 32768  # 2 s, paced by the sink
    process.stop()
    recorder.kill()
    sound = chime(PLAY_RATE_HZ)
    start = int(np.correlate(played, sound, "valid").argmax())
    heard = played[start : start + len(sound)]
    assert heard @ sound > 0.95 * np.linalg.norm(heard) * np.linalg.norm(sound)
    assert np.linalg.norm(heard) == pytest.approx(np.linalg.norm(sound), rel=0.5)  # the sink has a volume of its own


@needs_alsa
@needs_pulse
def test_an_unplugged_microphone_is_reported_once_and_heard_again_when_it_returns(pulse: Pulse) -> None:
    process = level_listener(pulse.env)
    assert process.next() == {"ready": True}
    pulse.play(beeps([0.2], 0.8))
    before = process.next()
    pulse.unplug()
    assert "is gone, waiting for it to return" in process.next()["event"]
    pulse.start()
    assert "is back after" in process.next()["event"]
    pulse.play(beeps([0.2], 0.8))
    assert process.next()["end_s"] > before["end_s"] + 0.5
    process.stop()


@needs_alsa
@needs_pulse
def test_another_default_microphone_is_listened_to_from_the_moment_it_is_chosen(pulse: Pulse) -> None:
    pulse.make_default("microphone")
    process = level_listener(pulse.env)
    assert process.next() == {"ready": True}
    pulse.play(beeps([0.2], 0.8), "room")
    first = process.next()
    pulse.make_default("array")
    pulse.play(beeps([0.2], 0.8), "room")  # to the old one, whom nobody hears any more
    pulse.play(beeps([0.2], 0.8), "hall")
    second = process.next()
    assert second["end_s"] > first["end_s"] + 0.8
    pulse.make_default("microphone")
    pulse.play(beeps([0.2], 0.8), "room")
    assert process.next()["end_s"] > second["end_s"]
    process.stop()
