"""eSpeak NG's voices, through ctypes, from the optional package `espeakng-loader` (GPL-3: see NOTICE).

eSpeak keeps state from one utterance to the next, so what it says depends on what the process said before.
`espeak_clips` therefore speaks fixed batches, each in a fresh process: the same seed gives the same bytes, however many
of them run side by side.
"""

from __future__ import annotations

import ctypes
import os
import re
import signal
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from synth.voices import DroppedClip, Spoken, SpokenClip, VoiceParams, length_problems
from synth.voices.espeak_data import MAX_DATA_PATH_BYTES, checked_names, installed_data, library_path, short_path
from synth.voices.reading import TRIES, reader
from synth.workers import end_with_parent
from wakeword.audio import to_float, write
from wakeword.errors import DataError

SAMPLE_RATE_HZ = 22050
BATCH_CLIPS = 200  # part of what the seed means: another size speaks the same words with other bytes
FORKS = sys.platform == "linux"
STARTED_BY = "forkserver" if FORKS else "spawn"
BREATH_SEED = 1  # breathy voices draw noise, seeded from the clock unless told otherwise
RATE_WPM, PITCH, PITCH_RANGE = (120, 220), (25, 75), (20, 80)  # espeak's own units, both ends included

# From speak_lib.h.
_SYNCHRONOUS, _POSITION_CHARACTER, _UTF8, _UTF8_AND_PHONEMES = 2, 1, 0x1, 0x1 | 0x100
_RATE, _PITCH, _RANGE = 1, 3, 4
_BETWEEN_PHONEMES = "\u00b7"  # no mnemonic has it
_IPA = 2
_SILENT, _SWITCH = re.compile(r"[_:|;]*|\([\w-]*\)"), re.compile(r"\([\w-]*\)")
_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)


@dataclass(frozen=True)
class EspeakParams(VoiceParams):
    """`voice` is an accent with a variant, such as "en-us+f3"; pitch and pitch range run from 0 to 99."""

    rate_wpm: int = 175
    pitch: int = 50
    pitch_range: int = 50


class EspeakEngine:
    """The library in this process. Use `espeak_clips` where the same seed must give the same bytes."""

    name = "espeak"
    threads = 1
    reads_phonemes = True
    sample_rate_hz = SAMPLE_RATE_HZ

    def __init__(self, data: str | Path | None = None, names: Sequence[str] | None = None) -> None:
        """`data` is a copy of espeak-ng-data (default: the installed one), `names` the voices to draw from."""
        self._names, self._data = checked_names(names), str(data) if data else None
        self._library = ctypes.CDLL(str(library_path()))
        self._pieces: list[np.ndarray] = []
        self._callback = _Callback(self._collect)  # kept alive here, or C calls freed memory
        folder = os.fsencode(data or installed_data())
        if len(folder) > MAX_DATA_PATH_BYTES:
            problem = f"got a path of {len(folder)} bytes, expected at most {MAX_DATA_PATH_BYTES}"
            raise DataError(f"espeak: {os.fsdecode(folder)}: {problem}")
        rate_hz = self._library.espeak_Initialize(_SYNCHRONOUS, 0, folder, 0)
        if rate_hz != SAMPLE_RATE_HZ:
            raise DataError(
                f"espeak: its start gave {rate_hz}, expected {SAMPLE_RATE_HZ} Hz; its data: {os.fsdecode(folder)}"
            )
        self._library.espeak_ng_SetRandSeed(ctypes.c_long(BREATH_SEED))

    def draw(self, rng: np.random.Generator) -> EspeakParams:
        """A random voice, rate, pitch and pitch range."""
        return _draw(rng, self._names)

    def speak(self, text: str, params: EspeakParams) -> np.ndarray:
        """English text or [[phonemes]] -> float32 [N] at 22,050 Hz without the zeros at its ends.

        Raises DataError for an empty text or an unknown voice.
        """
        _check_text(text)
        self._choose(params.voice)
        for number, value in ((_RATE, params.rate_wpm), (_PITCH, params.pitch), (_RANGE, params.pitch_range)):
            self._library.espeak_SetParameter(number, value, 0)
        self._pieces.clear()
        self._library.espeak_SetSynthCallback(self._callback)  # here: engines in one process share the library
        utf8 = text.encode()
        self._library.espeak_Synth(utf8, len(utf8) + 1, 0, _POSITION_CHARACTER, 0, _UTF8_AND_PHONEMES, None, None)
        self._library.espeak_Synchronize()
        pcm = np.concatenate([np.zeros(0, np.int16), *self._pieces])
        return to_float(np.trim_zeros(pcm))

    def pronounce(self, text: str, voice: str) -> list[list[str]]:
        """The phonemes of each word of a text, as the voice's language reads it, in espeak's mnemonics.

        Pauses and marks of a switch to another language's rules are left out. Raises DataError as `speak` does.
        """
        words = [word.split(_BETWEEN_PHONEMES) for word in self._read(text, voice, ord(_BETWEEN_PHONEMES) << 8).split()]
        return [spoken for word in words if (spoken := [p for p in word if p and not _SILENT.fullmatch(p)])]

    def ipa(self, text: str, voice: str) -> str:
        """The same as one line in the International Phonetic Alphabet."""
        return _SWITCH.sub("", self._read(text, voice, _IPA))

    def seconds(self, text: str, voice: str) -> float:
        """How long a text takes in a voice at the usual rate."""
        _check_text(text)
        self._check_voice(voice)
        return reader(self._data).ask("seconds_here", text, voice)

    def seconds_here(self, text: str, voice: str) -> float:
        """The same in this process, which may die of it. Twice: what it says first may be cut short."""
        said = [self.speak(text, EspeakParams(voice=voice)) for _ in range(2)]
        return len(said[1]) / SAMPLE_RATE_HZ

    def _read(self, text: str, voice: str, mode: int) -> str:
        _check_text(text)
        self._check_voice(voice)
        return reader(self._data).ask("read_here", text, voice, mode)

    def read_here(self, text: str, voice: str, mode: int) -> str:
        """The phonemes as espeak_TextToPhonemes writes them in a mode, in this process, which may die of it."""
        self._choose(voice)
        read = self._library.espeak_TextToPhonemes
        read.restype, read.argtypes = ctypes.c_char_p, [ctypes.POINTER(ctypes.c_void_p), ctypes.c_int, ctypes.c_int]
        utf8 = ctypes.create_string_buffer(text.encode())
        rest, clauses = ctypes.c_void_p(ctypes.addressof(utf8)), []
        while rest.value:  # a clause a call
            clauses.append(read(ctypes.byref(rest), _UTF8, mode).decode())
        return " ".join(clauses)

    def _choose(self, voice: str) -> None:
        self._check_voice(voice)
        if self._library.espeak_SetVoiceByName(voice.encode()) != 0:
            raise self._no_such(voice)

    def _check_voice(self, voice: str) -> None:
        if voice not in self._names:
            raise self._no_such(voice)

    def _no_such(self, voice: str) -> DataError:
        return DataError(f"espeak: got voice {voice!r}, expected one of this engine's {len(self._names)}")

    def _collect(self, samples: ctypes._Pointer, count: int, _events: int | None) -> int:
        if samples and count > 0:
            self._pieces.append(np.ctypeslib.as_array(samples, (count,)).copy())
        return 0


def espeak_clips(
    texts: Sequence[str],
    folder: str | Path,
    count: int,
    seed: int,
    names: Sequence[str] | None = None,
    workers: int | None = None,
) -> Spoken:
    """Speaks `count` clips, the texts in turn, and writes them as folder/VOICE/NUMBER.wav, int16 at 22,050 Hz.

    The sub-folder is the speaker, so that splitting by sub-folder keeps speakers apart. The same arguments give the
    same bytes for any number of `workers` (processes; default: one a core). `names` are the voices to draw from
    (default: the English ones). Clips without sound, or far from the usual length of their text, are dropped. Raises
    DataError for texts or voices that cannot be spoken.
    """
    if not texts or count < 1:
        raise DataError(f"espeak: got {len(texts)} texts and count {count}, expected at least one of each")
    names = checked_names(names)
    return espeak_lines([(texts[i % len(texts)], names) for i in range(count)], folder, seed, workers)


def espeak_lines(
    lines: Sequence[tuple[str, Sequence[str]]],
    folder: str | Path,
    seed: int,
    workers: int | None = None,
    first: int = 0,
) -> Spoken:
    """As `espeak_clips`, where each text has its own voices to draw from: lines of (text, names of voices).

    `first` is the number of the first clip, for a folder in which these voices have said something already.
    """
    for text in {text for text, _ in lines}:
        _check_text(text)
    rng = np.random.default_rng(seed)
    plan = [(i, text, _draw(rng, names)) for i, (text, names) in enumerate(lines, first)]
    batches = [plan[start : start + BATCH_CLIPS] for start in range(0, len(plan), BATCH_CLIPS)]
    _start_server()
    with short_path(installed_data()) as data, ThreadPoolExecutor(workers or os.cpu_count() or 1) as threads:
        speak = partial(_in_fresh_process, str(data), str(folder))
        lengths_s = {i: length_s for done in threads.map(speak, batches) for i, length_s in done}
    problems = length_problems(lengths_s, {i: text for i, text, _ in plan})
    clips, dropped = [], []
    for i, text, params in plan:
        path = _clip_path(folder, i, params)
        if i in problems:
            path.unlink(missing_ok=True)
            dropped.append(DroppedClip(text, params, problems[i]))
        else:
            clips.append(SpokenClip(path, text, params))
    return Spoken(clips, dropped)


Batch = Sequence[tuple[int, str, EspeakParams]]


def _start_server() -> None:
    """Starts the process that others are forked from, on Linux: they begin in a tenth of the time.

    It has imported all this and nothing else. A terminal's Ctrl-C reaches it, too, but is for who asked.
    """
    if not FORKS:
        return
    from multiprocessing import forkserver, resource_tracker

    get_context(STARTED_BY).set_forkserver_preload([__name__])
    resource_tracker.ensure_running()  # which sets the signal mask as it starts
    # A new process inherits the mask, and a Ctrl-C for this one waits.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        forkserver.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _in_fresh_process(data: str, folder: str, batch: Batch, tries: int = TRIES) -> list[tuple[int, float]]:
    with ProcessPoolExecutor(1, get_context(STARTED_BY), end_with_parent) as process:
        try:
            return process.submit(_speak_batch, data, folder, batch).result()
        except BrokenProcessPool:
            if tries > 1:
                return _in_fresh_process(data, folder, batch, tries - 1)
            raise DataError(f"espeak: its process died while it spoke {len(batch)} clips into {folder}") from None


def _speak_batch(data: str, folder: str, batch: Batch) -> list[tuple[int, float]]:
    """Runs in a process of its own; returns the numbers of the clips that it wrote, and their lengths in seconds."""
    engine, lengths = EspeakEngine(data, sorted({params.voice for _, _, params in batch})), []
    for i, text, params in batch:
        pcm = engine.speak(text, params)
        write(_clip_path(folder, i, params), pcm, SAMPLE_RATE_HZ)
        lengths.append((i, len(pcm) / SAMPLE_RATE_HZ))
    return lengths


def _clip_path(folder: str | Path, number: int, params: EspeakParams) -> Path:
    return Path(folder) / params.voice / f"{number:05d}.wav"


def _draw(rng: np.random.Generator, names: Sequence[str]) -> EspeakParams:
    return EspeakParams(
        voice=names[int(rng.integers(len(names)))],
        rate_wpm=int(rng.integers(*RATE_WPM, endpoint=True)),
        pitch=int(rng.integers(*PITCH, endpoint=True)),
        pitch_range=int(rng.integers(*PITCH_RANGE, endpoint=True)),
    )


def _check_text(text: str) -> None:
    if not text.strip():
        raise DataError(f"espeak: got the text {text!r}, expected words or [[phonemes]]")
