"""A few processes that work ahead, whose results come back in order."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from wakeword.errors import DataError

BATCHES_AHEAD = 3  # for each worker: enough to keep it busy, few enough to bound memory
SCRIPT = 'script without if __name__ == "__main__":'

_shared: Any = None


def ordered_map(function: Callable[..., Any], shared: Any, jobs: Iterable[tuple], workers: int) -> Iterator[Any]:
    """Yields `function(shared, *job)` for each job, in order; with 0 workers in this process.

    `shared` is sent to each worker once. Processes are spawned, so a script that calls this needs the usual
    `if __name__ == "__main__":`, and gets DataError without it, as where a worker is killed. What a worker raises is
    raised here. However the generator ends, they end with it.
    """
    if workers == 0:
        yield from (function(shared, *job) for job in jobs)
        return
    if getattr(multiprocessing.current_process(), "_inheriting", False):  # a worker that begins by running the script
        raise DataError(f"workers: got a {SCRIPT}, all of which each of them would run")
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_start, initargs=(shared,))
    ahead: deque = deque()
    jobs = iter(jobs)
    try:
        while True:
            for job in jobs:
                ahead.append(pool.submit(_work, function, job))
                if len(ahead) >= workers * BATCHES_AHEAD:
                    break
            if not ahead:
                return
            yield ahead.popleft().result()
    except BrokenProcessPool:
        raise DataError(f"workers: one of them died: killed, out of memory, or started by a {SCRIPT}?") from None
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def engine_named(name: str) -> Callable[..., Iterator[Any]]:
    """`ordered_map` or what does the same on a cluster. Raises DataError for another name, MissingExtraError."""
    if name == "local":
        return ordered_map
    if name == "ray":
        from synth.cluster import ray_map

        return ray_map
    raise DataError(f"--engine: got {name!r}, expected local or ray")


def _start(shared: Any) -> None:
    global _shared
    _shared = shared
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes; the parent ends the workers in order
    end_with_parent()


def end_with_parent() -> None:
    """In a worker: a parent that was killed ends nobody, and without this they would wait for it for ever."""
    threading.Thread(target=_outlive_no_parent, daemon=True).start()


def _outlive_no_parent() -> None:
    multiprocessing.parent_process().join()
    os._exit(1)


def _work(function: Callable[..., Any], job: tuple) -> Any:
    return function(_shared, *job)
