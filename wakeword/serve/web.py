"""The web page's application: its files, the microphone's WebSocket, takes and hits."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from importlib.resources import files
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route, WebSocketRoute

from wakeword import __version__
from wakeword.errors import FileError, ServeError
from wakeword.serve.guard import Guard
from wakeword.serve.hits import Hits
from wakeword.serve.limits import Bucket, Limits
from wakeword.serve.live import Live, words
from wakeword.serve.sound import OnEvent, OnHeard
from wakeword.serve.takes import Takes
from wakeword.stream import WakeWord

PAGE = {
    "/": ("index.html", "text/html"),
    "/style.css": ("style.css", "text/css"),
    "/app.js": ("app.js", "text/javascript"),
    "/plot.js": ("plot.js", "text/javascript"),
    "/folders.js": ("folders.js", "text/javascript"),
    "/worklet.js": ("worklet.js", "text/javascript"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
}
Endpoint = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True)
class Folders:
    """What the user lets the page write into and read from: by default nothing."""

    takes: Takes | None = None
    hits: Hits | None = None


def application(
    wakeword: WakeWord, on_heard: OnHeard, on_event: OnEvent, limits: Limits, token: str | None, folders: Folders
) -> Guard:
    """An ASGI application. `token`: see `wakeword.serve.guard`."""
    live = Live(wakeword, on_heard, on_event, limits)
    about = {
        **words(wakeword),
        "version": __version__,
        "takes": folders.takes is not None,
        "hits": folders.hits is not None,
    }

    async def tell(_: Request) -> Response:
        return JSONResponse(about)

    limited = partial(_limited, Bucket(limits.requests_per_s, 10 * limits.requests_per_s, time.monotonic()))
    routes = [Route(path, _file(*what)) for path, what in PAGE.items()]
    routes += [Route("/api/about", tell), WebSocketRoute("/live", live.serve)]
    if folders.takes:
        routes += _take_routes(folders.takes, limits, limited)
    if folders.hits:
        routes += _hit_routes(folders.hits, limits, limited)
    return Guard(Starlette(routes=routes), token)


def _file(name: str, media_type: str) -> Endpoint:
    content = (files("wakeword.serve") / "page" / name).read_bytes()

    async def send(_: Request) -> Response:
        return Response(content, media_type=media_type)

    return send


def _limited(bucket: Bucket, endpoint: Endpoint) -> Endpoint:
    """What writes or reads files: only so often, and with the user's mistakes as an answer."""

    async def answer(request: Request) -> Response:
        if not bucket.take(1.0, time.monotonic()):
            return JSONResponse({"problem": "too many requests"}, 429)
        try:
            return await endpoint(request)
        except (ServeError, FileError) as error:
            return JSONResponse({"problem": str(error)}, 400)
        except ClientDisconnect:
            return Response(status_code=400)

    return answer


def _take_routes(takes: Takes, limits: Limits, limited: Callable[[Endpoint], Endpoint]) -> list[Route]:
    async def listed(_: Request) -> Response:
        return JSONResponse(await run_in_threadpool(takes.list))

    async def add(request: Request) -> Response:
        query, pcm = request.query_params, await _body(request, limits.upload_bytes, limits.message_s)
        rate = query.get("rate_hz", "")
        if not (rate.isascii() and rate.isdigit() and len(rate) < 9):
            raise ServeError("rate_hz: expected a whole number")
        return JSONResponse(await run_in_threadpool(takes.add, query.get("phrase", ""), pcm, int(rate)))

    async def one(request: Request) -> Response:
        what = request.query_params.get("phrase", ""), request.path_params["name"]
        if request.method == "DELETE":
            await run_in_threadpool(takes.remove, *what)
            return JSONResponse({})
        return FileResponse(await run_in_threadpool(takes.path, *what))

    return [
        Route("/api/takes", limited(listed)),
        Route("/api/takes", limited(add), methods=["POST"]),
        Route("/api/takes/{name}", limited(one), methods=["GET", "DELETE"]),
    ]


def _hit_routes(hits: Hits, limits: Limits, limited: Callable[[Endpoint], Endpoint]) -> list[Route]:
    async def listed(_: Request) -> Response:
        return JSONResponse(await run_in_threadpool(hits.list))

    async def play(request: Request) -> Response:
        query = request.query_params
        return FileResponse(await run_in_threadpool(hits.path, query.get("kind", ""), query.get("name", "")))

    async def move(request: Request) -> Response:
        await _body(request, limits.header_bytes, limits.message_s)
        what: list[Any] = [request.query_params.get(key, "") for key in ("kind", "name", "to")]
        return JSONResponse({"kind": await run_in_threadpool(hits.move, *what)})

    return [
        Route("/api/hits", limited(listed)),
        Route("/api/hits/sound", limited(play)),
        Route("/api/hits/move", limited(move), methods=["POST"]),
    ]


async def _body(request: Request, most_bytes: int, within_s: float) -> bytes:
    """A request's body, read no further than the limit. Raises ServeError for a longer one."""
    parts, size = [], 0
    try:
        async with asyncio.timeout(within_s):
            async for part in request.stream():
                size += len(part)
                if size > most_bytes:
                    raise ServeError(f"got more than {most_bytes} bytes, expected fewer")
                parts.append(part)
    except TimeoutError:
        raise ServeError(f"got a part of a request in {within_s:g} s, expected all of it") from None
    return b"".join(parts)
