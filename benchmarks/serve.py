#!/usr/bin/env python3
"""What many microphones at once cost the Wyoming server: real clients, over TCP, in real time.

    python benchmarks/serve.py BUNDLE --wav RECORDING [--clients 32] [--seconds 30] [--json]

Prints the server's share of one core, and how long after a chunk that ends a word was sent its detection had come. The
last line is one JSON object. Needs Linux or macOS.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import re
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[0] = str(ROOT)  # instead of this folder, whose synth.py is not the package

CHUNK_S = 0.08
STAGGER_S = 0.0137  # from one client's start to the next, so that they do not all send at once


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--wav", type=Path, required=True, help="what every client hears, again and again")
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--json", action="store_true", help="only the last line")
    options = parser.parse_args()

    idle_s, _ = with_server(options.bundle, None)
    busy_s, found = with_server(options.bundle, options)
    delays_ms = sorted(delay for delays in found for delay in delays)
    figures = {
        "clients": options.clients,
        "seconds": options.seconds,
        "core_share": round((busy_s - idle_s) / options.seconds, 4),
        "core_share_per_client": round((busy_s - idle_s) / options.seconds / options.clients, 5),
        "detections": len(delays_ms),
        "detections_by_client": sorted({len(delays) for delays in found}),
        "delay_ms_median": round(statistics.median(delays_ms), 1) if delays_ms else None,
        "delay_ms_95": round(delays_ms[int(0.95 * len(delays_ms))], 1) if delays_ms else None,
    }
    if not options.json:
        for name, value in figures.items():
            print(f"{name:22} {value}")
    print(json.dumps(figures))


def with_server(bundle: Path, options: argparse.Namespace | None) -> tuple[float, list[list[float]]]:
    """CPU seconds of a server from its start to its end, and the delays [ms] of each client; without options, idle."""
    before = children_s()
    command = [sys.executable, "-m", "wakeword", "serve", str(bundle), "--wyoming", "tcp://127.0.0.1:0"]
    server = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    port = int(re.search(r"tcp://127.0.0.1:(\d+)", server.stderr.readline()).group(1))
    found = asyncio.run(clients(port, options)) if options else []
    server.terminate()
    server.wait()
    return children_s() - before, found


def children_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


async def clients(port: int, options: argparse.Namespace) -> list[list[float]]:
    from wakeword.audio import read, to_int16

    pcm = to_int16(read(options.wav, 16000))
    starts = (STAGGER_S * number for number in range(options.clients))
    return await asyncio.gather(*(client(port, pcm, options.seconds, start_s) for start_s in starts))


async def client(port: int, pcm, seconds: float, start_s: float) -> list[float]:
    """Sends a chunk whenever one would have been recorded; returns the delay of each detection in ms."""
    from wyoming.audio import AudioChunk, AudioStart
    from wyoming.client import AsyncTcpClient

    await asyncio.sleep(start_s)
    delays_ms: list[float] = []
    sent_s: list[float] = []
    samples = round(CHUNK_S * 16000)
    async with AsyncTcpClient("127.0.0.1", port) as connection:
        begin_s = time.perf_counter()
        listening = asyncio.create_task(collect(connection, sent_s, delays_ms))
        await connection.write_event(AudioStart(16000, 2, 1).event())
        for number in range(round(seconds / CHUNK_S)):
            at = number * samples % (len(pcm) - samples)
            await asyncio.sleep(begin_s + (number + 1) * CHUNK_S - time.perf_counter())
            chunk = AudioChunk(16000, 2, 1, pcm[at : at + samples].tobytes(), round(1000 * number * CHUNK_S))
            sent_s.append(time.perf_counter())
            await connection.write_event(chunk.event())
        await asyncio.sleep(CHUNK_S)
        listening.cancel()
    return delays_ms


async def collect(connection, sent_s: list[float], delays_ms: list[float]) -> None:
    while event := await connection.read_event():
        if event.type == "detection":
            chunk = math.ceil(event.data["timestamp"] / (1000 * CHUNK_S)) - 1
            delays_ms.append(1000 * (time.perf_counter() - sent_s[chunk]))


if __name__ == "__main__":
    main()
