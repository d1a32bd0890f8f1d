"""A threshold from recordings without the word: counted on a detector of one tone, written into a real bundle."""

import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
from tone_word import RATE, WORD_HZ, ToneWord, hiss, tone

import wakeword
from wakeword.audio import write
from wakeword.bundle import read_bundle
from wakeword.calibrate import calibrate
from wakeword.cli import main
from wakeword.errors import DataError
from wakeword.sections import DetectorConfig


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Two minutes with five beeps of falling purity: each mixed with more of another tone than the one before."""
    pieces = []
    for number in range(5):
        other = number / 5 * tone(400.0, 0.2)
        pieces += [hiss(23.3, 0.001, number), tone(WORD_HZ, 0.2) + other, hiss(0.5, 0.001, number)]
    write(tmp_path / "home" / "kitchen.wav", np.concatenate(pieces), RATE)
    return tmp_path / "home"


class LowToneWord(ToneWord):
    detector_configs = (DetectorConfig(threshold=0.05, smoothing_steps=3, refractory_steps=25, rearm_ratio=0.5),) * 2


@pytest.mark.parametrize("events", [1, 2, 4])
def test_the_threshold_lets_as_many_events_through_as_the_rate_allows(home: Path, events: int) -> None:
    rate_per_hour = (events + 0.5) / (120 / 3600)
    found = calibrate(LowToneWord(), home, rate_per_hour)
    assert found.before.fa_count == 5
    assert found.after.fa_count == events
    assert found.after.fa_per_hour <= rate_per_hour < found.after.fa_per_hour_upper


def test_too_little_audio_is_refused_with_the_hours_that_it_takes(home: Path) -> None:
    with pytest.raises(DataError, match=r"got 0\.03 h, expected at least 2\.00 h .* \(5\.99 h to show it\)"):
        calibrate(LowToneWord(), home, 0.5)
    with pytest.raises(DataError, match="got 0, expected a positive number"):
        calibrate(LowToneWord(), home, 0)
    with pytest.raises(DataError, match="expected one of"):
        calibrate(LowToneWord(), home, 100, phrase="no such")


def test_a_bundle_gets_the_threshold_in_its_card_and_its_graph_and_nothing_else_changes(
    tiny_bundle: Path, home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = shutil.copytree(tiny_bundle, tmp_path / "bundle")
    before = read_bundle(bundle)
    assert main(["calibrate", str(bundle), "--negatives", str(home), "--target-fa-per-hour", "60", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    after = read_bundle(bundle)
    assert after.card.thresholds[0] == printed["threshold"] == wakeword.load(bundle).detector_configs[0].threshold
    metadata = {p.key: p.value for p in onnx.load_model_from_string(after.graph()).metadata_props}
    assert json.loads(metadata["thresholds"]) == after.card.thresholds
    assert after.card.provenance["calibration"][printed["phrase"]]["negatives"] == ["home"]
    pcm = hiss(2)
    assert np.array_equal(wakeword.load(bundle).scores(pcm)[1], wakeword.load(tiny_bundle).scores(pcm)[1])
    assert before.card.sha256["weights.safetensors"] == after.card.sha256["weights.safetensors"]


def test_a_refused_calibration_leaves_the_bundle_as_it_was(
    tiny_bundle: Path, home: Path, tmp_path: Path, capsys
) -> None:
    bundle = shutil.copytree(tiny_bundle, tmp_path / "bundle")
    content = {path.name: path.read_bytes() for path in bundle.iterdir() if path.is_file()}
    assert main(["calibrate", str(bundle), "--negatives", str(home)]) == 2
    assert "expected at least 2.00 h" in capsys.readouterr().err
    assert content == {path.name: path.read_bytes() for path in bundle.iterdir() if path.is_file()}
