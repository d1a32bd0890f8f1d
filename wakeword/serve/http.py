"""Uvicorn as one of our servers: on our socket, in our loop, with our signals, and with limits on its connections."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from wakeword.errors import ServeError
from wakeword.serve.guard import Guard
from wakeword.serve.limits import Limits

GRACE_S = 1
CONNECTIONS_A_CLIENT = 4  # a browser opens several for one page


class HttpServer:
    """Serves an application on a listening socket: `async with HttpServer(...)`; leaving closes every connection.

    `certificate`: PEM files of a certificate and its key, for https. Raises ServeError if they cannot be used.
    """

    def __init__(
        self, app: Guard, listening: socket.socket, limits: Limits, certificate: tuple[Path, Path] | None = None
    ) -> None:
        files = {"ssl_certfile": certificate[0], "ssl_keyfile": certificate[1]} if certificate else {}
        self._listening = listening
        config = uvicorn.Config(
            app,
            http=_bounded_protocol(limits),
            ws_max_size=limits.payload_bytes,
            ws_max_queue=4,
            ws_per_message_deflate=False,  # sound does not shrink, and what unpacks can be a bomb
            lifespan="off",
            log_config=None,
            log_level="error",
            access_log=False,  # addresses may hold the token
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=5,
            timeout_graceful_shutdown=GRACE_S,
            h11_max_incomplete_event_size=limits.header_bytes,
            **files,
        )
        try:
            config.load()
        except OSError as error:
            raise ServeError(f"certificate: cannot be used: {error.strerror or error}") from None
        self._server = _Server(config)

    async def __aenter__(self) -> HttpServer:
        self._task = asyncio.create_task(self._server.serve([self._listening]))
        while not self._server.started and not self._task.done():
            await asyncio.sleep(0.005)
        if self._task.done():
            await self._task
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.should_exit = True
        await self._task


class _Server(uvicorn.Server):
    """Signals are not its business: `wakeword.serve.running` ends all servers together."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _bounded_protocol(limits: Limits) -> type[H11Protocol]:
    """Uvicorn's own, with a most of connections, and an end for those whose request does not come."""

    class Bounded(H11Protocol):
        def connection_made(self, transport: asyncio.Transport) -> None:
            super().connection_made(transport)
            if len(self.connections) > CONNECTIONS_A_CLIENT * limits.clients:
                transport.abort()
                return
            self.loop.call_later(limits.message_s, self._check_begun)

        def _check_begun(self) -> None:
            """What is gone, or a WebSocket by now, is no longer among them; later requests have uvicorn's clock."""
            if self in self.connections and self.cycle is None:
                self.transport.abort()

    return Bounded
