"""A phrase that is only typed and listened for at once, by the packaged backbone."""

import json
import time
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="enrolling needs the extra 'train'")

import wakeword
from wakeword.backbone import Backbone, load_backbone
from wakeword.bundle import read_bundle
from wakeword.cli import main
from wakeword.config import load_config
from wakeword.enroll import enroll, measured_thresholds, path_threshold
from wakeword.errors import BundleError, DataError
from wakeword.info import numbers
from wakeword.phones import PHONES, phones


def test_a_phrase_is_enrolled_on_the_command_line_and_heard_in_espeaks_voice(tmp_path: Path, capsys) -> None:
    pytest.importorskip("espeakng_loader", reason="pronunciations need the extra 'espeak'")
    from synth.voices.espeak import EspeakEngine, EspeakParams
    from wakeword.audio import read, write

    assert main(["enroll", "hey computer", "--out", str(tmp_path / "bundle"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["phrases"] == ["hey computer"]
    ww, engine = wakeword.load(tmp_path / "bundle"), EspeakEngine()
    rng = np.random.default_rng(0)
    peaks = {}
    for text in ("hey computer", "the water is boiling"):
        write(tmp_path / "said.wav", engine.speak(text, EspeakParams(voice="en-us")), engine.sample_rate_hz)
        said = read(tmp_path / "said.wav", 16000)
        pcm = np.concatenate([np.zeros(16000), said, np.zeros(8000)]) + 1e-3 * rng.standard_normal(24000 + len(said))
        peaks[text] = ww.scores(pcm.astype(np.float32))[1].max()
    assert peaks["hey computer"] > 2 * peaks["the water is boiling"]


def test_several_phrases_share_one_bundle(tmp_path: Path) -> None:
    said = [[phones("kəmpjutəɹ"), phones("kəmpjutə"), phones("kɔmpjutəɹ")], [phones("wɪndoʊ")]]
    bundle = enroll(["computer", "window"], said, [0.5, 0.4], load_backbone(), load_config("backbone"), tmp_path)
    assert read_bundle(tmp_path).card.paths == said
    ww = wakeword.load(bundle.path)
    assert ww.phrases == ["computer", "window"]
    assert ww.scores(np.zeros(16000, np.float32))[1].shape == (25, 2)
    assert ww.detector_configs[0].threshold == path_threshold(load_backbone(), said[0], 0.5)


def test_enrolling_is_quick(tmp_path: Path) -> None:
    begin_s = time.process_time()
    enroll(["window"], [[phones("wɪndoʊ")]], [0.4], load_backbone(), load_config("backbone"), tmp_path)
    assert time.process_time() - begin_s < 60.0  # a second in fact: this only tells it from training


def test_a_rate_outside_of_what_was_measured_is_refused() -> None:
    with pytest.raises(DataError, match="target_fa_per_hour: got 1000, expected 0.1 to"):
        path_threshold(load_backbone(), [[1, 15, 2, 16]], 1000.0)


def test_thresholds_of_new_phrases_follow_from_those_of_others_by_their_phones() -> None:
    rng, rates, seconds = np.random.default_rng(0), [1.0, 10.0, 100.0], 36_000
    said = [[rng.integers(1, len(PHONES), rng.integers(4, 15)).tolist()] for _ in range(350)]
    some = rng.normal(0.0, 2.0, len(PHONES))  # phones that are heard in anything, and some that are in nothing
    easy = np.array([some[one].mean() + 4.0 / len(one) - 10.0 for (one,) in said])  # log-odds
    odds = easy + np.sort(rng.exponential(1.0, (seconds, len(said))), axis=0)[::-1]
    measured, new = slice(50, None), slice(50)
    peaks = 1.0 / (1.0 + np.exp(-odds[:, measured]))
    backbone = Backbone({}, {"path_thresholds": measured_thresholds(peaks, 10.0, said[measured], rates)})
    found = np.array([path_threshold(backbone, one, 10.0) for one in said[new]])
    errors = np.log(found / (1.0 - found)) - odds[100, new]  # 100 seconds of 10 hours are louder
    assert np.std(errors) < 0.2 < 0.5 < np.std(easy[new])
    rare, often = (path_threshold(backbone, said[0], rate) for rate in (3.0, 30.0))
    assert often < found[0] < rare


def test_an_enrolled_bundle_is_no_firmware_and_says_so(tmp_path: Path) -> None:
    from firmware_export.layers import read_layers

    enroll(["window"], [[phones("wɪndoʊ")]], [0.4], load_backbone(), load_config("backbone"), tmp_path)
    assert numbers(tmp_path)["parameters"] == 341_894
    with pytest.raises(BundleError, match="got an enrolled bundle, expected a trained one"):
        read_layers(tmp_path)
