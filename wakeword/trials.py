"""Recordings laid into the streams a listener would hear, and the score curves of those streams.

A take of the word is heard after two seconds of room, so that the network has long forgotten its start. What is not the
word is joined into one long stream with half a second between files: only its very beginning is warm-up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import soundfile

from wakeword.audio import AUDIO_SUFFIXES, audio_files, db_to_gain, read_blocks, read_stretch, speech_activity
from wakeword.errors import AudioError, DataError
from wakeword.stream import WakeWord

LEAD_S = 2.0
TAIL_S = 1.5
HIT_TAIL_S = 1.0  # a detection up to this long after the take still counts
GAP_S = 0.5
ROOM_DBFS = -70.0  # of the noise that stands for a quiet room where no other is given
MAX_TAKE_S = 30.0
PIECE_S = 600.0  # scored at once: bounds the memory that a recording of any length takes
OVERLAP_S = 20.0  # heard again before each further piece, many times what the network and its normalisation remember
NOISY_STRETCH_S = 15.0  # of the negatives, that gets one excerpt of noise by its own speech level
NOISE_TRIES = 20
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Skipped:
    """A file, or the rest of one, that could not be used."""

    path: str
    reason: str


@dataclass(frozen=True)
class Take:
    """One positive as it lies in its stream, in samples: [start, stop), and the end of its last active sound."""

    path: str
    pcm: np.ndarray
    start_sample: int
    stop_sample: int
    speech_end_sample: int


@dataclass(frozen=True)
class Segment:
    """A file's place in the stream of negatives."""

    path: str
    start_sample: int


@dataclass
class NegativeStream:
    """What the negatives turned out to be, filled while `negative_blocks` runs."""

    segments: list[Segment] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    heard_samples: int = 0


def recordings(folder: str | Path) -> list[Path]:
    """All recordings below a folder. Raises DataError if there is no such folder or nothing in it."""
    if not Path(folder).is_dir():
        raise DataError(f"{folder}: no such folder, expected one with recordings")
    files, _ = audio_files(folder)
    if not files:
        raise DataError(f"{folder}: got no recordings, expected at least one of {', '.join(sorted(AUDIO_SUFFIXES))}")
    return files


class Noise:
    """Excerpts of a folder of noise. Which one is drawn depends on the seed and the excerpt's number alone."""

    def __init__(self, folder: str | Path, sample_rate_hz: int, seed: int = 0) -> None:
        self._rate, self._seed = sample_rate_hz, seed
        self._files, self.skipped = [], []
        for path in recordings(folder):
            try:
                self._files.append((path, soundfile.info(str(path)).duration))
            except (soundfile.LibsndfileError, OSError, UnicodeError):
                self.skipped.append(Skipped(str(path), "not readable audio"))
        self._files = [(path, seconds) for path, seconds in self._files if seconds > 0]
        if not self._files:
            raise DataError(f"{folder}: got no readable noise, expected at least one recording")

    def excerpt(self, number: int, samples: int) -> np.ndarray:
        """float32 [samples], at RMS 1; a recording that is too short is repeated."""
        rng = np.random.default_rng([self._seed, number])
        for _ in range(NOISE_TRIES):
            path, seconds = self._files[rng.integers(len(self._files))]
            wanted_s = samples / self._rate
            pcm = read_stretch(path, rng.uniform(0.0, max(seconds - wanted_s, 0.0)), wanted_s, self._rate)
            if len(pcm) and (rms := float(np.sqrt(np.square(pcm, dtype=np.float64).mean()))) > 0:
                excerpt = np.resize(pcm, samples)
                return excerpt / np.float32(rms if len(pcm) >= samples else np.sqrt(np.square(excerpt).mean()))
        raise DataError(f"{path}: got only silence or damaged audio in {NOISE_TRIES} draws of noise, expected sound")


def room_noise(number: int, samples: int, seed: int = 0) -> np.ndarray:
    """float32 [samples] of faint white noise: a quiet room, where no noise folder is given."""
    rng = np.random.default_rng([seed, number])
    return rng.standard_normal(samples, np.float32) * np.float32(db_to_gain(ROOM_DBFS))


def add_noise(pcm: np.ndarray, speech_rms: float, noise: np.ndarray, snr_db: float) -> np.ndarray:
    """pcm [N] + noise [N] (at RMS 1), `snr_db` below the speech; turned down as a whole if it would clip."""
    mixed = pcm + noise * np.float32(speech_rms * db_to_gain(-snr_db))
    return mixed / max(1.0, float(np.abs(mixed).max(initial=0.0)))


def lay_take(
    path: Path,
    number: int,
    rate: int,
    noise: Noise | None,
    snr_db: float | None,
    seed: int = 0,
    level_dbfs: float | None = None,
    response: np.ndarray | None = None,
) -> Take:
    """Reads a take and lays it between lead and tail; with `level_dbfs` its active speech is brought to that level.

    Noise follows the level, as behind a microphone of another gain; the quiet room of ROOM_DBFS does not, as around
    somebody who speaks from further away. With `response`, float32 [M], of a room, the take is heard through it, in the
    noise that it had without. Raises AudioError if the take is unreadable, silent or too long.
    """
    take = _read_take(path, rate)
    speech_rms, speech_end = speech_activity(take, rate)
    if speech_rms == 0:
        raise AudioError(f"{path}: got {'digital silence' if len(take) else 'no samples'}, expected a take of the word")
    if level_dbfs is not None:
        take *= np.float32(min(db_to_gain(level_dbfs) / speech_rms, 1.0 / np.abs(take).max()))
        speech_rms, speech_end = speech_activity(take, rate)
    start = round(LEAD_S * rate)
    pcm = np.zeros(start + len(take) + round(TAIL_S * rate), np.float32)
    heard = take if response is None else _in_room(take, response)[: len(pcm) - start]
    pcm[start : start + len(heard)] = heard
    if noise is None:
        pcm += room_noise(number, len(pcm), seed)
    else:
        pcm = add_noise(pcm, speech_rms, noise.excerpt(number, len(pcm)), snr_db)
    return Take(str(path), pcm, start, start + len(take), start + speech_end)


def negative_blocks(
    files: list[Path],
    rate: int,
    stream: NegativeStream,
    noise: Noise | None = None,
    snr_db: float | None = None,
    progress: Progress | None = None,
) -> Iterator[np.ndarray]:
    """The files one after the other, in blocks [N] of a few seconds; `stream` learns what was heard where.

    Digital silence is let through but not counted as heard: it is no evidence. A broken file counts up to the break.
    """
    gap, sent = round(GAP_S * rate), 0
    for number, path in enumerate(files):
        stream.segments.append(Segment(str(path), sent))
        heard_before = stream.heard_samples
        try:
            blocks = read_blocks(path, rate)
            for block in blocks if noise is None else _pieces(blocks, round(NOISY_STRETCH_S * rate)):
                stream.heard_samples += len(block) if block.any() else 0
                sent += len(block)
                yield block if noise is None else _noisy(block, rate, noise, sent, snr_db)
            if stream.heard_samples == heard_before:
                stream.skipped.append(Skipped(str(path), "silence or no samples, not counted"))
        except AudioError as error:
            stream.skipped.append(Skipped(str(path), _reason(error, path)))
        yield room_noise(number, gap)
        sent += gap
        if progress:
            progress("negatives", number + 1, len(files))


def score_stream(ww: WakeWord, blocks: Iterable[np.ndarray], column: int) -> np.ndarray:
    """One phrase's probabilities float32 [T] over a stream of any length, in bounded memory; warm-up counts as 0.

    Streams beyond PIECE_S are scored piece by piece, each with the last OVERLAP_S of the piece before in front of it,
    whose scores are dropped: the network then hears the same recent past as in one go.
    """
    step, curves = ww.step_samples, []
    overlap = round(OVERLAP_S * ww.sample_rate_hz / step) * step
    past = np.zeros(0, np.float32)
    for piece in _pieces(blocks, max(1, round(PIECE_S * ww.sample_rate_hz / step)) * step):
        pcm = np.concatenate([past, piece, np.zeros(-len(piece) % step, np.float32)])
        curves.append(ww.scores(pcm)[1][len(past) // step :, column])
        past = pcm[-overlap:]
    curve = np.concatenate(curves) if curves else np.zeros(0, np.float32)
    curve[: ww.warmup_steps] = 0.0
    return curve


def skipped(path: Path, error: AudioError) -> Skipped:
    return Skipped(str(path), _reason(error, path))


def _pieces(blocks: Iterable[np.ndarray], samples: int) -> Iterator[np.ndarray]:
    """The same stream cut every `samples`."""
    held, length = [], 0
    for block in blocks:
        held.append(block)
        length += len(block)
        while length >= samples:
            joined = np.concatenate(held)
            yield joined[:samples]
            held, length = [joined[samples:]], length - samples
    if length:
        yield np.concatenate(held)


def _noisy(block: np.ndarray, rate: int, noise: Noise, number: int, snr_db: float) -> np.ndarray:
    speech_rms, _ = speech_activity(block, rate)
    return add_noise(block, speech_rms, noise.excerpt(number, len(block)), snr_db) if len(block) else block


def _read_take(path: Path, rate: int) -> np.ndarray:
    blocks, length = [], 0
    for block in read_blocks(path, rate):
        blocks.append(block)
        length += len(block)
        if length > MAX_TAKE_S * rate:
            raise AudioError(f"{path}: got more than {MAX_TAKE_S:.0f} s, expected one take of the word")
    return np.concatenate(blocks) if blocks else np.zeros(0, np.float32)


def _in_room(take: np.ndarray, response: np.ndarray) -> np.ndarray:
    from scipy.signal import oaconvolve

    return oaconvolve(take, response).astype(np.float32)


def _reason(error: AudioError, path: Path) -> str:
    return str(error).removeprefix(f"{path}: ")
