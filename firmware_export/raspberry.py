"""The proof on a Raspberry Pi's kind of processor: a static program for 64-bit ARM under Linux, run by an emulator."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import numpy as np

from firmware_export.reference import Trace
from firmware_export.verify import (
    LUMPS,
    OPTIMISATIONS,
    WARNINGS,
    Proof,
    build,
    c_sources,
    compare,
    proof_file,
    run_bounded,
)
from wakeword.errors import BundleError

COMPILER, EMULATOR = "aarch64-linux-gnu-gcc", "qemu-aarch64"
PACKAGES = {COMPILER: "gcc-aarch64-linux-gnu", EMULATOR: "qemu-user"}
PROCESSORS = {"Raspberry Pi 3, Zero 2": "cortex-a53", "Raspberry Pi 4": "cortex-a72", "Raspberry Pi 5": "cortex-a76"}


def missing() -> str | None:
    """None, or the first program that is not here and the Debian package that has it."""
    absent = (f"no {program}: install {package}" for program, package in PACKAGES.items() if not shutil.which(program))
    return next(absent, None)


def prove_on_raspberry(folder: Path, pcm: np.ndarray, trace: Trace, processor: str = "cortex-a53") -> list[Proof]:
    """Compiles an exported folder's C for a processor, at each level, and compares it with `trace` of int16 `pcm`.

    Raises BundleError if a program is missing, if the C is refused, or at the first difference: where it is.
    """
    problem = missing()
    if problem:
        raise BundleError(f"export: {processor}: {problem}")
    proofs = []
    with tempfile.TemporaryDirectory(prefix="wakeword-raspberry-") as scratch:
        for number, (level,) in enumerate(OPTIMISATIONS):
            program, flags = Path(scratch) / f"proof_{number}", (level, f"-mcpu={processor}", "-static")
            build(COMPILER, [*WARNINGS, *flags], [*c_sources(folder), proof_file("proof.c")], program)
            output = _emulated(program, pcm, LUMPS[number % len(LUMPS)])
            compare(output, trace, f"{COMPILER} {' '.join(flags)}")
            proofs.append(Proof(COMPILER, " ".join(flags), len(trace.probabilities)))
    return proofs


def _emulated(program: Path, pcm: np.ndarray, lump: int) -> bytes:
    command = [EMULATOR, str(program), str(lump)]
    done = run_bounded(command, input=pcm.astype("<i2").tobytes())
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip().splitlines() or ["nothing"]
        raise BundleError(f"export: {EMULATOR} ended with {done.returncode} and said: {said[0]}")
    return done.stdout
