"""Actions at hits: real programs, a real HTTP server, real files; and none of them holds up the listening."""

from __future__ import annotations

import queue
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wakeword.actions import MAX_RUNNING, QUEUED_JOBS, Command, Commands, Pipe, Worker
from wakeword.capture import Recorder
from wakeword.detector import Detection
from wakeword.errors import FileError, WakewordError

HIT = Detection("hey test", 1.0, 1.5, 0.9)
RATE = 16000
PYTHON = f'"{sys.executable}" -c'


@pytest.fixture
def events() -> list[str]:
    return []


def test_a_command_gets_the_hit_in_its_arguments_and_in_its_environment(tmp_path: Path, events: list[str]) -> None:
    code = "import os,sys; open(sys.argv[1],'w').write(sys.argv[2]+'|'+os.environ['WAKEWORD_PHRASE'])"
    out = tmp_path / "said.txt"
    commands = Commands(Command(f'{PYTHON} "{code}" "{out}" "{{phrase}} {{score}} {{end_s}}"', "--exec"), events.append)
    commands.run(HIT)
    commands.close()
    assert (out.read_text(), events) == ("hey test 0.900 1.500|hey test", [])


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
def test_no_phrase_is_ever_read_as_shell_or_as_more_than_one_argument(phrase: str) -> None:
    hit = Detection(phrase, 0.0, 1.0, 0.5)
    words = Command(f"{PYTHON} pass '{{phrase}}'", "--exec").arguments(hit)
    assert len(words) == 4
    assert words[3] == phrase


def test_a_phrase_that_looks_like_a_placeholder_is_left_alone() -> None:
    assert Command(f"{PYTHON} {{phrase}}", "--exec").arguments(Detection("{score}", 0.0, 1.0, 0.5))[2] == "{score}"


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("", "an empty command"),
        ("echo 'a", "no closing quotation"),
        ("no-such-program x", "no program that can be run"),
    ],
)
def test_a_command_that_cannot_be_run_is_refused_before_the_first_hit(line: str, complaint: str) -> None:
    with pytest.raises(WakewordError, match=f"--exec: got .*{complaint}"):
        Command(line, "--exec")


def test_a_command_that_fails_is_reported_and_one_that_hangs_is_not_waited_for(events: list[str]) -> None:
    failing = Commands(Command(f'{PYTHON} "raise SystemExit(3)"', "--exec"), events.append)
    failing.run(HIT)
    failing.close()
    assert "ended with exit code 3" in events[-1]
    hanging = Commands(Command(f'{PYTHON} "import time; time.sleep(2)"', "--exec"), events.append)
    begin_s = time.monotonic()
    for _ in range(MAX_RUNNING + 1):
        hanging.run(HIT)
    assert time.monotonic() - begin_s < 1.0
    assert f"not started, {MAX_RUNNING} of it are still running" in events[-1]
    hanging.close(patience_s=0.1)
    assert "not waited for" in events[-1]


def test_whoever_is_told_that_a_command_runs_is_told_when_the_last_has_ended(events: list[str]) -> None:
    busy: list[bool] = []
    commands = Commands(Command(f"{PYTHON} pass", "--exec"), events.append, busy.append)
    commands.run(HIT)
    commands.run(HIT)
    commands.close()
    assert (busy[0], busy[-1], busy.count(True)) == (True, False, busy.count(False))


def test_a_command_is_fed_what_follows_a_hit_as_16_bit_pcm(tmp_path: Path, events: list[str]) -> None:
    out = tmp_path / "pcm"
    code = "import sys; open(sys.argv[1],'wb').write(sys.stdin.buffer.read())"
    commands = Commands(Command(f'{PYTHON} "{code}" "{out}"', "--pipe-command"), events.append)
    pipe, recorder = Pipe(commands), Recorder(RATE)
    pcm = np.arange(-32000, 32000).astype(np.int16)
    recorder.feed(pcm[:16000] / np.float32(32768))
    pipe.begin(HIT, recorder.capture(0.75, 0.25, 2.0, None, 0.0))
    for at in range(16000, len(pcm), 1000):
        recorder.feed(pcm[at : at + 1000] / np.float32(32768))
        pipe.poll()
    assert not pipe.busy
    commands.close()
    assert np.array_equal(np.fromfile(out, "<i2"), pcm[8000 : 12000 + 32000])
    assert events == []


def test_a_command_that_stops_reading_ends_its_capture(events: list[str]) -> None:
    commands = Commands(Command(f"{PYTHON} pass", "--pipe-command"), events.append)
    pipe, recorder = Pipe(commands), Recorder(RATE)
    pipe.begin(HIT, recorder.capture(0.0, 0.0, 600.0, None, 0.0))
    deadline_s = time.monotonic() + 20.0
    while pipe.busy and time.monotonic() < deadline_s:
        recorder.feed(np.zeros(RATE, np.float32))
        pipe.poll()
        commands.close(patience_s=0.05)
    assert not pipe.busy


def test_a_worker_does_its_jobs_in_order_reports_what_fails_and_drops_what_is_too_much(events: list[str]) -> None:
    done, gate = [], threading.Event()

    def fail() -> None:
        raise FileError("disk: full")

    worker = Worker("saver", events.append)
    worker.submit(gate.wait)
    worker.submit(fail)
    for number in range(QUEUED_JOBS + 50):
        worker.submit(lambda number=number: done.append(number))
    gate.set()
    worker.close()
    assert done == list(range(len(done)))
    assert len(done) + worker.dropped == QUEUED_JOBS + 50
    assert "saver: disk: full" in events
    assert "saver: too slow, 1 dropped" in events


def test_queues_between_the_listening_and_a_program_are_bounded_by_the_capture(events: list[str]) -> None:
    commands = Commands(Command(f'{PYTHON} "import time; time.sleep(1)"', "--pipe-command"), events.append)
    pipe, recorder = Pipe(commands), Recorder(RATE)
    pipe.begin(HIT, recorder.capture(0.0, 0.0, 20.0, None, 0.0))
    for _ in range(60):
        recorder.feed(np.zeros(RATE, np.float32))
        pipe.poll()
    waiting: queue.SimpleQueue = pipe._pcm
    assert waiting.qsize() <= 21
    commands.close()
