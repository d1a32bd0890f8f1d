"""The microphone as a source: PortAudio's inputs, and a stream that survives being unplugged.

PortAudio calls back in a thread of its own; a bounded queue hands the blocks over. A Ctrl-C or another signal whose
handler raises may come between any two lines of the thread that listens, also between those of Python's `queue.Queue`,
`Event` and `Condition`, and then leaves them locked: the callback would wait for ever, and closing the stream for the
callback. So what both threads use is a `SimpleQueue`, whose parts no signal can come between, or a plain attribute.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from wakeword.errors import AudioError
from wakeword.portaudio import portaudio, restart_portaudio
from wakeword.sources import Gap

BLOCK_MS = 40  # short against a word, long against Python's cost of a callback
QUEUE_S = 10.0  # how far a consumer may fall behind before sound is lost
QUEUED_BLOCKS = round(QUEUE_S * 1000 / BLOCK_MS)
STALLED_S = 2.0  # without a block for this long, a device is taken for unplugged
STARTUP_S = 6.0  # some sound servers and wireless headsets take seconds before the first block
POLL_S = 0.25  # how late a device is missed, or the end noticed while it gives nothing
WAIT_S = 0.05  # the same while it is away
MUTED_S = 10.0  # a room is never silent to the last bit for so long
FIRST_RETRY_S, LAST_RETRY_S = 0.5, 4.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Device:
    """A sound input of this computer."""

    index: int
    name: str
    host_api: str
    channels: int
    default_rate_hz: int
    is_default: bool


def list_devices() -> list[Device]:
    """All sound inputs, possibly none. Raises AudioError if the PortAudio library is missing."""
    sd = portaudio()
    try:
        default_index = sd.query_devices(kind="input")["index"]
    except (sd.PortAudioError, ValueError):
        default_index = None
    return [
        Device(
            index=info["index"],
            name=info["name"],
            host_api=sd.query_hostapis(info["hostapi"])["name"],
            channels=info["max_input_channels"],
            default_rate_hz=round(info["default_samplerate"]),
            is_default=info["index"] == default_index,
        )
        for info in sd.query_devices()
        if info["max_input_channels"] > 0
    ]


def find_device(wanted: str | int | None, devices: list[Device]) -> Device:
    """The default input (None), or the one of this index, of this name, or with this in its name (in any case).

    Raises AudioError if there is none, or if several fit.
    """
    if not devices:
        raise AudioError("microphone: got no sound input on this computer, expected one (see `listen --list-devices`)")
    default = next((device for device in devices if device.is_default), devices[0])
    if wanted is None:
        return default
    exact = [device for device in devices if str(wanted) in (str(device.index), device.name)]
    fitting = exact[:1] or [device for device in devices if str(wanted).lower() in device.name.lower()]
    # Windows shows each microphone once for every sound system it has.
    fitting = [device for device in fitting if device.host_api == default.host_api] or fitting
    if len(fitting) == 1:
        return fitting[0]
    names = ", ".join(f"{device.index} {device.name!r}" for device in fitting or devices)
    problem = "fits several" if fitting else "is not an input's name, part of a name, or index"
    raise AudioError(f"microphone: got {str(wanted)!r}, which {problem}; expected one of: {names}")


class MicrophoneSource:
    """Sound from an input device, without end: only `close` ends it.

    Args:
        device: a name, a part of one, or an index of `list_devices`; None for the computer's default.
        sample_rate_hz: None for the device's own rate.
        on_event: gets a line when sound was lost, when the device went away or the computer slept and when it returned,
            and when it delivers nothing but zeros, as one that is muted or not allowed does. By default: logging.

    Sound that was lost because the consumer fell behind becomes silence, so that stream time stays true. A device that
    goes away is reopened as soon as it returns, and then a `Gap` is yielded, as after the computer slept; PortAudio is
    restarted for that, which ends any other sounddevice stream of this process. `overflows` counts the losses,
    `lost_samples` the silence that took their place (of a loss in the driver, PortAudio tells no length). Raises
    AudioError if there is no such device or it refuses.
    """

    def __init__(
        self,
        device: str | int | None = None,
        sample_rate_hz: int | None = None,
        on_event: Callable[[str], None] = _log.warning,
    ) -> None:
        self._wanted, self._wanted_rate_hz, self._on_event = device, sample_rate_hz, on_event
        self._closing = self._reopening = False
        self._muted_samples = 0
        self.overflows = 0
        self.lost_samples = 0
        self._open()
        if device is not None:
            self._wanted = self.name  # indices move when devices come and go

    def blocks(self) -> Iterator[np.ndarray | Gap]:
        """Yields float32 [N] as the device delivers it, silence for lost sound, and a Gap after an outage."""
        while not self._closing:
            if self._reopening:
                yield from self._open_again()
            try:
                heard = self._capture.blocks.get(timeout=POLL_S)
            except queue.Empty:
                if not self._capture.alive() and not self._closing:
                    self._on_event(f"microphone {self.name!r} is gone, waiting for it to return")
                    yield from self._wait_for_return()
                continue
            if heard.away_s:
                self._on_event(
                    f"microphone {self.name!r} gave nothing for {heard.away_s:.1f} s: did the computer sleep?"
                )
                yield Gap(round(heard.away_s * self.sample_rate_hz))
            self._count_overflows(heard)
            self._watch_for_mute(heard.pcm)
            yield from _silence(heard.lost_samples, self.sample_rate_hz)
            yield heard.pcm
        self._capture.close()  # it may have been opened again after `close` was called

    def reopen(self) -> None:
        """Opens the device again, or the one that is the default by now; `blocks` yields a `Gap`. From any thread.

        PortAudio asks the system for its devices only when it starts, so it does not notice a new default by itself.
        """
        self._reopening = True

    def close(self) -> None:
        self._closing = True
        self._capture.close()

    def _open_again(self) -> Iterator[Gap]:
        self._reopening = False
        self._on_event(f"microphone {self.name!r} is opened again")
        yield from self._wait_for_return(0.0)

    def _open(self) -> None:
        device = find_device(self._wanted, list_devices())
        rate_hz = self._wanted_rate_hz or device.default_rate_hz
        self._capture = _Capture(device, rate_hz)
        self.name, self.sample_rate_hz = device.name, rate_hz

    def _wait_for_return(self, retry_s: float = FIRST_RETRY_S) -> Iterator[Gap]:
        """Reopens until the device delivers sound again, and yields the Gap; nothing if the source was closed first."""
        last_heard_s = self._capture.last_heard_s
        while not self._closing:
            self._capture.close()
            self._wait(retry_s)
            if self._closing:
                break
            retry_s = min(max(2 * retry_s, FIRST_RETRY_S), LAST_RETRY_S)
            try:
                restart_portaudio()
                self._open()
            except AudioError as error:
                _log.debug("not yet: %s", error)
                continue
            self._wait(STARTUP_S, until=lambda: self._capture.heard)
            if self._capture.heard:
                away_s = _now_s() - last_heard_s
                self._on_event(f"microphone {self.name!r} is back after {away_s:.1f} s, at {self.sample_rate_hz} Hz")
                yield Gap(round(away_s * self.sample_rate_hz))
                return

    def _wait(self, seconds: float, until: Callable[[], bool] = lambda: False) -> None:
        """For at most that long, until something is the case or the source was closed."""
        end_s = time.monotonic() + seconds
        while not (self._closing or until()) and time.monotonic() < end_s:
            time.sleep(WAIT_S)

    def _count_overflows(self, heard: _Heard) -> None:
        """Reports the 1st, 2nd, 4th, 8th.. loss: a machine that is too slow must not drown its user in lines."""
        if not heard.lost_samples and not heard.driver_overflow:
            return
        self.overflows += 1
        self.lost_samples += heard.lost_samples
        if self.overflows.bit_count() == 1:
            lost_s = self.lost_samples / self.sample_rate_hz
            self._on_event(f"microphone {self.name!r}: overflow {self.overflows}, in all {lost_s:.2f} s became silence")

    def _watch_for_mute(self, pcm: np.ndarray) -> None:
        limit = MUTED_S * self.sample_rate_hz
        before, self._muted_samples = self._muted_samples, 0 if pcm.any() else self._muted_samples + len(pcm)
        if before < limit <= self._muted_samples:
            self._on_event(f"microphone {self.name!r} gives nothing but zeros: is it muted, or not allowed to listen?")
        elif self._muted_samples < limit <= before:
            self._on_event(f"microphone {self.name!r} gives sound again")


class _Heard(NamedTuple):
    """A block of the microphone, float32 [N], what was lost before it, and how long before it nothing came at all."""

    pcm: np.ndarray
    lost_samples: int
    driver_overflow: bool
    away_s: float


class _Capture:
    """One opened stream, and the queue that its callback fills."""

    def __init__(self, device: Device, sample_rate_hz: int) -> None:
        sd = portaudio()
        self.blocks: queue.SimpleQueue[_Heard] = queue.SimpleQueue()
        self.heard = False
        self.last_heard_s = _now_s()
        self._lost_samples, self._away_s = 0, 0.0
        self._lock = threading.Lock()
        try:
            self._stream = sd.InputStream(
                samplerate=sample_rate_hz,
                blocksize=sample_rate_hz * BLOCK_MS // 1000,
                device=device.index,
                channels=1,  # the sound system mixes down, or gives the first
                dtype="float32",
                latency="high",
                callback=self._on_audio,
            )
            self._stream.start()
        except (sd.PortAudioError, ValueError) as error:
            reason = str(error).splitlines()[0]
            raise AudioError(f"microphone {device.name!r}: cannot be opened at {sample_rate_hz} Hz: {reason}") from None

    def _on_audio(self, pcm: np.ndarray, frames: int, _times: Any, status: Any) -> None:
        now_s = _now_s()
        away_s = now_s - self.last_heard_s if self.heard else 0.0
        self._away_s = max(self._away_s, away_s if away_s > STALLED_S else 0.0)
        self.last_heard_s = now_s
        self.heard = True
        # Once full, it drops until half empty: one long hole harms fewer words than a hole after every block.
        room = QUEUED_BLOCKS // 2 if self._lost_samples else QUEUED_BLOCKS - 1
        if self.blocks.qsize() > room:
            self._lost_samples += frames
            return
        self.blocks.put(_Heard(pcm[:, 0].copy(), self._lost_samples, bool(status.input_overflow), self._away_s))
        self._lost_samples, self._away_s = 0, 0.0

    def alive(self) -> bool:
        patience_s = STALLED_S if self.heard else STARTUP_S
        try:
            with self._lock:
                delivers = not self._stream.closed and self._stream.active
        except portaudio().PortAudioError:
            return False
        return delivers and _now_s() - self.last_heard_s < patience_s

    def close(self) -> None:
        with self._lock:  # PortAudio does not survive closing a stream twice at once
            if not self._stream.closed:
                self._stream.abort(ignore_errors=True)
                self._stream.close(ignore_errors=True)


def _now_s() -> float:
    """A clock that goes on while the computer sleeps, where the system has one."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


def _silence(samples: int, sample_rate_hz: int) -> Iterator[np.ndarray]:
    for start in range(0, samples, sample_rate_hz):
        yield np.zeros(min(sample_rate_hz, samples - start), np.float32)
