"""What is done about a hit: a program run, an address called, a program fed with what comes next.

Nothing in here ever makes the listening wait. Whatever takes time happens in threads of its own, whose queues are
bounded; what fails is reported in one line, and the listening goes on.
"""

from __future__ import annotations

import os
import queue
import re
import shlex
import shutil
import subprocess
import threading
import time
from collections.abc import Callable

import numpy as np

from wakeword.audio import to_int16
from wakeword.capture import Capture
from wakeword.detector import Detection
from wakeword.errors import WakewordError

QUEUED_JOBS = 100
CLOSE_S = 10.0  # how long the end waits for what is under way
MAX_RUNNING = 8
STDERR = 2  # a program's output must not get between the detections on stdout
STOP = object()
PLACEHOLDER = re.compile("{(phrase|score|start_s|end_s)}")

Report = Callable[[str], None]


class Worker:
    """One thread that does one job after the other. A full queue drops the new job and reports it."""

    def __init__(self, name: str, on_event: Report) -> None:
        self._name, self._on_event = name, on_event
        # What a Ctrl-C in the middle of a `queue.Queue` leaves locked, the end would wait for.
        self._jobs: queue.SimpleQueue = queue.SimpleQueue()
        self.dropped = 0
        self.closing = threading.Event()
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    def submit(self, job: Callable[[], None]) -> None:
        if self._jobs.qsize() < QUEUED_JOBS:
            self._jobs.put(job)
            return
        self.dropped += 1
        if self.dropped.bit_count() == 1:  # the 1st, 2nd, 4th..: see the microphone's overflows
            self._on_event(f"{self._name}: too slow, {self.dropped} dropped")

    def close(self, patience_s: float = CLOSE_S) -> None:
        """Does what is queued, for at most `patience_s`; jobs may look at `closing` and hurry."""
        self.closing.set()
        self._jobs.put(STOP)
        self._thread.join(patience_s)
        if self._thread.is_alive():
            self._on_event(f"{self._name}: not finished after {patience_s:g} s")

    def _work(self) -> None:
        while (job := self._jobs.get()) is not STOP:
            try:
                job()
            except WakewordError as error:
                self._on_event(f"{self._name}: {error}")


class Command:
    """A command line, split as a shell would but never given to one; {phrase} {score} {start_s} {end_s} are filled in.

    The same values are in the environment as WAKEWORD_PHRASE, WAKEWORD_SCORE, WAKEWORD_START_S and WAKEWORD_END_S.
    Raises WakewordError, at once, for a line that cannot be split or a program that is not there.

    >>> hit = Detection("lights on; rm -rf /", 1.0, 1.5, 0.9)
    >>> Command("echo 'heard {phrase}' {score}", "--exec").arguments(hit)[1:]
    ['heard lights on; rm -rf /', '0.900']
    """

    def __init__(self, line: str, option: str) -> None:
        try:
            # Of Windows's paths the backslashes must stay.
            self._words = [
                word.strip("\"'") if os.name == "nt" else word for word in shlex.split(line, posix=os.name != "nt")
            ]
        except ValueError as error:
            raise WakewordError(f"{option}: got {line!r}: {str(error).lower()}") from None
        if not self._words:
            raise WakewordError(f"{option}: got an empty command, expected a program")
        if shutil.which(self._words[0]) is None:
            raise WakewordError(f"{option}: got {self._words[0]!r}, which is no program that can be run")
        self.name = self._words[0]

    def arguments(self, hit: Detection) -> list[str]:
        values = _values(hit)
        return [PLACEHOLDER.sub(lambda found: values[found[1]], word) for word in self._words]

    def start(self, hit: Detection, stdin: int) -> subprocess.Popen:
        """Raises OSError if the program cannot be started."""
        environment = {f"WAKEWORD_{name.upper()}": value for name, value in _values(hit).items()}
        # In a session of its own, so that Ctrl-C ends the listening and not what it began.
        return subprocess.Popen(
            self.arguments(hit),
            stdin=stdin,
            stdout=STDERR,
            env={**os.environ, **environment},
            start_new_session=os.name != "nt",
        )


def _values(hit: Detection) -> dict[str, str]:
    return {
        "phrase": hit.phrase,
        "score": f"{hit.score:.3f}",
        "start_s": f"{hit.start_s:.3f}",
        "end_s": f"{hit.end_s:.3f}",
    }


class Commands:
    """Runs a command for each hit, several at once if it takes its time.

    `on_busy` is called with True when the first of them starts and with False when the last has ended.
    """

    def __init__(self, command: Command, on_event: Report, on_busy: Callable[[bool], None] | None = None) -> None:
        self._command, self._on_event, self._on_busy = command, on_event, on_busy
        self._running: set[threading.Thread] = set()
        self._lock = threading.Lock()

    def run(self, hit: Detection) -> None:
        """Starts it and returns."""
        self._begin(lambda: self._finish(self._command.start(hit, subprocess.DEVNULL)))

    def feed(self, hit: Detection, pcm: queue.SimpleQueue, enough: threading.Event) -> None:
        """Starts it with what comes out of `pcm`, bytes and at last None, on its standard input.

        `enough` is set when it no longer reads.
        """

        def whole() -> None:
            process = self._command.start(hit, subprocess.PIPE)
            try:
                while (data := pcm.get()) is not None:
                    process.stdin.write(data)
                    process.stdin.flush()
                process.stdin.close()
            except BrokenPipeError:
                enough.set()
            self._finish(process)

        self._begin(whole)

    @property
    def running(self) -> int:
        with self._lock:
            return len(self._running)

    def close(self, patience_s: float = CLOSE_S) -> None:
        """Waits for what runs, for at most `patience_s`; what takes longer is left to itself."""
        deadline_s = time.monotonic() + patience_s
        with self._lock:
            threads = list(self._running)
        for thread in threads:
            thread.join(max(0.0, deadline_s - time.monotonic()))
        if self.running:
            self._on_event(f"{self._command.name}: still running after {patience_s:g} s, not waited for")

    def _begin(self, job: Callable[[], None]) -> None:
        thread = threading.Thread(target=self._guarded, args=(job,), name=self._command.name, daemon=True)
        with self._lock:
            if len(self._running) >= MAX_RUNNING:
                self._on_event(f"{self._command.name}: not started, {MAX_RUNNING} of it are still running")
                return
            self._running.add(thread)
            if self._on_busy and len(self._running) == 1:
                self._on_busy(True)
        thread.start()

    def _guarded(self, job: Callable[[], None]) -> None:
        try:
            job()
        except OSError as error:
            self._on_event(f"{self._command.name}: cannot be run: {error.strerror or error}")
        finally:
            with self._lock:
                self._running.discard(threading.current_thread())
                if self._on_busy and not self._running:
                    self._on_busy(False)

    def _finish(self, process: subprocess.Popen) -> None:
        code = process.wait()
        if code:
            self._on_event(f"{self._command.name}: ended with exit code {code}")


class Pipe:
    """Gives a command what follows a hit: PCM, 16-bit little-endian mono, on its standard input, as it is heard.

    One hit at a time; another one during it is part of what is heard.
    """

    def __init__(self, commands: Commands) -> None:
        self._commands = commands
        self._capture: Capture | None = None

    @property
    def busy(self) -> bool:
        return self._capture is not None

    def begin(self, hit: Detection, capture: Capture) -> None:
        self._capture, self._enough = capture, threading.Event()
        self._pcm: queue.SimpleQueue = queue.SimpleQueue()  # bounded, because a capture is
        self._commands.feed(hit, self._pcm, self._enough)
        self.poll()

    def poll(self) -> None:
        """Call it after each piece of sound."""
        if self._capture is None:
            return
        if self._enough.is_set():
            self._capture.close()
        pcm: np.ndarray = self._capture.read()
        if len(pcm):
            self._pcm.put(to_int16(pcm).astype("<i2").tobytes())
        if self._capture.done:
            self._pcm.put(None)
            self._capture = None

    def close(self) -> None:
        if self._capture is not None:
            self._capture.close()
            self.poll()
