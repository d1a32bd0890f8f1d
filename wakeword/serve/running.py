"""Servers in one event loop, until Ctrl-C, SIGTERM or the caller ends them."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, contextmanager


async def run_until_stopped(
    servers: Sequence[AbstractAsyncContextManager], on_ready: Callable[[], None], stop: asyncio.Event | None = None
) -> None:
    """Enters all the servers, calls `on_ready`, waits for a signal or `stop`, and leaves them in turn."""
    stop = stop or asyncio.Event()
    with _stopping_on_signals(stop):
        async with AsyncExitStack() as stack:
            for server in servers:
                await stack.enter_async_context(server)
            on_ready()
            await stop.wait()


@contextmanager
def _stopping_on_signals(stop: asyncio.Event) -> Iterator[None]:
    """Sets `stop` on a signal. By plain handlers, for Windows has no others; a second Ctrl-C ends at once."""
    loop = asyncio.get_running_loop()
    previous = {}

    def on_signal(number: int, _frame: object) -> None:
        signal.signal(number, previous[number] or signal.SIG_DFL)
        loop.call_soon_threadsafe(stop.set)

    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            previous[number] = signal.getsignal(number)
            signal.signal(number, on_signal)
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler or signal.SIG_DFL)
