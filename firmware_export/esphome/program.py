"""A network in integers as a list of TensorFlow Lite operators: what tflite.py writes and twin.py runs.

A tensor's real value is scale * (q - zero_point), as everywhere in TensorFlow Lite.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

WEIGHTED = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")  # here each weight serves once a call


@dataclass(frozen=True, eq=False)
class Tensor:
    """shape, dtype (numpy's name, or "resource"), quantization, and `data` if it is a constant."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    scale: float = 0.0
    zero_point: int = 0
    data: np.ndarray | None = None
    channel_axis: int | None = None  # the scale is given once for each channel along it


@dataclass(frozen=True, eq=False)
class Operator:
    """One builtin operator by the name that TensorFlow Lite's schema gives it. `options` are the schema's, too."""

    kind: str
    inputs: tuple[Tensor, ...]
    output: Tensor | None
    options: dict = field(default_factory=dict)


@dataclass(frozen=True)
class Variable:
    """A part of the state: its handle, and the constant that a stream begins with."""

    handle: Tensor
    initial: Tensor


class Program:
    """Collects operators. The methods return the tensor that the added operator makes."""

    def __init__(self, source: Tensor) -> None:
        self.source = source
        self.result = source
        self.operators: list[Operator] = []
        self.variables: list[Variable] = []

    def add(self, kind: str, inputs: list[Tensor], like: Tensor, **options) -> Tensor:
        """Any operator; `like` gives its output's shape, dtype and quantization."""
        name = f"{kind.lower()}_{len(self.operators)}"
        output = Tensor(name, like.shape, like.dtype, like.scale, like.zero_point)
        self.operators.append(Operator(kind, tuple(inputs), output, options))
        self.result = output
        return output

    def variable(self, name: str, initial: Tensor) -> tuple[Tensor, Tensor]:
        """Declares a part of the state. Returns its handle, for `assign`, and its value in this call."""
        handle = Tensor(name, (), "resource")
        self.variables.append(Variable(handle, initial))
        self.operators.append(Operator("VAR_HANDLE", (), handle, {"sharedName": name, "container": ""}))
        return handle, self.add("READ_VARIABLE", [handle], initial)

    def assign(self, handle: Tensor, value: Tensor) -> None:
        """The state's value in the next call."""
        self.operators.append(Operator("ASSIGN_VARIABLE", (handle, value), None))

    def macs(self) -> int:
        """Products of one call: of weights with activations, and of activations with each other."""
        weighted = sum(o.inputs[1].data.size for o in self.operators if o.kind in WEIGHTED)
        return weighted + sum(math.prod(o.output.shape) for o in self.operators if o.kind == "MUL")


def constant(name: str, values: np.ndarray, scale: float, channel_axis: int | None = None) -> Tensor:
    """A constant tensor of quantized values whose zero is 0."""
    return Tensor(name, values.shape, values.dtype.name, scale, 0, values, channel_axis)
