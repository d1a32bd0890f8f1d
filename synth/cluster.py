"""The same work on Ray: on this machine, or on the cluster whose address RAY_ADDRESS names.

Ray hands a job whose worker died to another one. Jobs are functions of their arguments alone and write under another
name first, so one that ran half, or twice, leaves the same files. Nodes need the same packages, and must see the clips'
cache (WAKEWORD_CACHE) and the output folder under the same paths.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

JOBS_AHEAD = 2  # for each processor of the cluster: enough to keep it busy, few enough to bound memory
RETRIES = -1  # of a job whose worker died: without end, for somebody has to do it


def ray_map(function: Callable[..., Any], shared: Any, jobs: Iterable[tuple], workers: int) -> Iterator[Any]:
    """Yields `function(shared, *job)` for each job, in order, as `synth.workers.ordered_map` does.

    Without RAY_ADDRESS Ray is started here, with so many workers, and ended again. What a job raises is raised here.
    Raises MissingExtraError without ray.
    """
    ray = _ray()
    with _started(ray, workers):
        given = ray.put((function, shared))
        work = ray.remote(max_retries=RETRIES)(_work)
        limit = JOBS_AHEAD * max(int(ray.cluster_resources().get("CPU", 1)), 1)
        ahead: deque = deque()
        for job in jobs:
            ahead.append(work.remote(given, job))
            if len(ahead) >= limit:
                yield _result(ray, ahead.popleft())
        while ahead:
            yield _result(ray, ahead.popleft())


def _work(given: tuple[Callable[..., Any], Any], job: tuple) -> Any:
    function, shared = given
    return function(shared, *job)


def _result(ray: Any, reference: Any) -> Any:
    try:
        return ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        raise error.cause from None


def _ray() -> Any:
    from wakeword.errors import MissingExtraError

    try:
        import ray
    except ModuleNotFoundError:
        raise MissingExtraError("--engine ray", "ray", "cluster") from None
    return ray


@contextmanager
def _started(ray: Any, workers: int) -> Iterator[None]:
    if ray.is_initialized():
        yield
        return
    address = os.environ.get("RAY_ADDRESS")
    here = {} if address else {"num_cpus": max(workers, 1), "include_dashboard": False}
    ray.init(address, log_to_driver=False, configure_logging=False, **here)
    try:
        yield
    finally:
        ray.shutdown()
