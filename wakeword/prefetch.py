"""Work ahead of a consumer: what the next batch needs is done while the last one is being trained on."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from queue import SimpleQueue
from typing import TypeVar

Item = TypeVar("Item")


def prefetched(items: Iterator[Item], depth: int = 2) -> Iterator[Item]:
    """Yields the same items, up to `depth` of them made ahead in a thread.

    What `items` raises is raised here. Closing this generator ends the thread and closes `items`.
    """
    # A Ctrl-C in the middle of a `Queue` would leave it locked, and the end would wait for ever for the thread.
    ready: SimpleQueue[tuple[str, object]] = SimpleQueue()
    room: SimpleQueue[None] = SimpleQueue()  # holds something for each item that may still be made ahead
    for _ in range(depth):
        room.put(None)
    wanted = True

    def work() -> None:
        try:
            for item in items:
                room.get()
                if not wanted:
                    return
                ready.put(("item", item))
            ready.put(("end", None))
        except BaseException as error:  # handed over, whatever it is: the consumer must not wait for ever
            ready.put(("error", error))
        finally:
            if hasattr(items, "close"):
                items.close()

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        while True:
            kind, value = ready.get()
            if kind == "end":
                return
            if kind == "error":
                raise value
            room.put(None)
            yield value
    finally:
        wanted = False
        room.put(None)
        thread.join()
