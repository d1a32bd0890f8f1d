"""A `Program` as a .tflite file, without TensorFlow: flatbuffers and the schema that the package tflite-micro has.

The file has two subgraphs: the program, whose first operator is CALL_ONCE, and what that calls, the first state.
"""

from __future__ import annotations

import numpy as np

from firmware_export.esphome.program import Operator, Program, Tensor

SCHEMA_VERSION, FILE_IDENTIFIER = 3, b"TFL3"
OPTIONS = {  # of the operators that have some
    "ADD": "AddOptions",
    "CALL_ONCE": "CallOnceOptions",
    "CONCATENATION": "ConcatenationOptions",
    "DEPTHWISE_CONV_2D": "DepthwiseConv2DOptions",
    "FULLY_CONNECTED": "FullyConnectedOptions",
    "MUL": "MulOptions",
    "QUANTIZE": "QuantizeOptions",
    "READ_VARIABLE": "ReadVariableOptions",
    "ASSIGN_VARIABLE": "AssignVariableOptions",
    "RESHAPE": "ReshapeOptions",
    "STRIDED_SLICE": "StridedSliceOptions",
    "VAR_HANDLE": "VarHandleOptions",
}
VERSIONS = {"FULLY_CONNECTED": 4, "DEPTHWISE_CONV_2D": 3, "STRIDED_SLICE": 2, "ADD": 2, "MUL": 2, "LOGISTIC": 2}
VERSIONS |= {"CONCATENATION": 2, "QUANTIZE": 2}  # the first that know int8


def schema():
    """The generated Python of TensorFlow Lite's schema. Raises ModuleNotFoundError without the extra `firmware`."""
    from tflite_micro.tensorflow.lite.micro.python import schema_py_generated

    return schema_py_generated


def write_tflite(program: Program, description: str) -> bytes:
    """The file's content."""
    import flatbuffers

    s = schema()
    writer = _Writer(s)
    begin = [Operator("CALL_ONCE", (), None, {"initSubgraphIndex": 1})]
    main = writer.subgraph("main", [*begin, *program.operators], [program.source], [program.result])
    initial = [
        operator
        for v in program.variables
        for operator in (
            Operator("VAR_HANDLE", (), v.handle, {"sharedName": v.handle.name, "container": ""}),
            Operator("ASSIGN_VARIABLE", (v.handle, v.initial), None),
        )
    ]
    model = s.ModelT()
    model.version, model.description = SCHEMA_VERSION, description
    model.subgraphs = [main, writer.subgraph("initial_state", initial, [], [])]
    model.operatorCodes, model.buffers = writer.codes, writer.buffers
    builder = flatbuffers.Builder(1 << 16)
    builder.Finish(model.Pack(builder), FILE_IDENTIFIER)
    return bytes(builder.Output())


class _Writer:
    """Gathers what the subgraphs share: operator codes and buffers. Buffer 0 is the empty one, by convention."""

    def __init__(self, s) -> None:
        self._s = s
        self.codes: list = []
        self.buffers: list = [s.BufferT()]
        self._code_of: dict[str, int] = {}

    def subgraph(self, name: str, operators: list[Operator], inputs: list[Tensor], outputs: list[Tensor]):
        graph, index = self._s.SubGraphT(), {}
        graph.tensors, graph.operators, graph.name = [], [], name

        def number(tensor: Tensor) -> int:
            if tensor not in index:
                index[tensor] = len(graph.tensors)
                graph.tensors.append(self._tensor(tensor))
            return index[tensor]

        graph.inputs = np.array([number(tensor) for tensor in inputs], np.int32)
        for operator in operators:
            made = self._s.OperatorT()
            made.opcodeIndex = self._code(operator.kind)
            made.inputs = np.array([number(tensor) for tensor in operator.inputs], np.int32)
            made.outputs = np.array([number(operator.output)] if operator.output else [], np.int32)
            self._set_options(made, operator)
            graph.operators.append(made)
        graph.outputs = np.array([number(tensor) for tensor in outputs], np.int32)
        return graph

    def _code(self, kind: str) -> int:
        if kind not in self._code_of:
            code = self._s.OperatorCodeT()
            code.builtinCode = getattr(self._s.BuiltinOperator, kind)
            code.deprecatedBuiltinCode = min(code.builtinCode, 127)  # what readers before 2020 look at
            code.version = VERSIONS.get(kind, 1)
            self._code_of[kind] = len(self.codes)
            self.codes.append(code)
        return self._code_of[kind]

    def _set_options(self, made, operator: Operator) -> None:
        name = OPTIONS.get(operator.kind)
        if name is None:
            return
        made.builtinOptionsType = getattr(self._s.BuiltinOptions, name)
        made.builtinOptions = getattr(self._s, f"{name}T")()
        for key, value in operator.options.items():
            setattr(made.builtinOptions, key, value)

    def _tensor(self, tensor: Tensor):
        made = self._s.TensorT()
        made.name, made.shape = tensor.name, np.array(tensor.shape, np.int32)
        made.type = getattr(self._s.TensorType, tensor.dtype.upper())
        if tensor.scale:
            made.quantization = self._s.QuantizationParametersT()
            channels = 1 if tensor.channel_axis is None else tensor.shape[tensor.channel_axis]
            made.quantization.scale = np.full(channels, tensor.scale, np.float32)
            made.quantization.zeroPoint = np.full(channels, tensor.zero_point, np.int64)
            made.quantization.quantizedDimension = tensor.channel_axis or 0
        if tensor.data is not None:
            buffer = self._s.BufferT()
            buffer.data = np.frombuffer(tensor.data.astype(tensor.data.dtype.newbyteorder("<")).tobytes(), np.uint8)
            made.buffer = len(self.buffers)
            self.buffers.append(buffer)
        return made
