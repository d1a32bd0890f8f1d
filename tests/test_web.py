"""The page that listens in a browser: the same decisions as Python's, in Chromium with a wav as its microphone."""

from __future__ import annotations

import base64
import functools
import http.server
import json
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("websockets", reason="steering the browser needs the extra 'serve'")

from tests.browser import CHROMIUM, Browser
from tests.signals import speech_like
from wakeword.audio import write
from wakeword.cli import main
from wakeword.detector import Detector
from wakeword.errors import BundleError, WakewordError
from wakeword.sections import DetectorConfig
from wakeword.stream import load
from wakeword.web import RUNTIME, export_web

RATE, SECONDS = 16000, 5
PAGE = Path(__file__).parent.parent / "wakeword" / "web" / "page"
NODE, NPM = shutil.which("node"), shutil.which("npm")
needs_node = pytest.mark.skipif(NODE is None, reason="needs Node.js: apt-get install nodejs npm")
ALIASES_DB, IN_BAND_DB = -60.0, 0.1


@pytest.fixture(scope="module")
def restless_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights made so large that its two words fire now and then."""
    torch = pytest.importorskip("torch", reason="exporting needs the extra 'train'")
    from wakeword.bundle import Card, write_bundle
    from wakeword.config import load_config, override
    from wakeword.export import export
    from wakeword.model import WakeModel

    torch.manual_seed(2)
    config = override(load_config("tiny"), detector={"refractory_steps": 15, "rearm_ratio": 0.9})
    model = WakeModel(config, labels=2).eval()
    with torch.no_grad():
        model.head.weight *= 25.0
        model.head.bias.zero_()
    card = Card(phrases=["eins", "zwei & <b>"], thresholds=[0.5, 0.6], phrase_s=[0.4] * 2, config=config, provenance={})
    return write_bundle(tmp_path_factory.mktemp("restless") / "bundle", card, *export(model, card)).path


@pytest.fixture(scope="module")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """onnxruntime-web, as npm installs it."""
    if NPM is None:
        pytest.skip("needs npm: apt-get install npm")
    folder = tmp_path_factory.mktemp("npm")
    command = [
        NPM,
        "install",
        "--no-audit",
        "--no-fund",
        "--ignore-scripts",
        "--prefix",
        str(folder),
        "onnxruntime-web",
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    if done.returncode:
        pytest.skip(f"npm could not fetch onnxruntime-web: {done.stderr.strip().splitlines()[-1:]}")
    return folder / "node_modules" / "onnxruntime-web"


def node(script: str, given: object) -> object:
    """The JSON that a module script prints; it finds `given` on stdin and the page's modules beside it."""
    head = 'import fs from "node:fs"; const given = JSON.parse(fs.readFileSync(0));'
    command = [NODE, "--experimental-default-type=module", "--input-type=module", "-e", head + script]
    done = subprocess.run(command, cwd=PAGE, input=json.dumps(given), capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


@needs_node
@pytest.mark.parametrize(("rearm_ratio", "patience"), [(None, 1), (0.5, 1), (1.0, 2), (0.9, 4)])
def test_the_pages_detector_decides_as_pythons(rearm_ratio: float | None, patience: int) -> None:
    rng = np.random.default_rng(4)
    curve = np.clip(np.repeat(rng.random(400), 5) + 0.1 * rng.standard_normal(2000), 0, 1).astype(np.float32).tolist()
    rule = {"threshold": 0.55, "smoothing_steps": 3, "refractory_steps": 12}
    rule |= {"rearm_ratio": rearm_ratio, "patience_steps": patience}
    detector = Detector(DetectorConfig(**rule))
    state, expected = detector.zero_state(), []
    for probability in curve:
        score, state = detector.step(probability, state)
        expected.append(score)
    script = (
        f'const {{ Detector }} = await import("{PAGE.as_uri()}/detector.js"); const d = new Detector(given.rule);'
        "const all = given.curve.map((p) => { const { score, fired } = d.step(p); return fired ? score : null; });"
        "console.log(JSON.stringify(all));"
    )
    assert node(script, {"rule": rule, "curve": curve}) == pytest.approx(expected)
    assert sum(score is not None for score in expected) > 20


@needs_node
@pytest.mark.parametrize("from_hz", [44100, 48000, 8000])
def test_the_pages_resampler_keeps_the_band_lets_no_alias_through_and_does_not_care_for_chunks(from_hz: int) -> None:
    time_s = np.arange(from_hz // 4) / from_hz
    tones = [1000.0, 3300.0] if from_hz == 8000 else [300.0, 6500.0, 9000.0]
    script = (
        f'const {{ Resampler }} = await import("{PAGE.as_uri()}/resampler.js");'
        "const run = (sizes) => { const r = new Resampler(given.from, 16000); const out = []; let at = 0, turn = 0;"
        " while (at < given.pcm.length) { const n = sizes[turn++ % sizes.length];"
        "  out.push(...r.feed(Float32Array.from(given.pcm.slice(at, at + n)))); at += n; } return out; };"
        "console.log(JSON.stringify([run([128]), run([1, 999, 50])]));"
    )
    for hz in tones:
        pcm = 0.5 * np.sin(2 * np.pi * hz * time_s)
        made, again = (np.array(out) for out in node(script, {"from": from_hz, "pcm": pcm.tolist()}))
        np.testing.assert_array_equal(made, again)
        settled = made[400:-400]
        level_db = 20 * np.log10(np.sqrt(2 * np.square(settled).mean()) / 0.5 + 1e-12)
        if hz > 8000:
            assert level_db < ALIASES_DB
        else:
            assert abs(level_db) < IN_BAND_DB
            expected = 0.5 * np.sin(2 * np.pi * hz * np.arange(len(made)) / RATE)
            assert np.abs(settled - expected[400:-400]).max() < 0.01


def test_a_missing_npm_package_is_said_with_the_command_that_brings_it(
    restless_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["export", str(restless_bundle), "--to", "web", "--out", "page"]) == 2
    said = capsys.readouterr().err
    assert "npm install onnxruntime-web" in said and len(said.splitlines()) == 1
    with pytest.raises(WakewordError, match="expected the npm package's folder"):
        export_web(restless_bundle, tmp_path / "page", tmp_path)
    assert not (tmp_path / "page").exists()


def test_a_package_in_node_modules_is_found_and_copied(
    restless_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "node_modules" / "onnxruntime-web"
    for name in RUNTIME:
        (package / "dist").mkdir(parents=True, exist_ok=True)
        (package / "dist" / name).write_bytes(name.encode())
    (tmp_path / "deep" / "er").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "deep" / "er")
    facts = export_web(restless_bundle, "a page")
    written = {path.relative_to("a page").as_posix() for path in Path("a page").rglob("*") if path.is_file()}
    assert {"index.html", "worker.js", "model.onnx", "wakeword.json", f"ort/{RUNTIME[2]}"} <= written
    assert len(written) == facts["files"] and "'a page'" in facts["serve"]
    card = json.loads(Path("a page/wakeword.json").read_text("utf-8"))
    assert [rule["threshold"] for rule in card["rules"]] == [0.5, 0.6]


def test_a_bundle_with_the_devices_front_end_is_refused(micro_bundle: Path, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"features.kind micro, which a browser has not got"):
        export_web(micro_bundle, tmp_path / "page", tmp_path)


@pytest.fixture(scope="module")
def site(restless_bundle: Path, runtime: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("site")
    export_web(restless_bundle, folder, runtime)
    handler = functools.partial(QuietHandler, directory=str(folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/index.html"
    server.shutdown()
    server.server_close()


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Nothing: a test's output is for failures."""


@pytest.fixture
def browser(site: str, tmp_path: Path) -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("needs Chromium: apt-get install chromium")
    write(tmp_path / "microphone.wav", speech_like(SECONDS * RATE, RATE), RATE)
    with Browser(tmp_path, tmp_path / "microphone.wav") as browser:
        browser.look(900, 900)
        browser.open(site)
        yield browser


LISTEN = """(async () => {
  const { WakeWordListener } = await import("./wakeword.js");
  const listener = new WakeWordListener({ audio: true });
  const heard = [], detections = [];
  let latest = [], known = 0;  // detections come after the sound they end in: of the latest one some may be under way
  listener.addEventListener("scores", ({ detail }) => {
    heard.push(...latest);
    latest = detail.audio;
    known = detections.length;
  });
  listener.addEventListener("detection", ({ detail }) => detections.push(detail));
  await listener.start();
  await new Promise((done) => setTimeout(done, SECONDS * 1000));
  await listener.stop();
  const bytes = new Uint8Array(Float32Array.from(heard).buffer);
  let text = "";
  for (let i = 0; i < bytes.length; i += 8192) text += String.fromCharCode(...bytes.subarray(i, i + 8192));
  const requests = performance.getEntriesByType("resource").map((e) => e.name);
  return { detections: detections.slice(0, known), audio: btoa(text), requests };
})()""".replace("SECONDS", str(SECONDS))


def likeness(long: np.ndarray, short: np.ndarray) -> float:
    """The correlation of `short` with the place in `long` that is most like it."""
    spectrum = np.fft.rfft(long) * np.conj(np.fft.rfft(short, len(long)))
    at = int(np.argmax(np.fft.irfft(spectrum, len(long))[: len(long) - len(short) + 1]))
    return float(np.corrcoef(long[at : at + len(short)], short)[0, 1])


def test_chromium_hears_what_python_hears(browser: Browser, restless_bundle: Path, site: str) -> None:
    browser.until("document.getElementById('toggle')?.disabled === false")
    said = browser.evaluate(LISTEN)
    heard = np.frombuffer(base64.b64decode(said["audio"]), np.float32)
    stretches = speech_like(SECONDS * RATE, RATE)[RATE:].reshape(-1, RATE)  # a busy computer may lose some of them
    assert max(likeness(heard, stretch) for stretch in stretches) > 0.98, "the microphone brought something else"
    ww = load(restless_bundle)
    expected = ww.feed(heard)
    assert len({d.phrase for d in expected}) == 2 and len(expected) > 3
    step_s = ww.step_samples / RATE
    got = said["detections"]
    assert [d["phrase"] for d in got] == [d.phrase for d in expected]
    for one, other in zip(got, expected, strict=True):
        assert one["end_s"] == pytest.approx(other.end_s, abs=step_s)
        assert one["start_s"] == pytest.approx(other.start_s, abs=step_s)
        assert one["score"] == pytest.approx(other.score, abs=1e-3)
    assert all(name.startswith(site.rsplit("/", 1)[0]) for name in said["requests"])


def test_the_page_itself_lists_what_it_hears(browser: Browser) -> None:
    browser.until("document.getElementById('toggle')?.disabled === false")
    browser.press("Tab")
    browser.press("Enter", text="\r")
    browser.until("document.getElementById('toggle').textContent === 'Stop'")
    browser.until("document.querySelectorAll('#detections li').length > 1", 20)
    assert browser.evaluate("document.querySelector('#phrases').textContent") == "“eins”, “zwei & <b>”"
    assert "Listening" in browser.evaluate("document.getElementById('status').textContent")
    assert browser.evaluate("document.documentElement.scrollWidth <= innerWidth")
