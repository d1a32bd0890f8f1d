"""The page's microphone: a WebSocket that takes PCM and gives scores and detections.

Up: one text message {"rate_hz": 48000}, then binary messages of 16-bit little-endian mono at that rate. Down, as JSON:
{"type": "ready", phrases, thresholds, step_s, rate_hz}, {"type": "scores", "time_s": of the last, "scores": [[K], ...]}
and {"type": "detection", phrase, start_s, end_s, score}. Times are seconds since the first sample. What is said after
a detection comes to those who ask for it: see `wakeword.serve.follow`.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Iterator
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect

from wakeword.detector import Detection
from wakeword.errors import ServeError
from wakeword.serve.follow import Follower, Message, open_stream
from wakeword.serve.limits import Bucket, Limits
from wakeword.serve.sound import ClientStream, Format, OnEvent, OnHeard, shown
from wakeword.stream import WakeWord

POLICY, FULL = 1008, 1013  # WebSocket's codes for "not like this" and "try again later"
REASON_BYTES = 120  # a closing message holds 123


class Live:
    """Serves `/live`. One stream a connection."""

    def __init__(self, wakeword: WakeWord, on_heard: OnHeard, on_event: OnEvent, limits: Limits) -> None:
        self._wakeword, self._limits = wakeword, limits
        self._on_heard, self._on_event = on_heard, on_event
        self._numbers = itertools.count(1)
        self.clients = 0

    async def serve(self, socket: WebSocket) -> None:
        """The whole life of one connection."""
        who = f"page {next(self._numbers)} ({socket.client.host if socket.client else '?'})"
        await socket.accept()
        if self.clients >= self._limits.clients:
            self._on_event(f"{who}: refused: {self.clients} pages listen, the most there may be")
            await socket.close(FULL, "too many pages listen")
            return
        self.clients += 1
        try:
            await self._talk(who, socket)
        except (WebSocketDisconnect, OSError):
            return
        except ServeError as error:
            self._on_event(f"{who}: closed: {error}")
            await _close(socket, str(error))
        finally:
            self.clients -= 1

    async def _talk(self, who: str, socket: WebSocket) -> None:
        hello = _hello(await self._next(socket))
        form = Format(hello["rate_hz"])
        ww, follower = open_stream(self._wakeword, hello.get("capture"))
        stream = ClientStream(ww, ww.step_samples)
        loop = asyncio.get_running_loop()
        budget = Bucket(self._limits.live_speed, self._limits.live_burst_s, loop.time())
        await self._send(socket, {**words(ww), "type": "ready"})
        while True:
            pcm = (await self._next(socket)).get("bytes") or b""
            if not budget.take(len(pcm) / (2 * form.rate_hz), loop.time()):
                raise ServeError(f"sound: got over {self._limits.live_speed:g} times real time, expected a microphone")
            await self._hear(who, socket, stream, stream.feed(pcm, form), follower)

    async def _hear(
        self,
        who: str,
        socket: WebSocket,
        stream: ClientStream,
        slices: Iterator[list[Detection]],
        follower: Follower | None,
    ) -> None:
        scores, samples = [], round(stream.time_s * stream.wakeword.sample_rate_hz)
        for heard in slices:
            for detection in heard:
                self._on_heard(who, detection)
                await self._send(socket, {**as_json(detection), "type": "detection"})
            for message in follower.messages(heard) if follower else ():
                await self._send(socket, message)
            now = round(stream.time_s * stream.wakeword.sample_rate_hz)
            if now // stream.wakeword.step_samples > samples // stream.wakeword.step_samples:
                scores.append([round(score, 4) for score in stream.wakeword.latest_scores])
            samples = now
        if scores:
            step = stream.wakeword.step_samples
            time_s = samples // step * step / stream.wakeword.sample_rate_hz
            await self._send(socket, {"type": "scores", "time_s": round(time_s, 4), "scores": scores})

    async def _next(self, socket: WebSocket) -> dict[str, Any]:
        try:
            async with asyncio.timeout(self._limits.idle_s):
                message = await socket.receive()
        except TimeoutError:
            raise ServeError(f"got nothing for {self._limits.idle_s:g} s, expected sound") from None
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code", 1005))
        size = len(message.get("bytes") or message.get("text") or b"")
        if size > self._limits.payload_bytes:
            raise ServeError(f"got a message of {size} bytes, expected at most {self._limits.payload_bytes}")
        return message

    async def _send(self, socket: WebSocket, answer: Message) -> None:
        try:
            async with asyncio.timeout(self._limits.message_s):
                await (socket.send_bytes(answer) if isinstance(answer, bytes) else socket.send_text(json.dumps(answer)))
        except TimeoutError:
            raise ServeError(f"it took nothing of what was sent to it for {self._limits.message_s:g} s") from None


def words(ww: WakeWord) -> dict[str, Any]:
    """What a page needs to know of the wake words."""
    return {
        "phrases": ww.phrases,
        "thresholds": [config.threshold for config in ww.detector_configs],
        "step_s": ww.step_samples / ww.sample_rate_hz,
        "rate_hz": ww.sample_rate_hz,
    }


def as_json(detection: Detection) -> dict[str, Any]:
    """Times in seconds of the stream, rounded to what a page can show."""
    return {
        "phrase": detection.phrase,
        "start_s": round(detection.start_s, 4),
        "end_s": round(detection.end_s, 4),
        "score": round(detection.score, 4),
    }


def _hello(message: dict[str, Any]) -> dict[str, Any]:
    """The first message: an object that says at least the rate."""
    try:
        hello = json.loads(message.get("text") or "")
        return {**hello, "rate_hz": hello["rate_hz"]}
    except (ValueError, KeyError, TypeError, RecursionError):
        raise ServeError(f'got {shown(message.get("text"))}, expected {{"rate_hz": 48000}} first') from None


async def _close(socket: WebSocket, reason: str) -> None:
    try:
        async with asyncio.timeout(1.0):
            await socket.close(POLICY, reason.encode()[:REASON_BYTES].decode("utf-8", "ignore"))
    except (TimeoutError, OSError, RuntimeError):  # RuntimeError: starlette's, for one that has just gone
        return
