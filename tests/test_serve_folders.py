"""The takes and the saved hits that the web page shows: kept, played, sorted, and nothing else of the disk."""

from __future__ import annotations

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlencode

import numpy as np
import pytest

pytest.importorskip("torch", reason="the tests' bundle is made with the extra 'train'")
pytest.importorskip("starlette", reason="the web page needs the extra 'serve'")

import soundfile
from serving import FOLDERS, PHRASES, RATE, ask, noise, page_server, write_babbler

from wakeword.serve.hits import Hits
from wakeword.serve.takes import Takes
from wakeword.stream import WakeWord, load


@pytest.fixture(scope="module")
def ww(tmp_path_factory: pytest.TempPathFactory) -> WakeWord:
    return load(write_babbler(tmp_path_factory.mktemp("bundles") / "babbler"))


def test_takes_are_checked_kept_played_and_removed(ww: WakeWord, tmp_path: Path) -> None:
    loud = (3000 * np.sin(np.arange(40000) / 5)).astype("<i2")

    async def scenario():
        takes = Takes(tmp_path / "takes", FOLDERS, lambda pcm, rate: "" if np.abs(pcm).max() > 0.01 else "too quiet")
        async with page_server(ww, takes=takes) as (port, _, _):
            to = "/api/takes?" + urlencode({"phrase": PHRASES[1], "rate_hz": RATE})
            quiet = await ask(port, to, "POST", bytes(80000))
            kept = [await ask(port, to, "POST", loud.tobytes()) for _ in range(2)]
            played = await ask(port, "/api/takes/take_001.wav?" + urlencode({"phrase": PHRASES[1]}))
            gone = await ask(port, "/api/takes/take_001.wav?" + urlencode({"phrase": PHRASES[1]}), "DELETE")
            return quiet, kept, played, gone, await ask(port, "/api/takes")

    quiet, kept, played, gone, listed = asyncio.run(scenario())
    assert json.loads(quiet[1]) == {"problem": "too quiet"}
    assert [json.loads(body)["take"] for _, body, _ in kept] == ["take_001.wav", "take_002.wav"]
    assert played[1][:4] == b"RIFF" and gone[0] == 200
    assert [one["takes"] for one in json.loads(listed[1])] == [[], ["take_002.wav"]]
    found, rate = soundfile.read(tmp_path / "takes" / "other_word" / "take_002.wav", dtype="int16")
    assert rate == RATE and np.array_equal(found, loud)


@pytest.mark.parametrize(
    ("query", "body", "problem"),
    [
        ({"phrase": "no such", "rate_hz": 16000}, bytes(100), "phrase: got 'no such'"),
        ({"phrase": "hey test", "rate_hz": 1}, bytes(100), "rate: got 1,"),
        ({"phrase": "hey test", "rate_hz": "9" * 5000}, bytes(100), "rate_hz: expected a whole number"),
        ({"phrase": "hey test", "rate_hz": 16000}, bytes(101), "take: got 101 bytes"),
        ({"phrase": "hey test", "rate_hz": 16000}, bytes(3 << 20), "got more than 2097152 bytes"),
    ],
)
def test_a_take_that_makes_no_sense_is_refused(
    ww: WakeWord, tmp_path: Path, query: dict, body: bytes, problem: str
) -> None:
    async def scenario():
        async with page_server(ww, takes=Takes(tmp_path, FOLDERS, lambda pcm, rate: "")) as (port, _, _):
            return await ask(port, f"/api/takes?{urlencode(query)}", "POST", body)

    status, told, _ = asyncio.run(scenario())
    assert status == 400 and problem in json.loads(told)["problem"]
    assert not list(tmp_path.rglob("*.wav"))


def make_hits(folder: Path) -> None:
    for kind, name in (("hits", "20260101T000001.000Z_a"), ("near_misses", "20260101T000002.000Z_b")):
        (folder / kind).mkdir(parents=True)
        soundfile.write(folder / kind / f"{name}.wav", noise(0.2), RATE)
        (folder / kind / f"{name}.json").write_text(json.dumps({"kind": kind, "phrase": "hey", "score": 0.9, "x": []}))
    (folder / "secret.txt").write_text("not sound")
    (folder.parent / "outside.wav").write_bytes(b"RIFF")


def test_hits_are_listed_played_sorted_and_put_back_with_their_facts(ww: WakeWord, tmp_path: Path) -> None:
    folder = tmp_path / "saved"
    make_hits(folder)

    async def scenario():
        async with page_server(ww, hits=Hits(folder)) as (port, _, _):
            listed = json.loads((await ask(port, "/api/hits"))[1])
            one = {key: listed[0][key] for key in ("kind", "name")}
            sound = await ask(port, "/api/hits/sound?" + urlencode(one))
            moved = await ask(port, "/api/hits/move?" + urlencode({**one, "to": "wrong"}), "POST")
            wrong = sorted(path.name for path in (folder / "wrong").iterdir())
            back = await ask(port, "/api/hits/move?" + urlencode({**one, "kind": "wrong", "to": ""}), "POST")
            return listed, sound, json.loads(moved[1]), wrong, json.loads(back[1])

    listed, sound, moved, wrong, back = asyncio.run(scenario())
    assert [(hit["kind"], hit["phrase"]) for hit in listed] == [("near_misses", "hey"), ("hits", "hey")]
    assert sound[1][:4] == b"RIFF"
    assert (moved, back) == ({"kind": "wrong"}, {"kind": "near_misses"})
    assert wrong == ["20260101T000002.000Z_b.json", "20260101T000002.000Z_b.wav"]


@pytest.mark.parametrize("name", ["../outside.wav", "..", "secret.txt", "/etc/passwd", "\0.wav", "no.wav", ""])
@pytest.mark.parametrize("kind", ["hits", ".", "..", "../", ""])
def test_no_file_outside_of_the_saved_hits_can_be_had_or_moved(tmp_path: Path, name: str, kind: str) -> None:
    from wakeword.errors import ServeError

    make_hits(tmp_path / "saved")
    hits = Hits(tmp_path / "saved")
    with pytest.raises(ServeError, match="hit: got"):
        hits.path(kind, name)
    with pytest.raises(ServeError, match="hit: got"):
        hits.move(kind, name, "right")


def test_takes_that_come_at_once_each_get_a_number_of_their_own(tmp_path: Path) -> None:
    takes = Takes(tmp_path, FOLDERS, lambda pcm, rate: "")
    with ThreadPoolExecutor(8) as pool:
        added = pool.map(lambda _: takes.add(PHRASES[0], bytes(3200), RATE)["take"], range(24))
        assert sorted(added) == [f"take_{number:03d}.wav" for number in range(1, 25)]
    assert len(takes.list()[0]["takes"]) == 24
