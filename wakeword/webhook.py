"""Webhooks: each hit as a JSON object, POSTed to an address, tried again where that may help."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from http.client import HTTPException
from threading import Event
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from wakeword.detector import Detection
from wakeword.errors import WakewordError

TIMEOUT_S = 5.0
RETRY_AFTER_S = (0.5, 2.0, 8.0)
TRY_AGAIN = {408, 425, 429}  # and whatever is the server's fault


class Webhook:
    """Calls an http(s) address; `post` takes as long as it takes, so give it to a `Worker`.

    The object has phrase, start_s, end_s and score, the time as ISO 8601, and an id that stays the same when it is sent
    again. `closing`, once set, leaves time for one more attempt. Raises WakewordError for another address.
    """

    def __init__(self, url: str, closing: Event, retry_after_s: tuple[float, ...] = RETRY_AFTER_S) -> None:
        try:
            parts = urlsplit(url)
            usable = parts.scheme in ("http", "https") and parts.hostname and url.isascii() and parts.port != 0
        except ValueError:  # of brackets, of a port
            usable = False
        if not usable:
            raise WakewordError(f"--webhook: got {url!a}, expected http://... or https://... in ASCII")
        self._url, self._closing, self._retry_after_s = url, closing, retry_after_s
        self._shown = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"  # the rest may hold a password or a token
        self._opener = build_opener(_NoRedirect)

    def job(self, hit: Detection) -> Callable[[], None]:
        """What a worker is to do about a hit. Raises WakewordError, there, if nobody took it."""
        body = {**asdict(hit), "id": str(uuid.uuid4()), "time": datetime.now(UTC).isoformat(timespec="milliseconds")}
        return lambda: self.post(json.dumps(body, ensure_ascii=False).encode())

    def post(self, body: bytes) -> None:
        last = False
        for pause_s in (*self._retry_after_s, None):
            problem, again = self._attempt(body)
            if problem is None:
                return
            if pause_s is None or not again or last:
                raise WakewordError(f"{self._shown} did not take it: {problem}")
            last = self._closing.wait(pause_s)

    def _attempt(self, body: bytes) -> tuple[str | None, bool]:
        """(what went wrong or None, whether another attempt may help)."""
        request = Request(self._url, body, {"Content-Type": "application/json", "User-Agent": "wakeword"})
        try:
            with self._opener.open(request, timeout=TIMEOUT_S):
                return None, False
        except HTTPError as error:
            return f"status {error.code}", error.code in TRY_AGAIN or error.code >= 500
        except (URLError, OSError, HTTPException) as error:
            return str(getattr(error, "reason", error)) or type(error).__name__, True


class _NoRedirect(HTTPRedirectHandler):
    """A redirected POST would become a GET, and lose the hit."""

    def redirect_request(self, *_: object) -> None:
        return None
