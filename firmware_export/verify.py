"""The proof on this machine: the C, compiled in every way that is here, gives the reference's integers bit for bit."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from firmware_export.reference import Trace
from wakeword.errors import BundleError

WARNINGS = ("-std=c99", "-Wall", "-Wextra", "-Wconversion", "-Wdouble-promotion", "-Werror")
SANITIZERS = ("-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
OPTIMISATIONS = (("-O0",), ("-O2",), ("-O3",))
COMPILERS = {"gcc": "gcc", "clang": "clang"}  # command: Debian package
LUMPS = (0, 1, 160, 5000)  # samples read at once; 0: a different number each time
RUN_LIMIT_S = 300
FULL_SCALE = 32767
Build = tuple[str, tuple[str, ...]]  # a compiler and its flags


@dataclass(frozen=True)
class Proof:
    """One way of compiling, and how many steps it got right."""

    compiler: str
    flags: str
    steps: int


def prove(folder: Path, pcm: np.ndarray, trace: Trace, builds: list[Build] | None = None) -> list[Proof]:
    """Compiles an exported folder's C in every way of `builds` and compares it with `trace` of int16 `pcm`.

    Raises BundleError if there is no compiler, if one refuses the C, or at the first difference: where it is.
    """
    sources = c_sources(folder)
    proofs = []
    with tempfile.TemporaryDirectory(prefix="wakeword-proof-") as scratch:
        for number, (compiler, flags) in enumerate(all_builds() if builds is None else builds):
            program = Path(scratch) / f"proof_{number}"
            build(compiler, [*WARNINGS, *flags], [*sources, proof_file("proof.c")], program)
            compare(execute(program, pcm, LUMPS[number % len(LUMPS)]), trace, f"{compiler} {' '.join(flags)}")
            proofs.append(Proof(compiler, " ".join(flags), len(trace.probabilities)))
    return proofs


def all_builds() -> list[Build]:
    """(compiler, flags) for each compiler found here, at three levels and under sanitizers. BundleError without one."""
    found = [compiler for compiler in COMPILERS if shutil.which(compiler)]
    if not found:
        packages = " or ".join(COMPILERS.values())
        raise BundleError(f"export: got no C compiler on this machine, expected one for the proof: install {packages}")
    builds = [(compiler, flags) for compiler in found for flags in OPTIMISATIONS]
    return builds + [(compiler, SANITIZERS) for compiler in found if _has_sanitizers(compiler)]


def _has_sanitizers(compiler: str) -> bool:
    """Their libraries are a package of their own (Debian: libgcc-dev, libclang-rt-dev), and not on every system."""
    with tempfile.TemporaryDirectory(prefix="wakeword-probe-") as scratch:
        source = Path(scratch) / "probe.c"
        source.write_text("int main(void) { return 0; }\n")
        command = [compiler, *SANITIZERS, str(source), "-o", str(source.with_suffix(""))]
        return run_bounded(command).returncode == 0


def c_sources(folder: Path) -> list[Path]:
    """The runtime's and the model's .c files of an exported folder."""
    return sorted(path for path in (folder / "src").iterdir() if path.suffix == ".c" and path.name != "selftest.c")


def proof_file(name: str) -> Path:
    """A file of the package that proves, but is not exported."""
    return Path(str(resources.files("firmware_export") / "proof" / name))


def run_bounded(
    command: Sequence[str | Path], limit_s: float = RUN_LIMIT_S, **options: Any
) -> subprocess.CompletedProcess:
    """What `subprocess.run` does with all output kept. Raises BundleError if it takes longer than `limit_s`."""
    try:
        return subprocess.run(command, capture_output=True, timeout=limit_s, **options)
    except subprocess.TimeoutExpired:
        raise BundleError(f"export: got no end of {command[0]} within {limit_s:g} s, expected one") from None


def build(compiler: str, flags: list[str], sources: list[Path | str], program: Path) -> None:
    """Compiles and links; `sources` begins in the exported src, and may end with libraries.

    Raises BundleError with the compiler's first complaint.
    """
    include = f"-I{Path(sources[0]).parent}"
    command = [compiler, *flags, include, *map(str, sources), "-o", str(program)]
    done = run_bounded(command, text=True, errors="replace")
    if done.returncode != 0:
        said = done.stderr.splitlines()
        lines = [line for line in said if "error" in line.lower() or "undefined" in line] or [*said, "nothing"]
        raise BundleError(f"export: {compiler} {' '.join(flags)} refuses the C: {lines[0]}")


def execute(program: Path, pcm: np.ndarray, lump: int) -> bytes:
    """Runs a proof on int16 pcm. Raises BundleError if it ends with anything but 0: a sanitizer, or the two streams."""
    done = run_bounded([program, str(lump)], input=pcm.astype("<i2").tobytes())
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip().splitlines() or ["two streams of one program differ"]
        raise BundleError(f"export: the proof ended with {done.returncode}: {said[0]}")
    return done.stdout


def compare(output: bytes, trace: Trace, origin: str) -> None:
    """Raises BundleError, with the first step and the stage that differ, unless the C's output is the trace's."""
    stages = {"features": trace.features, "hidden state": trace.hidden, "probabilities": trace.probabilities}
    expected = {name: values.reshape(len(values), -1) & 0xFFFF for name, values in stages.items()}
    width = sum(values.shape[1] for values in expected.values())
    steps = len(trace.probabilities)
    if len(output) < 2 * width * steps:
        raise BundleError(f"export: {origin} gave {len(output)} bytes, expected at least {2 * width * steps}")
    words = np.frombuffer(output[: 2 * width * steps], "<u2").reshape(steps, width)
    differs = words != np.concatenate(list(expected.values()), axis=1)
    if differs.any():
        step = int(np.flatnonzero(differs.any(axis=1))[0])
        column, names = (
            int(np.flatnonzero(differs[step])[0]),
            np.repeat(list(stages), [v.shape[1] for v in expected.values()]),
        )
        raise BundleError(f"export: {origin} differs from the reference: step {step + 1} of {steps}, {names[column]}")
    hits = np.frombuffer(output[2 * width * steps :], "<u4").reshape(-1, 3)
    if hits.tolist() != [list(hit) for hit in trace.hits]:
        raise BundleError(
            f"export: {origin} gave {len(hits)} detections, the reference {len(trace.hits)}, or other ones"
        )


def proof_signal(sample_rate_hz: int, golden: np.ndarray, part_s: float = 16.0) -> np.ndarray:
    """int16 [N]: everything that could overflow, stall or divide by nothing, in stretches of `part_s` seconds."""
    rng, count = np.random.default_rng(6), round(part_s * sample_rate_hz)
    time_s = np.arange(count) / sample_rate_hz
    speech = rng.standard_normal(count) * (0.05 + np.maximum(0, np.sin(2 * np.pi * 3 * time_s))) * 3000
    square = np.where(np.sin(2 * np.pi * 440 * time_s) > 0, FULL_SCALE, -FULL_SCALE - 1)
    parts = [
        golden,
        np.zeros(count),
        speech,
        20 * speech,  # clipped
        FULL_SCALE * np.sin(2 * np.pi * 1000 * time_s),
        rng.integers(-32768, 32768, count),  # random bytes
        np.full(count, -32768),
        np.full(count, FULL_SCALE),
        square,
        np.where(np.arange(count) % 2, FULL_SCALE, -32768),  # at half the sample rate
        rng.integers(-1, 2, count),
        speech / 300,
        np.where(rng.random(count) < 0.001, -32768, 0),
        np.zeros(count),
        speech * np.linspace(0, 2, count),
    ]
    return np.concatenate([np.clip(np.round(part), -32768, 32767).astype(np.int16) for part in parts])
