"""Who may use the web page: a check before every request and every WebSocket.

- Another site's page in the same browser must not: what changes or listens needs an Origin equal to the Host it asks.
- Nor by a name that it points at this machine (DNS rebinding): on loopback only loopback's names are served.
- Beyond loopback there is a token. The printed address carries it once; from then on it is a cookie.
"""

from __future__ import annotations

import hmac
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

COOKIE = "wakeword_token"
COOKIE_S = 30 * 24 * 3600
LOOPBACK_NAMES = {"localhost", "127.0.0.1", "::1"}
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; style-src 'self'; script-src 'self'; media-src 'self'; base-uri 'none'; "
        "form-action 'self'; frame-ancestors 'none'"
    ),
    "Permissions-Policy": "microphone=(self), camera=(), geolocation=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-cache",
}
ASK_FOR_TOKEN = """<!doctype html><html lang="en"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark"><title>wakeword</title>
<h1>This page needs its token</h1><p>It is at the end of the address that <code>wakeword serve</code> printed.</p>
<form action="/"><label>Token <input name="token" autocomplete="off" autofocus></label> <button>Open</button></form>
"""


class Guard:
    """ASGI middleware. Without a token, only loopback's names are served; with one, any name, but only with it."""

    def __init__(self, app: ASGIApp, token: str | None) -> None:
        self._app, self._token = app, token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        refusal = self._refusal(HTTPConnection(scope))
        if refusal is None:
            await self._app(scope, receive, _with_headers(send) if scope["type"] == "http" else send)
        elif scope["type"] == "http":
            await refusal(scope, receive, _with_headers(send))
        else:
            await send({"type": "websocket.close", "code": 1008})  # before it is accepted: answered with 403

    def _refusal(self, request: HTTPConnection) -> Response | None:
        host = request.headers.get("host", "")
        if self._token is None and _name(host) not in LOOPBACK_NAMES:
            return PlainTextResponse("expected a name of this machine's loopback\n", 421)
        safe = request.scope["type"] == "http" and request.scope["method"] in ("GET", "HEAD")
        if not safe and not same_origin(request.headers.get("origin"), host):
            return PlainTextResponse("expected a request of this page\n", 403)
        if self._token is None or self._is_token(request.cookies.get(COOKIE, "")):
            return None
        if request.url.path == "/" and self._is_token(request.query_params.get("token", "")):
            return self._welcome(request)
        return HTMLResponse(ASK_FOR_TOKEN, 401)

    def _is_token(self, text: str) -> bool:
        return hmac.compare_digest(text.encode("utf-8", "replace"), (self._token or "").encode())

    def _welcome(self, request: HTTPConnection) -> Response:
        answer = RedirectResponse("/", 303)
        secure = request.url.scheme == "https"
        # Not "strict": then a link with the token, opened from a chat, would be asked for the token.
        answer.set_cookie(COOKIE, self._token or "", COOKIE_S, secure=secure, httponly=True, samesite="lax")
        return answer


def same_origin(origin: str | None, host: str) -> bool:
    """Whether a request's Origin is the site that it asks, by the Host header.

    >>> same_origin("http://localhost:8080", "localhost:8080"), same_origin("http://evil.example", "localhost:8080")
    (True, False)
    >>> same_origin(None, "localhost:8080"), same_origin("null", "localhost:8080")
    (False, False)
    """
    try:
        return bool(host) and urlsplit(origin or "").netloc.lower() == host.lower()
    except ValueError:
        return False


def _name(host: str) -> str:
    try:
        return (urlsplit(f"//{host}").hostname or "").lower()
    except ValueError:
        return ""


def _with_headers(send: Send) -> Send:
    async def with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            added = [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()]
            message["headers"] = [*message.get("headers", []), *added]
        await send(message)

    return with_headers
