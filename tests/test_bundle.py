import errno
import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import wakeword
from wakeword.bundle import (
    CARD,
    FORMAT_VERSION,
    GRAPH,
    READY,
    check_phrases,
    check_replaceable,
    read_bundle,
    write_bundle,
)
from wakeword.errors import BundleError, FileError


@pytest.fixture
def copy(tiny_bundle: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_bundle, tmp_path / "bundle"))


def edit_card(bundle: Path, **changes: object) -> None:
    card = json.loads((bundle / CARD).read_text())
    (bundle / CARD).write_text(json.dumps(card | changes))


def test_a_bundle_reads_back_what_was_written(tiny_bundle: Path) -> None:
    bundle = read_bundle(tiny_bundle)
    assert bundle.card.phrases == ["hey test"]
    assert bundle.weights()["head.weight"].shape == (1, bundle.card.config.model.gru_units[-1])


def test_a_missing_folder_and_a_folder_that_is_no_bundle_are_named(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="no such folder"):
        wakeword.load(tmp_path / "nowhere")
    with pytest.raises(BundleError, match=r"not a model bundle: it has no model\.json"):
        wakeword.load(tmp_path)


def test_a_newer_format_is_refused_by_name(copy: Path) -> None:
    edit_card(copy, format_version=FORMAT_VERSION + 1)
    with pytest.raises(BundleError, match=f"got bundle format {FORMAT_VERSION + 1}, expected at most {FORMAT_VERSION}"):
        wakeword.load(copy)


@pytest.mark.parametrize("name", ["model.onnx", "weights.safetensors", "golden.npz"])
def test_a_damaged_file_is_refused(copy: Path, name: str) -> None:
    content = bytearray((copy / name).read_bytes())
    content[len(content) // 2] ^= 1
    (copy / name).write_bytes(content)
    with pytest.raises(BundleError, match=f"{name}: damaged"):
        wakeword.load(copy)


def test_a_missing_file_is_named(copy: Path) -> None:
    (copy / GRAPH).unlink()
    with pytest.raises(BundleError, match=r"it has no model\.onnx"):
        wakeword.load(copy)


def test_a_broken_card_is_refused_in_one_line(copy: Path) -> None:
    (copy / CARD).write_text("{")
    with pytest.raises(BundleError, match="not valid JSON"):
        wakeword.load(copy)
    (copy / CARD).write_text('{"format_version": 1}')
    with pytest.raises(BundleError, match="damaged: phrases: field required") as caught:
        wakeword.load(copy)
    assert "\n" not in str(caught.value)


def test_a_threshold_that_no_score_could_reach_is_refused(copy: Path) -> None:
    edit_card(copy, thresholds=[5.0])
    with pytest.raises(BundleError, match=r"damaged: thresholds\.0: input should be less than 1"):
        wakeword.load(copy)


def test_a_graph_made_for_other_features_is_refused(copy: Path) -> None:
    config = json.loads((copy / CARD).read_text())["config"]
    config["features"]["norm_range_db"] = 60.0
    edit_card(copy, config=config)
    with pytest.raises(BundleError, match="made for other features"):
        wakeword.load(copy)


def test_weights_of_another_configuration_are_named(tiny_bundle: Path) -> None:
    from wakeword.model import model_from_weights

    bundle = read_bundle(tiny_bundle)
    weights = bundle.weights()
    del weights["gru.0.bias_hh"]
    with pytest.raises(BundleError, match=r"weights: gru\.0\.bias_hh: got none, expected \[\d+\]"):
        model_from_weights(bundle.card.config, weights)


def test_an_interrupted_write_is_no_bundle(copy: Path) -> None:
    (copy / CARD).unlink()
    with pytest.raises(BundleError, match="not a model bundle"):
        wakeword.load(copy)


def test_a_bundle_from_before_a_feature_that_it_does_not_use_keeps_its_fingerprint(tiny_bundle: Path) -> None:
    card = read_bundle(tiny_bundle).card
    features = card.config.features.model_copy(update={"mask_db": None})
    plain = card.model_copy(update={"config": card.config.model_copy(update={"features": features})})
    known = {name: value for name, value in features.model_dump().items() if name != "mask_db"}
    config = card.config
    added = ("members", "spotter", "spotter_units")
    network = {name: value for name, value in config.model.model_dump().items() if name not in added}
    parts = [config.audio.sample_rate_hz, known, network, card.phrases]
    assert plain.fingerprint() == hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def test_a_spotter_from_before_it_had_several_grus_is_read(copy: Path) -> None:
    bundle = read_bundle(copy)
    old = {"spotter.gru.weight_ih": np.ones((6, 4), np.float32), "spotter.gru.bias_hh": np.zeros(6, np.float32)}
    write_bundle(copy, bundle.card, bundle.graph(), bundle.weights() | old, bundle.golden())
    assert {name for name in read_bundle(copy).weights() if "spotter" in name} == {
        "spotter.gru.0.weight_ih",
        "spotter.gru.0.bias_hh",
    }


def test_a_bundle_that_cannot_be_written_leaves_the_one_that_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = shutil.copytree(READY / "athena_micro", tmp_path / "model")
    bundle = read_bundle(folder)
    parts = bundle.graph(), bundle.weights(), bundle.golden()
    full = Path.write_bytes

    def until_the_disk_is_full(path: Path, content: bytes) -> int:
        if "golden" in path.name:
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        return full(path, content)

    monkeypatch.setattr(Path, "write_bytes", until_the_disk_is_full)
    with pytest.raises(FileError, match="No space left"):
        write_bundle(folder, bundle.card.model_copy(update={"phrases": ["other"]}), *parts)
    monkeypatch.undo()
    assert read_bundle(folder).card.phrases == ["athena"]
    assert {path.name for path in folder.iterdir()} == {path.name for path in (READY / "athena_micro").iterdir()}


def test_only_what_enroll_wrote_of_the_same_phrases_makes_way(tmp_path: Path) -> None:
    check_replaceable(tmp_path / "new", ["athena"])
    folder = shutil.copytree(READY / "athena_micro", tmp_path / "model")
    for phrases in (["athena"], ["other"]):
        with pytest.raises(BundleError, match="got a model there already"):
            check_replaceable(folder, phrases)
    card = json.loads((folder / CARD).read_text("utf-8"))
    card["provenance"]["enrolled"] = {}
    (folder / CARD).write_text(json.dumps(card), "utf-8")
    check_replaceable(folder, ["athena"])
    (folder / CARD).unlink()
    with pytest.raises(BundleError, match="some of its files"):
        check_replaceable(folder, ["athena"])


@pytest.mark.parametrize(
    ("phrases", "problem"),
    [
        (["x" * 201], "got one of 201 characters"),
        ([""], "got one of 0 characters"),
        (["hey\x07"], "can be printed"),
        (["hey \udcff"], "can be printed"),
        (["hey", "hey"], "expected different ones"),
    ],
)
def test_a_phrase_that_no_card_may_hold_is_refused_before_any_work(phrases: list[str], problem: str) -> None:
    with pytest.raises(BundleError, match=problem):
        check_phrases(phrases)
