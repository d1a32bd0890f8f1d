"""Hits and near misses on disk: the sound around each, so that users can collect what woke it and train again.

    DIR/hits/          it fired; 20261123T201503.120Z_hey_computer_0.93.wav, and .json beside it
    DIR/near_misses/   the score came near the threshold and fell again
    DIR/wrong/         moved there by whoever listened to them: was not the word
    DIR/right/         was the word

Nothing is ever written to or removed from the last two. The first two together keep to a size limit: the oldest go.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar, NamedTuple

import numpy as np

from wakeword.audio import write
from wakeword.capture import Capture
from wakeword.detector import Detection
from wakeword.errors import FileError
from wakeword.files import check_writable, folder_name, write_bytes, writing

HITS, NEAR_MISSES, RIGHT, WRONG = "hits", "near_misses", "right", "wrong"
BEFORE_S, AFTER_S = 2.0, 0.5  # around the end of the word
NEAR_RATIO = 0.5
SETTLED_S = 1.0  # a near miss is over when its peak is so long ago, even if the score stays up
MEGABYTE = 1_000_000
_NAME = re.compile(r"\d{8}T\d{6}\.\d{3}Z_.*\.(wav|json)")


class NearMisses:
    """Finds near misses in the steps of a stream: give it to `WakeWord.on_score`, and `take` them.

    A near miss is the peak of a score that reached NEAR_RATIO of its threshold, and fell below that again, or stayed
    there for SETTLED_S, without a hit. After a hit, or a score that would have been one had the last not been so
    recent, the score must first have been below.
    """

    def __init__(self, thresholds: Mapping[str, float], ratio: float = NEAR_RATIO) -> None:
        self._thresholds, self._ratio = thresholds, ratio
        self._peaks: dict[str, Detection] = {}
        self._spent: set[str] = set()
        self._found: list[Detection] = []

    def step(self, phrase: str, end_s: float, score: float, fired: bool) -> None:
        """One step of one phrase."""
        peak, threshold = self._peaks.get(phrase), self._thresholds[phrase]
        if peak and end_s < peak.end_s:  # the stream began anew, and the sound of this peak is gone
            del self._peaks[phrase]
            peak = None
        if fired or score >= threshold:
            self._spent.add(phrase)
            self._peaks.pop(phrase, None)
        elif score < self._ratio * threshold:
            self._spent.discard(phrase)
            self._settle(phrase)
        elif phrase not in self._spent:
            if peak is None or score > peak.score:
                self._peaks[phrase] = Detection(phrase, end_s, end_s, score)
            elif end_s - peak.end_s >= SETTLED_S:
                self._spent.add(phrase)
                self._settle(phrase)

    def take(self) -> list[Detection]:
        """Those since the last call, each from the moment of its peak."""
        found, self._found = self._found, []
        return found

    def _settle(self, phrase: str) -> None:
        if peak := self._peaks.pop(phrase, None):
            self._found.append(peak)


class _Pending(NamedTuple):
    kind: str
    detection: Detection
    capture: Capture
    pieces: list[np.ndarray]


class HitSaver:
    """Saves the sound around detections below a folder.

    Args:
        folder: made if absent.
        max_mb: of hits/ and near_misses/ together, in millions of bytes.
        submit: runs a job elsewhere, so that a slow disk does not stop the listening.
        now: the wall clock, for names; decisions never depend on it.

    Raises FileError if the folder cannot be written, or the limit is not positive.
    """

    lengths: ClassVar = {"pre_roll_s": BEFORE_S, "max_s": AFTER_S, "end_silence_s": None}
    """Of the captures that it wants."""

    def __init__(
        self,
        folder: Path,
        max_mb: float,
        submit: Callable[[Callable[[], None]], None],
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        if not 0.0 < max_mb < 1e9:
            raise FileError(f"size of saved hits: got {max_mb} MB, expected a positive number")
        self._folder, self._max_bytes, self._submit, self._now = folder, int(max_mb * MEGABYTE), submit, now
        self._pending: list[_Pending] = []
        for kind in (HITS, NEAR_MISSES):
            check_writable(folder / kind / "x")
            with writing(folder / kind):
                (folder / kind).mkdir(parents=True, exist_ok=True)

    def add(self, kind: str, detection: Detection, capture: Capture) -> None:
        """HITS or NEAR_MISSES; the capture is read until it ends."""
        self._pending.append(_Pending(kind, detection, capture, []))
        self.poll()

    def poll(self) -> None:
        """Call it after each piece of sound."""
        going_on = []
        for one in self._pending:
            one.pieces.append(one.capture.read())
            if one.capture.done:
                self._save(one)
            else:
                going_on.append(one)
        self._pending = going_on

    def close(self) -> None:
        """What is still being captured is saved as far as it came."""
        for one in self._pending:
            one.capture.close()
        self.poll()

    def _save(self, one: _Pending) -> None:
        pcm, now = np.concatenate(one.pieces), self._now()
        stamp = now.strftime("%Y%m%dT%H%M%S.") + f"{now.microsecond // 1000:03d}Z"
        word = folder_name(one.detection.phrase)[:40]
        name = f"{stamp}_{word}_{one.detection.score:.2f}"
        about = {
            "kind": one.kind,
            "phrase": one.detection.phrase,
            "score": round(one.detection.score, 6),
            "start_s": round(one.detection.start_s, 6),
            "end_s": round(one.detection.end_s, 6),
            "end_in_file_s": round(one.capture.hit_s, 6),
            "sample_rate_hz": one.capture.sample_rate_hz,
            "saved_at": now.isoformat(timespec="milliseconds"),
        }
        self._submit(lambda: self._write(one.kind, name, pcm, one.capture.sample_rate_hz, about))

    def _write(self, kind: str, name: str, pcm: np.ndarray, rate_hz: int, about: dict) -> None:
        stem, number = self._folder / kind / name, 1
        while stem.with_name(f"{stem.name}.wav").exists():
            number += 1
            stem = stem.with_name(f"{name}_{number}")
        write(stem.with_name(f"{stem.name}.wav"), pcm, rate_hz)
        content = json.dumps(about, ensure_ascii=False, indent=2) + "\n"
        write_bytes(stem.with_name(f"{stem.name}.json"), content.encode())
        self._make_room()

    def _make_room(self) -> None:
        """Removes the oldest of our own files until the rest keeps to the limit."""
        with writing(self._folder):
            paths = [path for kind in (HITS, NEAR_MISSES) for path in (self._folder / kind).iterdir()]
            ours = sorted((path for path in paths if _NAME.fullmatch(path.name)), key=lambda path: path.name)
            sizes = {path: path.stat().st_size for path in ours if path.exists()}
            excess = sum(sizes.values()) - self._max_bytes
            for path, size in sizes.items():
                if excess <= 0:
                    return
                path.unlink(missing_ok=True)
                excess -= size
