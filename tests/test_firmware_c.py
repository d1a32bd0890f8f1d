"""The exported C, compiled and run here: bit for bit the reference, for any phrase, for any length of a stream."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from firmware_export import device, verify
from firmware_export.device import export_device, generated
from firmware_export.emit import fnv1a
from firmware_export.emulate import BOARDS
from firmware_export.layers import read_layers
from firmware_export.package import lay_out
from firmware_export.quantize import Quantized, Rule, quantize
from firmware_export.reference import run
from firmware_export.verify import COMPILERS, WARNINGS, build, c_sources, compare, proof_file, proof_signal, prove
from tests import micro_word
from wakeword import cli
from wakeword.bundle import read_bundle
from wakeword.errors import AudioError, BundleError, FileError

pytest.importorskip("torch", reason="making a bundle needs the extra 'train'")
CC = next((compiler for compiler in COMPILERS if shutil.which(compiler)), None)
pytestmark = pytest.mark.skipif(CC is None, reason="no C compiler: install gcc or clang")

PHRASES = ["for", 'Grüß "Gott"\\ ??/ @slug@']  # a keyword of C, and everything that a string literal minds
LONG_STREAM = """
#include "ww.h"
#include "ww_golden.h"
static ww_stream young, old;
static ww_scratch scratch;
int main(void) {
    const int16_t *a = ww_golden_pcm, *b = ww_golden_pcm;
    const uint64_t later = UINT64_C(0xfffffff0); /* its 17th step wraps 32 bits: 5 years of steps, 3 days of samples */
    size_t a_left = sizeof ww_golden_pcm / 2, b_left = a_left, hits = 0;
    ww_detection first, second;
    ww_reset(&young);
    ww_reset(&old);
    old.steps = later;
    for (;;) {
        const bool one = ww_feed(&young, &scratch, &a, &a_left, &first);
        const bool two = ww_feed(&old, &scratch, &b, &b_left, &second);
        if (one != two) return 1;
        if (!one) break;
        if (second.end_sample != first.end_sample + later * WW_STEP_SAMPLES || first.score != second.score) return 2;
        hits++;
    }
    return hits > 3 && old.steps > UINT64_C(0xffffffff) ? 0 : 3;
}
"""


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return micro_word.micro_bundle(tmp_path_factory.mktemp("micro") / "two words", PHRASES).path


@pytest.fixture(scope="module")
def quantized(bundle: Path) -> Quantized:
    return quantize(read_layers(bundle), read_bundle(bundle).golden()[0] / 32768)


@pytest.fixture(scope="module")
def sources(bundle: Path, quantized: Quantized, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of C in a path with spaces and letters beyond ASCII."""
    folder = tmp_path_factory.mktemp("für C")
    lay_out(folder, "c", tuple(PHRASES), generated(quantized, read_bundle(bundle).golden()[0]))
    return folder


def test_the_command_line_exports_and_proves_on_minutes_of_the_worst_audio(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr(verify, "OPTIMISATIONS", (("-O2",),))  # all levels are the next test's
    monkeypatch.setattr(device, "BOARDS", BOARDS[:1])
    monkeypatch.setattr(device, "BOARD_PART_S", 0.1)
    out = tmp_path / "out folder"
    assert cli.main(["export", str(bundle), "--to", "c", "--out", str(out), "--emulate", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["proof_s"] > 200 and report["proof_detections"]["at the median"] > 5
    assert {proof["compiler"] for proof in report["proof"]} >= {CC}
    assert [board["board"] for board in report["boards"]] + list(report["boards_missing"]) == [BOARDS[0].name]
    assert all(board["macs_per_second"] == report["macs_per_second"] for board in report["boards"])
    assert json.loads((out / "report.json").read_text("utf-8"))["phrases"] == PHRASES
    monkeypatch.setattr(device, "proof_signal", partial(proof_signal, part_s=0.1))
    assert cli.main(["export", str(bundle), "--to", "esp-idf", "--out", str(out)]) == 0
    assert f"proven bit for bit on 5.4 s of audio: {CC} -O2" in capsys.readouterr().out
    assert (out / "idf_component.yml").is_file() and not (out / "Makefile").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["out folder"]


def test_every_compiler_here_gives_the_reference_at_every_level_and_under_sanitizers(
    bundle: Path, quantized: Quantized, sources: Path
) -> None:
    signal = proof_signal(16000, read_bundle(bundle).golden()[0], part_s=0.5)
    trace = run(quantized, signal)
    assert len(trace.hits) > 5 and {k for _, k, _ in trace.hits} == {0, 1}
    assert len(prove(sources, signal, trace)) >= 3


@pytest.mark.parametrize("compiler", COMPILERS)
def test_valgrind_finds_no_read_of_what_was_never_written(
    compiler: str, bundle: Path, quantized: Quantized, sources: Path, tmp_path: Path
) -> None:
    for program in (compiler, "valgrind"):
        if not shutil.which(program):
            pytest.skip(f"no {program}: install {program}")
    signal = proof_signal(16000, read_bundle(bundle).golden()[0], part_s=0.25)
    build(compiler, [*WARNINGS, "-O1"], [*c_sources(sources), proof_file("proof.c")], tmp_path / "proof")
    command = ["valgrind", "--quiet", "--error-exitcode=9", tmp_path / "proof", "0"]
    done = subprocess.run(command, input=signal.astype("<i2").tobytes(), capture_output=True, timeout=240)
    assert (done.returncode, done.stderr) == (0, b"")
    compare(done.stdout, run(quantized, signal), f"{compiler} under valgrind")


def test_one_changed_weight_fails_the_proof_and_says_where(
    bundle: Path, quantized: Quantized, sources: Path, tmp_path: Path
) -> None:
    shutil.copytree(sources, tmp_path / "changed")
    model = tmp_path / "changed/src/ww_model.c"
    text = model.read_text("utf-8")
    before, bias = text.split("static const int32_t gru_0_from_input_bias[30] = {\n    ")
    number, rest = bias.split(",", 1)
    model.write_text(
        f"{before}static const int32_t gru_0_from_input_bias[30] = {{\n    {int(number) + 99},{rest}", "utf-8"
    )
    golden = read_bundle(bundle).golden()[0]
    with pytest.raises(BundleError, match=r"differs from the reference: step \d+ of 100, hidden state"):
        prove(tmp_path / "changed", golden, run(quantized, golden), [(CC, ("-O2",))])


def test_a_wake_word_that_stays_silent_has_its_decisions_proven_all_the_same(
    bundle: Path, quantized: Quantized, sources: Path, tmp_path: Path
) -> None:
    never = replace(quantized, rules=(Rule(131070, 0), Rule(131070, 0)))
    signal, builds = proof_signal(16000, read_bundle(bundle).golden()[0], part_s=4.0), [(CC, ("-O2",))]
    trace = run(never, signal)
    lay_out(tmp_path, "c", tuple(PHRASES), generated(never, read_bundle(bundle).golden()[0]))
    assert prove(tmp_path, signal, trace, builds) and not trace.hits
    assert device.prove_decisions(never, tmp_path, signal, trace, builds) > 5
    code = tmp_path / "src/ww.c"
    code.write_text(code.read_text("utf-8").replace("= WW_REFRACTORY;", "= WW_REFRACTORY + 1u;"), "utf-8")
    assert prove(tmp_path, signal, trace, builds)
    with pytest.raises(BundleError, match=r"gave \d+ detections, the reference \d+"):
        device.prove_decisions(never, tmp_path, signal, trace, builds)


def test_make_builds_the_selftest_and_it_knows_the_structs_sizes(
    bundle: Path, sources: Path, quantized: Quantized
) -> None:
    from firmware_export.budget import ram_bytes

    if not shutil.which("make"):
        pytest.skip("no make: install make")
    done = subprocess.run(["make", f"CC={CC}", "selftest"], cwd=sources, capture_output=True, text=True, timeout=120)
    stream, scratch = ram_bytes(quantized)
    assert f"PASS: {stream} bytes a stream, {scratch} bytes of scratch" in done.stdout, done.stderr


def test_cmake_installs_it_and_find_package_finds_it(sources: Path, tmp_path: Path) -> None:
    if not shutil.which("cmake"):
        pytest.skip("no cmake: install cmake")
    cmake("-S", sources, "-B", tmp_path / "build", f"-DCMAKE_INSTALL_PREFIX={tmp_path / 'installed'}")
    cmake("--build", tmp_path / "build", "--target", "install")
    user = tmp_path / "user"
    user.mkdir()
    (user / "main.c").write_text("#include <ww.h>\nint main(void) { return ww_phrases[0] == 0; }\n")
    (user / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.13)\nproject(user C)\nfind_package(wakeword REQUIRED)\n"
        "add_executable(user main.c)\ntarget_link_libraries(user wakeword::wakeword)\n"
    )
    cmake("-S", user, "-B", user / "build", f"-DCMAKE_PREFIX_PATH={tmp_path / 'installed'}")
    cmake("--build", user / "build")
    assert subprocess.run([user / "build/user"], timeout=20).returncode == 0


def cmake(*arguments: object) -> None:
    done = subprocess.run(["cmake", *map(str, arguments)], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


def test_a_stream_goes_on_where_32_bits_end(sources: Path, tmp_path: Path) -> None:
    (tmp_path / "long.c").write_text(LONG_STREAM)
    build(CC, [*WARNINGS, "-O2"], [*c_sources(sources), tmp_path / "long.c"], tmp_path / "long")
    assert subprocess.run([tmp_path / "long"], timeout=60).returncode == 0


def test_the_headers_are_also_cplusplus(sources: Path, tmp_path: Path) -> None:
    cxx = next((compiler for compiler in ("g++", "clang++") if shutil.which(compiler)), None)
    if cxx is None:
        pytest.skip("no C++ compiler: install g++")
    headers = [sources / "src/ww.h", sources / "src/selftest.h"]
    build(cxx, ["-x", "c++", "-Wall", "-Wextra", "-Werror", "-fsyntax-only"], headers, tmp_path / "none")


def test_the_objects_need_no_library(sources: Path, tmp_path: Path) -> None:
    for source in c_sources(sources):
        build(CC, [*WARNINGS, "-O2", "-ffreestanding", "-fno-stack-protector", "-c"], [source], tmp_path / "one.o")
        table = subprocess.run(["nm", "-u", tmp_path / "one.o"], capture_output=True, text=True, check=True).stdout
        used = {line.split()[-1] for line in table.splitlines()}
        foreign = {name for name in used if not name.startswith(("ww_", "_GLOBAL_OFFSET_TABLE_"))}
        assert foreign <= {"memset", "memcpy", "memmove"}  # which compilers take for granted


def test_without_a_compiler_it_is_one_line_with_the_packages_name(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert cli.main(["export", str(bundle), "--to", "c", "--out", str(tmp_path / "out")]) == 2
    assert "no C compiler on this machine, expected one for the proof: install gcc" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_bundle_for_esphome_is_refused_with_what_to_do(
    micro_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    assert cli.main(["export", str(micro_bundle), "--to", "c", "--out", str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err
    assert "got features.kind micro, which is ESPHome's front end, expected log_mel" in said
    assert "train PHRASE --config micro, or export this one --to esphome" in said and len(said.splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_a_folder_with_other_files_is_left_alone(bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(FileError, match=r"holds other files, expected a new or empty folder"):
        export_device(bundle, "c", tmp_path, 40, 8)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_audio_shorter_than_a_second_is_refused(bundle: Path, tmp_path: Path) -> None:
    with pytest.raises(AudioError, match=r"--audio: got 0.50 s, expected at least a second"):
        export_device(bundle, "c", tmp_path / "out", 40, 8, np.zeros(8000, np.int16))


def test_the_hash_of_the_golden_vectors_is_fnv1a() -> None:
    assert fnv1a(b"") == 0x811C9DC5 and fnv1a(b"foobar") == 0xBF9CF968
    assert np.iinfo(np.uint32).max >= fnv1a(bytes(1000))
