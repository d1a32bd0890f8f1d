"""eSpeak in a process of its own, for what must not die with it.

While it reads a text eSpeak NG 1.52 now and then dies of a segmentation fault (in its MakePhonemeList). So it is asked
through a pipe, a line of JSON each way; where its process died, a new one is asked the same.
"""

from __future__ import annotations

import atexit
import json
import os
import signal
import subprocess
import sys
import threading
from functools import cache
from typing import Any

from wakeword.errors import DataError

TRIES = 3


class Reader:
    """The process; it starts with the first question, and ends with this one."""

    def __init__(self, data: str | None) -> None:
        """`data` is a copy of espeak-ng-data; None: the installed one."""
        self._data, self._process = data or "", None
        self._one_at_a_time = threading.Lock()
        atexit.register(self.close)

    def ask(self, method: str, *arguments: Any) -> Any:
        """What a method of `EspeakEngine` gives there. Raises DataError as that does, or if it dies each time."""
        with self._one_at_a_time:
            for _ in range(TRIES):
                answer = self._asked(json.dumps([method, *arguments]))
                if answer is not None:
                    break
                self.close()
            else:
                raise DataError(f"espeak: its process died {TRIES} times while it read {arguments}")
        if "error" in answer:
            raise DataError(answer["error"])
        return answer["result"]

    def close(self) -> None:
        """Ends the process; a further question starts another."""
        if self._process:
            self._process.kill()
            self._process.communicate()
        self._process = None

    def _asked(self, question: str) -> dict[str, Any] | None:
        """The answer; None if the process died."""
        if self._process is None:
            environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", __name__, self._data],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env=environment,
                text=True,
                encoding="utf-8",
                start_new_session=True,  # a terminal's Ctrl-C is for who asks
            )
        try:
            self._process.stdin.write(question + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except OSError:  # a broken pipe
            return None
        return json.loads(line) if line.endswith("\n") else None


@cache
def reader(data: str | None) -> Reader:
    """The one of this process."""
    return Reader(data)


def _answers(data: str) -> None:
    """Runs in the other process: a line of JSON for each line that comes in."""
    from synth.voices.espeak import EspeakEngine, EspeakParams
    from synth.voices.espeak_data import every_voice

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # as above, on Windows
    engine = EspeakEngine(data or None, every_voice())
    engine.speak("a", EspeakParams(voice="en"))  # until it has spoken, it spells [[phonemes]]
    sys.stdin.reconfigure(encoding="utf-8")
    sys.stdout.reconfigure(encoding="utf-8")
    for line in sys.stdin:
        method, *arguments = json.loads(line)
        try:
            answer = {"result": getattr(engine, method)(*arguments)}
        except DataError as error:
            answer = {"error": str(error)}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    _answers(sys.argv[1])
