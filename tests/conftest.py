"""Fixtures that several rooms share."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from tone_word import OTHER_HZ, RATE, WORD_HZ, hiss, silence, tone

from wakeword.audio import write


@pytest.fixture(scope="session", autouse=True)
def one_torch_thread() -> None:
    """The test networks are so small that more threads only get in each other's way."""
    if find_spec("torch"):
        import torch

        torch.set_num_threads(1)


@pytest.fixture(scope="session")
def tiny_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real bundle of the tiny configuration with random weights: right in form, knows nothing."""
    torch = pytest.importorskip("torch", reason="exporting needs the extra 'train'")
    from wakeword.bundle import Card, write_bundle
    from wakeword.config import load_config
    from wakeword.export import export
    from wakeword.model import WakeModel

    torch.manual_seed(7)
    config = load_config("tiny")
    model = WakeModel(config).eval()
    for norm in (model.conv_norm, *model.gru_norm):
        norm.running_mean.normal_(0.0, 0.3)
        norm.running_var.uniform_(0.5, 2.0)
    card = Card(phrases=["hey test"], thresholds=[0.5], phrase_s=[0.6], config=config, provenance={"made": "for tests"})
    return write_bundle(tmp_path_factory.mktemp("bundles") / "tiny", card, *export(model, card)).path


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    """Ten takes, two of which say something else; a minute of other sound with two beeps in it; and noise."""
    for number in range(10):
        word = np.concatenate([silence(0.2), tone(OTHER_HZ if number in (3, 7) else WORD_HZ), silence(0.1)])
        write(tmp_path / f"positives/speaker_{number % 2}/take_{number}.wav", word, RATE)
    other = np.concatenate([hiss(20), tone(WORD_HZ), hiss(19.5), tone(OTHER_HZ, 10), hiss(10)])
    write(tmp_path / "negatives/deep/er/other.flac", other, RATE)
    write(tmp_path / "negatives/short.wav", tone(WORD_HZ), RATE)
    write(tmp_path / "noise/hiss.wav", hiss(8, 0.1), RATE)
    return tmp_path


@pytest.fixture(scope="session")
def micro_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real bundle of the ESPHome configuration with random weights that the front end's frames move a lot."""
    torch = pytest.importorskip("torch", reason="exporting needs the extra 'train'")
    pytest.importorskip("pymicro_features", reason="the extra 'firmware' brings it")
    from wakeword.bundle import Card, write_bundle
    from wakeword.config import load_config
    from wakeword.export import export
    from wakeword.model import WakeModel

    torch.manual_seed(5)
    config = load_config("micro_esphome")
    model = WakeModel(config).eval()
    model.conv_norm.running_mean.normal_(0.0, 0.5)
    model.conv_norm.running_var.uniform_(2.0, 20.0)
    with torch.no_grad():
        model.gru[0].weight_ih_l0 *= 3.0
        model.gru[0].weight_hh_l0 *= 3.0
        model.head.weight *= 20.0
    card = Card(phrases=["hey test"], thresholds=[0.9], phrase_s=[0.6], config=config, provenance={"made": "for tests"})
    return write_bundle(tmp_path_factory.mktemp("bundles") / "micro", card, *export(model, card)).path
