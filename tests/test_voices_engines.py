"""Voices that are not espeak's: a program of the user's, a Piper model, and how all of them share the work."""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

pytest.importorskip("espeakng_loader", reason="needs the extra 'espeak'")

from synth import spoken
from synth.accents import HOMES
from synth.casting import Casting
from synth.phonemes import Pronunciation
from synth.spoken import phrase_warnings, speak_clips, speak_phrase
from synth.voices import VoiceParams
from synth.voices.command import CommandEngine
from synth.voices.espeak import EspeakEngine
from synth.voices.piper import PiperEngine
from synth.voices.speaking import open_voice, speak
from wakeword.audio import read
from wakeword.errors import DataError

SPEAKER = """
import sys, wave
text, wav, note = sys.argv[1:4]
open(note, "a").write(text + chr(10))
with wave.open(wav, "wb") as file:
    file.setnchannels(1); file.setsampwidth(2); file.setframerate(8000)
    file.writeframes(bytes(1600) + bytes([0, 16, 0, 240]) * 2000 + bytes(1600))
"""
RATE_HZ = 16000


@pytest.fixture
def program(tmp_path: Path) -> str:
    """A command line that notes what it was asked to say, and makes half a second of sound between silences."""
    (tmp_path / "speaker.py").write_text(SPEAKER)
    return f"'{sys.executable}' '{tmp_path}/speaker.py' {{text}} {{wav}} '{tmp_path}/said.txt' --voice rob"


def said(tmp_path: Path) -> list[str]:
    return (tmp_path / "said.txt").read_text().splitlines()


def test_a_program_gets_the_text_as_one_argument_and_its_silence_is_cut(program: str, tmp_path: Path) -> None:
    engine = CommandEngine(program)
    text = "hey $(touch x); 'you' {wav} && \"me\""
    pcm = engine.speak(text, engine.draw(np.random.default_rng(0)))
    assert said(tmp_path) == [text]
    assert abs(len(pcm) / engine.sample_rate_hz - 0.5) < 0.02
    assert engine.voice.endswith("-rob")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("flite -t {text}", "without {wav}"),
        ("flite -o {wav}", "without {text}"),
        ("flite 'unclosed {text} {wav}", "No closing quotation"),
        ("there-is-no-such-program {text} {wav}", "expected one that is installed"),
        (f"'{sys.executable}' -c 'raise SystemExit(3)' {{text}} {{wav}}", "ended with 3"),
        (f"'{sys.executable}' -c pass {{text}} {{wav}}", "wrote no wav"),
    ],
)
def test_a_program_that_cannot_be_used_is_one_clear_error(line: str, message: str) -> None:
    with pytest.raises(DataError, match=message.replace("{", r"\{")):
        CommandEngine(line).speak("hello", VoiceParams("any"))


def test_a_text_that_looks_like_an_option_is_refused(program: str) -> None:
    with pytest.raises(DataError, match="does not begin with '-'"):
        CommandEngine(program).speak("--help", VoiceParams("any"))


def piper_voice(folder: Path, speakers: int) -> Path:
    """A model with Piper's signature that hums: 256 samples a phoneme, its number for a pitch."""
    symbols = ["_", "^", "$", *"abcdefghijklmnopqrstuvwxyzəɪʌʊˈːæ"]
    facts = {
        "audio": {"sample_rate": 22050},
        "espeak": {"voice": "en-us"},
        "num_speakers": speakers,
        "phoneme_id_map": {symbol: [number] for number, symbol in enumerate(symbols)},
    }
    (folder / "hum.onnx.json").write_text(json.dumps(facts), encoding="utf-8")
    constants = {"step": np.arange(256, dtype=np.float32) / 40, "at": np.array([2], np.int64)}
    constants |= {"flat": np.array([1, 1, 1, -1], np.int64), "first": np.array([1], np.int64)}
    nodes = [
        helper.make_node("Cast", ["input"], ["numbers"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["numbers", "at"], ["columns"]),
        helper.make_node("Mul", ["columns", "step"], ["phases"]),
        helper.make_node("Sin", ["phases"], ["waves"]),
        helper.make_node("Gather", ["scales", "first"], ["length"]),
        helper.make_node("Div", ["waves", "length"], ["scaled"]),
        helper.make_node("Reshape", ["scaled", "flat"], ["output"]),
    ]
    shapes = {"input": [1, "T"], "input_lengths": [1], "scales": [3]} | ({"sid": [1]} if speakers > 1 else {})
    kinds = {"scales": TensorProto.FLOAT}
    inputs = [helper.make_tensor_value_info(n, kinds.get(n, TensorProto.INT64), s) for n, s in shapes.items()]
    output = helper.make_tensor_value_info("output", TensorProto.FLOAT, [1, 1, 1, "N"])
    tensors = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "hum", inputs, [output], tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, folder / "hum.onnx")
    return folder / "hum.onnx"


@pytest.mark.parametrize("speakers", [1, 9])
def test_a_piper_model_is_fed_the_numbers_of_its_phonemes(tmp_path: Path, speakers: int) -> None:
    engine = PiperEngine(piper_voice(tmp_path, speakers))
    rng = np.random.default_rng(0)
    drawn = {engine.draw(rng).voice for _ in range(60)}
    assert len(drawn) == speakers
    pcm = engine.speak("hey", engine.draw(rng))
    sounds = EspeakEngine(names=["en-us"]).ipa("hey", "en-us")
    assert len(pcm) == 256 * len(engine.phoneme_ids(sounds))
    assert engine.phoneme_ids("ab") == [1, 0, 3, 0, 4, 0, 2]


def test_a_piper_voice_without_its_json_or_with_another_model_is_refused(tmp_path: Path) -> None:
    path = piper_voice(tmp_path, 1)
    (tmp_path / "other.onnx").write_bytes(path.read_bytes())
    with pytest.raises(DataError, match=r"other\.onnx\.json: no such file"):
        PiperEngine(tmp_path / "other.onnx")
    (tmp_path / "other.onnx.json").write_text("{}")
    with pytest.raises(DataError, match="not a Piper voice"):
        PiperEngine(tmp_path / "other.onnx")
    path.write_bytes(b"no model")
    with pytest.raises(DataError, match="not a model that can be loaded"):
        PiperEngine(path)


def test_a_voice_is_known_by_its_form() -> None:
    assert open_voice("espeak") is None
    assert isinstance(open_voice("flite -t {text} -o {wav}"), CommandEngine)
    with pytest.raises(DataError, match="expected 'espeak', 'kokoro', a Piper model"):
        open_voice("siri")


def test_voices_share_the_clips_evenly(program: str, tmp_path: Path) -> None:
    casting = Casting(engines=("espeak", program, str(piper_voice(tmp_path, 2))))
    spoken = speak_phrase("hey computer", tmp_path / "out", 12, casting=casting)
    assert len(spoken.clips) == 12
    assert len(said(tmp_path)) == 4
    assert sum(clip.params.voice.startswith("hum-") for clip in spoken.clips) == 4
    assert all(len(read(clip.path, RATE_HZ)) for clip in spoken.clips)
    with pytest.raises(DataError, match="expected a new folder"):
        speak_phrase("hey computer", tmp_path / "out", 12)


def test_speakers_of_one_program_are_told_apart_and_none_writes_over_another(program: str, tmp_path: Path) -> None:
    speakers = [CommandEngine(f"{program} --spk {number}") for number in (1, 2)]
    assert speakers[0].voice != speakers[1].voice
    assert CommandEngine(f"{program} --spk=1").voice == speakers[0].voice
    same = [CommandEngine(program), CommandEngine(f"{program} --loud")]  # an option without a value names no voice
    clips = speak(["hey"], tmp_path / "clips", 6, 1, same, []).clips
    assert len({clip.path for clip in clips}) == len(list((tmp_path / "clips").rglob("*.wav"))) == 6


def test_a_voice_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    casting = Casting(engines=("espeak", f"'{sys.executable}' -c 'raise SystemExit(3)' {{text}} {{wav}}"))
    with pytest.raises(DataError, match="ended with 3"):
        speak_phrase("hey computer", tmp_path / "out", 4, casting=casting)
    assert list(tmp_path.iterdir()) == []


SMALL = spoken.Amounts(activates=3, accented=4, negatives=6, nonsense=3, miss_turns=1, background_s=1.0)


@pytest.fixture
def texts(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What espeak is asked to say while small folders of clips are made."""
    said, speak = [], spoken.espeak_clips
    monkeypatch.setattr(spoken, "espeak_clips", lambda more, *rest: said.extend(more) or speak(more, *rest))
    return said


def test_clips_for_training_in_another_language_never_say_the_phrase_as_a_negative(
    tmp_path: Path, texts: list[str]
) -> None:
    folder = speak_clips("ordenador", tmp_path / "clips", casting=Casting("es"), amounts=SMALL)
    activates = Counter(path.parent.name.partition("+")[0] for path in (folder / "activates").glob("*/*.wav"))
    assert activates.pop("es", 0) + activates.pop("es-419", 0) == 3
    assert activates.total() == 4
    assert set(activates) <= set(HOMES)
    assert len(list((folder / "negatives").glob("*/*.wav"))) == 9
    assert "ordenador" not in texts
    assert "[[,o|r|D|e|n|a|D|'o|r]]" not in texts


def test_several_phrases_have_a_folder_each_and_none_is_a_near_miss_of_another(
    tmp_path: Path, texts: list[str]
) -> None:
    folder = speak_clips(["hey computer", "computer"], tmp_path / "clips", amounts=SMALL)
    for phrase in ("hey computer", "computer"):
        assert len(list((folder / "activates" / phrase).glob("*/*.wav"))) == 3 + 4
    assert len(list((folder / "negatives").glob("*/*.wav"))) == 6 + 3
    assert len(list((folder / "near_misses").glob("*/*.wav"))) > 100
    assert not [text for text in texts if "k|@|m|p|j|'u:|t|3" in text]
    with pytest.raises(DataError, match="expected different ones"):
        speak_clips(["stop it", "Stop it"], tmp_path / "other", amounts=SMALL)
    with pytest.raises(DataError, match="expected none of the signs"):
        speak_clips(["stop it", "and/or"], tmp_path / "other", amounts=SMALL)


def test_what_sounds_like_another_spelling_is_the_phrase_and_no_near_miss(tmp_path: Path, texts: list[str]) -> None:
    casting = Casting(spellings=(("okay nabu", "okay naboo"),))
    clips = speak_phrase("okay nabu", tmp_path / "said", 16, casting=casting).clips
    assert Counter("naboo" in clip.text for clip in clips) == {True: 8, False: 8}
    engine = EspeakEngine(names=["en"])
    said = [Pronunciation.of(engine.pronounce(text, "en")) for text in ("okay nabu", "okay naboo")]
    assert said[0] != said[1]
    speak_clips("okay nabu", tmp_path / "clips", casting=casting, amounts=SMALL)
    assert len(texts) > 50
    assert not {one.spoken() for one in said} & set(texts)
    for wrong, problem in ((("other", "x"), "expected one of the phrases"), (("okay nabu", "[[k]]"), "expected words")):
        with pytest.raises(DataError, match=problem):
            speak_phrase("okay nabu", tmp_path / "no", 4, casting=Casting(spellings=(wrong,)))


def test_a_phrase_is_listened_for_in_all_its_spellings_unless_it_is_too_short() -> None:
    from wakeword.cli.training import pronunciations

    (said,) = pronunciations(["okay nabu"], Casting(spellings=(("okay nabu", "okay knee boo"),)))
    (plain,) = pronunciations(["okay nabu"], Casting())
    assert len(said) > len(plain) > 1
    assert all(one in said for one in plain)
    assert pronunciations(["okay nabu", "go"], Casting()) == []


def test_warnings_are_measured_on_what_espeak_reads() -> None:
    assert phrase_warnings("hey computer") == []
    assert any("common" in warning for warning in phrase_warnings("good morning to"))
    with pytest.raises(DataError, match="expected one that espeak knows"):
        phrase_warnings("hey computer", "xx")
