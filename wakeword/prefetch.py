"""Work ahead of a consumer: what the next batch needs is done while the last one is being trained on."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from queue import Full, Queue
from typing import TypeVar

Item = TypeVar("Item")
POLL_S = 0.2  # how soon the thread notices that nobody wants more


def prefetched(items: Iterator[Item], depth: int = 2) -> Iterator[Item]:
    """Yields the same items, up to `depth` of them made ahead in a thread.

    What `items` raises is raised here. Closing this generator ends the thread and closes `items`.
    """
    ready: Queue = Queue(depth)
    wanted = threading.Event()
    wanted.set()

    def offer(kind: str, value: object) -> None:
        while wanted.is_set():
            try:
                ready.put((kind, value), timeout=POLL_S)
                return
            except Full:
                continue

    def work() -> None:
        try:
            for item in items:
                offer("item", item)
                if not wanted.is_set():
                    return
            offer("end", None)
        except BaseException as error:  # handed over, whatever it is: the consumer must not wait for ever
            offer("error", error)
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
            yield value
    finally:
        wanted.clear()
        thread.join()
