"""The bundles that come with the package: by name wherever a bundle is asked for, and copied whole or not at all."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import wakeword
from wakeword import bundle as bundles
from wakeword.cli import main


@pytest.fixture
def ready(tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The tiny bundle as a ready model by the name of "hey_test"."""
    monkeypatch.setattr(bundles, "READY", tmp_path / "ready")
    return shutil.copytree(tiny_bundle, tmp_path / "ready" / "hey_test")


def test_a_ready_model_is_opened_by_its_name_from_any_folder(ready: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert wakeword.load("hey_test").phrases == wakeword.load(ready).phrases
    assert main(["info", "hey_test", "--json"]) == 0


def test_a_configuration_goes_before_a_ready_model_of_its_name(ready: Path, capsys) -> None:
    shutil.copytree(ready, ready.parent / "activate")
    for name, kind in (("activate", "config"), ("hey_test", "bundle")):
        assert main(["info", name, "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["kind"] == kind
    assert wakeword.load("activate").phrases == wakeword.load(ready).phrases


def test_a_folder_of_that_name_goes_before_the_ready_model(ready: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "hey_test").mkdir()
    with pytest.raises(wakeword.WakewordError, match="not a model bundle"):
        wakeword.load("hey_test")


def test_an_unknown_name_is_answered_with_the_known_ones(ready: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["listen", "hey_nobody", "--wav", "no.wav"]) == 2
    assert "expected a model bundle, hey_test" in capsys.readouterr().err
    assert main(["models", "get", "hey_nobody"]) == 2
    assert "got hey_nobody, expected one of hey_test" in capsys.readouterr().err


def test_a_copy_is_the_same_model_and_nothing_is_written_over(ready: Path, tmp_path: Path, capsys) -> None:
    out = tmp_path / "mine"
    assert main(["models", "get", "hey_test", "--out", str(out)]) == 0
    copied, original = bundles.read_bundle(out), bundles.read_bundle(ready)
    assert copied.card == original.card
    assert main(["models", "get", "hey_test", "--out", str(out)]) == 2
    assert "is there already" in capsys.readouterr().err


def test_the_list_says_what_each_model_says_and_what_is_known_of_it(ready: Path, capsys) -> None:
    assert main(["models", "list", "--json"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    found = json.loads(line)
    assert (found["name"], found["phrases"]) == ("hey_test", wakeword.load(ready).phrases)
    assert found["bytes"] == sum(path.stat().st_size for path in ready.iterdir() if path.is_file())
    assert main(["models", "list", "more"]) == 2


def test_a_ready_model_is_not_calibrated_in_place(ready: Path, tmp_path: Path, capsys) -> None:
    assert main(["calibrate", "hey_test", "--negatives", str(tmp_path)]) == 2
    assert "wakeword models get hey_test" in capsys.readouterr().err


@pytest.mark.parametrize("name", bundles.ready_models())
def test_each_packaged_model_says_what_it_was_trained_on_and_gives_its_golden_scores(name: str) -> None:
    model = bundles.read_bundle(name)
    assert {"measured", "sources"} <= set(model.card.provenance)
    assert all(path.stat().st_size < 2_000_000 for path in model.path.iterdir())
    pcm, expected = model.golden()
    assert abs(wakeword.load(name).scores(pcm)[1] - expected).max() < 1e-5


def test_the_packaged_micro_model_fits_a_microcontroller() -> None:
    from firmware_export.budget import check_budget
    from firmware_export.layers import read_layers
    from firmware_export.quantize import quantize
    from firmware_export.reference import run

    pcm, expected = bundles.read_bundle("athena_micro").golden()
    q = quantize(read_layers(bundles.READY / "athena_micro"), pcm / 32768)
    check_budget(q, flash_kb=40, ram_kb=8)
    assert np.abs(run(q, pcm).probabilities / 65536 - expected).max() < 0.01


def test_a_typed_graph_is_made_anew_only_where_phones_weighed_as_today(tmp_path: Path, capsys) -> None:
    pytest.importorskip("torch", reason="exporting needs the extra 'train'")
    from wakeword.audio import to_float
    from wakeword.export import run_graph

    out, old = tmp_path / "new.onnx", Path(shutil.copytree(bundles.READY / "hey_computer", tmp_path / "old"))
    assert main(["export", str(old), "--out", str(out)]) == 0
    pcm, expected = bundles.read_bundle(old).golden()
    np.testing.assert_allclose(run_graph(out.read_bytes(), to_float(pcm), [len(pcm)]), expected, rtol=0.0, atol=1e-5)
    out.unlink()
    card = json.loads((old / bundles.CARD).read_text("utf-8"))
    (old / bundles.CARD).write_text(json.dumps({**card, "format_version": 3}), "utf-8")
    assert main(["export", str(old), "--out", str(out)]) == 2
    assert "got a model of format 3, whose phones weighed otherwise" in capsys.readouterr().err
    assert not out.exists()
