"""What a wake word takes on a device: bytes of its data, of its structs, and products a second."""

from __future__ import annotations

import math

from firmware_export.arithmetic import log2_table, sigmoid_table
from firmware_export.quantize import Matrix, Quantized
from wakeword.errors import BundleError

CODE_BYTES = 4096  # of the runtime at -O2: 3.0 KB on Cortex-M4, 3.6 KB on rv32imac
ROW_BYTES = 9  # bias, multiplier and shift


def flash_bytes(q: Quantized) -> int:
    """Weights, tables and code; without start-up, libc and golden vectors."""
    front = q.front
    words = [front.window, front.edges, front.rise, sigmoid_table(), log2_table()]
    longs = [front.cosine, front.mask]
    data = 2 * sum(map(len, words)) + 4 * sum(map(len, longs)) + sum(map(_matrix_bytes, q.matrices))
    return data + CODE_BYTES


def ram_bytes(q: Quantized) -> tuple[int, int]:
    """sizeof(ww_stream) and sizeof(ww_scratch), as on any machine that aligns int64_t to eight bytes."""
    config, model = q.layers.config, q.layers.config.model
    bands, phrases, smoothing = len(q.front.mask), len(q.layers.phrases), config.detector.smoothing_steps
    shorts = len(q.front.window) + model.conv_kernel * bands + sum(model.gru_units) + phrases * (smoothing + 2) + 4
    stream = 8 * bands + 8 + 8 + 4 * phrases + 2 * shorts + phrases
    front = 4 * q.layers.front.fft_samples
    front = 8 * math.ceil(front / 8) + 8 * (bands + 1)
    scratch = max(front, 4 * max(model.conv_filters, *model.gru_units))
    return 8 * math.ceil(stream / 8), 8 * math.ceil(scratch / 8)


def macs_per_second(q: Quantized) -> int:
    """Products of weights and activations; the front end's are not counted."""
    config = q.layers.config
    return round(sum(matrix.weight.size for matrix in q.matrices) * 1000 / config.step_ms)


def check_budget(q: Quantized, flash_kb: float, ram_kb: float) -> None:
    """Raises BundleError, by how much and what to change, if the wake word needs more than this."""
    flash, ram = flash_bytes(q), sum(ram_bytes(q))
    model, kinds = q.layers.config.model, []
    if flash > 1024 * flash_kb:
        kinds.append(
            (
                "flash",
                flash,
                flash_kb,
                f"fewer gru_units (now {list(model.gru_units)}) or conv_filters (now {model.conv_filters})",
            )
        )
    if ram > 1024 * ram_kb:
        kinds.append(("ram", ram, ram_kb, "fewer fft_samples and window_samples"))
    if kinds:
        name, got, limit, advice = kinds[0]
        over = got / 1024 - limit
        raise BundleError(
            f"export: needs {got / 1024:.1f} KB of {name}, expected at most {limit:g} KB, {over:.1f} KB too much: "
            f"train with {advice}, or raise --{name}-kb"
        )


def _matrix_bytes(matrix: Matrix) -> int:
    return matrix.weight.size + ROW_BYTES * len(matrix.bias)
