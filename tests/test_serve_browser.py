"""The page in a real browser: `wakeword serve` as a stranger starts it, Chromium with a wav as its microphone."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="the tests' bundle is made with the extra 'train'")
pytest.importorskip("starlette", reason="the web page needs the extra 'serve'")

import soundfile
from browser import CHROMIUM, Browser
from serving import PHRASES, RATE, noise, write_babbler

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here (apt-get install chromium)")
TEXT_OF = "document.querySelector('{}').textContent"
# At how many heights the curve's colour is found lowest in a column: one, the threshold, if it did not move.
HEIGHTS = """(() => { const c = document.querySelector('#plot'), h = c.height, w = c.width;
  const d = c.getContext('2d').getImageData(0, 0, w, h).data, found = new Set();
  for (let x = 0; x < w; x++) for (let y = h - 1; y > h / 2; y--) {
    const at = 4 * (y * w + x);
    if (d[at + 3] > 200 && d[at] < 60 && d[at + 2] > 170) { found.add(y); break; }
  }
  return found.size; })()"""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path, subprocess.Popen]]:
    folder = tmp_path_factory.mktemp("served")
    (folder / "saved" / "hits").mkdir(parents=True)
    for number in range(3):
        soundfile.write(folder / "saved" / "hits" / f"{number}.wav", noise(0.3, seed=number), RATE)
    command = [sys.executable, "-m", "wakeword", "serve", str(write_babbler(folder / "babbler"))]
    command += ["--http", "127.0.0.1:0", "--takes", str(folder / "takes"), "--hits", str(folder / "saved"), "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    url = re.search(r"http://\S+", process.stderr.readline()).group()
    yield url, folder, process
    process.terminate()
    assert process.wait(20) == 0
    process.stdout.close()
    process.stderr.close()


def test_the_curve_moves_and_the_word_appears_and_nothing_else_is_asked_for(
    served: tuple[str, Path, subprocess.Popen], tmp_path: Path
) -> None:
    url, _, process = served
    soundfile.write(tmp_path / "mic.wav", noise(20.0, seed=1), RATE)
    with Browser(tmp_path, tmp_path / "mic.wav") as page:
        page.open(url)
        page.until(f"{TEXT_OF.format('h1')} === '“hey test” · “other word”'")
        page.press("Tab")  # by keyboard alone: the first thing that takes the focus is the button
        assert page.evaluate("document.activeElement.id") == "listen"
        page.press("Enter", text="\r")
        page.until("document.querySelectorAll('#detections li').length >= 3")
        shown = page.evaluate("[...document.querySelectorAll('#detections .what')].map((cell) => cell.textContent)")
        assert set(shown) <= set(PHRASES)
        assert page.evaluate(HEIGHTS) > 3
        page.press("Enter", text="\r")
        page.until(f"{TEXT_OF.format('#state')} === 'Not listening'")
        assert page.log == []
        assert {re.sub(r"^(http|ws)", "http", asked) for asked in page.requests if not asked.startswith(url)} == {
            f"{url}live"
        }
    heard = json.loads(process.stdout.readline())
    assert heard["client"].startswith("page 1") and heard["phrase"] in PHRASES


def test_takes_are_recorded_and_hits_are_sorted_by_keyboard(
    served: tuple[str, Path, subprocess.Popen], tmp_path: Path
) -> None:
    url, folder, _ = served
    soundfile.write(tmp_path / "mic.wav", noise(30.0, seed=4), RATE)
    with Browser(tmp_path, tmp_path / "mic.wav") as page:
        page.open(url)
        page.until("document.querySelectorAll('#hit-list li').length === 3")
        page.evaluate("document.querySelector('#hit-list li').focus()")
        page.press("w")
        page.until(f"{TEXT_OF.format('#hit-tabs')} === 'To do 2Right 0Wrong 1'")
        page.press("ArrowDown")
        page.press("r")
        page.until(f"{TEXT_OF.format('#hit-tabs')} === 'To do 1Right 1Wrong 1'")
        page.evaluate("document.querySelector('#take').click()")
        told = page.until(TEXT_OF.format("#take-told"))
        assert told.startswith(("Kept as take_001", "Not kept: ")), told
        assert page.log == []
    assert [path.name for path in (folder / "saved" / "wrong").iterdir()] == ["2.wav"]
    assert [path.name for path in (folder / "saved" / "right").iterdir()] == ["0.wav"]


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (390, True)])
def test_the_page_fits_its_window(
    served: tuple[str, Path, subprocess.Popen], tmp_path: Path, width: int, dark: bool
) -> None:
    """WAKEWORD_SCREENSHOTS=FOLDER keeps what it looked like."""
    with Browser(tmp_path) as page:
        page.look(width, 900, dark)
        page.open(served[0])
        page.until("document.querySelectorAll('#hit-tabs button').length === 3")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate("getComputedStyle(document.body).color") == (
            "rgb(232, 236, 242)" if dark else "rgb(24, 32, 43)"
        )
        small = "[...document.querySelectorAll('button')].filter((b) => b.offsetParent && b.offsetHeight < 30).length"
        assert page.evaluate(small) == 0
        if "WAKEWORD_SCREENSHOTS" in os.environ:
            page.screenshot(Path(os.environ["WAKEWORD_SCREENSHOTS"]) / f"page_{width}.png")
