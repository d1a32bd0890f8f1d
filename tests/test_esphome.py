"""The package for ESPHome: the model runs in the device's runtime and in Home Assistant's client, and stays close."""

import json
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from tests.signals import speech_like
from wakeword.bundle import read_bundle
from wakeword.cli import main
from wakeword.errors import BundleError
from wakeword.features.micro import MicroStream, to_int8

runtime = pytest.importorskip("tflite_micro", reason="the extra 'firmware' has it, on Linux on x86-64").runtime

from firmware_export.esphome import export_esphome  # noqa: E402
from firmware_export.esphome import package as esphome_package  # noqa: E402
from firmware_export.esphome.check import MOST_MODEL_KB, check_manifest, check_model, check_size  # noqa: E402
from firmware_export.esphome.package import file_name, lowered, program_of  # noqa: E402
from firmware_export.esphome.program import Program, Tensor, constant  # noqa: E402
from firmware_export.esphome.twin import Twin, scaled  # noqa: E402
from firmware_export.tflite import write_tflite  # noqa: E402

RATE = 16000
FRAMES = MicroStream().feed(speech_like(12 * RATE, RATE))
MEAN_DISTANCE, LARGEST_DISTANCE = 0.02, 0.3  # of a network whose random weights were made large, so that it moves
CLIENT_STEPS = 16  # of 256: full TensorFlow Lite rounds elsewhere than the device's runtime


@pytest.fixture(scope="module")
def package(micro_bundle: Path, tmp_path_factory: pytest.TempPathFactory):
    out = tmp_path_factory.mktemp("esphome")
    return out, export_esphome(micro_bundle, out)


@pytest.fixture(scope="module")
def model(package) -> bytes:
    return (package[0] / "hey_test.tflite").read_bytes()


def steps(frames: np.ndarray) -> np.ndarray:
    return to_int8(frames[: len(frames) // 3 * 3]).reshape(-1, 1, 3, 40)


def run_on_device(model: bytes, inputs: np.ndarray, arena_bytes: int = 1 << 16) -> np.ndarray:
    interpreter, outputs = runtime.Interpreter.from_bytes(model, arena_size=arena_bytes), []
    for features in inputs:
        interpreter.set_input(features, 0)
        interpreter.invoke()
        outputs.append(interpreter.get_output(0).item())
    return np.array(outputs)


def test_the_device_runtime_computes_what_the_twin_computes_bit_for_bit(micro_bundle: Path, model: bytes) -> None:
    bundle = read_bundle(micro_bundle)
    twin = Twin(program_of(bundle, MicroStream().feed(bundle.golden()[0] / np.float32(32768))))
    rng = np.random.default_rng(0)
    noise = rng.integers(-128, 128, (100, 1, 3, 40)).astype(np.int8)
    ends = np.repeat(np.array([-128, 127], np.int8), [20, 20])[:, None, None, None] * np.ones((1, 1, 3, 40), np.int8)
    inputs = np.concatenate([steps(FRAMES), noise, ends, steps(FRAMES[:300])])
    expected = np.array([twin.step(features).item() for features in inputs])
    assert np.ptp(expected) > 200
    np.testing.assert_array_equal(run_on_device(model, inputs), expected)


def test_it_stays_close_to_the_float_model(micro_bundle: Path, model: bytes) -> None:
    from wakeword.stream import load

    _, probabilities = load(micro_bundle).scores(speech_like(12 * RATE, RATE))
    distance = np.abs(run_on_device(model, steps(FRAMES)) / 256 - probabilities[:, 0])
    assert distance.mean() < MEAN_DISTANCE
    assert distance.max() < LARGEST_DISTANCE


def test_home_assistants_client_loads_it_and_hears_nearly_the_same(package, model: bytes) -> None:
    client = pytest.importorskip("pymicro_wakeword", reason="the extra 'test' brings it")
    loaded = client.MicroWakeWord.from_config(package[0] / "hey_test.json")
    loaded._probabilities = type(loaded._probabilities)(maxlen=1)
    loaded.sliding_window_size = 1
    heard = [loaded.process_streaming_prob(frame.reshape(1, 1, 40).astype(np.float64)) for frame in FRAMES]
    expected = run_on_device(model, steps(FRAMES))
    assert loaded.wake_word == "hey test"
    assert np.abs(np.array(heard[2::3]) * 256 - expected).max() <= CLIENT_STEPS


def test_the_arena_in_the_manifest_is_enough_and_hardly_more(package, model: bytes) -> None:
    out, report = package
    manifest = json.loads((out / "hey_test.json").read_text("utf-8"))
    assert manifest["micro"]["tensor_arena_size"] == report.arena_bytes < report.arena_measured_bytes + 1024
    run_on_device(model, steps(FRAMES[:9]), report.arena_measured_bytes)
    with pytest.raises(RuntimeError):
        run_on_device(model, steps(FRAMES[:9]), report.arena_measured_bytes - 512)


def test_a_slow_state_moves_on_where_eight_bits_would_stall() -> None:
    from firmware_export.esphome.network import build
    from firmware_export.layers import Conv1d, Dense, Gru

    # One unit that forgets with z = 0.99 and is pulled towards tanh(0.2): 8 bits would stay at zero.
    bias = np.array([0.0, np.log(0.99 / 0.01), 0.2])
    gru = Gru(np.zeros((3, 1)), np.zeros((3, 1)), bias, np.zeros(3))
    program = build(Conv1d(np.zeros((1, 40, 3)), np.zeros(1), 3), (gru,), Dense(np.full((1, 1), 8.0), np.zeros(1)), 1.0)
    outputs = run_on_device(write_tflite(program, "slow"), np.full((600, 1, 3, 40), -128, np.int8))
    reached = 256 / (1 + np.exp(-8 * np.tanh(0.2)))
    assert outputs[0] < 150
    assert (np.diff(outputs) >= 0).all()
    assert outputs[-1] == pytest.approx(reached, abs=8)


def test_fixed_point_factors_round_twice_and_no_more() -> None:
    x = np.arange(-100000, 100000, 17)
    for factor in (0.3, 1 / 128, 1.0, 0.00073):
        assert np.abs(scaled(x, factor) - x * factor).max() <= 0.751


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"version": 1}, "version: got 1"),
        ({"wake_word": ""}, "wake_word: got ''"),
        ({"model": "../x.tflite"}, "model: got '../x.tflite'"),
        ({"extra": 1}, "extra: got 1"),
        ({"website": ""}, "website: got '', expected a URL with scheme and host"),
        ({"website": None}, "website: got None"),
        ({"website": "example.com"}, "website: got 'example.com'"),
        ({"website": "https://[::1"}, r"website: got 'https://\[::1'"),
        ({"micro": {"probability_cutoff": 1.5}}, "micro.probability_cutoff: got 1.5"),
        ({"micro": {"tensor_arena_size": 0}}, "micro.tensor_arena_size: got 0"),
    ],
)
def test_a_manifest_that_esphome_would_refuse_is_refused(package, change: dict, complaint: str) -> None:
    manifest = json.loads((package[0] / "hey_test.json").read_text("utf-8"))
    check_manifest(manifest)
    micro = {**manifest["micro"], **change.pop("micro", {})}
    with pytest.raises(BundleError, match=complaint):
        check_manifest({**manifest, **change, "micro": micro})


def test_a_manifest_may_have_a_website_and_the_written_one_has_none(package) -> None:
    manifest = json.loads((package[0] / "hey_test.json").read_text("utf-8"))
    assert "website" not in manifest
    assert check_manifest({**manifest, "website": "https://example.com/x"}).website == "https://example.com/x"


def small(shape: tuple[int, ...] = (1, 3, 40), dtype: str = "int8") -> Program:
    program = Program(Tensor("features", shape, dtype, 0.1, -128))
    flat = program.add("RESHAPE", [program.source, constant("one", np.array([1, 120], np.int32), 0.0)], program.source)
    weight, bias = constant("w", np.ones((1, 120), np.int8), 0.01), constant("b", np.zeros(1, np.int32), 0.001)
    program.add("FULLY_CONNECTED", [flat, weight, bias], Tensor("", (1, 1), "int8", 0.1))
    return program


def test_the_checker_refuses_other_operators_too_many_variables_and_other_ends() -> None:
    ends = Tensor("", (1, 1), "uint8", 1 / 256)
    good = small()
    good.add("QUANTIZE", [good.result], ends)
    check_model(write_tflite(good, "good"))
    other = small()
    other.add("TANH", [other.result], ends)
    with pytest.raises(BundleError, match="got operator TANH"):
        check_model(write_tflite(other, "x"))
    with pytest.raises(BundleError, match=r"output: got int8 \[1, 1\], expected uint8"):
        check_model(write_tflite(small(), "x"))
    for shape in ((1, 3, 39), (3, 40), (2, 3, 40)):
        wrong = small(shape)
        wrong.add("QUANTIZE", [wrong.result], ends)
        with pytest.raises(BundleError, match="input: got int8"):
            check_model(write_tflite(wrong, "x"))
    many = small()
    for number in range(21):
        many.variable(f"v{number}", constant("zero", np.zeros((1, 4), np.int8), 1.0))
    many.add("QUANTIZE", [many.operators[1].output], ends)
    with pytest.raises(BundleError, match="got 21 variables, expected at most 20"):
        check_model(write_tflite(many, "x"))


def test_damaged_files_are_refused(model: bytes) -> None:
    check_model(model)
    rng = np.random.default_rng(3)
    with pytest.raises(BundleError, match="without the mark"):
        check_model(b"")
    refused = 0
    for _ in range(150):
        damaged = bytearray(model)
        for at in rng.integers(8, 4000, 3):
            damaged[at] = rng.integers(0, 256)
        with suppress(BundleError):  # and nothing else; what was hit may not matter
            check_model(bytes(damaged[: rng.integers(100, len(damaged))]))
            refused -= 1
        refused += 1
    assert refused > 50


def test_the_command_writes_it_and_refuses_other_bundles(
    micro_bundle: Path, tiny_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    assert main(["export", str(micro_bundle), "--to", "esphome", "--out", str(tmp_path / "a b"), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert Path(facts["manifest"]).is_file() and facts["variables"] == 3
    assert 700_000 < facts["macs_per_second"] < 900_000
    assert main(["export", str(tiny_bundle), "--to", "esphome", "--out", str(tmp_path / "no")]) == 2
    said = capsys.readouterr().err
    assert "got features.kind log_mel, expected micro" in said and len(said.splitlines()) == 1
    assert not (tmp_path / "no").exists()


@pytest.mark.parametrize("flag", [["--audio", "x"], ["--emulate"], ["--flash-kb", "40"], ["--ram-kb", "8"]])
def test_flags_of_other_targets_are_refused(
    flag: list[str], micro_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    for target in ("esphome", "onnx", "web"):
        assert main(["export", str(micro_bundle), "--to", target, "--out", str(tmp_path / "no"), *flag]) == 2
        said = capsys.readouterr().err
        assert f"{flag[0]}: got it with --to {target}, expected --to c, arduino, esp-idf or zephyr" in said
        assert len(said.splitlines()) == 1 and not (tmp_path / "no").exists()
    assert main(["export", str(micro_bundle), "--to", "c", "--out", "no", "--onnxruntime-web", "x"]) == 2
    assert "--onnxruntime-web: got it with --to c, expected --to web" in capsys.readouterr().err


def test_what_is_too_large_for_a_microphone_is_refused_by_how_much_and_what_to_change(
    micro_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = read_bundle(micro_bundle).card.config.model
    check_size("model", MOST_MODEL_KB * 1024, MOST_MODEL_KB, model)
    with pytest.raises(BundleError, match=r"needs 162.5 KB of model, expected at most 160 KB, 2.5 KB too much"):
        check_size("model", 162 * 1024 + 512, MOST_MODEL_KB, model)
    for name, kind in (("MOST_MODEL_KB", "model"), ("MOST_ARENA_KB", "arena")):
        with monkeypatch.context() as small:
            small.setattr(esphome_package, name, 1)
            with pytest.raises(BundleError, match=rf"KB of {kind}.*fewer gru_units \(now \[48\]\) or conv_filters"):
                export_esphome(micro_bundle, tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_threshold_that_eight_bits_cannot_reach_is_brought_down_with_the_scores(
    micro_bundle: Path, tmp_path: Path
) -> None:
    import shutil

    from wakeword.bundle import replace_card
    from wakeword.export import with_thresholds

    bundle = read_bundle(shutil.copytree(micro_bundle, tmp_path / "high"))
    card = bundle.card.model_copy(update={"thresholds": [0.9995]})
    replace_card(bundle, card, with_thresholds(bundle.graph(), card))
    report = export_esphome(tmp_path / "high", tmp_path)
    manifest = json.loads((tmp_path / "hey_test.json").read_text("utf-8"))
    assert manifest["micro"]["probability_cutoff"] == 0.95
    assert lowered(np.array([0.9995]), np.log(0.9995 / 0.0005) - np.log(19)) == pytest.approx(0.95)
    assert report.mean_distance < MEAN_DISTANCE


def test_file_names_are_plain() -> None:
    assert file_name("Ok, Computer!") == "ok_computer"
    assert file_name("你好") == "wakeword"
