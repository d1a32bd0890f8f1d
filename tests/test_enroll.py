"""A phrase that is only typed and listened for at once, by the packaged backbone."""

import json
import time
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="enrolling needs the extra 'train'")

import torch

import wakeword
from wakeword.backbone import Backbone, load_backbone
from wakeword.batches import batches
from wakeword.brief import _Adam
from wakeword.bundle import read_bundle
from wakeword.cli import main
from wakeword.cli.presets import briefly
from wakeword.clips import Event, Example
from wakeword.config import Config, load_config, override
from wakeword.enroll import (
    brief_threshold,
    enroll,
    measured_brief_thresholds,
    measured_thresholds,
    path_threshold,
)
from wakeword.errors import BundleError, DataError
from wakeword.info import numbers
from wakeword.model import model_from_weights
from wakeword.path import Paths
from wakeword.phones import PHONES, phones


@pytest.mark.parametrize("learning", [True, False])
def test_a_phrase_is_enrolled_on_the_command_line_and_heard_in_espeaks_voice(
    tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch, learning: bool
) -> None:
    pytest.importorskip("espeakng_loader", reason="pronunciations need the extra 'espeak'")
    from synth.voices.espeak import EspeakEngine, EspeakParams
    from wakeword.audio import read, write

    monkeypatch.setenv("WAKEWORD_CACHE", str(tmp_path / "cache"))
    how = [] if learning else ["--no-training"]
    assert main(["enroll", "hey computer", "--out", str(tmp_path / "bundle"), "--json", *how]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["phrases"] == ["hey computer"]
    card = read_bundle(tmp_path / "bundle").card
    assert card.config.model.spotter is learning and (card.provenance["enrolled"]["batches"] > 0) is learning
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


def some_examples(config: Config, phrase: str, count: int) -> list[Example]:
    """A tone that ends in the middle is the phrase; noise around it is not."""
    rng, samples, made = np.random.default_rng(0), config.example_samples, []
    tone = np.sin(2 * np.pi * 900 * np.arange(samples // 5) / config.audio.sample_rate_hz)
    for _ in range(count):
        pcm, start = 300 * rng.standard_normal(samples), int(rng.integers(samples // 4, samples // 2))
        pcm[start : start + len(tone)] += 6000 * tone
        event = Event(kind="activate", label=phrase, start_sample=start, end_sample=start + len(tone))
        made.append(Example(pcm.astype(np.int16), (event,), {}))
    return made


def test_members_learn_what_the_examples_say_beside_the_path(tmp_path: Path) -> None:
    config, said = briefly(load_config("default")), [[phones("wɪndoʊ")]]
    examples = some_examples(config, "window", 60)
    bundle = enroll(["window"], said, [0.4], load_backbone(), config, tmp_path, examples=iter(examples[20:]))
    model = model_from_weights(bundle.card.config, bundle.weights(), Paths.of(said))
    batch = next(batches(iter(examples[:20]), override(config, train={"batch_size": 20}), ["window"]))
    with torch.inference_mode():
        said_by_each, _ = model.each(batch.pcm, model.empty_state(20))
    right = said_by_each.mean(dim=0)[batch.target == 1].mean()
    assert right > said_by_each.mean(dim=0)[(batch.target == 0) & (batch.weight > 0)].mean() + 2.0
    assert numbers(tmp_path)["parameters"] > 341_894


def test_a_threshold_beside_members_follows_from_the_paths() -> None:
    alone = np.random.default_rng(0).uniform(0.1, 0.7, 40)
    odds = 0.4 * np.log(alone / (1.0 - alone)) + 0.2
    measured = measured_brief_thresholds(alone, 1.0 / (1.0 + np.exp(-odds)))
    assert measured["line"] == [0.4, 0.2] and measured["spread"] == 0.0
    backbone = Backbone({}, {"brief_thresholds": measured})
    assert np.allclose([brief_threshold(backbone, one) for one in alone], 1.0 / (1.0 + np.exp(-odds)))


def test_adam_written_out_is_torchs() -> None:
    torch.manual_seed(0)
    ours, theirs = torch.randn(4, 3), torch.nn.Parameter(torch.empty(4, 3))
    theirs.data = ours.clone()
    adam, reference = _Adam([ours]), torch.optim.Adam([theirs], lr=0.01)
    for gradient in torch.randn(20, 4, 3):
        theirs.grad = gradient.clone()
        reference.step()
        adam.step([gradient], 0.01)
    assert torch.allclose(ours, theirs, atol=1e-6)


def test_an_enrolled_bundle_is_no_firmware_and_says_so(tmp_path: Path) -> None:
    from firmware_export.layers import read_layers

    enroll(["window"], [[phones("wɪndoʊ")]], [0.4], load_backbone(), load_config("backbone"), tmp_path)
    assert numbers(tmp_path)["parameters"] == 341_894
    with pytest.raises(BundleError, match="got an enrolled bundle, expected a trained one"):
        read_layers(tmp_path)
