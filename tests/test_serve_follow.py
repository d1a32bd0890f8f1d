"""What is said after a hit, over the WebSocket."""

from __future__ import annotations

import asyncio
import json

import numpy as np
import pytest

pytest.importorskip("torch", reason="the tests' bundle is made with the extra 'train'")
pytest.importorskip("starlette", reason="the web page needs the extra 'serve'")

from serving import RATE, live, noise, page_server, write_babbler
from websockets.exceptions import ConnectionClosed

from wakeword.stream import WakeWord, load


@pytest.fixture(scope="module")
def ww(tmp_path_factory: pytest.TempPathFactory) -> WakeWord:
    return load(write_babbler(tmp_path_factory.mktemp("bundles") / "babbler"))


async def captured(port: int, pcm: np.ndarray, lengths: object) -> tuple[dict, bytes, dict]:
    """The first capture that comes back for a sound sent in pieces of 50 ms: its beginning, its PCM and its end."""
    async with live(port) as page:
        await page.send(json.dumps({"rate_hz": RATE, "capture": lengths}))
        for at in range(0, len(pcm), RATE // 20):
            await page.send(pcm[at : at + RATE // 20].tobytes())
        begin, sound = {}, b""
        while True:
            message = await asyncio.wait_for(page.recv(), 20)
            if isinstance(message, bytes):
                sound += message
                continue
            message = json.loads(message)
            begin = message if message["type"] == "capture" and not begin else begin
            if message["type"] == "capture_end":
                return begin, sound, message


def test_what_follows_a_hit_comes_without_a_gap_to_who_asked_for_it(ww: WakeWord) -> None:
    pcm = noise(6.0, seed=1)

    async def scenario():
        async with page_server(ww) as (port, _, _):
            return await captured(port, pcm, {"pre_roll_s": 0.1, "max_s": 1.5, "end_silence_s": None})

    begin, sound, end = asyncio.run(scenario())
    first = ww.fresh().feed(pcm)[0]
    hit = round(first.end_s * RATE)
    assert (begin["phrase"], begin["rate_hz"], begin["hit_s"]) == (first.phrase, RATE, 0.1)
    assert end["ended_by"] == "length"
    assert np.array_equal(np.frombuffer(sound, "<i2"), pcm[hit - RATE // 10 : hit + 3 * RATE // 2])


@pytest.mark.parametrize(
    ("asked", "problem"),
    [
        ("yes", "capture: got 'yes', expected an object"),
        ({"max": 3}, "capture: got 'max', expected some of pre_roll_s, max_s, end_silence_s, wait_s"),
        ({"max_s": True}, "capture: max_s: got True, expected seconds"),
        ({"max_s": -1}, "capture: got max_s -1, expected 0 to 600"),
    ],
)
def test_a_capture_of_no_sense_is_refused_in_one_line(ww: WakeWord, asked: object, problem: str) -> None:
    async def scenario():
        async with page_server(ww) as (port, _, said), live(port) as page:
            await page.send(json.dumps({"rate_hz": RATE, "capture": asked}))
            with pytest.raises(ConnectionClosed) as closed:
                await asyncio.wait_for(page.recv(), 10)
            return closed.value.reason, said

    reason, said = asyncio.run(scenario())
    assert reason.startswith(problem) and problem in said[0]
