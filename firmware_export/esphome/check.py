"""Refuses what ESPHome's micro_wake_word would not load. The rules are those of its component (streaming_model.cpp).

The manifest is a JSON file, version 2; the model a .tflite with int8 features [1, stride, 40] in and uint8 [1, 1] out.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from pydantic import Field, ValidationError, field_validator

from firmware_export.tflite import SCHEMA_VERSION, schema
from wakeword.errors import BundleError
from wakeword.sections import ModelConfig, Section

OPERATORS = {"CALL_ONCE", "VAR_HANDLE", "RESHAPE", "READ_VARIABLE", "STRIDED_SLICE", "CONCATENATION", "ASSIGN_VARIABLE"}
OPERATORS |= {"CONV_2D", "MUL", "ADD", "MEAN", "FULLY_CONNECTED", "LOGISTIC", "QUANTIZE", "DEPTHWISE_CONV_2D"}
OPERATORS |= {"AVERAGE_POOL_2D", "MAX_POOL_2D", "PAD", "PACK", "SPLIT_V"}
MOST_VARIABLES = 20
CHANNELS = 40
LARGEST_STRIDE = 255  # the component counts in a byte
LARGEST_MODEL_BYTES = 8 << 20  # more than any flash that it runs from
# Twice the largest of the models that Home Assistant ships for these microphones (okay_nabu of pymicro-wakeword 2.5:
# 80,824 bytes, arena 37,000). A device loads several of them beside ESPHome, Wi-Fi and its audio buffers.
MOST_MODEL_KB, MOST_ARENA_KB = 160, 72


class Micro(Section):
    """The manifest's section `micro`."""

    probability_cutoff: float = Field(ge=0.0, le=1.0)
    feature_step_size: int = Field(ge=10, le=10, description="milliseconds; that of our front end")
    sliding_window_size: int = Field(ge=1, le=255)
    tensor_arena_size: int = Field(ge=1, le=1 << 20)
    minimum_esphome_version: str = Field(pattern=r"^20\d\d\.\d{1,2}\.\d+$")


class Manifest(Section):
    """What the JSON file holds."""

    type: str = Field(pattern="^micro$")
    wake_word: str = Field(min_length=1)
    author: str
    website: str | None = Field(None, description="a URL; left out, not empty, where there is none")
    model: str = Field(pattern=r"^[^/\\]+\.tflite$")
    trained_languages: list[str]
    version: int = Field(ge=2, le=2)
    micro: Micro

    @field_validator("website")
    @classmethod
    def _is_a_url(cls, website: str | None) -> str | None:
        try:
            parts = urlsplit(website or "")
        except ValueError:  # brackets that are no address
            parts = urlsplit("")
        if not parts.scheme or not parts.netloc:
            raise ValueError("expected a URL with scheme and host, or no website at all")
        return website


def check_manifest(values: Any) -> Manifest:
    """The manifest of plain JSON values. Raises BundleError that names what is wrong."""
    try:
        return Manifest.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "manifest"
        said = first["msg"].removeprefix("Value error, ")
        raise BundleError(f"manifest: {where}: got {first['input']!r}, {said[0].lower()}{said[1:]}") from None


def check_size(kind: str, got_bytes: int, limit_kb: int, model: ModelConfig) -> None:
    """Raises BundleError, by how much and what to change, for more than `limit_kb` of "model" or "arena"."""
    over = got_bytes / 1024 - limit_kb
    if over > 0:
        raise BundleError(
            f"export: needs {got_bytes / 1024:.1f} KB of {kind}, expected at most {limit_kb} KB, {over:.1f} KB too "
            f"much for ESPHome's microphones: train with fewer gru_units (now {list(model.gru_units)}) or conv_filters "
            f"(now {model.conv_filters}), as --config micro_esphome has them"
        )


def check_model(content: bytes) -> None:
    """Raises BundleError if a .tflite file is none, or not one that ESPHome loads; it says what it got and expected."""
    if len(content) > LARGEST_MODEL_BYTES:
        raise BundleError(f"tflite: got {len(content)} bytes, expected at most {LARGEST_MODEL_BYTES}")
    if content[4:8] != b"TFL3":
        raise BundleError("tflite: got a file without the mark TFL3, expected a TensorFlow Lite model")
    try:
        model = schema().ModelT.InitFromObj(schema().Model.GetRootAs(content, 0))
    except ModuleNotFoundError:
        raise
    except Exception as error:  # of damaged bytes flatbuffers says it in a dozen ways that share no base class
        raise BundleError(f"tflite: damaged: {str(error) or type(error).__name__}") from None
    _check_header(model)
    _check_operators(model)
    _check_ends(model.subgraphs[0])


def _check_header(model) -> None:
    if model.version != SCHEMA_VERSION:
        raise BundleError(f"tflite: got schema version {model.version}, expected {SCHEMA_VERSION}")
    if not model.subgraphs or not model.operatorCodes:
        raise BundleError("tflite: got a model without operators, expected a network")


def _check_operators(model) -> None:
    s = schema()
    names = {number: name for name, number in vars(s.BuiltinOperator).items() if isinstance(number, int)}
    codes = [max(code.builtinCode, code.deprecatedBuiltinCode) for code in model.operatorCodes]
    for code in codes:
        if names.get(code) not in OPERATORS:
            raise BundleError(f"tflite: got operator {names.get(code, code)}, expected one of {sorted(OPERATORS)}")
    variables = set()
    for graph in model.subgraphs:
        for operator in graph.operators or []:
            if not 0 <= operator.opcodeIndex < len(codes):
                raise BundleError("tflite: damaged: an operator without a code")
            if names[codes[operator.opcodeIndex]] == "VAR_HANDLE":
                variables.add(getattr(operator.builtinOptions, "sharedName", None))
    if len(variables) > MOST_VARIABLES:
        raise BundleError(f"tflite: got {len(variables)} variables, expected at most {MOST_VARIABLES}")


def _check_ends(graph) -> None:
    s, tensors = schema(), graph.tensors or []
    for name, found, kind in (
        ("input", graph.inputs, s.TensorType.INT8),
        ("output", graph.outputs, s.TensorType.UINT8),
    ):
        if found is None or len(found) != 1 or not 0 <= found[0] < len(tensors):
            raise BundleError(f"tflite: got {0 if found is None else len(found)} {name}s, expected one")
        tensor = tensors[found[0]]
        shape = [] if tensor.shape is None else [int(size) for size in tensor.shape]
        right = shape == [1, 1] if name == "output" else _is_features(shape)
        if tensor.type != kind or not right:
            expected = "uint8 [1, 1]" if name == "output" else f"int8 [1, stride, {CHANNELS}]"
            raise BundleError(f"tflite: {name}: got {_type_name(tensor.type)} {shape}, expected {expected}")


def _is_features(shape: list[int]) -> bool:
    return len(shape) == 3 and shape[0] == 1 and 1 <= shape[1] <= LARGEST_STRIDE and shape[2] == CHANNELS


def _type_name(number: int) -> str:
    names = {value: name for name, value in vars(schema().TensorType).items() if isinstance(value, int)}
    return names.get(number, str(number)).lower()
