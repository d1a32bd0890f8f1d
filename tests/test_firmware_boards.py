"""The exported C on emulated microcontrollers: the reference's integers, at the cost that is promised."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from firmware_export.budget import ram_bytes
from firmware_export.device import generated
from firmware_export.emulate import BOARDS, Board, Cost, emulate, missing
from firmware_export.layers import read_layers
from firmware_export.package import lay_out
from firmware_export.quantize import quantize
from firmware_export.reference import run
from firmware_export.verify import proof_signal
from tests.micro_word import micro_bundle
from wakeword.bundle import read_bundle

pytest.importorskip("torch", reason="making a bundle needs the extra 'train'")

MOST_FLASH, MOST_RAM, MOST_STACK, MOST_INSTRUCTIONS = (
    40 * 1024,
    8 * 1024,
    512,
    10e6,
)  # of configs/micro.toml, for a second of audio


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> tuple:
    folder = tmp_path_factory.mktemp("exported")
    golden, _ = micro_bundle(folder / "bundle", ["hey micro"], small=False).golden()
    q = quantize(read_layers(folder / "bundle"), golden / 32768)
    lay_out(folder / "c", "c", ("hey micro",), generated(q, read_bundle(folder / "bundle").golden()[0]))
    signal = proof_signal(16000, golden, part_s=4.0)  # a minute
    return q, folder / "c", signal, run(q, signal)


PORTABLE = [  # where there are DSP instructions, the C without them as well
    replace(board, name=f"{board.name} portable", flags=(*board.flags, "-DWW_PORTABLE"))
    for board in BOARDS
    if board.name in ("cortex-m4f", "cortex-m33")
]


@pytest.mark.parametrize("board", [*BOARDS, *PORTABLE], ids=lambda board: board.name)
def test_a_board_gives_the_references_integers_within_its_budget(board: Board, exported: tuple) -> None:
    cost = on_board(board, exported, "-O2")
    assert cost.flash_bytes <= MOST_FLASH
    assert cost.stack_bytes <= MOST_STACK
    assert cost.ram_bytes == sum(ram_bytes(exported[0])) <= MOST_RAM
    assert 1e6 < cost.instructions_per_second <= MOST_INSTRUCTIONS


@pytest.mark.parametrize("level", ["-O0", "-O3"])
@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.name)
def test_a_board_gives_them_however_it_was_compiled(board: Board, level: str, exported: tuple) -> None:
    assert on_board(board, exported, level).flags.startswith(level)


def on_board(board: Board, exported: tuple, level: str) -> Cost:
    if missing(board):
        pytest.skip(missing(board))
    _, folder, signal, trace = exported
    assert len(trace.hits) > 5
    return emulate(board, Path(folder), signal, trace, len(signal) / 16000, level)
