"""A bundle in integers: near its float original, unable to overflow, and strict about what it can express."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from firmware_export import Layers, read_layers
from firmware_export.budget import check_budget, flash_bytes
from firmware_export.distance import distances
from firmware_export.quantize import quantize, quantize_matrix, quantize_rule
from firmware_export.reference import band_energies, decide, integer_features, run
from tests.micro_word import micro_bundle
from tests.signals import speech_like
from wakeword.bundle import read_bundle
from wakeword.config import load_config
from wakeword.detector import Detector
from wakeword.errors import BundleError
from wakeword.features import compute, tables, zero_state

pytest.importorskip("torch", reason="making a bundle needs the extra 'train'")

NEAR = 0.004  # nepers: a feature's step is 0.00017, and tables and transform add a few of them
PROBABILITY_NEAR = 0.03  # of int8 weights, in a network that was never trained to bear them


@pytest.fixture(scope="module")
def layers(tmp_path_factory: pytest.TempPathFactory) -> Layers:
    return read_layers(micro_bundle(tmp_path_factory.mktemp("micro") / "two", ["one", "two"]).path)


@pytest.mark.parametrize("level", [1.0, 0.1, 0.003])
def test_integer_features_are_the_float_ones_at_any_level(layers: Layers, level: float) -> None:
    q = quantize(layers, speech_like(16000, 16000))
    pcm = np.round(32767 * level * speech_like(48000, 16000)).astype(np.int64)
    expected, _ = compute(layers.front, pcm / 32768, zero_state(layers.front))
    got = integer_features(q, pcm[: len(expected) * 320]) * np.log(2) / 2**q.front.feature_bits
    assert np.abs(got - expected).max() < NEAR


def test_a_band_holds_the_loudest_sounds_there_are(layers: Layers) -> None:
    q = quantize(layers, np.zeros(16000))
    sine = np.round(32767 * np.sin(2 * np.pi * 1000 * np.arange(512) / 16000))
    worst = np.stack([np.full(512, -32768), np.where(np.arange(512) % 2, 32767, -32768), 32767 * np.sign(sine), sine])
    energies = band_energies(q, worst.astype(np.int64))
    assert energies.min() >= 0 and energies.max() < 2**59


def test_no_int16_input_can_overflow_a_sum(layers: Layers) -> None:
    for matrix in quantize(layers, np.zeros(16000)).matrices:
        assert np.abs(matrix.weight).max() <= 127
        assert (np.abs(matrix.weight).sum(axis=1) * 32768 + np.abs(matrix.bias)).max() < 2**31
    heavy = quantize_matrix(np.full((1, 4000), 3.0), np.array([1e5]), 1e-3, 1.0)
    assert np.abs(heavy.weight).sum() * 32768 + abs(int(heavy.bias[0])) < 2**31


def test_every_stage_stays_near_the_float_model(layers: Layers) -> None:
    pcm = np.round(8000 * speech_like(96000, 16000)).astype(np.int16)
    q = quantize(layers, pcm / 32768)
    found = {distance.stage: distance for distance in distances(q, pcm, run(q, pcm))}
    assert list(found) == ["features", "conv", "gru.0", "gru.1", "logits", "probabilities"]
    assert found["probabilities"].worst < PROBABILITY_NEAR
    assert found["features"].snr_db > 60 and found["conv"].snr_db > 35


def test_the_integer_decision_is_the_detector(layers: Layers) -> None:
    rng = np.random.default_rng(8)
    probabilities = np.clip(np.cumsum(rng.normal(0, 9000, (3000, 2)), axis=0) % 131072, 1, 65535).astype(np.int64)
    probabilities[0] = 65535
    for rearm, refractory in ((None, 3), (0.5, 3), (0.9, 0), (None, 0)):
        rules = [rule.model_copy(update={"rearm_ratio": rearm}) for rule in layers.detectors]
        config = layers.config.model_copy(
            update={"detector": layers.config.detector.model_copy(update={"refractory_steps": refractory})}
        )
        rules = [rule.model_copy(update={"refractory_steps": refractory}) for rule in rules]
        changed = replace(layers, config=config, detectors=tuple(rules))
        q = replace(quantize(layers, np.zeros(6400)), layers=changed, rules=tuple(map(quantize_rule, rules)))
        assert [(step, k) for step, k, _ in decide(q, probabilities)] == detector_hits(rules, probabilities / 65536)


def detector_hits(rules: list, probabilities: np.ndarray) -> list[tuple[int, int]]:
    config, hits = load_config("micro"), []
    warmup = -(-(512 + 4 * 320) // config.step_samples) - 1  # of the small kernel
    for k, rule in enumerate(rules):
        detector = Detector(rule)
        state = detector.zero_state()
        for step, probability in enumerate(probabilities[:, k].tolist(), start=1):
            score, state = detector.step(probability if step > warmup else 0.0, state)
            hits += [(step, k)] if score is not None else []
    return sorted(hits)


def test_what_cannot_be_expressed_is_named_with_what_to_change(tiny_bundle: Path, layers: Layers) -> None:
    with pytest.raises(BundleError, match=r"fft_samples 400, expected .* --config micro"):
        quantize(read_layers(tiny_bundle), np.zeros(16000))
    seed = load_config("activate")
    with pytest.raises(BundleError, match=r"got spectrogram features, expected log_mel"):
        quantize(replace(layers, config=seed, front=tables(seed)), np.zeros(16000))


def test_what_is_too_large_is_told_by_how_much(layers: Layers) -> None:
    q = quantize(layers, np.zeros(16000))
    kb = flash_bytes(q) / 1024
    with pytest.raises(
        BundleError, match=rf"needs {kb:.1f} KB of flash, expected at most 5 KB, {kb - 5:.1f} KB too much"
    ):
        check_budget(q, 5, 8)
    with pytest.raises(BundleError, match=r"KB of ram, expected at most 2 KB.*raise --ram-kb"):
        check_budget(q, 40, 2)


def test_the_packaged_micro_configuration_has_fewer_than_25000_parameters_and_fits(tmp_path: Path) -> None:
    bundle = micro_bundle(tmp_path, ["hey micro"], small=False)
    assert sum(value.size for value in bundle.weights().values()) <= 25000
    q = quantize(read_layers(tmp_path), read_bundle(tmp_path).golden()[0] / 32768)
    check_budget(q, 40, 8)
