"""Train and validation never share a speaker, a file or a moment."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from synth_clips import RATE_HZ, make_clips, syllables, tiny

from synth import open_clips
from synth.bank import Take
from synth.build import REAL_SHARE
from synth.recordings import is_added
from synth.splits import GAP_S, split
from wakeword.audio import write
from wakeword.errors import DataError


def takes(kind: str, groups: list[str], seconds: float = 1.0, label: str = "word") -> list[Take]:
    samples = round(seconds * RATE_HZ)
    return [Take(f"{kind}/{group}/{n}", kind, label, group, 0, samples) for n, group in enumerate(groups)]


def groups_of(sides: dict, side: str, kind: str) -> set[str]:
    return {segment.take.group for segment in sides[side][kind]}


def test_a_speaker_is_on_one_side_only_and_the_share_is_about_right() -> None:
    sides = split(takes("negatives", [f"speaker{n % 40}" for n in range(400)]), 0.15, 1, RATE_HZ)
    assert not groups_of(sides, "train", "negatives") & groups_of(sides, "validation", "negatives")
    assert len(sides["validation"]["negatives"]) == pytest.approx(60, abs=20)


def test_with_one_speaker_the_files_are_split() -> None:
    sides = split(takes("activates", ["me"] * 20), 0.15, 1, RATE_HZ)
    train, held = ({s.take.id for s in sides[name]["activates"]} for name in ("train", "validation"))
    assert (len(held), len(train)) == (3, 17)
    assert not train & held


def test_one_long_file_is_split_by_time_with_a_gap() -> None:
    sides = split(takes("backgrounds", ["room"], seconds=60.0), 0.15, 1, RATE_HZ)
    (train,), (held,) = sides["train"]["backgrounds"], sides["validation"]["backgrounds"]
    assert held.start - train.stop == GAP_S * RATE_HZ
    assert (train.start, held.stop) == (0, 60 * RATE_HZ)
    assert held.samples / (held.samples + train.samples) == pytest.approx(0.15, abs=0.001)


@pytest.mark.parametrize("kind", ["activates", "negatives"])
def test_a_single_short_take_cannot_be_split(kind: str) -> None:
    with pytest.raises(DataError, match="got one usable file"):
        split(takes(kind, ["me"]), 0.15, 1, RATE_HZ)


def test_two_takes_give_one_to_each_side() -> None:
    sides = split(takes("activates", ["a", "b"]), 0.15, 1, RATE_HZ)
    assert len(sides["train"]["activates"]) == len(sides["validation"]["activates"]) == 1


def test_every_phrase_is_on_both_sides_and_no_speaker_is() -> None:
    people = [f"speaker{n}" for n in range(6)]
    both = takes("activates", people * 3, label="on") + takes("activates", people[:2], label="off")
    for seed in range(20):
        sides = split(both, 0.15, seed, RATE_HZ)
        assert not groups_of(sides, "train", "activates") & groups_of(sides, "validation", "activates")
        for side in sides.values():
            assert {segment.take.label for segment in side["activates"]} == {"on", "off"}


def test_a_phrase_of_a_single_speaker_among_several_is_refused() -> None:
    with pytest.raises(DataError, match="off: got 3 usable files of one speaker"):
        split(takes("activates", ["a", "b"], label="on") + takes("activates", ["c"] * 3, label="off"), 0.15, 1, RATE_HZ)


def test_adding_recordings_moves_few_of_the_old_ones() -> None:
    old = takes("negatives", [f"speaker{n}" for n in range(100)])
    before = groups_of(split(old, 0.15, 1, RATE_HZ), "validation", "negatives")
    more = old + takes("negatives", [f"new{n}" for n in range(10)])
    after = groups_of(split(more, 0.15, 1, RATE_HZ), "validation", "negatives")
    assert len(before - after) <= 3


def test_the_seed_decides_who_is_held_out() -> None:
    everybody = takes("negatives", [f"speaker{n}" for n in range(100)])
    assert split(everybody, 0.15, 1, RATE_HZ) == split(everybody, 0.15, 1, RATE_HZ)
    assert split(everybody, 0.15, 1, RATE_HZ) != split(everybody, 0.15, 2, RATE_HZ)


def own_takes(folder: Path, count: int) -> Path:
    for number in range(count):
        write(folder / "mine" / f"{number}.wav", syllables(0.6, 50 + number), RATE_HZ)
    return folder / "mine"


@pytest.mark.parametrize("count", [3, 12])
def test_own_takes_are_on_both_sides_and_drawn_for_their_share(tmp_path: Path, monkeypatch, count: int) -> None:
    monkeypatch.setenv("WAKEWORD_CACHE", str(tmp_path / "cache"))
    folder = make_clips(tmp_path / "clips", takes=40)
    clips = open_clips(folder, tiny(), ["hey"], added={"activates": [own_takes(tmp_path, count)]})
    own = {name: [s for s in side["activates"] if is_added(s.take.id)] for name, side in clips.splits.items()}
    assert own["train"] and own["validation"]
    assert {s.take.label for s in own["train"]} == {"hey"}
    rng, pool = np.random.default_rng(0), clips.pools["train"]["activates"]
    drawn = np.mean([is_added(pool.choose(rng).take.id) for _ in range(4000)])
    expected = 0.6 * len(own["train"]) / (len(own["train"]) + 10)
    assert abs(drawn - expected) < 0.03  # four standard deviations of 4,000 draws


def test_a_single_own_take_is_trained_on_and_an_own_home_is_split_by_time(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("WAKEWORD_CACHE", str(tmp_path / "cache"))
    folder = make_clips(tmp_path / "clips")
    write(tmp_path / "home" / "evening.wav", syllables(60.0), RATE_HZ)
    added = {"activates": [own_takes(tmp_path, 1)], "negatives": [tmp_path / "home"]}
    clips = open_clips(folder, tiny(), ["hey"], added=added)
    sides = {name: {s.take.id for kind in side.values() for s in kind} for name, side in clips.splits.items()}
    assert "activates/+1/0.wav" in sides["train"] - sides["validation"]
    assert "negatives/+1/evening.wav" in sides["train"] & sides["validation"]


def test_own_takes_of_several_phrases_lie_in_a_sub_folder_each(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("WAKEWORD_CACHE", str(tmp_path / "cache"))
    folder = make_clips(tmp_path / "clips")
    for phrase in ("hey", "stop_it"):
        for number in range(2):
            write(folder / "activates" / phrase / f"{number}.wav", syllables(0.6, number), RATE_HZ)
            write(tmp_path / "mine" / phrase / f"{number}.wav", syllables(0.6, 9 + number), RATE_HZ)
    write(tmp_path / "mine" / "else" / "1.wav", syllables(0.6), RATE_HZ)
    clips = open_clips(folder, tiny(), ["hey", "stop it"], added={"activates": [tmp_path / "mine"]})
    own = {take.id: take.label for take in clips.bank.takes if is_added(take.id)}
    assert own == {
        f"activates/+1/{name}/{n}.wav": name.replace("_", " ") for name in ("hey", "stop_it") for n in (0, 1)
    }
    assert any(one.path.endswith("1.wav") and "not in a sub-folder" in one.reason for one in clips.rejected)


def test_an_added_folder_that_is_missing_or_empty_is_named(tmp_path: Path) -> None:
    folder = make_clips(tmp_path / "clips")
    with pytest.raises(DataError, match="nowhere: no such folder, expected recordings of negatives"):
        open_clips(folder, tiny(), ["hey"], added={"negatives": [tmp_path / "nowhere"]})
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="empty: no audio found, expected activates"):
        open_clips(folder, tiny(), ["hey"], added={"activates": [tmp_path / "empty"]})


@pytest.mark.parametrize(
    ("spoken", "takes", "expected"),
    [
        (True, 0, {"train": 0.0, "validation": REAL_SHARE}),  # else people would be told from synthesizers
        (True, 4, {"train": 0.9, "validation": 0.9}),
        (False, 0, {"train": 0.9, "validation": 0.9}),
    ],
)
def test_where_only_synthesizers_say_the_phrase_real_negatives_are_for_validation(
    spoken: bool, takes: int, expected: dict[str, float], tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setenv("WAKEWORD_CACHE", str(tmp_path / "cache"))
    folder = make_clips(tmp_path / "clips")
    for number in range(12):
        write(tmp_path / "home" / f"{number}.wav", syllables(20.0, number), RATE_HZ)
    added = {"negatives": [tmp_path / "home"]} | ({"activates": [own_takes(tmp_path, takes)]} if takes else {})
    clips = open_clips(folder, tiny(), ["hey"], added=added, spoken=spoken)
    rng = np.random.default_rng(0)
    for side, share in expected.items():
        pool = clips.pools[side]["negatives"]
        drawn = np.mean([is_added(pool.choose(rng).take.id) for _ in range(4000)])
        assert drawn == pytest.approx(share, abs=0.03 if share < 0.5 else 0.1)
