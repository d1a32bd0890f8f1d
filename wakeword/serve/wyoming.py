"""The Wyoming server, which is how Home Assistant and its satellites ask for a wake word.

describe -> info; then, on the same connection or another: detect {names}, audio-start, audio-chunk ..., audio-stop. A
detection is sent for every hit, for as long as sound comes; not-detected at audio-stop if there was none since
audio-start. Every client has a stream of its own; the graphs are shared.
"""

from __future__ import annotations

import asyncio
import itertools
import socket
from contextlib import suppress

from wyoming.error import Error
from wyoming.event import Eventable, async_write_event

from wakeword.errors import ServeError
from wakeword.serve.conversation import Conversation
from wakeword.serve.framing import read_event
from wakeword.serve.limits import Bucket, Limits
from wakeword.serve.sound import OnEvent, OnHeard
from wakeword.stream import WakeWord

LINGER_S = 1.0


class WyomingServer:
    """Serves Wyoming on a listening socket: `async with WyomingServer(...)`; leaving closes every client.

    A client that sends what makes no sense is told so (`error`) and closed; the others do not notice. One that sends
    much faster than real time is read no faster than `limits` say: it waits, and nothing of its sound is lost.
    """

    def __init__(
        self, wakeword: WakeWord, listening: socket.socket, on_heard: OnHeard, on_event: OnEvent, limits: Limits
    ) -> None:
        self._wakeword, self._listening = wakeword, listening
        self._on_heard, self._on_event, self._limits = on_heard, on_event, limits
        self._tasks: set[asyncio.Task[None]] = set()
        self._numbers = itertools.count(1)

    async def __aenter__(self) -> WyomingServer:
        self._server = await asyncio.start_server(self._accept, sock=self._listening, limit=self._limits.header_bytes)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def clients(self) -> int:
        """How many are connected now."""
        return len(self._tasks)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        who = f"wyoming client {next(self._numbers)} ({(writer.get_extra_info('peername') or ['?'])[0]})"
        if len(self._tasks) >= self._limits.clients:
            self._on_event(f"{who}: refused: {self._limits.clients} clients are connected, the most there may be")
            writer.close()
            return
        # What vanished without a word, such as a satellite that lost its power, is noticed by the system.
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        task = asyncio.create_task(self._serve(who, reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, who: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._talk(who, reader, writer)
        except ServeError as error:
            self._on_event(f"{who}: {error}")
        except ConnectionError:
            return  # it went away, as Home Assistant does when it has heard what it waited for
        except OSError as error:
            self._on_event(f"{who}: lost: {error.strerror or error}")
        finally:
            # close() would wait for a client that does not read, and keep what is meant for it.
            if writer.transport.get_write_buffer_size():
                writer.transport.abort()
            writer.close()

    async def _talk(self, who: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talk = Conversation(
            self._wakeword,
            on_heard=lambda detection: self._on_heard(who, detection),
            on_event=lambda line: self._on_event(f"{who}: {line}"),
        )
        now_s = asyncio.get_running_loop().time
        budget = Bucket(self._limits.wyoming_speed, self._limits.wyoming_burst_s, now_s())
        try:
            while event := await read_event(reader, self._limits):
                for answer in talk.answers(event):
                    if answer is not None:
                        await self._send(answer, writer)
                    await asyncio.sleep(0)
                # At least the others' turn: what is in the buffer is read without waiting.
                await asyncio.sleep(budget.wait_s(talk.sent_s(), now_s()))
        except ServeError as error:
            talk.on_event(f"closed: {error}")
            await self._send(Error(str(error), "invalid"), writer)
            await self._linger(reader, writer)

    async def _linger(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Closing on what was not read would take back, as a reset, the answer just sent; so read on for a moment."""
        writer.write_eof()
        left = 2 * self._limits.payload_bytes
        with suppress(TimeoutError):
            async with asyncio.timeout(min(LINGER_S, self._limits.message_s)):
                while left > 0 and (found := await reader.read(self._limits.header_bytes)):
                    left -= len(found)

    async def _send(self, answer: Eventable, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(self._limits.message_s):
                await async_write_event(answer.event(), writer)
        except TimeoutError:
            raise ServeError(f"it took nothing of what was sent to it for {self._limits.message_s:g} s") from None
