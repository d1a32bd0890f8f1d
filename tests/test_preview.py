"""The page of examples shows what is in them and loads nothing."""

from __future__ import annotations

import io
import re
from base64 import b64decode
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from signals import speech_like
from synth_clips import make_clips, tiny

from wakeword.cli import main
from wakeword.clips import Event, Example
from wakeword.report.preview import spectrogram_png, write_preview

pytest.importorskip("matplotlib", reason="pictures need the extra 'train'")
RATE_HZ, SAMPLES = 16000, 48000


def example(**changes: object) -> Example:
    drawn = dict.fromkeys(("scramble", "speed", "vocal_tract", "filter", "band", "codec"))
    drawn |= {"room": {"id": "rooms/hall.wav"}, "reversed": True, "snr_db": 12.5}
    recipe = {"background": None, "background_dbfs": -40.0, "events": [drawn]}
    event = Event(kind="activate", label="hey <test>", start_sample=12000, end_sample=24000, source="activates/me.wav")
    pcm = np.rint(32767 * speech_like(SAMPLES, RATE_HZ)).astype(np.int16)
    return replace(Example(pcm, (event,), recipe), **changes)


@pytest.fixture
def page(tmp_path: Path) -> str:
    write_preview(tmp_path / "page.html", [example()], tiny(), ["hey <test>"])
    return (tmp_path / "page.html").read_text("utf-8")


def test_the_page_has_a_picture_a_player_and_the_label_in_its_place(page: str) -> None:
    assert 'class="activate" style="left:25.00%;width:25.00%">hey &lt;test&gt;</span>' in page
    (sound,) = re.findall(r"data:audio/mpeg;base64,([^\"]+)", page)
    pcm, rate = soundfile.read(io.BytesIO(b64decode(sound)))
    assert rate == RATE_HZ
    assert len(pcm) == pytest.approx(SAMPLES, abs=2400)
    (picture,) = re.findall(r"data:image/png;base64,([^\"]+)", page)
    assert b64decode(picture).startswith(b"\x89PNG")
    for said in ("0.75 to 1.50 s", "12.5 dB", "backwards, room hall.wav", "activates/me.wav", "no background"):
        assert said in page


def test_the_page_asks_nobody_for_anything(page: str) -> None:
    assert not re.search(r"https?:|<script|<link|@import|url\(", page)
    assert "hey <test>" not in page


def test_what_the_network_is_told_comes_after_the_word_ends(page: str) -> None:
    starts = {kind: float(at) for kind, at in re.findall(r'class="(one|free)" style="left:([\d.]+)%', page)}
    assert starts["free"] < starts["one"]
    assert starts["one"] == pytest.approx(50.0, abs=0.7)  # of 3 s, an output each 20 ms


def test_a_tone_is_a_line_at_its_pitch_in_the_picture() -> None:
    from matplotlib import image

    tone = np.sin(2 * np.pi * 2000.0 * np.arange(SAMPLES) / RATE_HZ).astype(np.float32)
    picture = image.imread(io.BytesIO(spectrogram_png(tone, RATE_HZ)))[:, :, :3].sum(axis=2)
    assert picture.mean(axis=1).argmax() / len(picture) == pytest.approx(0.75, abs=0.02)  # 2 of 8 kHz, from the top


def test_silence_is_shown_too(tmp_path: Path) -> None:
    silent = example(pcm=np.zeros(SAMPLES, np.int16), events=(), recipe={"background": None, "events": []})
    write_preview(tmp_path / "page.html", [silent], tiny(), ["hey"])
    assert "silence" in (tmp_path / "page.html").read_text("utf-8")


def test_the_command_line_writes_the_page(tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.setenv("WAKEWORD_CACHE", str(tmp_path / "cache"))
    clips = make_clips(tmp_path / "clips")
    monkeypatch.chdir(tmp_path)
    assert main(["synth", "tiny", "--clips", str(clips), "--phrase", "hey test", "--preview", "3"]) == 0
    assert "wrote preview.html: 3 examples" in capsys.readouterr().out
    assert (tmp_path / "preview.html").read_text("utf-8").count("<audio") == 3
    assert main(["synth", "tiny", "--clips", str(clips), "--preview", "1", "--out", str(tmp_path / "pages")]) == 0
    assert (tmp_path / "pages" / "preview.html").exists()
