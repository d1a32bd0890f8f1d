"""A bundle is data from somebody else: what is looked at before any of it is trusted.

The checksums in a bundle tell damage, not malice: whoever writes the files writes the sums. So files have bounded
sizes; an archive is unpacked only as far as its header allows; and a graph is read, without a library, as far as it
takes to see that it holds no reference to a file, no function, and no operator but those a wake word is made of. All
raise BundleError.
"""

from __future__ import annotations

import io
import math
import os
import stat
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from wakeword.errors import BundleError
from wakeword.wire import WireError, as_bytes, fields

LARGEST_BYTES = {
    "model.json": 4 << 20,
    "model.onnx": 128 << 20,
    "weights.safetensors": 128 << 20,
    "golden.npz": 16 << 20,
}
LARGEST_ARRAY_BYTES = 64 << 20  # of an unpacked test signal
LARGEST_STATE = 1 << 20
MOST_FIELDS = 200_000  # of a graph; ours have about a thousand
DEEPEST = 8  # graphs within graphs
# What our graphs are made of, and what one made otherwise might be. No single one makes much out of little, such as
# ConstantOfShape, Expand, Tile, Pad, Resize and Range; none runs without end; none is random or reads strings.
OPERATORS = """
    Abs Add AveragePool BatchNormalization Cast Clip Concat Constant Conv Cos DFT DequantizeLinear Div
    DynamicQuantizeLinear Equal Exp Flatten GRU Gather Gemm GlobalAveragePool Greater GreaterOrEqual HardSigmoid
    Identity LSTM LayerNormalization Less LessOrEqual Log MatMul MatMulInteger Max MaxPool Mean Min Mul Neg Not Pow
    QuantizeLinear RNN Reciprocal ReduceMax ReduceMean ReduceMin ReduceSum Relu Reshape Scan Shape Sigmoid Sin Slice
    Softmax Softplus Split Sqrt Squeeze Sub Sum Tanh Transpose Unsqueeze Where
"""

# The messages of onnx.proto3 by name: the fields that hold messages, by number. Whatever is not here is passed over.
_MESSAGES: dict[str, dict[int, str]] = {
    "model": {7: "graph", 8: "opset"},
    "graph": {1: "node", 5: "tensor"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph"},
    "tensor": {},
    "opset": {},
}
# Fields that no graph of ours has: by message, number and name.
_FORBIDDEN: dict[str, dict[int, str]] = {
    "model": {20: "training information", 25: "functions"},
    "graph": {15: "sparse tensors"},
    "node": {},
    "attribute": {22: "sparse tensors", 23: "sparse tensors"},
    "tensor": {13: "a reference to another file"},
    "opset": {},
}
_DOMAINS = frozenset((b"", b"ai.onnx"))
_NAMES = {
    ("node", 4): frozenset(OPERATORS.encode().split()),
    ("node", 7): _DOMAINS,
    ("opset", 1): _DOMAINS,
}


def read_bounded(path: Path) -> bytes:
    """A file of a bundle, if it is a regular one and no larger than its kind may be."""
    limit = LARGEST_BYTES[path.name]
    try:
        # Never waits for whoever might write into a pipe; Windows knows neither.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        with open(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise BundleError(f"{path}: got something that is no file")
            content = file.read(limit + 1)
    except FileNotFoundError:
        raise BundleError(f"{path.parent}: not a model bundle: it has no {path.name}") from None
    except OSError as error:
        raise BundleError(f"{path}: cannot be read: {error.strerror or error}") from None
    if len(content) > limit:
        raise BundleError(f"{path}: got more than {limit >> 20} MiB, expected a wake word, which is smaller")
    return content


def read_arrays(path: Path, shapes: dict[str, tuple[np.dtype, int]]) -> list[np.ndarray]:
    """The arrays of an .npz by name, each of the given dtype and number of axes; nothing else may be in it."""
    content = read_bounded(path)
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            names = sorted(info.filename for info in archive.infolist())
            if names != sorted(f"{name}.npy" for name in shapes):
                raise BundleError(f"{path}: got {', '.join(names) or 'nothing'} in it, expected {', '.join(shapes)}")
            return [_array(archive, name, *shape) for name, shape in shapes.items()]
    except (
        zipfile.BadZipFile,
        ValueError,
        EOFError,
        NotImplementedError,
        RuntimeError,
        OSError,
        OverflowError,
    ) as error:
        raise BundleError(f"{path}: damaged: {str(error).splitlines()[0]}") from None


def _array(archive: zipfile.ZipFile, name: str, dtype: np.dtype, axes: int) -> np.ndarray:
    """Unpacked no further than LARGEST_ARRAY_BYTES, whatever the archive says of itself. Raises ValueError."""
    with archive.open(f"{name}.npy") as file:
        content = file.read(LARGEST_ARRAY_BYTES + 1)
    if len(content) > LARGEST_ARRAY_BYTES:
        raise ValueError(f"{name} unpacks to more than {LARGEST_ARRAY_BYTES >> 20} MiB")
    file = io.BytesIO(content)
    version = np.lib.format.read_magic(file)
    if version != (1, 0):
        raise ValueError(f"{name} is of another format version, {version}")
    shape, fortran, found = np.lib.format.read_array_header_1_0(file)
    held = len(content) - file.tell()
    if fortran or found != dtype or len(shape) != axes or math.prod(shape) * dtype.itemsize != held:
        raise ValueError(f"{name} is {found} {list(shape)} in {held} bytes, expected {dtype} with {axes} axes")
    return np.frombuffer(content, dtype, offset=file.tell()).reshape(shape)


def check_graph(content: bytes, path: Path) -> None:
    """Refuses a serialised ONNX model with anything in it that a wake word does not need."""
    try:
        _GraphCheck().message(memoryview(content), "model", 0)
    except (_RefusedError, WireError) as error:
        raise BundleError(f"{path}: {error}") from None


def check_session(session: Any, signal: np.ndarray, phrases: int, path: Path) -> None:
    """Runs an opened graph on one step of silence: what is wrong with it comes out before anybody relies on it.

    `signal` is that step: samples float32 [1, N], or features float32 [1, T, F] of a graph that takes those.
    """
    source = "pcm" if signal.ndim == 2 else "features"
    ends = {end.name: end.shape for end in (*session.get_inputs(), *session.get_outputs())}
    size = ends.get("state", [None])[-1]
    known = list(ends) == [source, "state", "probabilities", "next_state"]
    if not known or not isinstance(size, int) or not 0 < size <= LARGEST_STATE:
        raise BundleError(f"{path}: model.onnx has inputs and outputs {ends}, expected those of a wake word")
    state = np.zeros((1, size), np.float32)
    try:
        outputs = session.run(list(ends)[2:], {source: signal, "state": state})
    except Exception as error:  # onnxruntime's errors share no base class but Exception
        raise BundleError(f"{path}: model.onnx cannot be run: {str(error).splitlines()[0]}") from None
    probabilities, next_state = outputs
    if probabilities.shape != (1, 1, phrases) or next_state.shape != state.shape:
        shapes = [list(output.shape) for output in outputs]
        raise BundleError(f"{path}: model.onnx gives {shapes}, expected a probability for each phrase and a state")
    if not (np.isfinite(next_state).all() and (probabilities >= 0.0).all() and (probabilities <= 1.0).all()):
        raise BundleError(f"{path}: model.onnx gives no probabilities, expected numbers from 0 to 1")


class _RefusedError(Exception):
    """Why a graph is refused."""


class _GraphCheck:
    """Walks through the messages of a model by their wire format, and counts what it passes."""

    def __init__(self) -> None:
        self._fields = 0

    def message(self, data: memoryview, kind: str, depth: int) -> None:
        if depth > DEEPEST:
            raise _RefusedError(f"holds graphs more than {DEEPEST} levels deep")
        for number, _, value in fields(data):
            self._fields += 1
            if self._fields > MOST_FIELDS:
                raise _RefusedError(f"holds more than {MOST_FIELDS} fields, expected about a thousand")
            if number in _FORBIDDEN[kind]:
                raise _RefusedError(f"holds {_FORBIDDEN[kind][number]}, which a wake word does not need")
            if kind == "tensor" and number == 14 and value != 0:  # data_location
                raise _RefusedError("holds a reference to another file, which a wake word does not need")
            if (kind, number) in _NAMES and bytes(as_bytes(value)) not in _NAMES[kind, number]:
                shown = bytes(as_bytes(value)[:40]).decode("ascii", "replace")
                raise _RefusedError(f"holds the operator or domain {shown!r}, which a wake word does not need")
            if number in _MESSAGES[kind]:
                inner = _MESSAGES[kind][number]
                self.message(as_bytes(value), inner, depth + (inner == "graph"))
