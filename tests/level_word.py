"""A wake word without a network: it hears a loud sound after a quiet one. As a program, a listener on a microphone."""

from __future__ import annotations

import json
import sys

import numpy as np

from wakeword.audio import to_float
from wakeword.detector import Detection

STEP_SAMPLES = 160
LOUD = 0.1


class LevelWord:
    """Fires at the first 10 ms step whose mean level passes LOUD, after at least `rest_steps` below it."""

    sample_rate_hz = 16000

    def __init__(self, rest_steps: int = 20) -> None:
        self.rest_steps = rest_steps
        self.reset()

    def reset(self) -> None:
        self._pending = np.zeros(0, np.float32)
        self._steps, self._quiet_steps = 0, self.rest_steps

    def feed(self, pcm: np.ndarray) -> list[Detection]:
        pcm = np.concatenate([self._pending, to_float(pcm)])
        whole = len(pcm) - len(pcm) % STEP_SAMPLES
        self._pending = pcm[whole:]
        return [hit for step in pcm[:whole].reshape(-1, STEP_SAMPLES) for hit in self._step(float(np.abs(step).mean()))]

    def flush(self) -> list[Detection]:
        return self.feed(np.zeros(-len(self._pending) % STEP_SAMPLES, np.float32))

    def _step(self, level: float) -> list[Detection]:
        self._steps += 1
        end_s = self._steps * STEP_SAMPLES / self.sample_rate_hz
        fires = level > LOUD and self._quiet_steps >= self.rest_steps
        self._quiet_steps = 0 if level > LOUD else self._quiet_steps + 1
        return [Detection("loud", end_s - 0.01, end_s, min(level, 1.0))] if fires else []


class AnnouncedWord(LevelWord):
    """Says when the first sound has come: before that, a test that plays something plays it to nobody."""

    ready = False

    def feed(self, pcm: np.ndarray) -> list[Detection]:
        if not self.ready:
            self.ready = True
            say(ready=True)
        return super().feed(pcm)


def say(**what: object) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


def main(device: str | None = None) -> None:
    from wakeword.listener import Listener
    from wakeword.microphone import MicrophoneSource

    source = MicrophoneSource(device, on_event=lambda line: say(event=line))
    for detection in Listener(source, AnnouncedWord()):
        say(end_s=detection.end_s, score=detection.score)


if __name__ == "__main__":
    main(*sys.argv[1:])
