"""Any program that turns text into a wav file, by one line: "flite -voice slt -t {text} -o {wav}"."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np

from synth.voices import VoiceParams
from wakeword.audio import read
from wakeword.errors import DataError

SAMPLE_RATE_HZ = 22050  # what the program's files are brought to
TIMEOUT_S = 60.0
EXAMPLE = "flite -voice slt -t {text} -o {wav}"


class CommandEngine:
    """A program started once a clip, without a shell: what is in a text can never become a command.

    {text} and {wav} each stand for one whole argument or a part of one. The program's name and the values of its other
    options, one of which may choose its speaker, name the voice.

    >>> CommandEngine(EXAMPLE).voice
    'flite-slt'
    """

    name = "command"
    threads = 1
    reads_phonemes = False
    sample_rate_hz = SAMPLE_RATE_HZ

    def __init__(self, template: str) -> None:
        """Raises DataError for a line that cannot be split, lacks a placeholder, or whose program is not found."""
        try:
            self._words = shlex.split(template)
        except ValueError as error:
            raise DataError(f"voice: got {template!r}: {error}, expected one like {EXAMPLE!r}") from None
        for needed in ("{text}", "{wav}"):
            if not any(needed in word for word in self._words[1:]):
                raise DataError(f"voice: got {template!r} without {needed}, expected one like {EXAMPLE!r}")
        values = [word.rpartition("=")[2] for word in self._words[1:] if "=" in word or not word.startswith("-")]
        speaker = [re.sub(r"[^\w.-]+", "_", Path(value).stem) for value in values if "{" not in value]
        self.voice = "-".join([Path(self._words[0]).name, *speaker])

    def draw(self, rng: np.random.Generator) -> VoiceParams:
        """Always the same speaker: a program that knows several is given once for each."""
        return VoiceParams(self.voice)

    def speak(self, text: str, params: VoiceParams) -> np.ndarray:
        """float32 [N] at 22,050 Hz without the silence at its ends.

        Raises DataError if the program is not found, fails, takes more than a minute or leaves no wav, and for a text
        that begins with "-": a program would take it for an option.
        """
        if text.lstrip().startswith("-"):
            raise DataError(f"voice: got the text {text!r}, expected one that does not begin with '-'")
        if shutil.which(self._words[0]) is None:
            raise DataError(f"voice: got the program {self._words[0]!r}, expected one that is installed")
        with tempfile.TemporaryDirectory() as folder:
            wav = Path(folder) / "spoken.wav"
            words = [self._words[0], *(_filled(word, text, str(wav)) for word in self._words[1:])]
            _run(words)
            if not wav.is_file():
                raise DataError(f"voice: {self._words[0]} wrote no wav for {text!r}, expected {{wav}} to be written")
            return _without_silence(read(wav, SAMPLE_RATE_HZ))


def _filled(word: str, text: str, wav: str) -> str:
    """Both at once, so that a text with {wav} in it stays that text."""
    return text.join(part.replace("{wav}", wav) for part in word.split("{text}"))


def _run(words: list[str]) -> None:
    try:
        done = subprocess.run(words, capture_output=True, stdin=subprocess.DEVNULL, timeout=TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired:
        raise DataError(
            f"voice: {words[0]} took more than {TIMEOUT_S:.0f} s for one clip, expected it to end"
        ) from None
    except OSError as error:
        raise DataError(f"voice: {words[0]} cannot be started: {error.strerror or error}") from None
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise DataError(f"voice: {words[0]} ended with {done.returncode}{': ' + said[-1] if said else ''}, expected 0")


def _without_silence(pcm: np.ndarray) -> np.ndarray:
    """Engines put up to a second of digital silence around a clip; -80 dBFS and less is taken for it."""
    heard = np.flatnonzero(np.abs(pcm) > 1e-4)
    return pcm[heard[0] : heard[-1] + 1] if len(heard) else pcm[:0]
