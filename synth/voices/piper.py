"""Piper's voices: an .onnx file the user has, with its .onnx.json beside it, run by onnxruntime alone.

The model reads phonemes in IPA, which espeak works out; Piper itself need not be installed. All speakers of a model are
drawn from, at different speeds and liveliness. (Format: the piper project's `voice.py`, read in 2026.)
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from synth.voices import VoiceParams
from synth.voices.espeak import EspeakEngine
from wakeword.errors import DataError

LENGTH_SCALE, NOISE_SCALE, NOISE_W = (0.8, 1.3), (0.4, 0.9), (0.5, 1.0)  # 1, 0.667 and 0.8 are Piper's own
BEGIN, END, PAD = "^", "$", "_"


@dataclass(frozen=True)
class PiperParams(VoiceParams):
    """Speaker number in the model, duration factor, and the spread of timbre and of rhythm."""

    speaker: int = 0
    length_scale: float = 1.0
    noise_scale: float = 0.667
    noise_w: float = 0.8


class PiperEngine:
    """One Piper model in this process. Its noise is drawn by onnxruntime, seeded once when the model is opened."""

    name = "piper"
    threads = 1
    reads_phonemes = False

    def __init__(self, path: str | Path) -> None:
        """Raises DataError if the model or its .json is missing or not Piper's."""
        self._path = Path(path)
        self._facts = _facts(self._path)
        self.sample_rate_hz: int = self._facts["audio"]["sample_rate"]
        self._ids: dict[str, list[int]] = self._facts["phoneme_id_map"]
        self._speakers = max(1, int(self._facts.get("num_speakers", 1)))
        self._language = str(self._facts["espeak"]["voice"]).lower()
        self._espeak = EspeakEngine(names=[self._language])
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        onnxruntime.set_seed(1)
        try:
            self._session = onnxruntime.InferenceSession(self._path.read_bytes(), options, ["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime's errors share no base class but Exception
            raise DataError(f"{self._path}: not a model that can be loaded: {str(error).splitlines()[0]}") from None
        expected = {"input", "input_lengths", "scales"} | ({"sid"} if self._speakers > 1 else set())
        if (got := {node.name for node in self._session.get_inputs()}) != expected:
            raise DataError(f"{self._path}: got a model with inputs {sorted(got)}, expected {sorted(expected)}")

    def draw(self, rng: np.random.Generator) -> PiperParams:
        """A random speaker of the model, and manner."""
        speaker = int(rng.integers(self._speakers))
        length, noise, rhythm = (
            float(round(rng.uniform(*bounds), 3)) for bounds in (LENGTH_SCALE, NOISE_SCALE, NOISE_W)
        )
        return PiperParams(f"{self._path.stem}-{speaker}", speaker, length, noise, rhythm)

    def speak(self, text: str, params: PiperParams) -> np.ndarray:
        """float32 [N] at the model's rate. Raises DataError for an empty text, or one without a sound it knows."""
        sounds = self._espeak.ipa(text, self._language)
        ids = self.phoneme_ids(sounds)
        if len(ids) <= len(self.phoneme_ids("")):
            raise DataError(f"voice: got {text!r}, of which {self._path.name} knows no sound, expected words to say")
        inputs: dict[str, np.ndarray] = {
            "input": np.array([ids], np.int64),
            "input_lengths": np.array([len(ids)], np.int64),
            "scales": np.array([params.noise_scale, params.length_scale, params.noise_w], np.float32),
        }
        if self._speakers > 1:
            inputs["sid"] = np.array([params.speaker], np.int64)
        pcm = self._session.run(None, inputs)[0].astype(np.float32).ravel()
        peak = float(np.abs(pcm).max(initial=0.0))
        return pcm / max(1.0, peak)

    def phoneme_ids(self, sounds: str) -> list[int]:
        """IPA -> the model's numbers, a pad after each; sounds that it does not know are left out."""
        pad = self._ids[PAD]
        known = [self._ids[sound] for sound in sounds if sound in self._ids]
        inner = [number for sound in known for number in (*sound, *pad)]
        return [*self._ids[BEGIN], *pad, *inner, *self._ids[END]]


def _facts(path: Path) -> dict[str, Any]:
    beside = path.with_name(path.name + ".json")
    for needed in (path, beside):
        if not needed.is_file():
            raise DataError(f"{needed}: no such file, expected a Piper voice: NAME.onnx with NAME.onnx.json beside it")
    try:
        facts = json.loads(beside.read_text("utf-8"))
        complete = {BEGIN, END, PAD} <= set(facts["phoneme_id_map"]) and facts["audio"]["sample_rate"] > 0
        complete = complete and bool(facts["espeak"]["voice"])
    except (ValueError, KeyError, TypeError, UnicodeError):
        complete = False
    if not complete:
        raise DataError(f"{beside}: not a Piper voice, expected audio.sample_rate, espeak.voice and phoneme_id_map")
    return facts
