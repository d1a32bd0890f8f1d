"""The webhook: a real HTTP server that takes a hit, asks for it again, or never does."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import datetime
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from wakeword.detector import Detection
from wakeword.errors import WakewordError
from wakeword.webhook import Webhook

HIT = Detection("hey test", 1.0, 1.5, 0.9)


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


@pytest.mark.parametrize(
    "url", ["ftp://a", "http://[::1", "http://a:99999", "http://a:b", "http://127.0.0.1/ü", "http://"]
)
def test_an_address_that_cannot_be_called_is_refused_at_the_start(url: str) -> None:
    with pytest.raises(WakewordError, match="expected http://"):
        Webhook(url, threading.Event())
