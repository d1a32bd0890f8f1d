"""Reading Wyoming's events from a stranger: the same as `wyoming.event.async_read_event`, but with limits.

An event is a line of JSON with its type, then `data_length` bytes of JSON, then `payload_length` bytes. That function
waits for as long, and takes as much, as the other side likes.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

from wyoming.event import Event

from wakeword.errors import ServeError
from wakeword.serve.limits import Limits
from wakeword.serve.sound import shown


async def read_event(reader: asyncio.StreamReader, limits: Limits) -> Event | None:
    """The next event, or None if the other side has closed between two events.

    Raises ServeError for what is no event, too large, cut off or too slow. `reader` must have been made with
    `limit=limits.header_bytes`.
    """
    try:
        async with asyncio.timeout(limits.idle_s):
            first = await reader.read(1)
    except TimeoutError:
        raise ServeError(f"got nothing for {limits.idle_s:g} s, expected an event") from None
    if not first:
        return None
    try:
        async with asyncio.timeout(limits.message_s):
            return await _rest(first, reader, limits)
    except TimeoutError:
        raise ServeError(f"got a part of an event in {limits.message_s:g} s, expected all of it") from None
    except asyncio.IncompleteReadError:
        raise ServeError("got a part of an event and then the end, expected all of it") from None


async def _rest(first: bytes, reader: asyncio.StreamReader, limits: Limits) -> Event:
    try:
        line = first if first == b"\n" else first + await reader.readuntil(b"\n")
    except asyncio.LimitOverrunError:
        raise ServeError(f"got a line of over {limits.header_bytes} bytes, expected a shorter one") from None
    header = _object(line, "line")
    kind, data = header.get("type"), header.get("data")
    if not isinstance(kind, str):
        raise ServeError(f"type: got {shown(kind)}, expected a string")
    if data is not None and not isinstance(data, dict):
        raise ServeError(f"data: got {shown(data)}, expected an object")
    more = await reader.readexactly(_length(header, "data_length", limits.header_bytes))
    payload = await reader.readexactly(_length(header, "payload_length", limits.payload_bytes))
    return Event(kind, {**(data or {}), **(_object(more, "data") if more else {})}, payload or None)


def _object(text: bytes, what: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        raise ServeError(f"{what}: got {shown(text)}, expected JSON") from None
    if not isinstance(found, dict):
        raise ServeError(f"{what}: got {shown(found)}, expected a JSON object")
    return found


def _length(header: dict[str, Any], key: str, most: int) -> int:
    length = header.get(key)
    if length is None:
        return 0
    if type(length) is not int or not 0 <= length <= most:
        raise ServeError(f"{key}: got {shown(length)}, expected a whole number from 0 to {most}")
    return length
