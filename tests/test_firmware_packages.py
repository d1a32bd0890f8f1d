"""The folders for other people's build tools: their own rules, and examples that a compiler takes."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from firmware_export.device import generated
from firmware_export.layers import read_layers
from firmware_export.package import TARGETS, lay_out, slug
from firmware_export.quantize import quantize
from firmware_export.verify import WARNINGS, build, c_sources
from wakeword.bundle import read_bundle

ROOT = Path(__file__).parent.parent
STUBS = ROOT / "tests/stubs"  # what the examples include from their platforms, as small as can be
BUNDLE = ROOT / "wakeword/models/athena_micro"
PHRASE = ("hey computer",)
STRICT = ("-Wall", "-Wextra", "-Werror", "-fsyntax-only")
EXAMPLES = {
    "arduino": ("g++", ("-x", "c++", "-std=gnu++11", "-include", "Arduino.h"), "examples/Listen/Listen.ino"),
    "esp-idf": ("gcc", ("-std=gnu11",), "examples/listen/main/main.c"),
    "zephyr": ("gcc", ("-std=gnu11",), "samples/listen/src/main.c"),
}
BOARD = """
#include <stdio.h>
#include <stdlib.h>
#include "ww.h"
static ww_stream stream;
static ww_scratch scratch;
static void serial_read(void *to, size_t bytes) {
    if (fread(to, 1, bytes, stdin) != bytes) exit(0);
}
static void serial_write(const void *from, size_t bytes) {
    fwrite(from, 1, bytes, stdout);
    fflush(stdout);
}
@board@
int main(void) { check_over_serial(); }
"""
SERIAL = """
import subprocess
class Serial:  # pyserial's, to a program in place of a port
    def __init__(self, port, baud, timeout):
        self._board = subprocess.Popen([port], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
        self.write, self.read = self._board.stdin.write, self._board.stdout.read
"""
CATEGORIES = {
    "Communication",
    "Data Processing",
    "Data Storage",
    "Device Control",
    "Display",
    "Other",
    "Sensors",
    "Signal Input/Output",
    "Timing",
    "Uncategorized",
}


@pytest.fixture(scope="module")
def sources() -> dict[str, str]:
    golden, _ = read_bundle(BUNDLE).golden()
    return generated(quantize(read_layers(BUNDLE), golden / 32768), golden)


@pytest.mark.parametrize("target", TARGETS)
def test_every_package_holds_the_same_runtime_its_licence_and_no_open_placeholder(
    target: str, sources: dict[str, str], tmp_path: Path
) -> None:
    lay_out(tmp_path, target, PHRASE, sources)
    runtime = {path.name for path in (ROOT / "firmware_export/runtime").iterdir() if path.suffix in (".c", ".h")}
    assert {path.name for path in (tmp_path / "src").iterdir()} == runtime | set(sources)
    for path in tmp_path.rglob("*"):
        assert not path.is_file() or not {"@slug@", "@phrases@", "@version@"} & set(path.read_text("utf-8").split())
        assert not path.is_file() or "@slug@" not in path.read_text("utf-8")
    assert (tmp_path / "README.md").read_text("utf-8").startswith("# Wake word: hey computer")
    assert (tmp_path / "LICENSE").read_text("utf-8") == (ROOT / "LICENSE").read_text("utf-8")


@pytest.mark.parametrize("phrases", [("für", "Elise"), PHRASE, ("小爱", 'a "b" @slug@')])
def test_the_arduino_library_keeps_the_library_managers_rules(phrases: tuple[str, ...], tmp_path: Path) -> None:
    lay_out(tmp_path, "arduino", phrases, {})
    lines = (tmp_path / "library.properties").read_text("utf-8").splitlines()
    properties = dict(line.split("=", 1) for line in lines)
    needed = {"name", "version", "author", "maintainer", "sentence", "paragraph", "category", "url", "architectures"}
    assert needed <= set(properties) and all(properties.values())
    assert properties["name"] == slug(phrases) and len(properties["name"]) <= 63
    assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.\- ]*", properties["name"])
    assert not re.match(r"arduino", properties["name"], re.IGNORECASE) and "library" not in properties["name"]
    assert re.fullmatch(r"\d+\.\d+\.\d+", properties["version"])
    assert properties["category"] in CATEGORIES
    assert properties["sentence"].rstrip(".") not in properties["paragraph"]
    assert (tmp_path / "src" / properties["includes"]).is_file()
    assert all((tmp_path / name).is_file() for name in ("LICENSE", "README.md"))
    assert all((path / f"{path.name}.ino").is_file() for path in (tmp_path / "examples").iterdir())
    keywords = (tmp_path / "keywords.txt").read_text("utf-8").splitlines()
    assert all(re.fullmatch(r"\w+\t(KEYWORD[123]|LITERAL[12])", line) for line in keywords)


@pytest.mark.parametrize("target", EXAMPLES)
def test_a_compiler_takes_the_example_with_the_platforms_declarations(
    target: str, sources: dict[str, str], tmp_path: Path
) -> None:
    compiler, flags, example = EXAMPLES[target]
    needs(compiler)
    lay_out(tmp_path, target, PHRASE, sources)
    include = (f"-I{STUBS / target}", f"-I{tmp_path / 'src'}")
    build(compiler, [*STRICT, *include, *flags], [tmp_path / example], tmp_path / "none")


@pytest.mark.parametrize("changed", [False, True])
def test_the_manuals_check_over_a_serial_port_tells_a_right_board_from_a_wrong_one(
    changed: bool, sources: dict[str, str], tmp_path: Path
) -> None:
    needs("gcc")
    page = (ROOT / "docs/tools.md").read_text("utf-8")
    on_board, on_computer = (re.search(rf"```{language}\n(.*?)```", page, re.DOTALL)[1] for language in ("c", "python"))
    lay_out(tmp_path, "c", PHRASE, sources)
    (tmp_path / "board.c").write_text(BOARD.replace("@board@", on_board))
    (tmp_path / "check.py").write_text(on_computer)
    (tmp_path / "serial.py").write_text(SERIAL)
    build("gcc", ["-O2"], [*c_sources(tmp_path), tmp_path / "board.c"], tmp_path / "board")
    if changed:
        golden = tmp_path / "src/ww_golden.h"
        head, _, numbers = golden.read_text("utf-8").partition("ww_golden_probability")
        golden.write_text(f"{head}ww_golden_probability{re.sub(r'[0-9]+,', '7,', numbers)}", "utf-8")
    command = [sys.executable, tmp_path / "check.py", tmp_path / "board", tmp_path / "src"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    said = "step 1: the board has" if changed else "50 steps are equal"
    assert said in done.stdout + done.stderr and done.returncode == changed


def test_the_runtime_compiles_for_an_xtensa(sources: dict[str, str], tmp_path: Path) -> None:
    needs("xtensa-lx106-elf-gcc", "gcc-xtensa-lx106")
    lay_out(tmp_path, "esp-idf", PHRASE, sources)
    for source in (tmp_path / "src").glob("*.c"):
        flags = [*WARNINGS, "-O2", "-ffreestanding", "-mlongcalls", "-c"]
        build("xtensa-lx106-elf-gcc", flags, [source], tmp_path / "one.o")
        table = subprocess.run(["xtensa-lx106-elf-nm", tmp_path / "one.o"], capture_output=True, text=True, check=True)
        assert not re.search(r" [bBdDC] ", table.stdout)  # nothing global but constants


def needs(program: str, package: str | None = None) -> None:
    if not shutil.which(program):
        pytest.skip(f"no {program}: install {package or program}")
