"""Clients of the Wyoming server that are too many, silent, deaf or wrong: each is told, closed, and harms nobody."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

pytest.importorskip("torch", reason="the tests' bundle is made with the extra 'train'")
pytest.importorskip("wyoming", reason="the Wyoming server needs the extra 'serve'")

from serving import Client, settled, write_babbler, wyoming_server
from wyoming.audio import AudioChunk, AudioStart
from wyoming.error import Error
from wyoming.event import Event
from wyoming.ping import Ping, Pong

from wakeword.serve.limits import Limits
from wakeword.stream import WakeWord, load


@pytest.fixture(scope="module")
def ww(tmp_path_factory: pytest.TempPathFactory) -> WakeWord:
    return load(write_babbler(tmp_path_factory.mktemp("bundles") / "babbler"))


def test_a_full_server_refuses_and_takes_the_next_one_when_somebody_leaves(ww: WakeWord) -> None:
    async def scenario():
        async with wyoming_server(ww, Limits(clients=1)) as (server, port, _, said):
            async with Client(port) as first:
                await first.ask(Ping(), Pong)
                async with Client(port) as second:
                    assert await second.read_event() is None
            await settled(lambda: server.clients == 0)
            async with Client(port) as third:
                await third.ask(Ping(), Pong)
            return said

    assert "refused: 1 clients are connected" in asyncio.run(scenario())[0]


@pytest.mark.parametrize("sent", [b"", b'{"type": "audio-ch'])
def test_a_silent_and_a_half_open_client_are_closed_in_time(ww: WakeWord, sent: bytes) -> None:
    async def scenario():
        async with wyoming_server(ww, Limits(idle_s=0.1, message_s=0.1)) as (server, port, _, said):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(sent)
            told = await asyncio.wait_for(reader.read(), 10)
            writer.close()
            await settled(lambda: server.clients == 0)
            return told, said

    told, said = asyncio.run(scenario())
    assert b"error" in told
    assert "for 0.1 s" in said[0] or "in 0.1 s" in said[0]


def test_a_client_that_reads_nothing_is_closed_and_keeps_no_memory(ww: WakeWord) -> None:
    async def scenario():
        async with wyoming_server(ww, Limits(message_s=0.2)) as (server, port, _, said):
            _, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
            with suppress(ConnectionError):
                while not said:
                    writer.write(b'{"type": "ping", "data": {"text": "' + b"x" * 10_000 + b'"}}\n')
                    await asyncio.wait([asyncio.create_task(writer.drain())], timeout=0.1)
            writer.transport.abort()
            await settled(lambda: server.clients == 0)
            return said

    assert "it took nothing of what was sent to it" in asyncio.run(scenario())[0]


@pytest.mark.parametrize(
    ("event", "complaint"),
    [
        (AudioStart(rate=1, width=2, channels=1).event(), "rate: got 1, expected a whole number from 4000 to 192000"),
        (AudioChunk(16000, 5, 1, b"12345").event(), "width: got 5"),
        (AudioChunk(16000, 2, 10**9, b"12345").event(), "channels: got 1000000000"),
        (AudioChunk(16000, 2, 1, b"123").event(), "sound: got 3 bytes, expected whole frames of 2"),
        (AudioChunk(True, 2, 1, b"12").event(), "rate: got True"),
        (Event("audio-chunk", {}, b"12"), "rate: got None"),
        (AudioChunk(16000, 2, 1, bytes(1 << 19)).event(), "payload_length: got 524288"),
    ],
)
def test_what_makes_no_sense_is_answered_with_one_line_and_closed(ww: WakeWord, event: Event, complaint: str) -> None:
    async def scenario():
        async with wyoming_server(ww) as (_, port, _, said), Client(port) as client:
            await client.write_event(event)
            return Error.from_event(await client.read_event()), await client.read_event(), said

    error, end, said = asyncio.run(scenario())
    assert complaint in error.text
    assert end is None
    assert len(said) == 1 and complaint in said[0]


def test_half_a_character_in_a_ping_is_answered(ww: WakeWord) -> None:
    async def scenario():
        async with wyoming_server(ww) as (_, port, _, _):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b'{"type": "ping", "data": {"text": "a\\ud800"}}\n' * 2)
            writer.write_eof()
            answer = await asyncio.wait_for(reader.read(), 10)
            writer.close()
            return answer

    assert asyncio.run(scenario()).count(b'"pong"') == 2
