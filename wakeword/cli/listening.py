"""What `listen` does besides printing: its options for that, and their wiring to a listener."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from wakeword.errors import WakewordError

if TYPE_CHECKING:
    import numpy as np

    from wakeword.cli.meter import Meter
    from wakeword.detector import Detection
    from wakeword.listener import Listener
    from wakeword.stream import WakeWord

Report = Callable[[str], None]


@dataclass(frozen=True)
class Wishes:
    """The options of `listen` that say what to do about a hit."""

    exec_line: str | None = None
    pause_while_exec: bool = False
    webhook: str | None = None
    save_hits: Path | None = None
    save_hits_mb: float = 200.0
    pipe_line: str | None = None
    chime: bool = False
    lengths: Mapping[str, float] = field(default_factory=dict)
    """Of what --pipe-command gets, as `WakeWord.capture` takes them."""


class Actions:
    """All that happens at hits, ready to run. Raises a WakewordError for a wish that cannot be fulfilled.

    `attach` it to a listener, call it with each detection, and `close` it at the end.
    """

    def __init__(self, wishes: Wishes, ww: WakeWord, meter: Meter | None, on_event: Report) -> None:
        self._ww, self._meter, self._on_event = ww, meter, on_event
        self._listener: Listener | None = None
        self._ending = ExitStack()
        self._at_hit: list[Callable[[Detection], None]] = []
        self._at_sound: list[Callable[[], None]] = []
        self._scored: list[Callable[[str, float, float, bool], None]] = [meter.step] if meter else []
        if wishes.pause_while_exec and not wishes.exec_line:
            raise WakewordError("--pause-while-exec: got it without --exec, expected a command to pause for")
        if wishes.chime:
            self._add_chime()
        if wishes.exec_line:
            self._add_exec(wishes.exec_line, wishes.pause_while_exec)
        if wishes.webhook:
            self._add_webhook(wishes.webhook)
        if wishes.pipe_line:
            self._add_pipe(wishes.pipe_line, wishes.lengths)
        if wishes.save_hits:
            self._add_saver(wishes.save_hits, wishes.save_hits_mb)
        if self._scored:
            ww.on_score = self._on_score

    def attach(self, listener: Listener) -> None:
        self._listener = listener

    def __call__(self, hit: Detection) -> None:
        for act in self._at_hit:
            act(hit)

    def on_audio(self, pcm: np.ndarray) -> None:
        """For `Listener`: a piece was heard."""
        for look in self._at_sound:
            look()
        if self._meter:
            self._meter.hear(pcm)

    def close(self) -> None:
        """Finishes what is under way, within some seconds."""
        self._ending.close()

    def _on_score(self, phrase: str, end_s: float, score: float, fired: bool) -> None:
        for look in self._scored:
            look(phrase, end_s, score, fired)

    def _add_chime(self) -> None:
        from wakeword.chime import Player

        player = Player(self._on_event)
        self._at_hit.append(lambda hit: player.play())

    def _add_exec(self, line: str, pause: bool) -> None:
        from wakeword.actions import Command, Commands

        commands = Commands(Command(line, "--exec"), self._on_event, self._pause if pause else None)
        self._ending.callback(commands.close)
        self._at_hit.append(commands.run)

    def _pause(self, busy: bool) -> None:
        if self._listener:
            self._listener.pause() if busy else self._listener.resume()

    def _add_webhook(self, url: str) -> None:
        from wakeword.actions import Worker
        from wakeword.webhook import Webhook

        worker = Worker("webhook", self._on_event)
        webhook = Webhook(url, worker.closing)
        self._ending.callback(worker.close)
        self._at_hit.append(lambda hit: worker.submit(webhook.job(hit)))

    def _add_pipe(self, line: str, lengths: Mapping[str, float]) -> None:
        from wakeword.actions import Command, Commands, Pipe

        commands = Commands(Command(line, "--pipe-command"), self._on_event)
        pipe = Pipe(commands)
        self._ending.callback(commands.close)
        self._ending.callback(pipe.close)
        self._ww.capture(**lengths).close()  # says now what is wrong with the lengths
        self._at_sound.append(pipe.poll)
        self._at_hit.append(lambda hit: None if pipe.busy else pipe.begin(hit, self._listener.capture(hit, **lengths)))

    def _add_saver(self, folder: Path, max_mb: float) -> None:
        from wakeword.actions import Worker
        from wakeword.hits import HITS, NEAR_MISSES, HitSaver, NearMisses

        worker = Worker("save-hits", self._on_event)
        self._ending.callback(worker.close)
        saver = HitSaver(folder, max_mb, worker.submit)
        near = NearMisses(thresholds(self._ww))

        def look() -> None:
            for miss in near.take():
                shifted = self._listener.in_stream_time(miss)
                saver.add(NEAR_MISSES, shifted, self._listener.capture(shifted, **saver.lengths))
            saver.poll()

        self._scored.append(near.step)
        self._at_sound.append(look)
        self._at_hit.append(lambda hit: saver.add(HITS, hit, self._listener.capture(hit, **saver.lengths)))
        self._ending.callback(saver.close)
        self._ending.callback(look)


def thresholds(ww: WakeWord) -> dict[str, float]:
    """By phrase; of bundles that share a phrase, the last one's."""
    return {phrase: rule.threshold for phrase, rule in zip(ww.phrases, ww.detector_configs, strict=True)}


def parse_thresholds(given: list[str] | None) -> float | dict[str, float] | None:
    """`0.5`, or `PHRASE=0.5` several times.

    >>> parse_thresholds(["0.5"]), parse_thresholds(["lights on=0.4", "lights off=0.6"])
    (0.5, {'lights on': 0.4, 'lights off': 0.6})
    """
    if not given:
        return None
    parts = [text.rpartition("=") for text in given]
    try:
        values = {phrase: float(number) for phrase, _, number in parts}
    except ValueError:
        raise WakewordError(f"--threshold: got {' '.join(given)!r}, expected a number or PHRASE=NUMBER") from None
    if len(values) < len(given) or ("" in values and (len(given) > 1 or given[0].startswith("="))):
        raise WakewordError(f"--threshold: got {' '.join(given)!r}, expected one number, or PHRASE=NUMBER for each")
    return values.get("", values)
