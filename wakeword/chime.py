"""The sound of having heard: made of two decaying partials, laid over a recording or played."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from wakeword.audio import WRITTEN_FORMATS, native_rate_hz, read_blocks, replacing_audio, to_int16
from wakeword.errors import AudioError
from wakeword.files import check_writable
from wakeword.portaudio import portaudio

LENGTH_S = 0.4
ATTACK_S = 0.004
PEAK = 0.35
PARTIALS = ((880.0, 0.6, 0.08), (1318.5, 0.4, 0.11))  # Hz (a fifth), share of the peak, decay time in seconds
PLAY_RATE_HZ = 44100


def chime(sample_rate_hz: int) -> np.ndarray:
    """float32 [N] within +-PEAK, 0.4 s long, fading in and out. A partial above half the rate is left out."""
    times_s = np.arange(round(LENGTH_S * sample_rate_hz)) / sample_rate_hz
    partials = [
        share * np.exp(-times_s / decay_s) * np.sin(2 * np.pi * hz * times_s)
        for hz, share, decay_s in PARTIALS
        if hz < sample_rate_hz / 2
    ]
    fade = np.minimum(times_s / ATTACK_S, 1.0) * (1.0 - times_s / LENGTH_S)
    return (PEAK * fade * np.sum(partials, axis=0)).astype(np.float32)


def overlay(pcm: np.ndarray, chime: np.ndarray, at_samples: int) -> np.ndarray:
    """A copy of float32 [N] with the chime [M] added from `at_samples` on; what lies outside of [0, N) is cut off.

    It never clips: the recording is turned down by the chime's own envelope, so |pcm| <= 1 gives |result| <= 1. A
    negative `at_samples` lays a chime's later part over the start, which is how a stream is overlaid in pieces.
    """
    start, end = max(at_samples, 0), min(at_samples + len(chime), len(pcm))
    result = pcm.copy()
    if start < end:
        part = slice(start - at_samples, end - at_samples)
        result[start:end] = pcm[start:end] * (1.0 - _envelope(chime)[part]) + chime[part]
    return result


def _envelope(chime: np.ndarray) -> np.ndarray:
    """The least curve over |chime| [M] that rises once and falls once: free of its wave, so ducking stays inaudible."""
    level = np.abs(chime)
    return np.minimum(np.maximum.accumulate(level), np.maximum.accumulate(level[::-1])[::-1])


def check_chime_out(path: Path, recording: Path) -> None:
    """Raises AudioError or FileError, before hours of listening, if `write_with_chimes` could not write there."""
    if path.suffix.lower() not in WRITTEN_FORMATS:
        raise AudioError(f"{path}: got {path.suffix or 'a file without suffix'}, expected .wav or .flac")
    if path.exists() and recording.exists() and path.samefile(recording):
        raise AudioError(f"{path}: got the recording itself, expected another file for the chimes")
    check_writable(path)


def write_with_chimes(path: Path, recording: Path, times_s: Iterable[float]) -> None:
    """Writes a mono copy of a recording at its own rate, 16 bit, with a chime from each of the times on.

    Constant memory; the file appears when it is complete. Raises AudioError if one cannot be read or written.
    """
    import soundfile

    rate_hz = native_rate_hz(recording)
    sound = chime(rate_hz)
    starts = [round(time_s * rate_hz) for time_s in times_s]
    with replacing_audio(path) as temporary:
        form = WRITTEN_FORMATS[path.suffix.lower()]
        with soundfile.SoundFile(temporary, "w", rate_hz, 1, "PCM_16", format=form) as file:
            done_samples = 0
            for block in read_blocks(recording, rate_hz):
                for start in starts:
                    if -len(sound) < start - done_samples < len(block):
                        block = overlay(block, sound, start - done_samples)
                file.write(to_int16(block))
                done_samples += len(block)


class Player:
    """Plays the chime on the default output, without waiting for it. After a failure, which it reports, it is mute."""

    def __init__(self, on_event: Callable[[str], None]) -> None:
        self._portaudio, self._on_event, self._works = portaudio(), on_event, True

    def play(self) -> None:
        if not self._works:
            return
        try:
            self._portaudio.play(chime(PLAY_RATE_HZ), PLAY_RATE_HZ)
        except (self._portaudio.PortAudioError, ValueError) as error:
            self._works = False
            self._on_event(f"chime: cannot be played: {str(error).splitlines()[0]}")
