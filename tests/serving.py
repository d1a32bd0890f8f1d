"""For the tests of the servers: a bundle that fires now and then on noise, and servers on free ports."""

from __future__ import annotations

import asyncio
import http.client
import os
import subprocess
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
from websockets.asyncio.client import connect
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.client import AsyncTcpClient

from wakeword.audio import to_int16
from wakeword.serve.address import Address, listen_on
from wakeword.serve.limits import Limits
from wakeword.serve.wyoming import WyomingServer
from wakeword.stream import WakeWord

RATE = 16000
PHRASES = ["hey test", "other word"]
FOLDERS = {phrase: phrase.replace(" ", "_") for phrase in PHRASES}  # of their takes


def write_babbler(folder: Path) -> Path:
    """Two phrases, random weights, thresholds between their own scores: fires on noise as the noise will have it."""
    import torch

    from wakeword.bundle import Card, write_bundle
    from wakeword.config import load_config, override
    from wakeword.export import export
    from wakeword.model import WakeModel
    from wakeword.stream import load

    torch.manual_seed(11)
    quick = {"rearm_ratio": None, "refractory_steps": 20, "smoothing_steps": 3}
    config = override(load_config("tiny"), detector=quick)
    model = WakeModel(config, labels=2).eval()
    for norm in (model.conv_norm, *model.gru_norm):
        norm.running_mean.normal_(0.0, 0.3)
        norm.running_var.uniform_(0.5, 2.0)
    facts = {"phrases": PHRASES, "phrase_s": [0.6, 0.6], "config": config, "provenance": {"made": "for tests"}}
    draft = Card(**facts, thresholds=[0.5, 0.5])
    _, curve = load(write_bundle(folder, draft, *export(model, draft)).path).scores(noise(6.0))
    card = Card(**facts, thresholds=np.quantile(curve[20:], 0.75, axis=0).tolist())
    return write_bundle(folder, card, *export(model, card)).path


def noise(seconds: float, seed: int = 0, rate: int = RATE) -> np.ndarray:
    """int16 [N] of noise whose level changes four times a second."""
    rng = np.random.default_rng(seed)
    levels = np.repeat(rng.uniform(0.0, 1.0, int(seconds * 4) + 1), rate // 4)[: round(seconds * rate)]
    return to_int16((0.1 * levels * rng.standard_normal(len(levels))).astype(np.float32))


@asynccontextmanager
async def wyoming_server(wakeword: WakeWord, limits: Limits | None = None):
    """Yields (server, port, what it heard, what it said)."""
    listening, address = listen_on(Address("127.0.0.1", 0))
    heard, said = [], []
    server = WyomingServer(wakeword, listening, lambda *what: heard.append(what), said.append, limits or Limits())
    async with server:
        yield server, address.port, heard, said


@asynccontextmanager
async def page_server(wakeword: WakeWord, limits: Limits | None = None, token: str | None = None, **folders):
    """Yields (the port, what it heard, what it said)."""
    from wakeword.serve.http import HttpServer
    from wakeword.serve.web import Folders, application

    listening, address = listen_on(Address("127.0.0.1", 0))
    limits, heard, said = limits or Limits(), [], []
    app = application(wakeword, lambda *what: heard.append(what), said.append, limits, token, Folders(**folders))
    async with HttpServer(app, listening, limits):
        yield address.port, heard, said


async def ask(port: int, path: str, method: str = "GET", body: bytes | None = None, **headers: str):
    """(status, body, headers) of one request that comes from the page itself, but for what `headers` say."""

    def request():
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        own = {"Origin": f"http://127.0.0.1:{port}"} if method != "GET" else {}
        connection.request(method, path, body, {**own, **{name.title(): value for name, value in headers.items()}})
        answer = connection.getresponse()
        found = answer.status, answer.read(), answer.headers
        connection.close()
        return found

    return await asyncio.to_thread(request)


def live(port: int, origin: str | None = "own", **options):
    """A connection to a page's WebSocket."""
    origin = f"http://127.0.0.1:{port}" if origin == "own" else origin
    return connect(f"ws://127.0.0.1:{port}/live", origin=origin, max_size=None, **options)


class Client(AsyncTcpClient):
    """The package's own client, and short cuts."""

    def __init__(self, port: int) -> None:
        super().__init__("127.0.0.1", port, connect_timeout=10, read_timeout=20)

    async def ask(self, question, answer):
        """Sends a question and returns the answer, which must be of that class."""
        await self.write_event(question.event())
        return answer.from_event(await self.read_event())

    async def send(self, pcm: bytes, rate=RATE, width=2, channels=1, chunk_bytes=2048, clock_ms=None) -> None:
        """audio-start, chunks, audio-stop; with `clock_ms` the chunks have time stamps."""
        await self.write_event(AudioStart(rate, width, channels).event())
        for at in range(0, len(pcm), chunk_bytes):
            stamp = None if clock_ms is None else clock_ms + 1000 * at // (rate * width * channels)
            await self.write_event(AudioChunk(rate, width, channels, pcm[at : at + chunk_bytes], stamp).event())
        await self.write_event(AudioStop().event())

    async def events(self, until: int) -> list:
        """So many events, in order."""
        return [await self.read_event() for _ in range(until)]


async def settled(condition, timeout_s: float = 10.0) -> bool:
    """Waits for a condition; whether it came true."""
    async with asyncio.timeout(timeout_s):
        while not condition():
            await asyncio.sleep(0.01)
    return True


class ServerProcess:
    """Both servers in a process of their own, whose memory is theirs alone: `with ServerProcess(bundle) as server`."""

    def __init__(self, bundle: Path) -> None:
        self._command = [sys.executable, __file__, str(bundle)]

    def __enter__(self) -> ServerProcess:
        self.process = subprocess.Popen(self._command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.port, self.page_port = map(int, self.process.stdout.readline().split())
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        assert self.process.wait(30) == 0
        self.process.stdout.close()

    def resident_mb(self) -> float:
        """0 where the system does not say."""
        try:
            pages = int(Path(f"/proc/{self.process.pid}/statm").read_text("ascii").split()[1])
        except OSError:
            return 0.0
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def main(bundle: str) -> None:
    from wakeword.serve.http import HttpServer
    from wakeword.serve.running import run_until_stopped
    from wakeword.serve.web import Folders, application
    from wakeword.stream import load

    ww, limits = load(bundle), Limits(message_s=0.3, idle_s=60.0, clients=50)
    (listening, address), (page, page_address) = (listen_on(Address("127.0.0.1", 0)) for _ in range(2))
    app = application(ww, lambda *_: None, lambda _: None, limits, None, Folders())
    servers = [WyomingServer(ww, listening, lambda *_: None, lambda _: None, limits), HttpServer(app, page, limits)]
    ready = f"{address.port} {page_address.port}\n"
    asyncio.run(run_until_stopped(servers, lambda: sys.stdout.write(ready) and sys.stdout.flush()))


if __name__ == "__main__":
    main(*sys.argv[1:])
