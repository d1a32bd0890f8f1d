"""Strangers on the Wyoming port and on the page's: whatever they send, the server lives, stays small, and serves on.

WAKEWORD_FUZZ_CASES=10000 makes it long.
"""

from __future__ import annotations

import json
import os
import socket
import string
import struct
import sys
from contextlib import suppress
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="the tests' bundle is made with the extra 'train'")
pytest.importorskip("wyoming", reason="the Wyoming server needs the extra 'serve'")

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from serving import ServerProcess, noise, write_babbler
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.event import read_event, write_event
from wyoming.ping import Ping

from wakeword.stream import load

CASES = int(os.environ.get("WAKEWORD_FUZZ_CASES", "300"))
MOST_GROWTH_MB = 40.0  # of what one process may keep for all the cases; a leak of a payload a case would be gigabytes
LEFT_OPEN = 20  # at once, of connections that are simply forgotten


def event(kind: str, data: object = None, payload: bytes = b"", **header: object) -> bytes:
    lengths = {"payload_length": len(payload)} if payload else {}
    return json.dumps({"type": kind, "data": data or {}, **lengths, **header}).encode() + b"\n" + payload


numbers = st.one_of(
    st.sampled_from([0, 1, -1, 2, 3, 4, 8000, 16000, 48000, 1 << 18, (1 << 18) + 1, 1 << 40, 10**400, True, None]),
    st.integers(),
    st.floats(),
    st.text(max_size=5),
    st.lists(st.integers(), max_size=2),
)
formats = st.fixed_dictionaries({"rate": numbers, "width": numbers, "channels": numbers, "timestamp": numbers})
good_format = st.just({"rate": 16000, "width": 2, "channels": 1})
kinds = st.sampled_from(["describe", "detect", "audio-start", "audio-chunk", "audio-stop", "ping", "detection", "x"])
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=10,
)
pieces = st.one_of(
    st.builds(event, kinds, st.one_of(json_values, formats, good_format), st.binary(max_size=3000)),
    st.builds(lambda sound: event("audio-chunk", {"rate": 16000, "width": 2, "channels": 1}, 2 * sound), st.binary()),
    st.builds(lambda form, sound: event("audio-chunk", form, sound), formats, st.binary(max_size=500)),
    st.builds(lambda length: event("audio-chunk", payload_length=length), numbers),
    st.builds(lambda length, rest: event("describe", data_length=length) + rest, numbers, st.binary(max_size=300)),
    st.builds(lambda names: event("detect", {"names": names}), json_values),
    st.builds(lambda value: json.dumps(value).encode() + b"\n", json_values),
    st.binary(max_size=300),
    st.sampled_from([b"\n", b"{", b"[" * 9000 + b"\n", b"9" * 9000 + b"\n", b"x" * 40_000, b'{"type":"\xff"}\n']),
    st.just(event("audio-chunk", {"rate": 4000, "width": 1, "channels": 1}, b"\x80" * (1 << 18))),
)
endings = st.sampled_from(["close", "reset", "half", "leave"])


class Witness:
    """A well-behaved client that goes on all the while, a chunk of its sound at a time."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self._file = self._socket.makefile("rwb")
        self.pcm = noise(8.0, seed=5)
        self._sent = 0
        write_event(AudioStart(16000, 2, 1).event(), self._file)

    def go_on(self, samples: int) -> None:
        piece = self.pcm[self._sent : self._sent + samples]
        self._sent += len(piece)
        write_event(AudioChunk(16000, 2, 1, piece.tobytes()).event(), self._file)

    def finish(self) -> list[tuple[str, int]]:
        self.go_on(len(self.pcm))
        write_event(AudioStop().event(), self._file)
        write_event(Ping().event(), self._file)
        found = []
        while (got := read_event(self._file)).type != "pong":
            assert got.type == "detection", f"after {len(found)} detections came {got.type} {got.data}"
            found.append((got.data["name"], got.data["timestamp"]))
        self._socket.close()
        return found


def attack(port: int, sent: list[bytes], ending: str, left_open: list[socket.socket]) -> None:
    stranger = socket.create_connection(("127.0.0.1", port), timeout=10)
    stranger.settimeout(0.2)
    try:
        for piece in sent:
            stranger.sendall(piece)
        if ending == "half":
            stranger.shutdown(socket.SHUT_WR)
            while stranger.recv(1 << 16):
                continue
    except OSError:
        stranger.close()  # it was thrown out before it was done, or is given no answer
        return
    if ending == "leave":
        left_open.append(stranger)
        if len(left_open) > LEFT_OPEN:
            left_open.pop(0).close()
        return
    if ending == "reset":
        stranger.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    stranger.close()


@pytest.mark.timeout(3600)
def test_no_stranger_kills_the_server_or_makes_it_grow_or_reaches_another_client(tmp_path: Path) -> None:
    bundle = write_babbler(tmp_path / "babbler")
    with ServerProcess(bundle) as server:
        witness, left_open, sizes_mb = Witness(server.port), [], []

        @settings(
            max_examples=CASES, deadline=None, database=None, suppress_health_check=list(HealthCheck), derandomize=True
        )
        @given(st.lists(pieces, max_size=6), endings)
        def strangers(sent: list[bytes], ending: str) -> None:
            attack(server.port, sent, ending, left_open)
            witness.go_on(max(1, len(witness.pcm) // CASES))
            sizes_mb.append(server.resident_mb())

        strangers()
        own = load(bundle)
        expected = [round(1000 * d.end_s) for d in own.feed(witness.pcm) + own.flush()]
        assert [at_ms for _, at_ms in witness.finish()] == expected != []
        close_all(left_open)
        check_growth(sizes_mb)


def close_all(sockets: list[socket.socket]) -> None:
    for one in sockets:
        one.close()


def check_growth(sizes_mb: list[float]) -> None:
    quarters = [f"{sizes_mb[part * (len(sizes_mb) - 1) // 4]:.0f}" for part in range(5)]
    sys.stdout.write(f"{len(sizes_mb)} cases, the server's memory by quarters: {' '.join(quarters)} MB\n")
    assert max(sizes_mb) - sizes_mb[len(sizes_mb) // 10] < MOST_GROWTH_MB


def frame(opcode: int, payload: bytes, length: int | None = None, masked: bool = True, flags: int = 0x80) -> bytes:
    """A WebSocket's frame, whose length may be a lie; the mask is zero."""
    length = len(payload) if length is None else length
    mask = 0x80 if masked else 0
    if length < 126:
        size = bytes([mask | length])
    elif length < 1 << 16:
        size = bytes([mask | 126]) + struct.pack(">H", length)
    else:
        size = bytes([mask | 127]) + struct.pack(">Q", length)
    return bytes([flags | opcode]) + size + (bytes(4) if masked else b"") + payload


def handshake(host: str, origin: str) -> bytes:
    lines = [f"GET /live HTTP/1.1\r\nHost: {host}", "Connection: Upgrade", "Upgrade: websocket", f"Origin: {origin}"]
    lines += ["Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "\r\n"]
    return "\r\n".join(lines).encode()


opened = st.just([handshake("localhost", "http://localhost"), frame(1, b'{"rate_hz": 16000}')])
lengths = st.sampled_from([None, 0, 125, 126, 1 << 16, 1 << 18, 1 << 20, 1 << 40])
frames = st.one_of(
    st.builds(
        frame,
        st.integers(0, 15),
        st.binary(max_size=2000),
        lengths,
        st.booleans(),
        st.integers(0, 15).map(lambda n: n << 4),
    ),
    st.builds(lambda value: frame(1, json.dumps(value).encode()), json_values),
    st.builds(lambda sound: frame(2, sound), st.binary(max_size=20_000)),
    st.binary(max_size=500),
)
requests = st.one_of(
    st.builds(
        lambda path, body: b"POST /" + path + b" HTTP/1.1\r\nHost: localhost\r\n\r\n" + body, st.binary(), st.binary()
    ),
    st.sampled_from(
        [b"GET / HTTP/1.1\r\n", b"GET /" + b"x" * 40_000, b"GET / HTTP/9\r\n\r\n", b"\x16\x03\x01\x02\x00\x01"]
    ),
    st.builds(lambda host: handshake(host, f"http://{host}"), st.text(string.printable, max_size=10)),
    st.binary(max_size=500),
)
page_attacks = st.one_of(
    st.lists(requests, max_size=4), st.tuples(opened, st.lists(frames, max_size=6)).map(lambda x: x[0] + x[1])
)


@pytest.mark.timeout(3600)
def test_no_stranger_on_the_pages_port_does_either(tmp_path: Path) -> None:
    pytest.importorskip("starlette", reason="the web page needs the extra 'serve'")
    from websockets.sync.client import connect

    bundle, pcm = write_babbler(tmp_path / "babbler"), noise(8.0, seed=5)
    messages, sizes_mb, left_open = [], [], []
    step = -(-len(pcm) // CASES)
    with ServerProcess(bundle) as server:
        where = f"127.0.0.1:{server.page_port}"
        with connect(f"ws://{where}/live", origin=f"http://{where}") as witness:
            witness.send('{"rate_hz": 16000}')

            @settings(
                max_examples=CASES,
                deadline=None,
                database=None,
                suppress_health_check=list(HealthCheck),
                derandomize=True,
            )
            @given(page_attacks, endings)
            def strangers(sent: list[bytes], ending: str) -> None:
                attack(server.page_port, sent, ending, left_open)
                witness.send(pcm[step * len(sizes_mb) : step * (len(sizes_mb) + 1)].tobytes())
                with suppress(TimeoutError):  # who does not read, answers no pings, and is rightly closed
                    while len(messages) < 10 * CASES:
                        messages.append(json.loads(witness.recv(timeout=0)))
                sizes_mb.append(server.resident_mb())

            strangers()
            while messages[-1].get("time_s", 0.0) < len(pcm) // 320 * 0.02 - 1e-6:
                messages.append(json.loads(witness.recv(timeout=20)))
        heard = [message["end_s"] for message in messages if message["type"] == "detection"]
        close_all(left_open)
        assert heard == [round(d.end_s, 4) for d in load(bundle).feed(pcm)] != []
        check_growth(sizes_mb)
