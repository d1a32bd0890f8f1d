"""An example holds what its recipe says: levels, places and ends, exactly."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from synth_clips import RATE_HZ, db, make_clips, noise, plain, syllables, tiny

from synth import open_clips, render
from synth.bank import Take
from synth.build import Clips
from synth.pool import Pool
from synth.recipe import Recipe, draw
from synth.render import background, dry_event
from synth.rooms import Room
from synth.splits import Segment
from synth.transforms import Filter, Speed, fade_edges
from wakeword.audio import rms, speech_activity, to_float, write
from wakeword.clips import ANY_PHRASE
from wakeword.errors import DataError

LEVEL_TOLERANCE_DB = 0.05  # float32, and int16 at the end


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_clips(tmp_path_factory.mktemp("render") / "clips")


@pytest.fixture(autouse=True)
def cache(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WAKEWORD_CACHE", str(folder.parent / "cache"))


def recipes(clips: Clips, count: int = 40) -> list[Recipe]:
    return [draw(index, "train", clips.pools["train"], clips.config) for index in range(count)]


def test_snr_measured_is_snr_asked(folder: Path) -> None:
    config = plain(activates=[1, 1], negatives=[0, 0], snr_db=[6.0, 6.0])
    clips = open_clips(folder, config)
    for recipe in recipes(clips, 10):
        (event,) = recipe.events
        example = to_float(render.render(recipe, clips.bank, config).pcm)
        noise_only = background(recipe, clips.bank, config)
        word = (example - noise_only)[event.start_sample : event.end_sample]
        assert db(speech_activity(word, RATE_HZ)[0] / rms(noise_only)) == pytest.approx(6.0, abs=LEVEL_TOLERANCE_DB)
        assert db(render.rms(noise_only)) == pytest.approx(-40.0, abs=LEVEL_TOLERANCE_DB)


def test_active_level_ignores_pauses() -> None:
    speech = noise(1.0)
    paused = np.concatenate([speech, np.zeros(3 * RATE_HZ, np.float32)])
    assert speech_activity(paused, RATE_HZ)[0] == pytest.approx(speech_activity(speech, RATE_HZ)[0], rel=1e-3)


def test_events_lie_on_the_grid_inside_the_example_and_never_overlap(folder: Path) -> None:
    config = tiny(activates=[0, 4], negatives=[0, 2], grid_ms=1.0, negative_s=[0.3, 0.6])
    clips = open_clips(folder, config)
    drawn = recipes(clips, 200)
    for recipe in drawn:
        edges = [(event.start_sample, event.end_sample) for event in recipe.events]
        assert all(start % 16 == 0 and 0 <= start < end <= config.example_samples for start, end in edges)
        assert all(end <= start for (_, end), (start, _) in pairwise(edges))
    counts = {sum(event.kind == "activate" for event in recipe.events) for recipe in drawn}
    assert counts == {0, 1, 2, 3, 4}


def test_a_click_at_the_end_of_a_word_stays_at_its_end_through_speed_filter_and_room() -> None:
    click_before_end = 200  # samples: clear of the fade
    for factor in (0.88, 1.0, 1.14):
        word = np.zeros(12000, np.float32)
        word[-click_before_end] = 0.5
        room = Room(
            size_m=(5.0, 4.0, 2.6), source_m=(1.0, 1.0, 1.0), microphone_m=(3.0, 2.0, 1.0), rt60_s=0.4, tail_seed=1
        )
        speed = Speed(factor=factor)
        fade_edges(word, RATE_HZ)
        sound = speed.apply(word, RATE_HZ)
        assert len(sound) == round(12000 / factor) == speed.samples(12000)
        sound = Filter(low_db=3.0, middle_db=-3.0, high_db=3.0).apply(sound, RATE_HZ)
        sound = room.apply(sound, RATE_HZ)
        assert abs(np.abs(sound).argmax() - (12000 - click_before_end) / factor) <= 1.0


def test_the_label_ends_where_the_dry_word_ends_whatever_was_done_to_it(folder: Path) -> None:
    always = ("speed", "vocal_tract", "filter", "band", "codec", "room")
    config = tiny(activates=[1, 3], vocal_tract=[0.9, 1.1], **{f"{name}_probability": 1.0 for name in always})
    clips = open_clips(folder, config)
    for recipe in recipes(clips):
        example = render.render(recipe, clips.bank, config)
        assert len(example.events) == len(recipe.events)
        for event, labelled in zip(recipe.events, example.events, strict=True):
            dry = dry_event(event, clips.bank, RATE_HZ)
            assert labelled.end_sample - labelled.start_sample == len(dry) == event.speed.samples(event.crop_samples)


def test_a_recipe_survives_json_and_renders_the_same_bytes(folder: Path) -> None:
    clips = open_clips(folder, tiny())
    for index in range(10):
        example = clips.example("train", index)
        again = Recipe.model_validate_json(json.dumps(example.recipe))
        copy = render.render(again, clips.bank, clips.config)
        assert copy.pcm.tobytes() == example.pcm.tobytes()
        assert copy.recipe == example.recipe


def test_train_and_validation_draw_from_their_own_recordings_only(folder: Path) -> None:
    clips = open_clips(folder, tiny())
    used = {
        side: {event.id for i in range(60) for event in draw(i, side, clips.pools[side], clips.config).events}
        for side in ("train", "validation")
    }
    assert used["train"]
    assert used["validation"]
    assert not used["train"] & used["validation"]


def test_silence_in_nothing_out(folder: Path) -> None:
    config = tiny(background_absent=1.0, activates=[0, 0], negatives=[0, 0])
    assert not open_clips(folder, config).example("train", 0).pcm.any()


def test_a_loud_example_is_turned_down_not_clipped(folder: Path) -> None:
    config = plain(gain_db=[40.0, 40.0], activates=[1, 1])
    example = open_clips(folder, config).example("train", 0)
    assert np.abs(example.pcm.astype(int)).max() == 32767
    assert np.count_nonzero(np.abs(example.pcm.astype(int)) == 32767) <= 2
    assert example.recipe["headroom_db"] > 10.0


def test_an_overdriven_example_is_clipped_as_far_as_asked_and_no_other_is(folder: Path) -> None:
    config = tiny(clip_probability=0.5, clip_db=[6.0, 6.0], activates=[1, 2])
    for recipe in recipes(open_clips(folder, config), 30):
        clips = open_clips(folder, config)
        loud, plain = (
            render.render(recipe.model_copy(update={"overdrive_db": db}), clips.bank, config).pcm.astype(float)
            for db in (recipe.overdrive_db, None)
        )
        if recipe.overdrive_db is None:
            assert np.abs(loud).max() <= 32767
            continue
        scale = 2.0 * 32768 / np.abs(plain).max()
        assert np.abs(loud).max() == 32767
        quiet = np.abs(plain * scale) < 32000
        assert np.allclose(loud[quiet], plain[quiet] * scale, rtol=0.01, atol=2 * scale)


def test_touching_events_lie_within_a_pause_between_words(folder: Path) -> None:
    gaps = {}
    for probability in (0.0, 1.0):
        config = tiny(touching_probability=probability, activates=[1, 1], negatives=[1, 1])
        drawn = [recipe for recipe in recipes(open_clips(folder, config), 200) if len(recipe.events) == 2]
        between = [r.events[1].start_sample - r.events[0].end_sample for r in drawn]
        gaps[probability] = np.mean(np.array(between) <= 0.121 * RATE_HZ)
    assert gaps[0.0] < 0.35
    assert gaps[1.0] > 0.6  # the rest did not fit beside


def test_the_seeds_examples_have_its_level(folder: Path) -> None:
    config = plain(example_dbfs=-30.0, snr_db=[0.0, 0.0])
    pcm = to_float(open_clips(folder, config).example("train", 0).pcm)
    assert db(render.rms(pcm)) == pytest.approx(-30.0, abs=LEVEL_TOLERANCE_DB)


def test_a_background_shorter_than_the_example_is_looped_without_a_click(tmp_path: Path) -> None:
    write(tmp_path / "clips" / "backgrounds" / "other.wav", noise(4.0), RATE_HZ)
    clips_dir = make_clips(tmp_path / "clips")
    tone = (0.1 * np.sin(2 * np.pi * 333.3 * np.arange(RATE_HZ) / RATE_HZ)).astype(np.float32)
    for file in (clips_dir / "backgrounds").iterdir():
        write(file, tone, RATE_HZ)
    pcm = to_float(open_clips(clips_dir, plain(activates=[0, 0], negatives=[0, 0])).example("train", 3).pcm)
    largest_step = 2 * np.pi * 333.3 / RATE_HZ * 0.01 * np.sqrt(2)  # of a tone at -40 dBFS
    assert len(pcm) == 3 * RATE_HZ
    assert np.abs(np.diff(pcm)).max() < 2 * largest_step
    assert np.abs(pcm[-1600:]).max() > 0.005


def test_phrases_are_drawn_equally_often() -> None:
    few, many = (Take(f"activates/{label}", "activates", label, label, 0, 100) for label in ("few", "many"))
    pool = Pool([Segment(few, 0, 100)] + [Segment(many, 0, 100)] * 9)
    rng = np.random.default_rng(0)
    share = np.mean([pool.choose(rng).take.label == "few" for _ in range(2000)])
    assert share == pytest.approx(0.5, abs=0.05)


def test_a_recipe_of_other_clips_is_refused(folder: Path) -> None:
    clips = open_clips(folder, plain())
    recipe = recipes(clips, 1)[0]
    strange = recipe.model_copy(
        update={"background": recipe.background.model_copy(update={"id": "backgrounds/gone.wav"})}
    )
    with pytest.raises(DataError, match=r"gone\.wav: got no such recording"):
        render.render(strange, clips.bank, clips.config)


def test_syllables_of_the_tests_are_heard_as_one_word() -> None:
    from synth.trim import word_bounds

    start, stop = word_bounds(syllables(0.7), RATE_HZ)
    assert stop - start > 0.6 * RATE_HZ


def test_pieces_of_a_word_are_negatives_most_of_them_joined_to_other_speech(folder: Path) -> None:
    config = tiny(partial_probability=0.5, negatives=[2, 4], activates=[1, 1], negative_s=[0.3, 0.6])
    clips = open_clips(folder, config, ["hey test"])
    joined = pieces = 0
    for index in range(100):
        recipe = draw(index, "train", clips.pools["train"], config)
        ends = {event.end_sample for event in recipe.events} | {event.start_sample for event in recipe.events}
        for event in recipe.events:
            if event.kind == "negative" and event.label:
                pieces += 1
                assert event.id.startswith("activates/")
                joined += event.start_sample in ends - {event.start_sample} or len(ends) < 2 * len(recipe.events)
        assert all(a.end_sample <= b.start_sample for a, b in pairwise(recipe.events))
    assert pieces > 50
    assert joined > pieces / 3


def test_near_misses_have_their_share_their_label_and_their_own_order(tmp_path: Path) -> None:
    folder = make_clips(tmp_path / "clips")
    for number in range(4):
        write(folder / "near_misses" / f"{number}.wav", syllables(0.6, 70 + number), RATE_HZ)
    config = tiny(near_miss_probability=0.4, reversed_probability=1.0, negatives=[2, 2], activates=[0, 1])
    events = [event for recipe in recipes(open_clips(folder, config), 200) for event in recipe.events]
    others = [event for event in events if event.kind == "negative"]
    near = [event for event in others if event.id.startswith("near_misses/")]
    assert len(near) / len(others) == pytest.approx(0.4, abs=0.1)
    assert {event.label for event in near} == {ANY_PHRASE}
    assert not any(event.reversed for event in near)
    assert {event.label for event in others} == {ANY_PHRASE, ""}


def test_a_negative_can_be_played_backwards(folder: Path) -> None:
    config = plain(reversed_probability=1.0, activates=[0, 0], negatives=[1, 1])
    clips = open_clips(folder, config, ["hey test"])
    event = draw(0, "train", clips.pools["train"], config).events[0]
    assert event.reversed
    forwards = dry_event(event.model_copy(update={"reversed": False}), clips.bank, RATE_HZ)
    np.testing.assert_allclose(dry_event(event, clips.bank, RATE_HZ), forwards[::-1], atol=1e-6)


def test_a_scrambled_word_is_a_negative_with_all_its_sound(folder: Path) -> None:
    config = plain(partial_probability=1.0, activates=[0, 0], negatives=[2, 2])
    clips = open_clips(folder, config, ["hey test"])
    events = [event for recipe in recipes(clips, 60) for event in recipe.events if event.scramble]
    assert len(events) > 10
    for event in events:
        assert (event.kind, event.label) == ("negative", "hey test")
        whole = dry_event(event.model_copy(update={"scramble": None}), clips.bank, RATE_HZ)
        sound = dry_event(event, clips.bank, RATE_HZ)
        assert len(sound) == len(whole)
        assert rms(sound) == pytest.approx(rms(whole), rel=0.1)  # but for the fades
        assert np.abs(sound - whole).max() > 0.01


def test_other_speech_can_be_scrambled(folder: Path) -> None:
    config = plain(scrambled_probability=1.0, activates=[0, 0], negatives=[1, 1])
    clips = open_clips(folder, config, ["hey test"])
    assert all(event.scramble and not event.label for recipe in recipes(clips, 10) for event in recipe.events)


def test_long_negatives_are_drawn_more_often_than_short_ones() -> None:
    short, long = (Take(f"negatives/{name}", "negatives", "negatives", name, 0, 100) for name in ("short", "long"))
    pool = Pool([Segment(short, 0, 1000), Segment(long, 0, 4000)], stretch_samples=4000)
    rng = np.random.default_rng(0)
    share = np.mean([pool.choose(rng).take.group == "short" for _ in range(2000)])
    assert share == pytest.approx(0.2, abs=0.04)
