"""A bundle to a folder of C for one kind of project, with the proof that it computes what it should."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from firmware_export import budget, emit, reference
from firmware_export.distance import distances, float_chain, float_hits
from firmware_export.emulate import BOARDS, Cost, emulate, missing
from firmware_export.layers import read_layers
from firmware_export.package import REPORT, Replacement, check_replaceable, lay_out
from firmware_export.quantize import Quantized, quantize
from firmware_export.verify import Build, all_builds, proof_signal, prove
from wakeword.bundle import read_bundle
from wakeword.errors import AudioError

BOARD_PART_S = 16.0  # an emulator counts every instruction: a minute of audio takes it two seconds


def export_device(
    bundle: Path,
    target: str,
    out: Path,
    flash_kb: float,
    ram_kb: float,
    audio: np.ndarray | None = None,
    *,
    emulated: bool = False,
) -> dict[str, Any]:
    """Writes the folder `out` for one of `package.TARGETS` and returns its report.

    audio: int16 [N] at the bundle's rate to calibrate with and to measure the distance to the float model on; without
    it, the bundle's golden signal. emulated: also on every emulated board whose tools are here.

    Raises WakewordError, and leaves `out` as it was, if the bundle cannot be expressed or is too large, if no compiler
    is here, or if any build differs from the reference in one bit.
    """
    check_replaceable(out)
    builds = all_builds()
    layers, (golden, _) = read_layers(bundle), read_bundle(bundle).golden()
    heard = golden if audio is None else audio
    rate_hz = layers.config.audio.sample_rate_hz
    if len(heard) < rate_hz:
        raise AudioError(f"--audio: got {len(heard) / rate_hz:.2f} s, expected at least a second")
    q = quantize(layers, heard / 32768.0)
    budget.check_budget(q, flash_kb, ram_kb)
    with Replacement(out) as folder:
        lay_out(folder, target, layers.phrases, generated(q, golden))
        signal = proof_signal(rate_hz, golden)
        trace = reference.run(q, signal)
        proofs = prove(folder, signal, trace, builds)
        fired = prove_decisions(q, folder, signal, trace, builds)
        report = facts(q, heard) | {
            "target": target,
            "proof": [asdict(proof) for proof in proofs],
            "proof_s": len(signal) / rate_hz,
            "proof_detections": {"own thresholds": len(trace.hits), "at the median": fired},
            "boards": [asdict(cost) for cost in on_boards(q, folder, golden)] if emulated else [],
            "boards_missing": {board.name: missing(board) for board in BOARDS if emulated and missing(board)},
        }
        (folder / REPORT).write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n", "utf-8")
    return report


def prove_decisions(q: Quantized, folder: Path, signal: np.ndarray, trace: reference.Trace, builds: list[Build]) -> int:
    """Proves a copy of an exported folder whose thresholds are at the median of its scores; how often it fired.

    A trained wake word is silent on most of the proof's audio, and so is the code that decides.
    """
    with eager_copy(q, folder, trace) as (copy, lowered):
        prove(copy, signal, lowered, builds)
    return len(lowered.hits)


@contextmanager
def eager_copy(q: Quantized, folder: Path, trace: reference.Trace) -> Iterator[tuple[Path, reference.Trace]]:
    """A copy of an exported folder with the thresholds of `reference.eager`, and the trace that it must give."""
    lowered, expected = reference.eager(q, trace)
    with tempfile.TemporaryDirectory(prefix="wakeword-eager-") as room:
        copy = Path(shutil.copytree(folder, Path(room) / "copy"))
        (copy / "src/ww_model.c").write_text(emit.model_source(lowered), "utf-8", newline="\n")
        yield copy, expected


def on_boards(q: Quantized, folder: Path, golden: np.ndarray) -> list[Cost]:
    """Proves an exported folder, and its eager copy, on each emulated board that can be had here.

    `BOARD_PART_S` of each kind of audio; what it costs is the folder's own.
    """
    rate_hz = q.layers.config.audio.sample_rate_hz
    signal = proof_signal(rate_hz, golden, BOARD_PART_S)
    trace, seconds = reference.run(q, signal), len(signal) / rate_hz
    costs = []
    with eager_copy(q, folder, trace) as (copy, expected):
        for board in BOARDS:
            if not missing(board):
                macs = budget.macs_per_second(q)
                costs.append(emulate(board, folder, signal, trace, seconds, macs_per_second=macs))
                emulate(board, copy, signal, expected, seconds)
    return costs


def generated(q: Quantized, golden: np.ndarray) -> dict[str, str]:
    """The generated sources by name. Golden vectors are the first steps of int16 `golden`."""
    step = q.layers.config.step_samples
    count = min(emit.GOLDEN_STEPS, len(golden) // step)
    pcm = golden[: count * step]
    return {
        "ww_sizes.h": emit.sizes_header(q),
        "ww_model.c": emit.model_source(q),
        "ww_golden.h": emit.golden_header(q, pcm, reference.run(q, pcm)),
    }


def facts(q: Quantized, heard: np.ndarray) -> dict[str, Any]:
    """Sizes, and the distance to the float model on int16 `heard`."""
    trace = reference.run(q, heard)
    stream, scratch = budget.ram_bytes(q)
    *_, probabilities = float_chain(q.layers, heard)
    return {
        "phrases": list(q.layers.phrases),
        "flash_bytes": budget.flash_bytes(q),
        "stream_bytes": stream,
        "scratch_bytes": scratch,
        "macs_per_second": budget.macs_per_second(q),
        "distance": [asdict(distance) for distance in distances(q, heard, trace)],
        "distance_s": len(heard) / q.layers.config.audio.sample_rate_hz,
        "detections": {"float": float_hits(q, probabilities), "integer": len(trace.hits)},
    }
