"""The exported C on emulated microcontrollers: the reference's integers, at the cost that is promised."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from firmware_export.budget import ram_bytes
from firmware_export.emulate import BOARDS, Board, Cost, emulate, missing
from tests.micro_word import Exported, exported_micro

pytest.importorskip("torch", reason="making a bundle needs the extra 'train'")

MOST_FLASH, MOST_RAM, MOST_STACK, MOST_INSTRUCTIONS = (
    40 * 1024,
    8 * 1024,
    512,
    10e6,
)  # of configs/micro.toml, for a second of audio


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    return exported_micro(tmp_path_factory.mktemp("exported"), 4.0)  # a minute


PORTABLE = [  # where there are DSP instructions, the C without them as well
    replace(board, name=f"{board.name} portable", flags=(*board.flags, "-DWW_PORTABLE"))
    for board in BOARDS
    if board.name in ("cortex-m4f", "cortex-m33")
]


@pytest.mark.parametrize("board", [*BOARDS, *PORTABLE], ids=lambda board: board.name)
def test_a_board_gives_the_references_integers_within_its_budget(board: Board, exported: Exported) -> None:
    cost = on_board(board, exported, "-O2")
    assert cost.flash_bytes <= MOST_FLASH
    assert cost.stack_bytes <= MOST_STACK
    assert cost.ram_bytes == sum(ram_bytes(exported.network)) <= MOST_RAM
    assert 1e6 < cost.instructions_per_second <= MOST_INSTRUCTIONS


@pytest.mark.parametrize("level", ["-O0", "-O3"])
@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.name)
def test_a_board_gives_them_however_it_was_compiled(board: Board, level: str, exported: Exported) -> None:
    assert on_board(board, exported, level).flags.startswith(level)


def on_board(board: Board, exported: Exported, level: str) -> Cost:
    if missing(board):
        pytest.skip(missing(board))
    _, folder, signal, trace = exported
    assert len(trace.hits) > 5
    return emulate(board, Path(folder), signal, trace, len(signal) / 16000, level)
