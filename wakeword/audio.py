"""Samples and files. The only place where int16 and float32 meet: float32 = int16 / 32768.

All arrays here are mono, shape [N].
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import soxr

from wakeword.errors import AudioError, FileError
from wakeword.files import replacing

if TYPE_CHECKING:
    import soundfile  # else only where a file is read or written: a megabyte that a listener at a microphone spares

FULL_SCALE = 32768
LOUDEST = 1e6  # in float samples, of which full scale is 1
AUDIO_SUFFIXES = {".wav", ".flac", ".ogg", ".opus", ".mp3"}
# Audio that people do have and that cannot be decoded: named to them, where other files are simply ignored.
FOREIGN_SUFFIXES = {".m4a", ".aac", ".wma", ".aif", ".aiff", ".amr", ".webm", ".mp4", ".3gp"}
WRITTEN_FORMATS = {".wav": "WAV", ".flac": "FLAC"}
LEVEL_FRAME_S = 0.02
ACTIVITY_MARGIN_DB = 15.9  # ITU-T P.56: what is further below the active level is a pause
SUMMED_SAMPLES = 512  # are added up in float32; their sums in float64
BLOCK_SAMPLES = 1 << 18  # a long file is decoded a few seconds at a time, never whole
OPUS_BLOCK_SAMPLES = 960  # what is read together with a failing packet is lost, so little at a time


def to_float(pcm: np.ndarray) -> np.ndarray:
    """int16 or float32 [N] -> float32 [N], where full scale is 1.0.

    Raises AudioError for another dtype or shape, or for float samples that are not finite.
    """
    pcm = np.asarray(pcm)
    if pcm.ndim != 1:
        raise AudioError(f"pcm: got shape {list(pcm.shape)}, expected mono [N]")
    if pcm.dtype == np.int16:
        return pcm * np.float32(1 / FULL_SCALE)
    if pcm.dtype != np.float32:
        raise AudioError(f"pcm: got dtype {pcm.dtype}, expected int16 or float32")
    if not _is_sound(pcm):
        raise AudioError(f"pcm: got samples that are NaN or infinite or beyond {LOUDEST:g}, expected about -1 to 1")
    return pcm


def _is_sound(pcm: np.ndarray) -> bool:
    """Whether float32 [N] can be listened to. Far beyond full scale its energy overflows, and a stream stays deaf."""
    return bool(np.abs(pcm).max(initial=0.0) <= LOUDEST)  # false for NaN, too


def to_int16(pcm: np.ndarray) -> np.ndarray:
    """float32 [N] -> int16 [N], rounded to nearest and clipped at full scale."""
    scaled = pcm * np.float32(FULL_SCALE)
    np.rint(scaled, out=scaled)
    np.clip(scaled, -FULL_SCALE, FULL_SCALE - 1, out=scaled)
    return scaled.astype(np.int16)


def audio_files(folder: str | Path) -> tuple[list[Path], list[Path]]:
    """(recordings, audio in formats that cannot be read) below a folder, in a fixed order, without opening them.

    Links are followed, but never back up; hidden files and what is no file, such as a pipe, are left out.
    """
    files, foreign = [], []
    seen = set(map(str, Path(os.path.realpath(folder)).parents))  # a link to one of these would bring in other folders
    for parent, names, leaves in os.walk(folder, followlinks=True):
        real = os.path.realpath(parent)
        if real in seen:
            names.clear()
            continue
        seen.add(real)
        names[:] = sorted(name for name in names if not name.startswith("."))
        paths = [Path(parent, leaf) for leaf in sorted(leaves) if not leaf.startswith(".")]
        paths = [path for path in paths if path.is_file() or not path.exists()]  # a broken link is worth a complaint
        files += [path for path in paths if path.suffix.lower() in AUDIO_SUFFIXES]
        foreign += [path for path in paths if path.suffix.lower() in FOREIGN_SUFFIXES]
    return files, foreign


def read(path: str | Path, sample_rate_hz: int) -> np.ndarray:
    """A whole recording as float32 [N] at the wanted rate, its channels averaged. Raises what `read_blocks` does."""
    blocks = list(read_blocks(path, sample_rate_hz))
    return np.concatenate(blocks) if blocks else np.zeros(0, np.float32)


def decoded(file: io.BytesIO) -> np.ndarray:
    """A whole mono file in memory as int16 [N], at the rate it has. Raises AudioError if it cannot be decoded."""
    import soundfile

    try:
        with soundfile.SoundFile(file) as sound:
            if sound.subtype == "OPUS":
                return to_int16(np.concatenate([block[:, 0] for block in _opus_blocks(sound)]))
            return sound.read(dtype="int16")
    except (soundfile.LibsndfileError, ValueError) as error:
        raise AudioError(f"audio in memory: cannot be decoded: {error}") from None


def read_blocks(path: str | Path, sample_rate_hz: int) -> Iterator[np.ndarray]:
    """The same recording in pieces float32 [N] of a few seconds, in constant memory.

    Raises AudioError if it cannot be decoded, holds NaN or infinite samples, or ends before its header says.
    """
    with _opened(path) as file:
        yield from _resampled(_mono_blocks(file, path), file.samplerate, sample_rate_hz)


def read_stretch(path: str | Path, start_s: float, seconds: float, sample_rate_hz: int) -> np.ndarray:
    """float32 [N] from `start_s` on, about `seconds` long; empty if it cannot be decoded or is not finite."""
    import soundfile

    try:
        with soundfile.SoundFile(str(path)) as file:
            file.seek(int(start_s * file.samplerate))
            pcm = file.read(int(seconds * file.samplerate) + 1, dtype="float32", always_2d=True).mean(axis=1)
            resampler = StreamResampler(file.samplerate, sample_rate_hz)
    except (soundfile.LibsndfileError, OSError):
        return np.zeros(0, np.float32)
    pcm = np.concatenate([resampler.feed(pcm), resampler.flush()])
    return pcm if np.isfinite(pcm).all() else np.zeros(0, np.float32)


def native_rate_hz(path: str | Path) -> int:
    """The sample rate that a recording was made at. Raises AudioError if it is not readable audio."""
    with _opened(path) as file:
        return file.samplerate


@contextmanager
def _opened(path: str | Path) -> Iterator[soundfile.SoundFile]:
    import soundfile

    try:
        with soundfile.SoundFile(str(path)) as file:
            yield file
    except (soundfile.LibsndfileError, RuntimeError, OSError, UnicodeError) as error:
        said = str(error).splitlines()[0].removeprefix(f"Error opening {str(path)!r}: ").rstrip(".")
        reason = said if Path(path).is_file() else "no such file"
        raise AudioError(f"{path}: not readable audio: {reason}") from None


def _mono_blocks(file: soundfile.SoundFile, path: str | Path) -> Iterator[np.ndarray]:
    read_samples = 0
    opus = file.subtype == "OPUS"
    for block in _opus_blocks(file) if opus else file.blocks(BLOCK_SAMPLES, dtype="float32", always_2d=True):
        mono = block[:, 0] if block.shape[1] == 1 else block.mean(axis=1)
        if not _is_sound(mono):
            raise AudioError(f"{path}: got samples that are NaN or infinite or beyond {LOUDEST:g}, expected -1 to 1")
        read_samples += len(mono)
        yield mono
    if file.format == "FLAC" and read_samples < file.frames:
        raise AudioError(f"{path}: truncated: got {read_samples} samples, its header says {file.frames}")


def _opus_blocks(file: soundfile.SoundFile) -> Iterator[np.ndarray]:
    """libsndfile 1.2 trips over a page end of some good Opus files: it loses a block there and then reads on.

    So a lone failure is passed over; a second one within a second means that the file is broken.
    """
    import soundfile

    good_samples = file.samplerate
    while True:
        try:
            block = file.read(OPUS_BLOCK_SAMPLES, dtype="float32", always_2d=True)
        except soundfile.LibsndfileError:
            if good_samples < file.samplerate:
                raise
            good_samples = 0
            continue
        if len(block) == 0:
            return
        good_samples += len(block)
        yield block


def _resampled(blocks: Iterator[np.ndarray], from_hz: int, to_hz: int) -> Iterator[np.ndarray]:
    if from_hz == to_hz:
        yield from blocks
        return
    resampler = StreamResampler(from_hz, to_hz)
    for block in blocks:
        yield resampler.feed(block)
    yield resampler.flush()


class StreamResampler:
    """Resamples a stream piece by piece; equals resampling it whole. Verbs: feed, flush, reset."""

    def __init__(self, from_hz: float, to_hz: float) -> None:
        self._rates = (from_hz, to_hz)
        self.reset()

    def feed(self, pcm: np.ndarray) -> np.ndarray:
        """float32 [N] at the first rate -> float32 [M] at the second; may hold some back."""
        return self._soxr.resample_chunk(pcm) if self._soxr else pcm

    def flush(self) -> np.ndarray:
        """What was held back. Then `reset` before feeding again."""
        return self._soxr.resample_chunk(np.zeros(0, np.float32), last=True) if self._soxr else np.zeros(0, np.float32)

    def reset(self) -> None:
        same = self._rates[0] == self._rates[1]
        self._soxr = None if same else soxr.ResampleStream(*self._rates, 1, dtype="float32")


def write(path: str | Path, pcm: np.ndarray, sample_rate_hz: int) -> None:
    """Writes float32 or int16 [N] as 16-bit wav or flac (by suffix), under a temporary name and then renamed.

    Raises AudioError for another suffix, FileError if the file cannot be written.
    """
    import soundfile

    samples = pcm if pcm.dtype == np.int16 else to_int16(pcm)
    suffix = Path(path).suffix.lower()
    if suffix not in WRITTEN_FORMATS:
        raise AudioError(f"{path}: cannot write {suffix or 'a file without suffix'}, expected .wav or .flac")
    with replacing_audio(path) as temporary:
        soundfile.write(temporary, samples, sample_rate_hz, "PCM_16", format=WRITTEN_FORMATS[suffix])


@contextmanager
def replacing_audio(path: str | Path) -> Iterator[str]:
    """`wakeword.files.replacing` for what libsndfile writes; it says of a full disk only "System error"."""
    import soundfile

    with replacing(path) as temporary:
        try:
            yield temporary
        except soundfile.LibsndfileError as error:
            raise FileError(f"{path}: cannot be written (is the disk full?): {error}") from None


def rms(pcm: np.ndarray) -> float:
    """Root mean square of float32 [N]. No BLAS, which would add up differently with the number of threads."""
    rows = len(pcm) // SUMMED_SAMPLES
    energy = _energies(pcm[: rows * SUMMED_SAMPLES].reshape(rows, SUMMED_SAMPLES)).sum()
    rest = pcm[rows * SUMMED_SAMPLES :]
    return float(np.sqrt((energy + np.square(rest).sum(dtype=np.float64)) / max(len(pcm), 1)))


def _energies(frames: np.ndarray) -> np.ndarray:
    """float64 [T] of float32 [T, N], each added up in float32: a frame is short enough for that."""
    return np.einsum("tn,tn->t", frames, frames).astype(np.float64)


def speech_activity(pcm: np.ndarray, sample_rate_hz: int) -> tuple[float, int]:
    """(active speech level as an RMS amplitude, sample at which the last active frame ends) of float32 [N].

    The mean power of the 20 ms frames that are at most ACTIVITY_MARGIN_DB below that mean, found by iteration: pauses
    do not lower it (after ITU-T P.56). Silence has level 0.
    """
    frame = max(1, min(len(pcm), round(LEVEL_FRAME_S * sample_rate_hz)))
    frames = len(pcm) // frame
    power = _energies(pcm[: frames * frame].reshape(frames, frame)) / frame
    level, margin = 0.0, 10 ** (-ACTIVITY_MARGIN_DB / 10)
    active = np.ones(frames, bool)
    while (raised := float(np.add.reduce(power[active]) / np.count_nonzero(active)) if frames else 0.0) > level:
        level = raised
        active = power >= level * margin
    return level**0.5, (int(np.flatnonzero(active)[-1]) + 1) * frame if level else 0


def db_to_gain(db: float) -> float:
    """Decibels -> the factor on amplitudes.

    >>> db_to_gain(20.0)
    10.0
    """
    return float(10.0 ** (db / 20.0))
