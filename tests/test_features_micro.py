"""The device's front end as one of ours: the library's numbers, in any chunks, in torch and in the listener."""

from pathlib import Path

import numpy as np
import pytest

from tests.signals import speech_like
from wakeword.audio import to_int16
from wakeword.config import load_config, override
from wakeword.errors import ConfigError
from wakeword.features import tables
from wakeword.features.micro import CHANNELS, UNIT, MicroStream

pymicro_features = pytest.importorskip("pymicro_features", reason="the extra 'firmware' brings it")
RATE = 16000
PCM = speech_like(3 * RATE, RATE)


def library(pcm: np.ndarray) -> np.ndarray:
    front, content = pymicro_features.MicroFrontend(), to_int16(pcm).tobytes()
    outputs = [front.process_samples(content[at : at + 320]) for at in range(0, len(content), 320)]
    return np.array([output.features for output in outputs if output.features])


def test_frames_are_the_librarys_bit_for_bit() -> None:
    np.testing.assert_array_equal(MicroStream(silence_samples=0).feed(PCM), library(PCM))


def test_frames_are_whole_numbers_of_the_unit_and_each_hop_makes_one() -> None:
    made = MicroStream().feed(PCM)
    assert made.shape == (len(PCM) // 160, CHANNELS)
    np.testing.assert_array_equal(made / UNIT, np.round(made / UNIT))


def test_frames_are_the_same_for_any_chunking_and_after_a_reset() -> None:
    stream, rng, at, pieces = MicroStream(), np.random.default_rng(1), 0, []
    stream.feed(PCM[:5000])
    stream.reset()
    while at < len(PCM):
        size = int(rng.integers(0, 900))
        pieces.append(stream.feed(PCM[at : at + size]))
        at += size
    np.testing.assert_array_equal(np.concatenate(pieces), MicroStream().feed(PCM))


def test_it_has_no_tables_and_only_one_rate() -> None:
    config = load_config("micro_esphome")
    with pytest.raises(ConfigError, match="got micro"):
        tables(config)
    with pytest.raises(ConfigError, match="sample_rate_hz: got 8000, expected 16000"):
        override(config, audio={"sample_rate_hz": 8000})


def test_training_stepwise_and_the_graph_are_one_network(micro_bundle: Path) -> None:
    torch = pytest.importorskip("torch")
    from wakeword.bundle import read_bundle
    from wakeword.model import model_from_weights, stream_logits
    from wakeword.stream import load

    bundle = read_bundle(micro_bundle)
    model = model_from_weights(bundle.card.config, bundle.weights())
    pcm = PCM[: len(PCM) // 480 * 480]
    whole = stream_logits(model, torch.from_numpy(pcm)[None], len(pcm))
    torch.testing.assert_close(stream_logits(model, torch.from_numpy(pcm)[None], 480), whole, rtol=1e-4, atol=1e-5)
    heard = load(micro_bundle)
    _, probabilities = heard.scores(PCM)
    np.testing.assert_allclose(probabilities, torch.sigmoid(whole)[0].numpy(), rtol=0, atol=1e-5)
    example = torch.from_numpy(np.stack([pcm, pcm]))
    logits, _ = model(example, model.empty_state(2))
    assert logits.shape == (2, 1 + ((len(pcm) - 480) // 160 + 1 - 9) // 3, 1)
    torch.testing.assert_close(logits[0], logits[1])


def test_a_listener_hears_the_same_in_pieces_and_after_a_reset(micro_bundle: Path) -> None:
    from wakeword.stream import load

    heard = load(micro_bundle, threshold=0.02)
    once = heard.feed(PCM)
    heard.reset()
    again = [detection for at in range(0, len(PCM), 777) for detection in heard.feed(PCM[at : at + 777])]
    assert once and again == pytest.approx(once)
