"""Protocol Buffers' wire format, which ONNX files are in: fields read and written without a library.

A listener needs so little of it that it does without `onnx` and protobuf, which would take it longer to load than its
models. https://protobuf.dev/programming-guides/encoding/
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
DAMAGED = "damaged: not an ONNX model"

Value = int | memoryview  # a varint; or the bytes of everything else


class WireError(Exception):
    """Bytes that are no message."""


def fields(data: memoryview) -> Iterator[tuple[int, int, Value]]:
    """(number, wire type, value) of each field of a message. Raises WireError; also for groups, which ONNX lacks."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        number, wire = key >> 3, key & 7
        if wire == VARINT:
            value, at = _varint(data, at)
        elif wire in (FIXED64, FIXED32):
            value, at = data[at : at + 8], at + (8 if wire == FIXED64 else 4)
        elif wire == BYTES:
            length, at = _varint(data, at)
            value, at = data[at : at + length], at + length
        else:
            raise WireError(DAMAGED)
        if at > len(data):
            raise WireError("damaged: it ends too early")
        yield number, wire, value


def as_bytes(value: Value) -> memoryview:
    """The value of a field that holds bytes. Raises WireError where it is a number."""
    if isinstance(value, int):
        raise WireError(DAMAGED)
    return value


def message(parts: Iterable[tuple[int, int | bytes | str]]) -> bytes:
    """Fields by their numbers -> a message: integers, not negative, as varints, everything else as bytes."""
    out = bytearray()
    for number, value in parts:
        if isinstance(value, int):
            out += _as_varint(number << 3 | VARINT) + _as_varint(value)
        else:
            content = value.encode() if isinstance(value, str) else value
            out += _as_varint(number << 3 | BYTES) + _as_varint(len(content)) + content
    return bytes(out)


def _as_varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if at >= len(data) or shift > 63:
            raise WireError(DAMAGED)
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at
