"""The typed layers read from a bundle: the same function as the graph beside them, and strict about shapes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from firmware_export import Layers, read_layers
from wakeword.bundle import read_bundle, write_bundle
from wakeword.errors import AudioError, BundleError

# float64 sums here against float32 sums in the graph, on probabilities.
TOLERANCE = 1e-5


def test_stepping_the_layers_gives_the_golden_probabilities(tiny_bundle: Path) -> None:
    pcm, expected = read_bundle(tiny_bundle).golden()
    np.testing.assert_allclose(run(read_layers(tiny_bundle), pcm / 32768), expected, atol=TOLERANCE)


def test_replaying_from_a_zero_state_is_bit_equal(tiny_bundle: Path) -> None:
    layers = read_layers(tiny_bundle)
    pcm = np.random.default_rng(1).normal(0, 0.1, 20 * layers.config.step_samples)
    assert np.array_equal(run(layers, pcm), run(layers, pcm))


def test_the_layers_know_their_phrases_and_decision_rules(tiny_bundle: Path) -> None:
    layers, card = read_layers(tiny_bundle), read_bundle(tiny_bundle).card
    assert layers.phrases == tuple(card.phrases)
    assert [rule.threshold for rule in layers.detectors] == card.thresholds
    assert layers.front.bins == layers.conv.weight.shape[1]


def test_a_step_of_another_length_is_refused(tiny_bundle: Path) -> None:
    layers = read_layers(tiny_bundle)
    with pytest.raises(AudioError, match=r"got shape \[319\], expected one step, \[320\]"):
        layers.step(np.zeros(319), layers.zero_state())


@pytest.mark.parametrize("name", ["conv.weight", "gru.0.weight_ih", "gru.0.bias_hh", "head.weight"])
def test_a_tensor_of_another_shape_is_named_with_both_shapes(tiny_bundle: Path, tmp_path: Path, name: str) -> None:
    right = read_bundle(tiny_bundle).weights()[name]
    rewrite(tiny_bundle, tmp_path, {name: np.concatenate([right, right])})
    shapes = rf"got shape \[{2 * right.shape[0]}.*\], expected \[{right.shape[0]}.*\]"
    with pytest.raises(BundleError, match=rf"{name}: {shapes}"):
        read_layers(tmp_path)


def test_a_missing_a_foreign_a_double_precision_and_a_nan_tensor_are_named(tiny_bundle: Path, tmp_path: Path) -> None:
    bias = read_bundle(tiny_bundle).weights()["head.bias"]
    for changes, message in (
        ({"head.bias": None}, "head.bias: missing"),
        ({"gru.7.bias_ih": bias}, "gru.7.bias_ih: got a tensor that the configuration has no place for"),
        ({"head.bias": bias.astype(np.float64)}, "head.bias: got float64, expected float32"),
        ({"head.bias": bias * np.nan}, "head.bias: got values that are NaN"),
    ):
        rewrite(tiny_bundle, tmp_path, changes)
        with pytest.raises(BundleError, match=message):
            read_layers(tmp_path)


@pytest.mark.parametrize(("section", "key"), [("detector", "patience_steps"), ("model", "members")])
def test_a_bundle_with_what_devices_lack_is_refused(tiny_bundle: Path, tmp_path: Path, section: str, key: str) -> None:
    bundle = read_bundle(tiny_bundle)
    changed = getattr(bundle.card.config, section).model_copy(update={key: 2})
    card = bundle.card.model_copy(update={"config": bundle.card.config.model_copy(update={section: changed})})
    write_bundle(tmp_path, card, bundle.graph(), bundle.weights(), bundle.golden())
    with pytest.raises(BundleError, match=f"{key} 2, expected 1"):
        read_layers(tmp_path)


def run(layers: Layers, pcm: np.ndarray) -> np.ndarray:
    state, output = layers.zero_state(), []
    for step in pcm.reshape(-1, layers.config.step_samples):
        probabilities, state = layers.step(step, state)
        output.append(probabilities)
    return np.array(output)


def rewrite(source: Path, target: Path, changes: dict[str, np.ndarray | None]) -> None:
    """A copy of a bundle, checksums and all, with some tensors replaced, or left out for None."""
    bundle = read_bundle(source)
    weights = {name: value for name, value in (bundle.weights() | changes).items() if value is not None}
    write_bundle(target, bundle.card, bundle.graph(), weights, bundle.golden())
