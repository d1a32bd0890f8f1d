import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from itertools import count

import pytest

from wakeword.prefetch import prefetched


def test_the_items_come_out_in_order() -> None:
    assert list(prefetched(iter(range(100)))) == list(range(100))


def test_what_goes_wrong_ahead_is_raised_at_its_place() -> None:
    def three_then_trouble() -> Iterator[int]:
        yield from range(3)
        raise ValueError("trouble")

    received = []
    with pytest.raises(ValueError, match="trouble"):
        received.extend(prefetched(three_then_trouble()))
    supply = prefetched(three_then_trouble())
    assert [next(supply) for _ in range(3)] == [0, 1, 2]


def test_closing_ends_the_thread_and_closes_the_source() -> None:
    closed = threading.Event()

    def endless() -> Iterator[int]:
        try:
            yield from count()
        finally:
            closed.set()

    before = threading.active_count()
    supply = prefetched(endless())
    assert next(supply) == 0
    supply.close()
    assert closed.is_set()
    assert threading.active_count() == before


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs a system with timers that interrupt")
def test_an_interruption_between_any_two_lines_leaves_nothing_locked() -> None:
    code = """
import random, signal
from contextlib import closing
from itertools import count
from wakeword.prefetch import prefetched
signal.signal(signal.SIGALRM, signal.default_int_handler)
rng, interrupted = random.Random(0), 0
for _ in range(500):
    try:
        with closing(prefetched(count())) as supply:
            signal.setitimer(signal.ITIMER_REAL, rng.uniform(0.0005, 0.003))
            for _ in supply:
                pass
    except KeyboardInterrupt:
        interrupted += 1
print(interrupted)
"""
    ran = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, timeout=60, check=True)
    assert int(ran.stdout) == 500
