"""The web page's server, asked over real sockets as a browser would, and as a browser never would."""

from __future__ import annotations

import asyncio
import json
import re
import socket
from contextlib import suppress
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="the tests' bundle is made with the extra 'train'")
pytest.importorskip("starlette", reason="the web page needs the extra 'serve'")

from serving import FOLDERS, PHRASES, RATE, ask, live, noise, page_server, write_babbler
from websockets.exceptions import ConnectionClosed, InvalidStatus

from wakeword.detector import smooth
from wakeword.serve.limits import Limits
from wakeword.serve.takes import Takes
from wakeword.serve.web import PAGE
from wakeword.stream import WakeWord, load


@pytest.fixture(scope="module")
def ww(tmp_path_factory: pytest.TempPathFactory) -> WakeWord:
    return load(write_babbler(tmp_path_factory.mktemp("bundles") / "babbler"))


async def messages_of(port: int, pcm: np.ndarray, rate: int = RATE) -> list[dict]:
    """All that comes back for a sound, sent in pieces of 40 ms."""
    async with live(port) as page:
        await page.send(json.dumps({"rate_hz": rate}))
        found = [json.loads(await page.recv())]
        for at in range(0, len(pcm), rate // 25):
            await page.send(pcm[at : at + rate // 25].tobytes())
        steps = int(len(pcm) / rate / found[0]["step_s"])
        while sum(len(m["scores"]) for m in found if m["type"] == "scores") < steps - 2:
            found.append(json.loads(await asyncio.wait_for(page.recv(), 20)))
        return found


def of_type(kind: str, messages: list[dict]) -> list[dict]:
    return [message for message in messages if message["type"] == kind]


def test_the_page_and_all_that_it_loads_come_from_here(ww: WakeWord) -> None:
    async def scenario():
        async with page_server(ww) as (port, _, _):
            return [await ask(port, path) for path in [*PAGE, "/api/about"]]

    answers = asyncio.run(scenario())
    assert [status for status, _, _ in answers] == [200] * len(answers)
    assert all("default-src 'self'" in headers["Content-Security-Policy"] for _, _, headers in answers)
    assert json.loads(answers[-1][1])["phrases"] == PHRASES
    assert {what[0] for what in PAGE.values()} == {path.name for path in (files("wakeword.serve") / "page").iterdir()}


def test_no_asset_names_another_site() -> None:
    for name, _ in PAGE.values():
        text = (files("wakeword.serve") / "page" / name).read_text("utf-8")
        assert set(re.findall(r"https?://[^\s\"'`]+", text)) <= {"http://www.w3.org/2000/svg"}, name


def test_the_microphone_gets_the_streams_own_scores_and_detections(ww: WakeWord) -> None:
    pcm = noise(5.0, seed=1)

    async def scenario():
        async with page_server(ww) as (port, heard, _):
            return await messages_of(port, pcm), heard

    found, heard = asyncio.run(scenario())
    assert found[0]["thresholds"] == [config.threshold for config in ww.detector_configs]
    wanted = [(d.phrase, round(d.end_s, 4)) for d in ww.fresh().feed(pcm)]
    assert [(m["phrase"], m["end_s"]) for m in of_type("detection", found)] == wanted != []
    assert len(heard) == len(wanted)
    curve = np.array([row for m in of_type("scores", found) for row in m["scores"]])
    _, raw = ww.scores(pcm)
    raw[: ww.warmup_steps] = 0.0
    whole = np.stack([smooth(raw[:, k], ww.detector_configs[k].smoothing_steps) for k in range(2)], axis=1)
    np.testing.assert_allclose(curve, whole[: len(curve)], atol=1e-4)


def test_a_browser_at_48_khz_hears_the_same_words(ww: WakeWord) -> None:
    import soxr

    pcm = noise(4.0, seed=2, rate=48000)

    async def scenario():
        async with page_server(ww) as (port, _, _):
            return await messages_of(port, pcm, 48000)

    wanted = ww.fresh().feed(soxr.resample(pcm, 48000, RATE))
    found = of_type("detection", asyncio.run(scenario()))
    assert [m["phrase"] for m in found] == [d.phrase for d in wanted][: len(found)]
    assert len(found) >= len(wanted) - 1 > 0, "the last may lie in what the resampler still holds"


@pytest.mark.parametrize("origin", ["http://evil.example", "null", None, "http://127.0.0.1:1"])
def test_another_sites_page_cannot_listen_or_write(ww: WakeWord, tmp_path: Path, origin: str | None) -> None:
    async def scenario():
        takes = Takes(tmp_path, FOLDERS, lambda pcm, rate: "")
        async with page_server(ww, takes=takes) as (port, _, _):
            with pytest.raises(InvalidStatus, match="403"):
                await live(port, origin)
            return await ask(
                port, "/api/takes?phrase=hey+test&rate_hz=16000", "POST", bytes(32000), origin=origin or ""
            )

    status, _, _ = asyncio.run(scenario())
    assert status == 403
    assert not list(tmp_path.rglob("*.wav"))


def test_a_name_that_somebody_points_at_this_machine_is_not_served(ww: WakeWord) -> None:
    async def scenario():
        async with page_server(ww) as (port, _, _):
            evil = await ask(port, "/api/about", host="evil.example")
            return evil[0], (await ask(port, "/api/about", host=f"localhost:{port}"))[0]

    assert asyncio.run(scenario()) == (421, 200)


def test_with_a_token_nothing_is_served_without_it_and_all_with_its_cookie(ww: WakeWord) -> None:
    async def scenario():
        async with page_server(ww, token="s3cret-token") as (port, _, _):
            bare = [(await ask(port, path))[0] for path in ("/", "/app.js", "/api/about", "/?token=wrong")]
            status, _, headers = await ask(port, "/?token=s3cret-token", host="mine.example")
            cookie = headers["Set-Cookie"].partition(";")[0]
            with pytest.raises(InvalidStatus, match="403"):
                await live(port)
            async with live(port, additional_headers={"Cookie": cookie}) as page:
                await page.send('{"rate_hz": 16000}')
                ready = json.loads(await page.recv())
            return bare, status, headers, (await ask(port, "/api/about", cookie=cookie))[0], ready

    bare, status, headers, with_cookie, ready = asyncio.run(scenario())
    assert bare == [401] * 4
    assert (status, headers["Location"], with_cookie, ready["type"]) == (303, "/", 200, "ready")
    assert "HttpOnly" in headers["Set-Cookie"] and "samesite=lax" in headers["Set-Cookie"].lower()


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        (["nonsense"], "expected {"),
        (["[" * 5000], "expected {"),
        (['{"rate_hz": 1}'], "rate: got 1,"),
        (['{"rate_hz": "16000"}'], "rate: got '16000'"),
        ([bytes(100)], "expected {"),
        (['{"rate_hz": 16000}', b"123"], "expected whole frames"),
        (['{"rate_hz": 16000}', *[bytes(100_000)] * 8], "1.5 times real time"),
        (['{"rate_hz": 16000}', bytes(1 << 20)], "too big"),
    ],
)
def test_what_no_page_sends_closes_that_page_and_no_other(ww: WakeWord, sent: list, reason: str) -> None:
    async def scenario():
        async with page_server(ww) as (port, _, _), live(port) as other:
            await other.send('{"rate_hz": 16000}')
            await other.recv()
            async with live(port) as page:
                with suppress(ConnectionClosed):
                    for message in sent:
                        await page.send(message)
                await asyncio.wait_for(page.wait_closed(), 10)
            await other.send(bytes(3200))
            return page.close_code, page.close_reason, json.loads(await other.recv())

    code, told, still = asyncio.run(scenario())
    assert (code == 1008 and reason in told) or code == 1009
    assert still["type"] == "scores"


def test_one_page_too_many_is_refused_and_a_silent_one_is_closed(ww: WakeWord) -> None:
    async def scenario():
        async with page_server(ww, Limits(clients=1, idle_s=0.5)) as (port, _, said), live(port) as first:
            async with live(port) as second:
                with pytest.raises(ConnectionClosed) as full:
                    await second.recv()
            with pytest.raises(ConnectionClosed) as idle:
                await first.recv()
            async with live(port) as third:
                await third.send('{"rate_hz": 16000}')
                return full.value.rcvd.code, idle.value.rcvd.reason, json.loads(await third.recv()), said

    full, idle, ready, said = asyncio.run(scenario())
    assert (full, ready["type"]) == (1013, "ready")
    assert "got nothing for 0.5 s" in idle
    assert "refused" in said[0]


def test_a_request_that_does_not_come_to_its_end_is_cut_off(ww: WakeWord, tmp_path: Path) -> None:
    async def scenario():
        takes = Takes(tmp_path, FOLDERS, lambda pcm, rate: "")
        async with page_server(ww, Limits(message_s=0.3), takes=takes) as (port, _, _):
            ends = []
            origin = (
                f"Host: localhost\r\nOrigin: http://localhost\r\nConnection: close\r\nContent-Length: 99\r\n\r\n{port}"
            )
            for part in (b"", b"GET / HT", b"POST /api/takes HTTP/1.1\r\n" + origin.encode()):
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(part)
                ends.append(await asyncio.wait_for(reader.read(), 10))
                writer.close()
            return ends, (await ask(port, "/api/about"))[0]

    ends, alive = asyncio.run(scenario())
    assert ends[:2] == [b"", b""]
    assert b"400 Bad Request" in ends[2] and b"got a part of a request" in ends[2]
    assert alive == 200


def test_by_default_there_are_neither_takes_nor_hits(ww: WakeWord) -> None:
    async def scenario():
        async with page_server(ww) as (port, _, _):
            return [(await ask(port, path))[0] for path in ("/api/takes", "/api/hits", "/api/hits/sound")]

    assert asyncio.run(scenario()) == [404, 404, 404]


def test_noise_on_the_port_does_not_end_the_server(ww: WakeWord) -> None:
    rng = np.random.default_rng(3)

    async def scenario():
        async with page_server(ww) as (port, _, _):
            for length in (1, 100, 5000, 100_000):
                with socket.create_connection(("127.0.0.1", port), timeout=5) as stranger:
                    await asyncio.to_thread(stranger.sendall, rng.bytes(length))
                    await asyncio.sleep(0.01)
            return (await ask(port, "/api/about"))[0]

    assert asyncio.run(scenario()) == 200
