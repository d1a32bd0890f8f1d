"""Actions at hits: real programs, a real HTTP server, real files; and none of them holds up the listening."""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from wakeword.actions import MAX_RUNNING, QUEUED_JOBS, Command, Commands, Pipe, Worker
from wakeword.capture import Recorder
from wakeword.detector import Detection
from wakeword.errors import FileError, WakewordError
from wakeword.hits import AFTER_S, BEFORE_S, HITS, NEAR_MISSES, RIGHT, SETTLED_S, WRONG, HitSaver, NearMisses
from wakeword.webhook import Webhook

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


class Server(HTTPServer):
    """Answers POSTs with the given status codes in turn, the last of them for ever."""

    def __init__(self, *statuses: int) -> None:
        self.statuses, self.bodies = list(statuses), []
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}/hook?token=secret"


class Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.server.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
        status = self.server.statuses.pop(0) if len(self.server.statuses) > 1 else self.server.statuses[0]
        self.send_response(status)
        self.send_header("Location", "http://127.0.0.1:1/elsewhere")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing on stderr."""


@pytest.fixture
def server() -> Iterator:
    servers: list[Server] = []

    def start(*statuses: int) -> Server:
        servers.append(Server(*statuses))
        threading.Thread(target=servers[-1].serve_forever, args=(0.02,), daemon=True).start()
        return servers[-1]

    yield start
    for one in servers:
        one.shutdown()
        one.server_close()


def call(url: str, closing: bool = False) -> None:
    event = threading.Event()
    if closing:
        event.set()
    Webhook(url, event, retry_after_s=(0.01, 0.01)).job(HIT)()


def test_a_webhook_posts_the_hit_and_tries_again_with_the_same_id_until_it_is_taken(server) -> None:
    there = server(503, 429, 200)
    call(there.url)
    bodies = [json.loads(body) for body in there.bodies]
    assert len(bodies) == 3
    assert bodies[0] == bodies[1] == bodies[2]
    assert {name: bodies[0][name] for name in ("phrase", "start_s", "end_s", "score")} == vars(HIT)
    assert datetime.fromisoformat(bodies[0]["time"]).tzinfo is not None


@pytest.mark.parametrize(("status", "attempts"), [(404, 1), (302, 1), (500, 3)])
def test_a_webhook_gives_up_in_one_line_that_keeps_the_token_to_itself(server, status: int, attempts: int) -> None:
    there = server(status)
    with pytest.raises(WakewordError, match=f"did not take it: status {status}") as caught:
        call(there.url)
    assert len(there.bodies) == attempts
    assert "secret" not in str(caught.value)


def test_a_webhook_that_nobody_answers_is_called_once_more_at_the_end(server) -> None:
    with pytest.raises(WakewordError, match="did not take it"):
        call("http://127.0.0.1:1/")
    there = server(500)
    with pytest.raises(WakewordError, match="status 500"):
        call(there.url, closing=True)
    assert len(there.bodies) == 2


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://a.b", "nonsense", "http://"])
def test_a_webhook_to_something_else_than_the_web_is_refused(url: str) -> None:
    with pytest.raises(WakewordError, match="--webhook: got"):
        Webhook(url, threading.Event())


def saver_at(folder: Path, max_mb: float = 10.0) -> HitSaver:
    seconds = iter(range(1000))
    return HitSaver(folder, max_mb, lambda job: job(), lambda: datetime.fromtimestamp(1e9 + next(seconds), UTC))


def test_a_hit_is_saved_with_the_sound_around_it_and_what_is_known_of_it(tmp_path: Path) -> None:
    saver, recorder = saver_at(tmp_path), Recorder(RATE)
    pcm = (np.arange(RATE * 4) / 2**17).astype(np.float32)
    recorder.feed(pcm[:50000])
    saver.add(HITS, Detection("a/b: c", 2.5, 3.0, 0.93), recorder.capture(3.0, wait_s=0.0, **saver.lengths))
    assert not list((tmp_path / HITS).iterdir())
    recorder.feed(pcm[50000:])
    saver.poll()
    (wav,) = (tmp_path / HITS).glob("*.wav")
    assert wav.name == "20010909T014640.000Z_a_b_c_0.93.wav"
    heard, rate = soundfile.read(wav, dtype="float32")
    assert rate == RATE
    np.testing.assert_allclose(heard, pcm[RATE : round((3.0 + AFTER_S) * RATE)], atol=1 / 32768)
    about = json.loads(wav.with_suffix("").with_name(wav.stem + ".json").read_text())
    assert (about["kind"], about["phrase"], about["end_in_file_s"]) == ("hits", "a/b: c", BEFORE_S)


def test_the_oldest_go_when_it_is_too_much_but_never_what_somebody_sorted(tmp_path: Path) -> None:
    for name in (RIGHT, WRONG, HITS):
        (tmp_path / name).mkdir()
        (tmp_path / name / "mine.wav").write_bytes(bytes(1_000_000))
    saver, recorder = saver_at(tmp_path, max_mb=0.25), Recorder(RATE)
    recorder.feed(np.zeros(3 * RATE, np.float32))
    for kind in [HITS, NEAR_MISSES] * 5:
        capture = recorder.capture(2.5, wait_s=0.0, **saver.lengths)
        saver.add(kind, HIT, capture)
    saved = [path for kind in (HITS, NEAR_MISSES) for path in (tmp_path / kind).glob("2001*")]
    assert 0 < sum(path.stat().st_size for path in saved) <= 250_000
    assert max(saved).stem.startswith("20010909T014649"), "the newest is there"
    assert len(list(tmp_path.rglob("mine.wav"))) == 3


def test_what_is_being_captured_at_the_end_is_saved_as_far_as_it_came(tmp_path: Path) -> None:
    saver, recorder = saver_at(tmp_path), Recorder(RATE)
    recorder.feed(np.zeros(RATE, np.float32))
    saver.add(HITS, HIT, recorder.capture(1.0, wait_s=0.0, **saver.lengths))
    saver.close()
    (wav,) = (tmp_path / HITS).glob("*.wav")
    assert soundfile.info(wav).frames == RATE


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="needs a user to whom a folder can be read-only")
def test_a_folder_that_cannot_be_written_is_refused_at_once(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(FileError, match="cannot be written"):
        saver_at(tmp_path / "hits")


def near(scores: list[float], fired: list[int] = ()) -> list[tuple[float, float]]:
    """(time, score) of the near misses at a threshold of 0.8, of steps of 0.1 s."""
    misses = NearMisses({"a": 0.8})
    for step, score in enumerate(scores):
        misses.step("a", round(0.1 * step, 1), score, step in fired)
    return [(one.end_s, one.score) for one in misses.take()]


def test_a_near_miss_is_the_peak_of_a_score_that_came_near_and_fell() -> None:
    assert near([0.1, 0.3, 0.1]) == []
    assert near([0.1, 0.5, 0.7, 0.6, 0.1, 0.1, 0.5, 0.2]) == [(0.2, 0.7), (0.6, 0.5)]


def test_a_hit_and_what_is_left_of_it_are_no_near_miss() -> None:
    assert near([0.1, 0.7, 0.9, 0.7, 0.6, 0.1], fired=[2]) == []
    assert near([0.1, 0.7, 0.9, 0.7, 0.1]) == [], "over the threshold, but too soon after a hit"
    assert near([0.1, 0.9, 0.1, 0.6, 0.1], fired=[1]) == [(0.3, 0.6)]


def test_a_peak_from_before_a_reset_is_forgotten_with_its_sound() -> None:
    misses = NearMisses({"a": 0.8})
    for end_s, score in [(5.0, 0.7), (0.1, 0.1), (0.2, 0.5), (0.3, 0.1)]:
        misses.step("a", end_s, score, False)
    assert [one.end_s for one in misses.take()] == [0.2]


def test_a_score_that_stays_up_is_one_near_miss_and_soon() -> None:
    assert near([0.1] + [0.5] * 100) == [(0.1, 0.5)]
    assert len(near([0.1] + [0.5] * int(SETTLED_S / 0.1 - 1))) == 0


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
