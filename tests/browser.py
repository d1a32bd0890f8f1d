"""A headless Chromium whose microphone is a wav, driven over its debugging port. Needs no more than `websockets`."""

from __future__ import annotations

import base64
import itertools
import json
import os
import shutil
import subprocess
import time
import urllib.request
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from websockets.sync.client import connect

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


class Browser:
    """One page: `with Browser(folder, wav) as page`. `folder` takes its profile; no wav, no microphone."""

    def __init__(self, folder: Path, wav: Path | None = None) -> None:
        self._profile, self._wav = folder / "profile", wav
        self._numbers = itertools.count(1)

    def __enter__(self) -> Browser:
        sound = [
            "--use-fake-ui-for-media-stream",
            "--use-fake-device-for-media-stream",
            f"--use-file-for-fake-audio-capture={self._wav}%noloop",
        ]
        command = [
            CHROMIUM,
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--disable-background-networking",
            "--autoplay-policy=no-user-gesture-required",
            "--remote-debugging-port=0",
            f"--user-data-dir={self._profile}",
            *(sound if self._wav else []),
            "about:blank",
        ]
        self._process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        port = self._wait(self._port, "its debugging port", 60)
        pages = json.loads(urllib.request.urlopen(f"http://127.0.0.1:{port}/json/list", timeout=30).read())
        address = next(page["webSocketDebuggerUrl"] for page in pages if page["type"] == "page")
        self._closing = ExitStack()
        self._socket = self._closing.enter_context(connect(address, max_size=None))
        self.log: list[str] = []
        self.requests: list[str] = []
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.close()
        os.killpg(self._process.pid, 15)
        self._process.wait(30)

    def _port(self) -> str:
        found = self._profile / "DevToolsActivePort"
        return found.read_text("ascii").splitlines()[0] if found.is_file() and found.stat().st_size else ""

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """One command of the debugging protocol, and its result."""
        number = next(self._numbers)
        self._socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while (message := json.loads(self._socket.recv(timeout=60))).get("id") != number:
            self._note(message)
        assert "error" not in message, message
        return message["result"]

    def _note(self, message: dict[str, Any]) -> None:
        """What the page complains of, and what it loads."""
        method, facts = message.get("method"), message.get("params", {})
        if method == "Runtime.exceptionThrown":
            self.log.append(json.dumps(facts["exceptionDetails"]))
        elif method == "Log.entryAdded" and facts["entry"]["level"] == "error":
            self.log.append(facts["entry"]["text"])
        elif method == "Network.requestWillBeSent":
            self.requests.append(facts["request"]["url"])
        elif method == "Network.webSocketCreated":
            self.requests.append(facts["url"])

    def open(self, url: str) -> None:
        self.call("Page.navigate", url=url)
        self.until("document.readyState === 'complete'")

    def evaluate(self, expression: str) -> Any:
        """The value of an expression in the page; of a promise, what it comes to."""
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def until(self, expression: str, timeout_s: float = 30.0) -> Any:
        """Waits until an expression is true, and returns its value."""
        return self._wait(lambda: self.evaluate(expression), expression, timeout_s)

    def press(self, key: str, code: str = "", text: str = "") -> None:
        """A key, as the user presses it."""
        number = {"Tab": 9, "Enter": 13, " ": 32}.get(key, 0)
        facts = {"key": key, "code": code or key, "windowsVirtualKeyCode": number}
        self.call("Input.dispatchKeyEvent", type="keyDown", text=text, **facts)
        self.call("Input.dispatchKeyEvent", type="keyUp", **facts)

    def look(self, width: int, height: int, dark: bool = False, scale: float = 1.0) -> None:
        """The window's size in CSS pixels, and the colour scheme that the user prefers."""
        size = {"width": width, "height": height, "deviceScaleFactor": scale, "mobile": width < 600}
        self.call("Emulation.setDeviceMetricsOverride", **size)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])

    def screenshot(self, path: Path) -> None:
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"]))

    def _wait(self, found: Any, what: str, timeout_s: float) -> Any:
        give_up = time.monotonic() + timeout_s
        while not (value := found()):
            assert time.monotonic() < give_up, (
                f"waited {timeout_s:g} s for {what}; the page said {self.__dict__.get('log')}"
            )
            time.sleep(0.05)
        return value
