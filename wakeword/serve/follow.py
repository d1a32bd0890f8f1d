"""What comes after a hit, for a client of the WebSocket that asked for it: a speech recogniser's ears.

The first message may hold {"capture": {"pre_roll_s": 0.5, "max_s": 10, "end_silence_s": 0.8, "wait_s": 3}}, each of
them optional (see `WakeWord.capture`). After a detection then come {"type": "capture", phrase, rate_hz, hit_s}, binary
messages of 16-bit little-endian mono at that rate without a gap, and {"type": "capture_end", "ended_by": why}. A word
heard meanwhile begins no second one.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from typing import Any

from wakeword.audio import to_int16
from wakeword.capture import HISTORY_S, Capture
from wakeword.detector import Detection
from wakeword.errors import AudioError, ServeError
from wakeword.serve.sound import shown
from wakeword.stream import WakeWord

LENGTHS = tuple(name for name in inspect.signature(WakeWord.capture).parameters if name not in ("self", "after"))
NO_LIMIT = "end_silence_s"  # the only one that may be null

Message = dict[str, Any] | bytes


class Follower:
    """One client's captures, one after the other. `wakeword` is the client's own stream."""

    def __init__(self, wakeword: WakeWord, lengths: dict[str, float | None]) -> None:
        self._wakeword, self._lengths = wakeword, lengths
        self._capture: Capture | None = None
        try:
            self._begin(None).close()  # says here, and not at the first hit, which lengths are out of range
        except AudioError as error:
            raise ServeError(str(error)) from None

    def messages(self, heard: Sequence[Detection]) -> Iterator[Message]:
        """What to send after a slice of the stream in which this was heard."""
        if heard and self._capture is None:
            self._capture = self._begin(heard[0])
            rate, hit_s = self._wakeword.sample_rate_hz, round(self._capture.hit_s, 4)
            yield {"type": "capture", "phrase": heard[0].phrase, "rate_hz": rate, "hit_s": hit_s}
        if self._capture is None:
            return
        pcm = self._capture.read()
        if len(pcm):
            yield to_int16(pcm).astype("<i2").tobytes()
        if self._capture.done:
            yield {"type": "capture_end", "ended_by": self._capture.ended_by}
            self._capture = None

    def _begin(self, after: Detection | None) -> Capture:
        return self._wakeword.capture(**self._lengths, after=after)


def open_stream(wakeword: WakeWord, asked: object) -> tuple[WakeWord, Follower | None]:
    """A client's own stream, and its captures if it asked for them; only then are its last seconds kept in memory.

    Raises ServeError for anything but an object of lengths in seconds.
    """
    if asked is None:
        return wakeword.fresh(), None
    if not isinstance(asked, dict):
        raise ServeError(f'capture: got {shown(asked)}, expected an object such as {{"max_s": 10}}')
    for name, value in asked.items():
        if name not in LENGTHS:
            raise ServeError(f"capture: got {shown(name)}, expected some of {', '.join(LENGTHS)}")
        if type(value) not in (int, float) and not (value is None and name == NO_LIMIT):
            raise ServeError(f"capture: {name}: got {shown(value)}, expected seconds")
    ww = wakeword.fresh(history_s=HISTORY_S)
    return ww, Follower(ww, asked)
