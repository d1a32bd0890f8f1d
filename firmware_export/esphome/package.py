"""`wakeword export BUNDLE --to esphome`: writes both files once they ran against the twin and the float model."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from firmware_export.esphome.check import MOST_ARENA_KB, MOST_MODEL_KB, check_manifest, check_model, check_size
from firmware_export.esphome.network import build, equalised
from firmware_export.esphome.program import Program
from firmware_export.esphome.twin import Twin
from firmware_export.layers import Conv1d, Dense, read_network
from firmware_export.tflite import write_tflite
from wakeword.audio import to_float
from wakeword.bundle import Bundle, Card, read_bundle
from wakeword.errors import BundleError
from wakeword.features.micro import MicroStream, to_int8
from wakeword.files import write_bytes

MINIMUM_ESPHOME = "2024.7.0"  # the first with version 2 of the manifest
HIGHEST_CUTOFF = 0.95
FRAME_MS = 10
ROOMY_ARENA_BYTES = 1 << 20
SCRATCH_BYTES = 256  # Espressif's own kernel of the depthwise convolution asks for 32 each; TFLM's for none
MEASURE = """
import sys
from tflite_micro import runtime

content, step, low, high = sys.stdin.buffer.read(), 256, 4096, 1 << 20

def run(size):
    runtime.Interpreter.from_bytes(content, arena_size=size).invoke()

run(high)
while high - low > step:
    middle = (low + high) // 2
    try:
        run(middle)
    except RuntimeError:
        low = middle
    else:
        high = middle
print(-(-high // step) * step)
"""


@dataclass(frozen=True)
class Report:
    """What was written and how far it is from the float model, on the bundle's golden signal.

    Bytes; distances of probabilities, 0..1. `arena_measured_bytes` is what TensorFlow Lite Micro needed here.
    """

    manifest: str
    model_bytes: int
    operators: int
    variables: int
    macs_per_second: int
    arena_bytes: int
    arena_measured_bytes: int
    steps_checked: int
    largest_distance: float
    mean_distance: float


def export_esphome(path: str | Path, out: str | Path) -> Report:
    """Writes NAME.json and NAME.tflite into the folder `out`; NAME is the phrase.

    Raises BundleError for a bundle with another front end, more than one phrase or an enrolled one, for one that is too
    large, and if TensorFlow Lite Micro computes anything else than the twin.
    """
    bundle = read_bundle(path)
    _check_bundle(bundle)
    pcm, probabilities = bundle.golden()
    frames = MicroStream().feed(to_float(pcm))
    program = program_of(bundle, frames)
    content = write_tflite(program, f"wakeword: {bundle.card.phrases[0]}")
    check_size("model", len(content), MOST_MODEL_KB, bundle.card.config.model)
    check_model(content)
    got, arena = _run_checked(content, program, frames)
    check_size("arena", arena + SCRATCH_BYTES, MOST_ARENA_KB, bundle.card.config.model)
    distance = np.abs(got / 256 - lowered(probabilities[: len(got), 0], _shift(bundle.card)))
    name = file_name(bundle.card.phrases[0])
    manifest = _manifest(bundle.card, name, arena + SCRATCH_BYTES)
    check_manifest(manifest)
    write_bytes(Path(out) / f"{name}.tflite", content)
    write_bytes(Path(out) / f"{name}.json", (json.dumps(manifest, indent=2, ensure_ascii=False) + "\n").encode())
    return Report(
        manifest=str(Path(out) / f"{name}.json"),
        model_bytes=len(content),
        operators=len(program.operators) + 1,
        variables=len(program.variables),
        macs_per_second=round(program.macs() * 1000 / (program.source.shape[1] * FRAME_MS)),
        arena_bytes=arena + SCRATCH_BYTES,
        arena_measured_bytes=arena,
        steps_checked=len(got),
        largest_distance=float(distance.max()),
        mean_distance=float(distance.mean()),
    )


def program_of(bundle: Bundle, frames: np.ndarray) -> Program:
    """The integer program of a bundle; `frames` [T, 40] show how large the convolution's outputs become."""
    conv, grus, head = read_network(bundle)
    conv, grus = equalised(conv, grus)
    head = Dense(head.weight, head.bias - _shift(bundle.card))
    return build(conv, grus, head, _loudest(conv, frames))


def lowered(probabilities: np.ndarray, shift: float) -> np.ndarray:
    """Probabilities [T] whose logits are lowered by `shift`."""
    p = np.asarray(probabilities, np.float64)
    return p / (p + (1 - p) * np.exp(shift))


def _shift(card: Card) -> float:
    """How much the logits are lowered so that a higher threshold becomes HIGHEST_CUTOFF.

    Scores of 8 bits end at 255 / 256, and are coarse before it: a threshold of 0.999 could not be told from never.
    """
    threshold, highest = card.thresholds[0], HIGHEST_CUTOFF
    return max(0.0, float(np.log(threshold / (1 - threshold)) - np.log(highest / (1 - highest))))


def file_name(phrase: str) -> str:
    """A phrase as the name of a file that every system and ESPHome's packager take.

    >>> file_name("Hey, computer!"), file_name("Ναι")
    ('hey_computer', 'wakeword')
    """
    return re.sub(r"[^a-z0-9]+", "_", phrase.lower()).strip("_") or "wakeword"


def _check_bundle(bundle: Bundle) -> None:
    card = bundle.card
    if card.config.features.kind != "micro":
        raise BundleError(
            f"{bundle.path}: got features.kind {card.config.features.kind}, expected micro, which is what ESPHome's "
            "microphones compute: wakeword train PHRASE --config micro_esphome"
        )
    if card.config.detector.patience_steps != 1:
        steps = card.config.detector.patience_steps
        raise BundleError(f"{bundle.path}: got detector.patience_steps {steps}, expected 1: ESPHome knows no patience")
    if len(card.phrases) != 1:
        raise BundleError(f"{bundle.path}: got {len(card.phrases)} phrases, expected 1: ESPHome loads a model a phrase")


def _loudest(conv: Conv1d, frames: np.ndarray) -> float:
    """The largest output of the convolution on these frames."""
    kernel, stride = conv.weight.shape[2], conv.stride
    ends = range(kernel, len(frames) + 1, stride)
    return max(1e-3, max(float(conv.step(frames[end - kernel : end]).max()) for end in ends))


def _run_checked(content: bytes, program: Program, frames: np.ndarray) -> tuple[np.ndarray, int]:
    """The model's outputs [T] on frames, which must be the twin's, and the arena it needs, in bytes."""
    arena, twin, outputs = measured_arena(content), Twin(program), []
    for step, output in run_on_device(content, program, frames):
        outputs.append(output)
        expected = int(twin.step(step).item())
        if output != expected:
            raise BundleError(f"export: step {len(outputs)}: TensorFlow Lite Micro gave {output}, twin {expected}")
    return np.array(outputs), arena


def run_on_device(content: bytes, program: Program, frames: np.ndarray) -> Iterator[tuple[np.ndarray, int]]:
    """Frames float32 [T, 40] through the model in TensorFlow Lite Micro: each step's features int8, and its output."""
    stride = program.source.shape[1]
    steps = to_int8(frames[: len(frames) // stride * stride]).reshape(-1, *program.source.shape)
    runtime = open_runtime(content, ROOMY_ARENA_BYTES)  # in this process nothing may be written past its end
    for step in steps:
        runtime.set_input(step, 0)
        runtime.invoke()
        yield step, int(runtime.get_output(0).item())


def measured_arena(content: bytes) -> int:
    """The smallest arena, in bytes, in which TensorFlow Lite Micro runs the model on this 64-bit machine.

    Its structures hold pointers, so that on a 32-bit device it needs less. It is tried in a process of its own, because
    every arena that is too small is a complaint on stderr, which nothing in Python can silence.
    """
    done = subprocess.run([sys.executable, "-c", MEASURE], input=content, capture_output=True)
    if done.returncode:
        raise BundleError(f"export: TensorFlow Lite Micro does not run the model: {_last_line(done.stderr)}")
    return int(done.stdout)


def _last_line(said: bytes) -> str:
    lines = said.decode("utf-8", "replace").strip().splitlines()
    return lines[-1] if lines else "it ended without a word"


def open_runtime(content: bytes, arena_bytes: int):
    """TensorFlow Lite Micro's interpreter on a model."""
    from tflite_micro import runtime

    return runtime.Interpreter.from_bytes(content, arena_size=arena_bytes)


def _manifest(card: Card, name: str, arena_bytes: int) -> dict:
    detector = card.config.detector
    return {
        "type": "micro",
        "wake_word": card.phrases[0],
        "author": "",
        "model": f"{name}.tflite",
        "trained_languages": [],
        "version": 2,
        "micro": {
            "probability_cutoff": round(min(card.thresholds[0], HIGHEST_CUTOFF), 4),
            "feature_step_size": FRAME_MS,
            "sliding_window_size": detector.smoothing_steps,
            "tensor_arena_size": arena_bytes,
            "minimum_esphome_version": MINIMUM_ESPHOME,
        },
    }
