"""The Wyoming server, asked by the package's own client over TCP."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

pytest.importorskip("torch", reason="the tests' bundle is made with the extra 'train'")
pytest.importorskip("wyoming", reason="the Wyoming server needs the extra 'serve'")

from serving import PHRASES, RATE, Client, noise, settled, write_babbler, wyoming_server
from wyoming.asr import Transcribe
from wyoming.audio import AudioStart, AudioStop
from wyoming.error import Error
from wyoming.info import Describe, Info
from wyoming.ping import Ping, Pong
from wyoming.wake import Detect, Detection, NotDetected

from wakeword.serve.limits import Bucket, Limits
from wakeword.stream import WakeWord, load

NAMES = ["hey_test", "other_word"]


@pytest.fixture(scope="module")
def ww(tmp_path_factory: pytest.TempPathFactory) -> WakeWord:
    return load(write_babbler(tmp_path_factory.mktemp("bundles") / "babbler"))


def expected(ww: WakeWord, pcm: np.ndarray, phrases=PHRASES) -> list[tuple[str, int]]:
    stream = ww.fresh()
    heard = [d for d in stream.feed(pcm) + stream.flush() if d.phrase in phrases]
    return [(NAMES[PHRASES.index(d.phrase)], round(1000 * d.end_s)) for d in heard]


async def answers(client: Client) -> list[tuple[str, int]]:
    """What is sent after the sound up to the pong: nothing may come after it."""
    await client.write_event(Ping("end").event())
    found = []
    while not Pong.is_type((event := await client.read_event()).type):
        found.append((event.data.get("name"), event.data.get("timestamp")) if Detection.is_type(event.type) else event)
    return found


async def heard_by_client(port: int, pcm: bytes, names=None, **sent) -> list:
    async with Client(port) as client:
        await client.write_event(Detect(names).event())
        await client.send(pcm, **sent)
        return await answers(client)


def test_it_describes_its_words(ww: WakeWord) -> None:
    async def scenario() -> Info:
        async with wyoming_server(ww) as (_, port, _, _), Client(port) as client:
            return await client.ask(Describe(), Info)

    (program,) = asyncio.run(scenario()).wake
    assert program.installed
    assert [(model.name, model.phrase) for model in program.models] == list(zip(NAMES, PHRASES, strict=True))


def test_a_client_gets_what_the_stream_detects_again_and_again(ww: WakeWord) -> None:
    pcm = noise(6.0, seed=1)

    async def scenario():
        async with wyoming_server(ww) as (_, port, heard, _):
            return await heard_by_client(port, pcm.tobytes()), heard

    found, heard = asyncio.run(scenario())
    assert found == expected(ww, pcm)
    assert len(found) > 3, "the sound was chosen to hold several words"
    assert [round(1000 * detection.end_s) for _, detection in heard] == [at_ms for _, at_ms in found]


def test_only_the_words_that_were_asked_for_are_reported(ww: WakeWord) -> None:
    pcm = noise(6.0, seed=1)

    async def scenario():
        async with wyoming_server(ww) as (_, port, heard, _):
            by_name = await heard_by_client(port, pcm.tobytes(), [NAMES[1]])
            return by_name, await heard_by_client(port, pcm.tobytes(), [PHRASES[1]]), heard

    by_name, by_phrase, heard = asyncio.run(scenario())
    assert by_name == by_phrase == expected(ww, pcm, PHRASES[1:]) != []
    assert {detection.phrase for _, detection in heard} == {PHRASES[1]}


def test_a_name_that_nobody_knows_is_told_to_the_client_and_to_the_user(ww: WakeWord) -> None:
    async def scenario():
        async with wyoming_server(ww) as (_, port, _, said), Client(port) as client:
            error = await client.ask(Detect(["alexa"]), Error)
            await client.send(noise(2.0).tobytes())
            return error, await answers(client), said

    error, found, said = asyncio.run(scenario())
    assert "got ['alexa'], expected some of ['hey_test', 'other_word']" in error.text
    assert [event.type for event in found] == ["not-detected"]
    assert error.text in said[0]


def test_not_detected_comes_once_and_only_if_nothing_was(ww: WakeWord) -> None:
    async def scenario():
        async with wyoming_server(ww) as (_, port, _, _), Client(port) as client:
            await client.send(bytes(100))
            first = await answers(client)
            await client.send(noise(6.0, seed=1).tobytes())
            return first, await answers(client)

    nothing, something = asyncio.run(scenario())
    assert [event.type for event in nothing] == ["not-detected"]
    assert something == expected(ww, noise(6.0, seed=1)), "the stream before it leaves nothing behind"


@pytest.mark.parametrize(("width", "channels"), [(1, 1), (2, 2), (3, 1), (4, 3)])
def test_sound_of_any_width_and_channels_is_heard_alike(ww: WakeWord, width: int, channels: int) -> None:
    pcm = noise(3.0, seed=1)
    loud = (pcm.astype(np.int16) // 256 * 256) if width == 1 else pcm  # what eight bits can hold
    bytes_of = {
        1: lambda x: (x // 256 + 128).astype(np.uint8).tobytes(),
        2: lambda x: x.astype("<i2").tobytes(),
        3: lambda x: (x.astype("<i4") * 65536).astype("<i4").view(np.uint8).reshape(-1, 4)[:, 1:].tobytes(),
        4: lambda x: (x.astype("<i4") * 65536).astype("<i4").tobytes(),
    }
    sent = bytes_of[width](np.repeat(loud, channels))

    async def scenario():
        async with wyoming_server(ww) as (_, port, _, _):
            whole = 20 * width * channels * 9
            return await heard_by_client(port, sent, width=width, channels=channels, chunk_bytes=whole)

    assert asyncio.run(scenario()) == expected(ww, loud) != []


def test_another_rate_is_resampled_and_time_stamps_follow_the_clients_clock(ww: WakeWord) -> None:
    import soxr

    pcm, clock_ms = noise(4.0, seed=2, rate=48000), 1_000_000
    at_16k = soxr.resample(pcm, 48000, RATE)

    async def scenario():
        async with wyoming_server(ww) as (_, port, _, _):
            return await heard_by_client(port, pcm.tobytes(), rate=48000, clock_ms=clock_ms)

    found = [(name, at_ms - clock_ms) for name, at_ms in asyncio.run(scenario())]
    wanted = expected(ww, at_16k)
    assert [name for name, _ in found] == [name for name, _ in wanted]
    differences_ms = [abs(a - b) for (_, a), (_, b) in zip(found, wanted, strict=True)]
    assert max(differences_ms) <= 40  # one output step, and what the resampler holds back


def test_32_clients_at_once_each_hear_their_own_sound(ww: WakeWord) -> None:
    sounds = [noise(4.0, seed=seed) for seed in range(32)]

    async def scenario():
        async with wyoming_server(ww) as (server, port, _, _):
            found = await asyncio.gather(*(heard_by_client(port, pcm.tobytes()) for pcm in sounds))
            await settled(lambda: server.clients == 0)
            return found

    for found, pcm in zip(asyncio.run(scenario()), sounds, strict=True):
        hits = [answer for answer in found if isinstance(answer, tuple)]
        assert hits == expected(ww, pcm)
        assert hits or [event.type for event in found] == ["not-detected"]


def test_who_sends_faster_than_allowed_waits_and_loses_nothing_and_nobody_else_waits(ww: WakeWord) -> None:
    pcm, limits = noise(6.0, seed=3), Limits(wyoming_speed=5.0, wyoming_burst_s=1.0)

    async def scenario():
        loop = asyncio.get_running_loop()
        async with wyoming_server(ww, limits) as (_, port, _, _):
            begin_s = loop.time()
            fast = asyncio.create_task(heard_by_client(port, pcm.tobytes()))
            async with Client(port) as client:
                for _ in range(3):
                    await client.ask(Ping(), Pong)
                asked_s = loop.time() - begin_s
            return await fast, loop.time() - begin_s, asked_s

    found, taken_s, asked_s = asyncio.run(scenario())
    assert found == expected(ww, pcm)
    assert taken_s >= (6.0 - 1.0) / 5.0 - 0.1  # the last chunk's wait is the pong's
    assert asked_s < taken_s / 2


def test_a_recording_of_minutes_may_come_as_fast_as_it_can() -> None:
    minutes = Limits().wyoming_burst_s / 60
    budget = Bucket(Limits().wyoming_speed, Limits().wyoming_burst_s, now_s=0.0)
    assert minutes >= 10
    assert budget.wait_s(60 * minutes, now_s=0.0) == 0.0
    assert budget.wait_s(3600.0, now_s=0.0) == pytest.approx(180.0)  # an hour more: at twenty times its speed


def test_all_clients_share_one_session_and_no_state(ww: WakeWord) -> None:
    one, other = ww.fresh(), ww.fresh([PHRASES[0]])
    graphs = [stream._ears[0]._graph for stream in (one, other, ww)]
    assert len({id(graph._session) for graph in graphs}) == 1
    one.feed(noise(1.0))
    assert not np.array_equal(graphs[0]._state, graphs[1]._state)
    assert max(other.latest_scores) == 0.0 < max(one.latest_scores)


def test_events_of_others_and_a_stop_without_a_start_do_no_harm(ww: WakeWord) -> None:
    async def scenario():
        async with wyoming_server(ww) as (_, port, _, said), Client(port) as client:
            await client.write_event(Transcribe().event())
            await client.write_event(AudioStop().event())
            return await answers(client), said

    found, said = asyncio.run(scenario())
    assert [event.type for event in found] == [NotDetected().event().type]
    assert said == []


def test_closing_the_server_closes_its_clients_and_frees_the_port(ww: WakeWord) -> None:
    async def scenario():
        async with wyoming_server(ww) as (_, port, _, _):
            client = Client(port)
            await client.connect()
            await client.write_event(AudioStart(RATE, 2, 1).event())
            await client.ask(Ping(), Pong)
        assert await client.read_event() is None
        await client.disconnect()
        with pytest.raises(OSError, match="refused|failed"):
            await Client(port).connect()

    asyncio.run(scenario())
