"""The proof on emulated microcontrollers, and what a second of audio costs there: bytes, stack, instructions."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from firmware_export.reference import Trace
from firmware_export.verify import WARNINGS, build, c_sources, compare, proof_file, run_bounded
from wakeword.errors import BundleError

RUN_LIMIT_S = 600
ARM, RISCV = "arm-none-eabi-", "riscv64-unknown-elf-"
PACKAGES = {
    f"{ARM}gcc": "gcc-arm-none-eabi",
    f"{RISCV}gcc": "gcc-riscv64-unknown-elf",
    "qemu-system-arm": "qemu-system-arm",
    "qemu-system-riscv32": "qemu-system-misc",
}
STRUCTS = '#include "ww.h"\nww_stream stream;\nww_scratch scratch;\n'
SECTIONS = {
    "code": (".text",),
    "constants": (".rodata", ".srodata"),
    "data": (".data", ".sdata"),  # in flash, and copied to RAM
    "zeros": (".bss", ".sbss"),
}
INSTRUCTION_NS = 32  # -icount shift=5: the emulated clock moves on by this much at every instruction


@dataclass(frozen=True)
class Board:
    """`machine` of the emulator, its memory, and how to compile for it. `tick_ns`: of board.c's counter."""

    name: str
    tools: str
    emulator: str
    machine: tuple[str, ...]
    flags: tuple[str, ...]
    code: int
    ram: int
    tick_ns: float


HARD = ("-mthumb", "-mfloat-abi=hard")
BOARDS = (
    Board(
        "cortex-m4f",
        ARM,
        "qemu-system-arm",
        ("mps2-an386",),
        ("-mcpu=cortex-m4", "-mfpu=fpv4-sp-d16", *HARD),
        0x0,
        0x20000000,
        40.0,
    ),
    Board(
        "cortex-m7",
        ARM,
        "qemu-system-arm",
        ("mps2-an500",),
        ("-mcpu=cortex-m7", "-mfpu=fpv5-d16", *HARD),
        0x0,
        0x20000000,
        40.0,
    ),
    Board(
        "cortex-m33",
        ARM,
        "qemu-system-arm",
        ("mps2-an505",),
        ("-mcpu=cortex-m33", "-mfpu=fpv5-sp-d16", *HARD),
        0x10000000,
        0x38000000,
        50.0,
    ),
    Board("cortex-m55", ARM, "qemu-system-arm", ("mps3-an547",), ("-mcpu=cortex-m55", *HARD), 0x0, 0x20000000, 31.25),
    Board(
        "rv32imac",
        RISCV,
        "qemu-system-riscv32",
        ("virt", "-bios", "none"),
        ("-march=rv32imac", "-mabi=ilp32"),
        0x80000000,
        0x80400000,
        1.0,  # under -icount this emulator's minstret counts nanoseconds
    ),
)


@dataclass(frozen=True)
class Cost:
    """What was measured on one board: compiled sizes of the runtime and the model alone, and what a second costs.

    ram_bytes: one stream, the scratch, and what the runtime keeps in .bss and .data, which is nothing. macs_per_second
    are the model's own, the same on every board: products of weights and activations.
    """

    board: str
    flags: str
    flash_bytes: int
    code_bytes: int
    ram_bytes: int
    stack_bytes: int
    instructions_per_second: int
    macs_per_second: int


def missing(board: Board) -> str | None:
    """None, or the program that this board needs and the Debian package that has it."""
    for program in (f"{board.tools}gcc", board.emulator):
        if not shutil.which(program):
            return f"no {program}: install {PACKAGES[program]}"
    return None


def emulate(
    board: Board,
    folder: Path,
    pcm: np.ndarray,
    trace: Trace,
    seconds: float,
    level: str = "-O2",
    *,
    macs_per_second: int = 0,
) -> Cost:
    """Compiles an exported folder for a board, runs int16 `pcm` (`seconds` long) on it, and compares every step.

    macs_per_second is handed on to the cost.

    Raises BundleError if a program is missing, if the C is refused, or at the first difference from the trace.
    """
    problem = missing(board)
    if problem:
        raise BundleError(f"export: {board.name}: {problem}")
    with tempfile.TemporaryDirectory(prefix="wakeword-board-") as scratch:
        room = Path(scratch)
        flags = [*WARNINGS, level, *board.flags, "-ffreestanding", "-fno-tree-loop-distribute-patterns"]
        _link(board, flags, folder, room / "board.elf")
        (room / "pcm.raw").write_bytes(pcm.astype("<i2").tobytes())
        _run(board, room)
        compare((room / "out.raw").read_bytes() + (room / "hits.raw").read_bytes(), trace, f"{board.name} {level}")
        low, high, stack = np.frombuffer((room / "cost.raw").read_bytes(), "<u4").tolist()
        instructions = (low + (high << 32)) * board.tick_ns / INSTRUCTION_NS
        code, data, ram = _compiled_bytes(board, flags, folder, room)
    return Cost(
        board=board.name,
        flags=f"{level} {' '.join(board.flags)}",
        flash_bytes=code + data,
        code_bytes=code,
        ram_bytes=ram,
        stack_bytes=stack,
        instructions_per_second=round(instructions / seconds),
        macs_per_second=macs_per_second,
    )


def _link(board: Board, flags: list[str], folder: Path, program: Path) -> None:
    layout = [f"-Wl,--defsym=BOARD_CODE={board.code}", f"-Wl,--defsym=BOARD_RAM={board.ram}"]
    link = ["-nostdlib", "-nostartfiles", "-Wl,--build-id=none", *layout, "-T", str(proof_file("board.ld"))]
    build(f"{board.tools}gcc", [*flags, *link], [*c_sources(folder), proof_file("board.c"), "-lgcc"], program)


def _run(board: Board, room: Path) -> None:
    machine = ["-machine", *board.machine, "-display", "none", "-monitor", "none", "-serial", "none"]
    host = ["-semihosting-config", "enable=on,target=native", "-icount", "shift=5", "-kernel", "board.elf"]
    done = run_bounded([board.emulator, *machine, *host], RUN_LIMIT_S, cwd=room, text=True, errors="replace")
    if done.returncode != 0 or not (room / "cost.raw").is_file():
        said = done.stderr.strip().splitlines() or ["nothing"]
        raise BundleError(f"export: {board.name}: the emulator ended with {done.returncode} and said: {said[0]}")


def _compiled_bytes(board: Board, flags: list[str], folder: Path, room: Path) -> tuple[int, int, int]:
    """Bytes of code, of constants, and of RAM: of the runtime and the model, and of the two structs that they take."""
    structs = room / "structs.c"
    structs.write_text(STRUCTS)
    totals = dict.fromkeys(SECTIONS, 0)
    for source in (structs, *c_sources(folder)):
        target = room / f"{source.stem}.o"
        build(f"{board.tools}gcc", [*flags, f"-I{folder / 'src'}", "-c"], [source], target)
        sizes = subprocess.run([f"{board.tools}size", "-A", str(target)], capture_output=True, text=True, check=True)
        for line in sizes.stdout.splitlines():
            name, *numbers = line.split()[:2] or [""]
            for section, prefixes in SECTIONS.items():
                totals[section] += int(numbers[0]) if name.startswith(prefixes) else 0
    return totals["code"], totals["constants"] + totals["data"], totals["zeros"] + totals["data"]
