"""Rungs of the ladder: numpy front end = torch front end; whole = stepwise; torch = ONNX; the golden vectors hold."""

import numpy as np
import pytest

from tests.signals import speech_like
from wakeword.config import Config, load_config, override
from wakeword.errors import ConfigError
from wakeword.features import compute, tables, zero_state
from wakeword.phones import PHONES, phones

torch = pytest.importorskip("torch", reason="the network is torch: install the extra 'train'")

from wakeword.bundle import Card, read_bundle  # noqa: E402
from wakeword.export import PARITY_TOLERANCE, export, graph_metadata, run_graph  # noqa: E402
from wakeword.model import WakeModel, folded_weights, model_from_weights, stream_logits  # noqa: E402
from wakeword.path import HELD_STEPS, LEAST, MOST, Paths, hearing_in, path_scores  # noqa: E402
from wakeword.spotter import Spotter  # noqa: E402

CONFIGS = ["default", "activate", "tiny", "ensemble"]
FLOAT32 = 2e-6  # of logits near 1: one rounding, in another order
RELATIVE = 2e-4  # float32 power spectra against float64


def named(name: str) -> Config:
    """A packaged configuration, or the ensemble that a typed phrase is."""
    return override(load_config("default"), model={"members": 3}) if name == "ensemble" else load_config(name)


def trained_looking(name: str) -> WakeModel:
    """Random weights, with batch norms that do something."""
    torch.manual_seed(3)
    model = WakeModel(named(name)).eval()
    for norm in (model.conv_norm, *model.gru_norm):
        torch.nn.init.normal_(norm.running_mean, 0.0, 0.3)
        torch.nn.init.uniform_(norm.running_var, 0.5, 2.0)
        torch.nn.init.uniform_(norm.weight, 0.5, 1.5)
        torch.nn.init.normal_(norm.bias, 0.0, 0.2)
    return model


def speech(name: str, steps: int) -> np.ndarray:
    config = named(name)
    return speech_like(steps * config.step_samples, config.audio.sample_rate_hz)


@pytest.mark.parametrize("name", CONFIGS)
def test_the_torch_front_end_is_the_numpy_one(name: str) -> None:
    model, t, pcm = trained_looking(name), tables(named(name)), speech(name, 60)
    expected, _ = compute(t, pcm, zero_state(t))
    zeros = model.zero_state()
    got, _, _ = model.front(torch.from_numpy(pcm)[None], zeros.pcm, zeros.norm)
    np.testing.assert_allclose(got[0].T.numpy(), expected, rtol=RELATIVE, atol=RELATIVE)


@pytest.mark.parametrize("name", CONFIGS)
def test_stepwise_equals_whole(name: str) -> None:
    model, pcm = trained_looking(name), torch.from_numpy(speech(name, 60))[None]
    step = model.front.tables.hop_samples * model.conv.stride[0]
    whole = stream_logits(model, pcm, pcm.shape[1])
    for steps in (1, 3, 10):
        torch.testing.assert_close(stream_logits(model, pcm, steps * step), whole, rtol=RELATIVE, atol=10 * FLOAT32)


def test_a_training_example_is_the_same_network_without_padding() -> None:
    config, model = load_config("tiny"), trained_looking("tiny")
    pcm = torch.from_numpy(speech_like(config.example_samples, config.audio.sample_rate_hz))[None]
    logits, _ = model(pcm, model.empty_state(1))
    assert logits.shape == (1, config.output_steps, 1)


@pytest.mark.parametrize("name", CONFIGS)
def test_folding_batch_norms_changes_nothing(name: str) -> None:
    model, pcm = trained_looking(name), torch.from_numpy(speech(name, 40))[None]
    again = model_from_weights(named(name), folded_weights(model))
    expected = torch.sigmoid(stream_logits(model, pcm, pcm.shape[1]))
    got = torch.sigmoid(stream_logits(again, pcm, pcm.shape[1]))
    torch.testing.assert_close(got, expected, rtol=0.0, atol=PARITY_TOLERANCE)


@pytest.mark.parametrize("name", CONFIGS)
def test_onnx_equals_torch_for_any_chunking(name: str) -> None:
    model, pcm, config = trained_looking(name), speech(name, 60), named(name)
    card = Card(phrases=["x"], thresholds=[0.5], phrase_s=[0.5], config=config, provenance={})
    graph, _, _ = export(model, card)
    expected = torch.sigmoid(stream_logits(model, torch.from_numpy(pcm)[None], len(pcm)))[0].numpy()
    for chunks in ([1], [4], [60], [1, 5, 2]):
        got = run_graph(graph, pcm, [steps * config.step_samples for steps in chunks])
        np.testing.assert_allclose(got, expected, rtol=0.0, atol=PARITY_TOLERANCE)


def test_two_phrases_have_two_columns() -> None:
    config = load_config("tiny")
    torch.manual_seed(0)
    card = Card(phrases=["a", "b"], thresholds=[0.5, 0.5], phrase_s=[0.5, 0.5], config=config, provenance={})
    _, weights, (_, probabilities) = export(WakeModel(config, labels=2), card)
    assert weights["head.bias"].shape == (2,)
    assert probabilities.shape[1] == 2
    assert graph_metadata(card)["phrases"] == '["a", "b"]'


def some_hearing() -> dict[str, np.ndarray]:
    """A likeness of phones in which each also counts a little for its neighbours, a pace and a doubt."""
    count = len(PHONES)
    likeness = np.eye(count) + 0.2 * np.eye(count, k=1) + 0.1 * np.eye(count, k=-1)
    scalars = {"pace": 0.8, "doubt": 0.3}
    return {"likeness": likeness.astype(np.float32), **{k: np.array([v], np.float32) for k, v in scalars.items()}}


def tensors(arrays: dict[str, np.ndarray]) -> dict[str, torch.Tensor]:
    return {name: torch.from_numpy(value) for name, value in arrays.items()}


def test_bundles_that_know_no_likeness_of_phones_are_followed_as_they_were() -> None:
    config, said = load_config("default"), [[phones("heɪkəmpjutə")]]
    torch.manual_seed(2)
    model = WakeModel(config, len(PHONES)).eval()
    card = Card(phrases=["a"], thresholds=[0.5], phrase_s=[0.5], paths=said, config=config, provenance={})
    pcm = speech("default", 20)
    before, after = (run_graph(export(model, card, hearing)[0], pcm, [len(pcm)]) for hearing in ({}, hearing_in({})))
    np.testing.assert_array_equal(before, after)


def test_paths_through_phones_in_onnx_equal_numpy_for_any_chunking() -> None:
    config, said = load_config("default"), [[phones("heɪkəmpjutə"), phones("hekɑmpjutɜɹ")], [phones("stɑp")]]
    torch.manual_seed(2)
    model = WakeModel(config, len(PHONES)).eval()
    with torch.no_grad():
        model.head.weight *= 20.0  # so that one phone a step is likely, and which one changes
    card = Card(phrases=["a", "b"], thresholds=[0.5] * 2, phrase_s=[0.5] * 2, paths=said, config=config, provenance={})
    hearing = some_hearing()
    graph, weights, _ = export(model, card, hearing)
    np.testing.assert_array_equal(weights["likeness"], hearing["likeness"])
    pcm = speech("default", 60)
    logits = stream_logits(model, torch.from_numpy(pcm)[None], len(pcm))[0]
    expected = path_scores(torch.softmax(logits, dim=1).numpy(), Paths.of(said), hearing)
    assert expected.max() > 0.01
    for chunks in ([1], [4], [60], [1, 5, 2]):
        got = run_graph(graph, pcm, [steps * config.step_samples for steps in chunks])
        np.testing.assert_allclose(got, expected, rtol=0.0, atol=PARITY_TOLERANCE)


@pytest.mark.parametrize("units", [[], [20, 12]])
def test_a_spotter_in_onnx_equals_torch_for_any_chunking_and_weighs_in_its_paths(units: list[int]) -> None:
    model = {"members": 2, "spotter": True, "spotter_units": units}
    config, said = override(load_config("default"), model=model), [[phones("hekɑmpjutɜɹ")]]
    torch.manual_seed(2)
    model = WakeModel(config, 1, Paths.of(said)).eval()
    with torch.no_grad():
        model.spotter.head.weight *= 20.0  # so that one phone a step is likely, and which one changes
        model.gru_norm[0].running_mean += 0.1
        for norm in model.spotter.norm:
            norm.running_var *= 2.0
        model.spotter.load_state_dict(model.spotter.state_dict() | tensors(some_hearing()))
    card = Card(phrases=["a"], thresholds=[0.5], phrase_s=[0.5], paths=said, config=config, provenance={})
    graph, weights, _ = export(model, card)
    pcm = speech("default", 60)
    expected = stream_logits(model, torch.from_numpy(pcm)[None], len(pcm))[0]
    for chunks in ([1], [4], [60], [1, 5, 2]):
        got = run_graph(graph, pcm, [steps * config.step_samples for steps in chunks])
        np.testing.assert_allclose(got, torch.sigmoid(expected), rtol=0.0, atol=PARITY_TOLERANCE)
    again = model_from_weights(config, weights, Paths.of(said))
    same = stream_logits(again, torch.from_numpy(pcm)[None], 4 * config.step_samples)[0]
    torch.testing.assert_close(same, expected, rtol=0.0, atol=1e-4)


def test_a_spotter_holds_the_scores_of_its_paths_and_never_learns() -> None:
    paths = Paths.of([[phones("hekɑmpjutɜɹ"), phones("kɑmpjut")], [phones("stɑp")]])
    torch.manual_seed(1)
    spotter, x = Spotter([(8, 10), (10, 12)], paths, 1e-3), torch.randn(1, 50, 8)
    spotter.head.weight *= 20.0
    spotter.load_state_dict(spotter.state_dict() | tensors(some_hearing()))
    hidden = x
    for gru, norm in zip(spotter.gru, spotter.norm, strict=True):
        hidden = norm(gru(hidden)[0].transpose(1, 2)).transpose(1, 2)
    heard = torch.softmax(spotter.head(hidden), dim=2)[0]
    scores = np.pad(path_scores(heard.numpy(), paths, some_hearing()), ((HELD_STEPS - 1, 0), (0, 0)))
    held = np.stack([scores[t : t + HELD_STEPS].max(axis=0) for t in range(50)]).clip(LEAST, MOST)
    odds, _ = spotter(x, spotter.zero_state(1))
    np.testing.assert_allclose(odds[0], np.log(held / (1.0 - held)), rtol=1e-4, atol=1e-4)
    assert held.max() > 10 * held.min()
    assert not spotter.train().norm[1].training and not any(p.requires_grad for p in spotter.parameters())


def test_a_spotter_without_pronunciations_is_refused() -> None:
    config = override(load_config("default"), model={"spotter": True})
    with pytest.raises(ConfigError, match=r"model\.spotter: got no pronunciation"):
        WakeModel(config, 1)


def test_export_refuses_a_graph_that_differs_from_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    from wakeword import export as module
    from wakeword.errors import BundleError

    def slightly_wrong(model: WakeModel) -> dict[str, np.ndarray]:
        weights = folded_weights(model)
        weights["head.bias"] = weights["head.bias"] + np.float32(1e-3)
        return weights

    monkeypatch.setattr(module, "folded_weights", slightly_wrong)
    config = load_config("tiny")
    card = Card(phrases=["x"], thresholds=[0.5], phrase_s=[0.5], config=config, provenance={})
    with pytest.raises(BundleError, match=r"ONNX and torch differ by .* expected at most 1e-05"):
        export(trained_looking("tiny"), card)


def test_a_bundle_gives_its_golden_probabilities(tiny_bundle) -> None:
    bundle = read_bundle(tiny_bundle)
    pcm, expected = bundle.golden()
    got = run_graph(bundle.graph(), pcm.astype(np.float32) / 32768, [3 * bundle.card.config.step_samples])
    np.testing.assert_allclose(got, expected, rtol=0.0, atol=PARITY_TOLERANCE)
