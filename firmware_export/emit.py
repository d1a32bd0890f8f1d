"""A quantized wake word as C: sizes, arrays and golden vectors. The generator writes data; people write logic."""

from __future__ import annotations

import hashlib

import numpy as np

from firmware_export.arithmetic import LOG_BITS, log2_table, sigmoid_table
from firmware_export.quantize import BAND_BITS, BAND_SHIFT, POWER_SHIFT, Matrix, Quantized
from firmware_export.reference import Trace

LINE_WIDTH = 116
GOLDEN_STEPS = 50  # two seconds of an output every 40 ms


def sizes_header(q: Quantized) -> str:
    """ww_sizes.h: what the compiler must know."""
    body = "\n".join(f"#define WW_{name} {value}" for name, value in sizes(q).items())
    return f"{_head(q)}#ifndef WW_SIZES_H\n#define WW_SIZES_H\n\n{body}\n\n#endif\n"


def sizes(q: Quantized) -> dict[str, str]:
    """The macros of ww_sizes.h, without their prefix."""
    config, model, front = q.layers.config, q.layers.config.model, q.front
    down = LOG_BITS - front.feature_bits
    unsigned = {
        "SAMPLE_RATE_HZ": config.audio.sample_rate_hz,
        "STEP_SAMPLES": config.step_samples,
        "PHRASES": len(q.layers.phrases),
        "WINDOW": len(front.window),
        "HOP": q.layers.front.hop_samples,
        "FFT": q.layers.front.fft_samples,
        "BINS": len(front.rise),
        "BANDS": len(front.mask),
        "KERNEL": model.conv_kernel,
        "STRIDE": model.conv_stride,
        "FILTERS": model.conv_filters,
        "GRUS": len(model.gru_units),
        "HIDDEN": sum(model.gru_units),
        "WIDEST": max(model.conv_filters, *model.gru_units),
        "SMOOTHING": config.detector.smoothing_steps,
        "REFRACTORY": config.detector.refractory_steps,
        "WARMUP": q.layers.warmup_steps,
        "RATE": front.rate,
        "OFFSET": front.offset,
    }
    signed = {
        "FLOOR": front.floor,
        "POWER_SHIFT": POWER_SHIFT,
        "BAND_BITS": BAND_BITS,
        "BAND_SHIFT": BAND_SHIFT,
        "FEATURE_BITS": front.feature_bits,
        "FEATURE_SHIFT": down,
        "FEATURE_HALF": 1 << down >> 1,
    }
    return {n: f"{v}u" for n, v in unsigned.items()} | {
        n: f"INT64_C({v})" if n == "FLOOR" else str(v) for n, v in signed.items()
    }


def model_source(q: Quantized) -> str:
    """ww_model.c: every array of the model."""
    front = q.front
    parts = [
        _head(q) + '#include "ww_model.h"\n',
        "const char *const ww_phrases[WW_PHRASES] = {" + ", ".join(map(c_string, q.layers.phrases)) + "};\n",
        _array("const uint16_t ww_window[WW_WINDOW]", front.window),
        _array("const int32_t ww_cosine[WW_FFT / 4 * 3]", front.cosine),
        _array("const uint16_t ww_edges[WW_BANDS + 2]", front.edges),
        _array("const uint16_t ww_rise[WW_BINS]", front.rise),
        _array("const uint32_t ww_mask[WW_BANDS]", front.mask),
        _array("const uint16_t ww_sigmoid[193]", sigmoid_table()),
        _array("const uint16_t ww_log2[65]", log2_table()),
        _matrix("conv", q.conv),
    ]
    for i, gru in enumerate(q.grus):
        parts += [_matrix(f"gru_{i}_from_input", gru.from_input), _matrix(f"gru_{i}_from_hidden", gru.from_hidden)]
    parts.append(_matrix("head", q.head))
    grus = [
        f"    {{{_members(f'gru_{i}_from_input', gru.from_input)},\n"
        f"     {_members(f'gru_{i}_from_hidden', gru.from_hidden)},\n     {gru.from_hidden.weight.shape[1]}}},\n"
        for i, gru in enumerate(q.grus)
    ]
    parts += [
        f"const ww_matrix ww_conv = {_members('conv', q.conv)};\n",
        f"const ww_gru ww_grus[WW_GRUS] = {{\n{''.join(grus)}}};\n",
        f"const ww_matrix ww_head = {_members('head', q.head)};\n",
        _array("const uint32_t ww_threshold[WW_PHRASES]", np.array([rule.threshold for rule in q.rules])),
        _array("const uint32_t ww_rearm_below[WW_PHRASES]", np.array([rule.rearm_below for rule in q.rules])),
    ]
    return "\n".join(parts)


def golden_header(q: Quantized, pcm: np.ndarray, trace: Trace) -> str:
    """ww_golden.h: int16 pcm [T * step] and what the runtime must make of it, for `selftest.c` on any board."""
    hidden = fnv1a(trace.hidden.astype("<i2").tobytes())
    body = [
        f"#define WW_GOLDEN_STEPS {len(trace.probabilities)}u",
        f"#define WW_GOLDEN_HITS {len(trace.hits)}u",
        f"#define WW_GOLDEN_HIDDEN {hidden}u /* FNV-1a of all hidden states after every step, low bytes first */",
        "",
        _array("static const int16_t ww_golden_pcm[WW_GOLDEN_STEPS * WW_STEP_SAMPLES]", pcm),
        _array(
            "static const uint16_t ww_golden_probability[WW_GOLDEN_STEPS * WW_PHRASES]", trace.probabilities.ravel()
        ),
    ]
    return f'{_head(q)}#ifndef WW_GOLDEN_H\n#define WW_GOLDEN_H\n\n#include "ww.h"\n\n' + "\n".join(body) + "\n#endif\n"


def fnv1a(data: bytes) -> int:
    """The 32-bit Fowler-Noll-Vo hash, which a microcontroller computes in three lines."""
    value = 2166136261
    for byte in data:
        value = ((value ^ byte) * 16777619) & 0xFFFFFFFF
    return value


def c_string(text: str) -> str:
    """A C string literal of any text: UTF-8, with everything but plain ASCII as octal, so no compiler can object.

    >>> print(c_string('grüß "Gott"'))
    "gr\\303\\274\\303\\237 \\"Gott\\""
    """
    plain = {ord('"'): '\\"', ord("\\"): "\\\\", ord("?"): "\\?"}  # ?: no trigraphs
    bytes_ = text.encode("utf-8", errors="replace")
    return '"' + "".join(plain.get(b, chr(b) if 32 <= b < 127 else f"\\{b:03o}") for b in bytes_) + '"'


def _head(q: Quantized) -> str:
    """Says what a file was made from, in ASCII: a digest of its weights."""
    weights = (matrix.weight.astype(np.int8).tobytes() for matrix in q.matrices)
    digest = hashlib.sha256(b"".join(weights)).hexdigest()[:16]
    return f"/* Written by `wakeword export`; weights {digest}. Do not edit. */\n"


def _matrix(name: str, matrix: Matrix) -> str:
    fields = {
        "int8_t weight": matrix.weight.ravel(),
        "int32_t bias": matrix.bias,
        "int32_t multiplier": matrix.multiplier,
        "uint8_t shift": matrix.shift,
    }
    texts = []
    for field, values in fields.items():
        kind, member = field.split()
        texts.append(_array(f"static const {kind} {name}_{member}[{len(values)}]", values))
    return "".join(texts)


def _members(name: str, matrix: Matrix) -> str:
    return f"{{{name}_weight, {name}_bias, {name}_multiplier, {name}_shift, {matrix.weight.shape[1]}}}"


def _array(declaration: str, values: np.ndarray) -> str:
    suffix = "u" if "uint32" in declaration else ""
    words = [f"{value}{suffix}" for value in values.tolist()]
    lines, width = [[]], 4
    for word in words:
        if width + len(word) + 2 > LINE_WIDTH:
            lines, width = [*lines, []], 4
        lines[-1].append(word)
        width += len(word) + 2
    body = ",\n".join("    " + ", ".join(line) for line in lines)
    return f"{declaration} = {{\n{body},\n}};\n"
