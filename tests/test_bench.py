"""`wakeword bench`: what a bundle costs here. How much that is, no test may say: machines differ."""

from __future__ import annotations

import json

import pytest

from wakeword import cli
from wakeword.bench import feeder, noise_stream, timed


def test_a_ready_model_is_measured_in_one_object(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["bench", "athena_micro", "--seconds", "1", "--rounds", "1", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert set(found) == {"rtf_20ms", "rtf_80ms", "import_to_first_score_s", "resident_mb", "added_latency_ms"}
    assert found["added_latency_ms"] == 72.0  # a step of 40 ms and a window of 32
    assert found["rtf_80ms"] > 0.0 and found["import_to_first_score_s"] > 0.0


def test_the_same_is_said_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["bench", "athena_micro", "--seconds", "1", "--rounds", "1"]) == 0
    assert "of real time" in capsys.readouterr().out


def test_what_is_no_bundle_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["bench", "nowhere"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_all_contenders_hear_all_of_the_sound_in_turns() -> None:
    heard: list[tuple[str, int]] = []
    feeds = {name: lambda ms, name=name: heard.append((name, ms)) for name in ("a", "b")}
    assert set(timed(feeds, 80, seconds=1.0, rounds=2)) == {"a", "b"}
    assert heard == [("a", 80), ("b", 80)] * 2
    assert len(noise_stream(0.5, 16000)) == 8000
    feeder("athena_micro", 0.5)(20)
