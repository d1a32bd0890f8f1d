"""What one Wyoming client asked for, and how far its stream has come. Knows nothing of sockets."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.error import Error
from wyoming.event import Event, Eventable
from wyoming.info import Attribution, Describe, Info, WakeModel, WakeProgram
from wyoming.ping import Ping, Pong
from wyoming.wake import Detect, Detection, NotDetected

from wakeword import __version__
from wakeword.detector import Detection as Heard
from wakeword.files import numbered
from wakeword.serve.sound import ClientStream, Format, shown
from wakeword.stream import WakeWord

LATEST_MS = 1 << 53  # what a time stamp may be, and still be exact as a float
ABOUT = Attribution(name="wakeword", url="")


def model_names(phrases: list[str]) -> dict[str, str]:
    """A name for each phrase, of the kind that Wyoming's models have.

    >>> model_names(["Hey Computer!", "hey, computer", "¡hola!"])
    {'hey_computer': 'Hey Computer!', 'hey_computer_2': 'hey, computer', 'hola': '¡hola!'}
    """
    names: dict[str, str] = {}
    for phrase in dict.fromkeys(phrases):
        stem = re.sub(r"\W+", "_", phrase.lower()).strip("_") or "word"
        names[numbered(stem, names)] = phrase
    return names


class Conversation:
    """Events in, events out. `on_heard` gets every detection, `on_event` a line that the user should see."""

    def __init__(self, wakeword: WakeWord, on_heard: Callable[[Heard], None], on_event: Callable[[str], None]) -> None:
        self._wakeword, self._on_heard, self.on_event = wakeword, on_heard, on_event
        self._names = model_names(wakeword.phrases)
        self._name_of = {phrase: name for name, phrase in self._names.items()}
        self._wanted = set(self._name_of)
        self._sent_s = 0.0
        self._restart()

    def sent_s(self) -> float:
        """Seconds of sound to be listened to that came since this was last asked."""
        sent_s, self._sent_s = self._sent_s, 0.0
        return sent_s

    def answers(self, event: Event) -> Iterator[Eventable | None]:
        """Yields what to send, and None where other clients may have their turn. Must be exhausted.

        Raises ServeError if the event makes no sense. Events that do not concern a wake word, such as `transcribe`, are
        passed over, as the protocol asks for.
        """
        if Describe.is_type(event.type):
            yield self._info()
        elif Ping.is_type(event.type):
            text = event.data.get("text")
            # JSON can hold half a character ("\\ud800"), which cannot be sent back.
            yield Pong(text.encode("utf-8", "replace").decode() if isinstance(text, str) else None)
        elif Detect.is_type(event.type):
            yield from self._detect(event.data.get("names"))
        elif AudioStart.is_type(event.type):
            _format(event.data)
            self._restart()
        elif AudioChunk.is_type(event.type):
            yield from self._chunk(_format(event.data), event.payload or b"", event.data.get("timestamp"))
        elif AudioStop.is_type(event.type):
            yield from self._stop()

    def _info(self) -> Info:
        models = [
            WakeModel(
                name=name,
                attribution=ABOUT,
                installed=True,
                description=phrase,
                version=__version__,
                languages=[],
                phrase=phrase,
            )
            for name, phrase in self._names.items()
        ]
        about = "Your own wake words"
        return Info(wake=[WakeProgram("wakeword", ABOUT, True, about, __version__, models=models)])

    def _detect(self, names: Any) -> Iterator[Eventable]:
        """Phrases do for names, too. No names means all of them; a name that is not known is told to both sides."""
        self._restart()
        asked = names if isinstance(names, list) else []
        known = {**{phrase: phrase for phrase in self._name_of}, **self._names}
        strange = [name for name in asked if not isinstance(name, str) or name not in known]
        self._wanted = {known[name] for name in asked if name not in strange} if asked else set(self._name_of)
        if strange:
            problem = f"detect: got {shown(strange)}, expected some of {list(self._names)}"
            self.on_event(problem)
            yield Error(problem, "unknown-wake-word")

    def _restart(self) -> None:
        self._stream: ClientStream | None = None
        self._hits = 0
        self._ahead_ms = 0.0  # of the client's clock before the stream's

    def _chunk(self, form: Format, pcm: bytes, timestamp: Any) -> Iterator[Eventable | None]:
        if not self._wanted:
            return
        if self._stream is None:
            self._stream = ClientStream(self._wakeword.fresh(self._wanted))
        if type(timestamp) is int and abs(timestamp) < LATEST_MS:
            self._ahead_ms = timestamp - 1000.0 * self._stream.time_s
        self._sent_s += len(pcm) / (form.width_bytes * form.channels * form.rate_hz)
        for heard in self._stream.feed(pcm, form):
            yield from self._detections(heard)
            yield None

    def _stop(self) -> Iterator[Eventable]:
        if self._stream:
            yield from self._detections(self._stream.flush())
        if not self._hits:
            yield NotDetected()
        self._restart()

    def _detections(self, heard: list[Heard]) -> Iterator[Detection]:
        for detection in heard:
            if detection.phrase in self._wanted:
                self._hits += 1
                self._on_heard(detection)
                yield Detection(self._name_of[detection.phrase], round(self._ahead_ms + 1000.0 * detection.end_s))


def _format(data: dict[str, Any]) -> Format:
    return Format(data.get("rate"), data.get("width"), data.get("channels"))
