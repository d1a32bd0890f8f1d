"""What a client may cost: how many, how much at once, how fast and how long without a word."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Of each server. Together they bound its memory: about clients x (payload_bytes + 4 x header_bytes)."""

    clients: int = 64
    header_bytes: int = 1 << 14  # a line of JSON
    payload_bytes: int = 1 << 18  # a piece of sound: 8 s of 16-bit mono at 16 kHz
    message_s: float = 10.0  # from a message's first byte to its last, and for a client to take what is sent to it
    idle_s: float = 600.0  # between messages: a satellite that waits for speech may be silent for long
    upload_bytes: int = 1 << 21  # a take: 10 s of 16-bit mono at 96 kHz
    live_speed: float = 1.5  # times real time that a browser's microphone may send ...
    live_burst_s: float = 15.0  # ... after so many seconds at once, as when a laptop wakes up
    wyoming_speed: float = 20.0  # times real time that a Wyoming client's sound is taken from it ...
    wyoming_burst_s: float = 600.0  # ... after so many seconds at any speed: a recording that somebody tries
    requests_per_s: float = 20.0  # of all browsers together, for what writes or reads files


class Bucket:
    """Lets through `per_s` units a second in the long run, and `burst` at once.

    >>> bucket = Bucket(per_s=1.0, burst=2.0, now_s=0.0)
    >>> [bucket.take(1.0, now_s) for now_s in (0.0, 0.0, 0.0, 1.0)]
    [True, True, False, True]
    >>> bucket.wait_s(3.0, now_s=2.0)
    2.0
    """

    def __init__(self, per_s: float, burst: float, now_s: float) -> None:
        self._per_s, self._burst = per_s, burst
        self._left, self._at_s = burst, now_s

    def take(self, amount: float, now_s: float) -> bool:
        """Whether `amount` fits now; what does not fit takes nothing."""
        self._fill(now_s)
        if amount > self._left:
            return False
        self._left -= amount
        return True

    def wait_s(self, amount: float, now_s: float) -> float:
        """Takes `amount` in any case, and returns how long to wait before anything more is taken."""
        self._fill(now_s)
        self._left -= amount
        return max(0.0, -self._left / self._per_s)

    def _fill(self, now_s: float) -> None:
        self._left = min(self._burst, self._left + self._per_s * (now_s - self._at_s))
        self._at_s = now_s
