"""What an evaluation leaves for people and machines: a page, a picture, a JSON file, and what the command prints."""

import base64
import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
import soundfile
from tone_word import WORD_HZ, run

from wakeword.cli import main
from wakeword.report import write_report
from wakeword.report.page import percent
from wakeword.report.training import training_html


def test_what_woke_it_and_what_was_missed_can_be_seen_and_heard_in_the_page(folders, tmp_path):
    found = run(folders)
    page = write_report(found, tmp_path / "report").read_text("utf-8")
    sounds = re.findall(r'src="data:audio/mpeg;base64,([^"]+)"', page)
    pictures = re.findall(r'src="data:image/png;base64,([^"]+)"', page)
    assert len(sounds) == len(pictures) >= 3
    pcm, rate_hz = soundfile.read(io.BytesIO(base64.b64decode(sounds[0])))
    spectrum = np.abs(np.fft.rfft(pcm))
    assert abs(np.argmax(spectrum) * rate_hz / len(pcm) - WORD_HZ) < 10  # the loudest negative is a beep
    assert base64.b64decode(pictures[0]).startswith(b"\x89PNG")


def test_a_recording_that_is_gone_by_then_leaves_its_row_without_a_player(folders, tmp_path):
    found = run(folders)
    for path in folders.rglob("*.*"):
        path.unlink()
    assert "data:audio" not in write_report(found, tmp_path / "report").read_text("utf-8")


def test_the_report_is_three_files_and_its_page_asks_nobody(folders):
    found = run(folders, noise=folders / "noise", snr_db=10.0)
    page = write_report(found, folders / "report", {"bundle": "<b>"}).read_text("utf-8")
    assert sorted(path.name for path in (folders / "report").iterdir()) == ["det.png", "evaluation.json", "index.html"]
    assert not re.search(r"(src|href)=[\"'](?!#|data:)|@import|<script|<b>", page)
    assert "url(http" not in page
    assert percent(found.own.miss_rate) in page
    assert found.claim in page


def test_the_json_says_what_the_evaluation_says(folders):
    found = run(folders)
    write_report(found, folders / "report")
    saved = json.loads((folders / "report/evaluation.json").read_text("utf-8"))
    assert saved["own_threshold"]["fa_per_hour_upper"] == found.own.fa_per_hour_upper
    assert saved["det"]["miss_rate"] == found.det.miss_rate.tolist()
    assert saved["supported"] is False
    assert len(saved["missed"]) >= 2


def test_the_command_prints_one_json_object_and_nothing_else(tiny_bundle, folders, capsys):
    places = ["--positives", folders / "positives", "--negatives", folders / "negatives", "--out", folders / "report"]
    assert main(["evaluate", str(tiny_bundle), *map(str, places), "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["own_threshold"]["positives"] == 10
    assert Path(printed["report"]).is_file()


def test_the_command_prints_a_table_with_its_claim(tiny_bundle, folders, capsys):
    places = ["--positives", folders / "positives", "--negatives", folders / "negatives", "--out", folders / "report"]
    assert main(["evaluate", str(tiny_bundle), *map(str, places)]) == 0
    assert "cannot show fewer than 0.5" in capsys.readouterr().out


def test_a_report_that_cannot_be_written_is_refused_before_listening(
    folders: Path, tiny_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "in_the_way").write_text("")
    places = ["--positives", folders / "positives", "--negatives", folders / "negatives", "--out"]
    arguments = ["evaluate", tiny_bundle, *places, tmp_path / "in_the_way" / "report"]
    assert main([str(argument) for argument in arguments]) == 2
    assert capsys.readouterr().err.count("\n") == 1  # no progress: nothing was listened to


def test_the_page_says_what_the_model_was_trained_on_and_draws_how_it_went() -> None:
    history = [{"step": 100 * n, "loss": loss, "miss_rate": loss / 2} for n, loss in enumerate([0.8, 0.2, 0.4], 1)]
    kinds = {"activates": {"files": 1234, "groups": 7, "hours": 0.5}}
    training = {"step": 300, "elapsed_s": 90.0, "start_from": "backbone <1>", "history": history}
    html = training_html({"clips": {"train": kinds, "validation": {}}, "training": training, "sources": ["set (CC0)"]})
    assert all(told in html for told in ("1,234", "backbone &lt;1&gt;", "1.5", "set (CC0)"))
    assert "0.2 at best, after 200 batches" in html
    heights = [float(point.split(",")[1]) for point in re.search(r'points="([^"]+)"', html)[1].split()]
    assert heights[0] < heights[2] < heights[1]  # the page counts from above: the highest loss is on top
    assert training_html({}) == ""


@pytest.mark.parametrize("training", ["long", {"history": 3}, {"history": [{"loss": "low"}] * 2}, {"elapsed_s": "x"}])
def test_a_provenance_of_another_form_has_nothing_to_show(training: object) -> None:
    assert training_html({"training": training, "sources": ["set (CC0)"]}) == ""
