"""The backbone on a language of three tones, each a phone."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs the extra 'train'")

from wakeword.backbone import (  # noqa: E402
    MICRO,
    SMALL,
    Backbone,
    BackboneRun,
    Speech,
    load_backbone,
    packaged_backbone,
    train_backbone,
)  # fmt: skip
from wakeword.clips import Event, Example  # noqa: E402
from wakeword.config import Config, load_config, override  # noqa: E402
from wakeword.ctc import ctc_loss, decoded, edit_distance  # noqa: E402
from wakeword.errors import ConfigError, DataError  # noqa: E402
from wakeword.model import WakeModel  # noqa: E402
from wakeword.path import Paths  # noqa: E402
from wakeword.phones import PHONES  # noqa: E402

RATE_HZ, TONE = 16000, 4000
TONES_HZ = {1: 400.0, 2: 900.0, 3: 2000.0}


def example(index: int, config: Config) -> Example:
    rng = np.random.default_rng(index)
    pcm, events, at = 0.003 * rng.standard_normal(config.example_samples), [], 0
    for phone in rng.integers(1, 4, 3):
        at += int(rng.integers(2000, 6000))
        pcm[at : at + TONE] += 0.2 * np.sin(2 * np.pi * TONES_HZ[int(phone)] * np.arange(TONE) / RATE_HZ)
        span = {"start_sample": at, "end_sample": at + TONE}
        events.append(Event(kind="negative", label="", source=f"tone{phone}", **span))
        at += TONE
    return Example(np.rint(pcm * 32768).astype(np.int16), tuple(events), {})


def tones(config: Config) -> Speech:
    def endless(start: int) -> Iterator[Example]:
        return (example(index, config) for index in count(start))

    held_out = lambda n: (example(10**6 + index, config) for index in range(n))  # noqa: E731
    return Speech(endless, held_out, {f"tone{phone}": [phone] for phone in TONES_HZ}, {"speech": "tones"})


def tiny(**limits: object) -> Config:
    shown = {"batch_size": 8, "validation_examples": 16, "validate_every_steps": 50, "learning_rate": 5e-3, **limits}
    return override(load_config("tiny"), train=shown)


def test_a_backbone_learns_the_order_of_sounds_from_nothing_else(tmp_path: Path) -> None:
    config, events = tiny(max_steps=300), []
    written = train_backbone(config, tones(config), tmp_path, events.append)
    rates = [event["phone_error_rate"] for event in events if event["event"] == "validation"]
    assert rates[-1] < 0.1 < rates[0]
    read = load_backbone(tmp_path / "backbone.safetensors")
    assert read.facts["provenance"] == {"speech": "tones"}
    pcm = torch.from_numpy(example(7, config).pcm[None]).float() / 32768
    model = read.model(config)
    logits, _ = model(pcm, model.empty_state(1))
    assert decoded(logits[0]) == [int(event.source[-1]) for event in example(7, config).events]
    np.testing.assert_array_equal(read.weights["conv.weight"], written.weights["conv.weight"])


@pytest.mark.parametrize("spotting", [0.0, 0.5])
def test_a_run_goes_on_where_it_was_cut(tmp_path: Path, spotting: float) -> None:
    config = tiny(max_steps=6, validate_every_steps=3)
    speech = tones(config)  # with phones enough in each recording to be looked for, whatever they are
    speech = replace(speech, said={source: [*phones, 3, 4, 5, 3] for source, phones in speech.said.items()})
    whole = train_backbone(config, speech, tmp_path / "whole", spotting=spotting)
    run = BackboneRun(config, speech, tmp_path / "cut", spotting=spotting)
    supply = run.batches()
    for _ in range(3):
        run.train_step(next(supply))
        run.count(0.0, 0.0)
    run.validate()
    run.save()
    cut = train_backbone(config, speech, tmp_path / "cut", spotting=spotting)
    for name, value in whole.weights.items():
        np.testing.assert_array_equal(cut.weights[name], value)


def test_phrases_that_are_looked_for_change_what_is_learned(tmp_path: Path) -> None:
    config = tiny(max_steps=2, validate_every_steps=1)
    speech = tones(config)
    speech = replace(speech, said={source: [*phones, 3, 4, 5, 3] for source, phones in speech.said.items()})
    plain, spotted = (train_backbone(config, speech, tmp_path / str(n), spotting=n) for n in (0.0, 0.5))
    assert not torch.equal(plain.weights["head.weight"], spotted.weights["head.weight"])


def test_a_word_takes_all_of_a_backbone_but_its_head(tmp_path: Path) -> None:
    config = tiny(max_steps=2, validate_every_steps=1)
    backbone = train_backbone(config, tones(config), tmp_path)
    model = WakeModel(config)
    head = model.head.weight.clone()
    backbone.put_into(model, config)
    torch.testing.assert_close(model.gru[0].weight_hh_l0.data, backbone.weights["gru.0.weight_hh_l0"])
    torch.testing.assert_close(model.head.weight.data, head.data)
    several = override(config, model={"members": 3})
    ensemble = WakeModel(several)
    backbone.put_into(ensemble, several)
    for gru in ensemble.gru:
        torch.testing.assert_close(gru.weight_hh_l0.data, backbone.weights["gru.0.weight_hh_l0"])
    torch.testing.assert_close(ensemble.gru_norm[0].running_var, model.gru_norm[0].running_var.repeat(3))
    spotting = override(config, model={"spotter": True})
    spotter = WakeModel(spotting, 1, Paths.of([[[1, 2, 3]]]))
    backbone.put_into(spotter, spotting)
    torch.testing.assert_close(spotter.spotter.gru[0].weight_hh_l0.data, backbone.weights["gru.0.weight_hh_l0"])
    torch.testing.assert_close(spotter.spotter.head.weight.data, backbone.weights["head.weight"])
    likeness = torch.rand(len(PHONES), len(PHONES))
    measured = Backbone(backbone.weights | {"likeness": likeness, "pace": torch.tensor([0.5])}, backbone.facts)
    measured.put_into(spotter, spotting)
    measured.put_into(model, config)
    torch.testing.assert_close(spotter.spotter.likeness, likeness)
    assert spotter.spotter.pace.item() == 0.5
    other = override(config, model={"gru_units": [7]})
    with pytest.raises(ConfigError, match="not the backbone's"):
        backbone.put_into(WakeModel(other), other)


def test_a_spotter_has_all_layers_of_a_deeper_backbone_that_are_not_shared(tmp_path: Path) -> None:
    config = override(tiny(max_steps=2, validate_every_steps=1), model={"gru_units": [6, 7, 5]})
    backbone = train_backbone(config, tones(config), tmp_path)
    changes = {"gru_units": [6, 9], "members": 2, "spotter": True, "spotter_units": [7, 5]}
    spotting = override(config, model=changes)
    model = WakeModel(spotting, 1, Paths.of([[[1, 2, 3]]]))
    begun = [gru.weight_hh_l0.clone() for gru in model.gru]
    backbone.put_into(model, spotting)
    weights, state = backbone.weights, model.state_dict()
    for here, there in (("gru.0", "gru.0"), ("spotter.gru.0", "gru.1"), ("spotter.gru.1", "gru.2")):
        torch.testing.assert_close(state[f"{here}.weight_hh_l0"], weights[f"{there}.weight_hh_l0"])
    for here, there in (("gru_norm.0", "gru_norm.0"), ("spotter.norm.1", "gru_norm.2")):
        torch.testing.assert_close(state[f"{here}.running_mean"], weights[f"{there}.running_mean"])
    torch.testing.assert_close(model.gru[1].weight_hh_l0, begun[1])  # there is nothing that members might begin with
    member, norm = torch.nn.GRU(6, 9), torch.nn.BatchNorm1d(9)
    norm.running_mean += 3.0
    parts = {"member.gru.": member.state_dict(), "member.gru_norm.": norm.state_dict()}
    further = {prefix + name: value for prefix, values in parts.items() for name, value in values.items()}
    Backbone(weights | further, backbone.facts).put_into(model, spotting)
    for gru in model.gru[1:]:
        torch.testing.assert_close(gru.weight_hh_l0, member.weight_hh_l0)
    torch.testing.assert_close(model.gru_norm[1].running_mean, torch.full((18,), 3.0))
    words, words_norm = torch.nn.GRU(6, 9), torch.nn.BatchNorm1d(9)
    words_norm.running_mean -= 2.0
    parts |= {"words.gru.": words.state_dict(), "words.gru_norm.": words_norm.state_dict()}
    further = {prefix + name: value for prefix, values in parts.items() for name, value in values.items()}
    taught = Backbone(weights | further, backbone.facts)
    taught.put_into(model, spotting)
    for gru, begun_with in zip(model.gru[1:], (member, words), strict=True):  # in turn
        torch.testing.assert_close(gru.weight_hh_l0, begun_with.weight_hh_l0)
    torch.testing.assert_close(model.gru_norm[1].running_mean, torch.tensor([3.0] * 9 + [-2.0] * 9))
    assert taught.for_members(config).keys() == further.keys()  # which a backbone that begins with it goes on with
    assert not backbone.fits(override(spotting, model={"spotter_units": [7, 4]}))


def test_a_wider_backbone_begins_with_the_layers_that_are_as_wide(tmp_path: Path) -> None:
    config = tiny(max_steps=2, validate_every_steps=1)
    narrow = train_backbone(config, tones(config), tmp_path / "narrow")
    first = narrow.weights["gru.0.weight_hh_l0"].shape[1]
    wider = override(config, model={"gru_units": [first, 7]})
    run = BackboneRun(wider, tones(wider), tmp_path / "wider", tmp_path / "narrow" / "backbone.safetensors")
    for name in ("conv.weight", "conv_norm.running_var", "gru.0.weight_hh_l0", "gru_norm.0.running_mean"):
        torch.testing.assert_close(run.model.state_dict()[name], narrow.weights[name])
    assert run.model.gru[1].hidden_size == 7
    same = BackboneRun(config, tones(config), tmp_path / "same", tmp_path / "narrow" / "backbone.safetensors")
    torch.testing.assert_close(same.model.head.weight.data, narrow.weights["head.weight"])


def test_what_is_no_backbone_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.safetensors").write_bytes(b"no")
    with pytest.raises(DataError, match="damaged"):
        load_backbone(tmp_path / "x.safetensors")


def test_ctc_is_the_sum_over_all_ways_to_say_it() -> None:
    logits = torch.log(torch.tensor([[[0.5, 0.3, 0.2], [0.4, 0.5, 0.1]]]))
    ways = 0.3 * 0.4 + 0.5 * 0.5 + 0.3 * 0.5  # "a", "a": a blank after it, before it, or a held sound
    assert ctc_loss(logits, [[1]]).item() == pytest.approx(-np.log(ways), rel=1e-5)


def test_edit_distance_counts_changes() -> None:
    assert [edit_distance([1, 2, 3], said) for said in ([1, 2, 3], [1, 3], [1, 2, 2, 3], [])] == [0, 1, 1, 3]


def test_each_configuration_has_its_packaged_backbone() -> None:
    default, backbone = load_config("default"), load_config("backbone")
    assert load_backbone().fits(backbone)
    assert packaged_backbone(backbone).name == load_backbone().name
    assert packaged_backbone(default).name == load_backbone(SMALL).name
    assert packaged_backbone(load_config("micro")).name == load_backbone(MICRO).name
