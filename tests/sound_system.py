"""Microphones and a loudspeaker without a sound card: ALSA reads one from a file, or PulseAudio plays into one.

Each listener is a process of its own, because PortAudio reads its configuration when it is imported.
"""

from __future__ import annotations

import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from wakeword import audio

ROOT = Path(__file__).resolve().parent.parent
LEVEL_WORD = ROOT / "tests" / "level_word.py"
ALSA_BASE = Path("/usr/share/alsa/alsa.conf")
PATIENCE_S = 30.0


def has_portaudio() -> bool:
    try:
        import sounddevice  # noqa: F401
    except OSError:
        return False
    return True


HAS_ALSA = sys.platform == "linux" and ALSA_BASE.exists() and has_portaudio()
needs_alsa = pytest.mark.skipif(
    not HAS_ALSA, reason="needs Linux with ALSA and PortAudio (Debian: libportaudio2 alsa-utils)"
)
needs_pulse = pytest.mark.skipif(
    not (
        shutil.which("pulseaudio")
        and shutil.which("paplay")
        and list(Path("/usr/lib").rglob("*asound_module_pcm_pulse*"))
    ),
    reason="needs PulseAudio and its ALSA plugin (Debian: pulseaudio pulseaudio-utils libasound2-plugins)",
)


def environment(folder: Path, alsa_config: str) -> dict[str, str]:
    """Of a process with its own ALSA devices, and its own folder to look for a PulseAudio in."""
    (folder / "alsa.conf").write_text(alsa_config)
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("PULSE_")}
    private = dict.fromkeys(("HOME", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR", "PULSE_RUNTIME_PATH"), str(folder))
    return {**inherited, **private, "ALSA_CONFIG_PATH": str(folder / "alsa.conf"), "PYTHONPATH": str(ROOT)}


def file_microphone(folder: Path, pcm: np.ndarray) -> dict[str, str]:
    """A device `wavmic` that holds float32 [N], much faster than real time, and then whatever was in memory."""
    pcm.tofile(folder / "mic.raw")
    file = f'type file slave.pcm "null" file "/dev/null" infile "{folder / "mic.raw"}" format "raw"'
    return environment(folder, f"<{ALSA_BASE}>\npcm.wavmic {{ {file} }}\n")


class Process:
    """A program whose output lines can be waited for."""

    def __init__(self, command: list[str], env: dict[str, str]) -> None:
        self.process = subprocess.Popen(
            command,
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            # A shell starts what it puts in the background deaf to Ctrl-C, and its children inherit that.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        self._lines: queue.Queue[str] = queue.Queue()
        threading.Thread(target=lambda: [self._lines.put(line) for line in self.process.stdout], daemon=True).start()

    def next(self) -> dict[str, Any]:
        try:
            return json.loads(self._lines.get(timeout=PATIENCE_S))
        except queue.Empty:
            self.process.kill()
            raise AssertionError(f"no line for {PATIENCE_S} s; stderr: {self.process.stderr.read()}") from None

    def stop(self, by: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(by)
        try:
            return self.process.wait(PATIENCE_S)
        finally:
            self.process.kill()


class Pulse:
    """A PulseAudio of its own: what is played into the sink `room` is what its microphone hears."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.env = environment(folder, f"<{ALSA_BASE}>\npcm.pulse {{ type pulse }}\nctl.pulse {{ type pulse }}\n")
        self.start()

    def start(self) -> None:
        modules = [
            "module-native-protocol-unix",
            "module-null-sink sink_name=room rate=48000",
            "module-remap-source source_name=microphone master=room.monitor",
            # An array of six microphones.
            "module-null-sink sink_name=hall rate=44100 channels=6"
            " channel_map=front-left,front-right,rear-left,rear-right,front-center,lfe",
            "module-remap-source source_name=array master=hall.monitor channels=6 remix=no"
            " channel_map=front-left,front-right,rear-left,rear-right,front-center,lfe"
            " master_channel_map=front-left,front-right,rear-left,rear-right,front-center,lfe",
        ]
        loads = [argument for module in modules for argument in ("-L", module)]
        # As a daemon, it returns when it is ready.
        command = ["pulseaudio", "-n", "--daemonize=yes", "--exit-idle-time=-1", "--log-level=0", *loads]
        subprocess.run(command, env=self.env, stderr=subprocess.DEVNULL, timeout=PATIENCE_S, check=True)

    def play(self, pcm: np.ndarray, sink: str = "room") -> None:
        """Samples [N], at 16 kHz."""
        audio.write(self._folder / "room.wav", pcm, 16000)
        command = ["paplay", "-d", sink, str(self._folder / "room.wav")]
        subprocess.run(command, env=self.env, timeout=PATIENCE_S, check=True)

    def make_default(self, source: str) -> None:
        """What somebody does who chooses another microphone in the sound settings."""
        subprocess.run(["pactl", "set-default-source", source], env=self.env, timeout=PATIENCE_S, check=True)

    def record(self) -> subprocess.Popen:
        """A recorder of what the sink plays, as raw 16-bit mono at 44.1 kHz on its stdout."""
        command = ["parec", "-d", "room.monitor", "--rate=44100", "--channels=1", "--format=s16le", "--latency-msec=20"]
        return subprocess.Popen(command, env=self.env, stdout=subprocess.PIPE)

    def unplug(self) -> None:
        pid_file = self._folder / "pid"
        os.kill(int(pid_file.read_text()), signal.SIGKILL)
        pid_file.unlink()  # the next daemon would take a zombie for a running one


def listen(bundle: Path, device: str, threshold: float, env: dict[str, str], *options: str) -> Process:
    """`wakeword listen` on a microphone, with a line of JSON a detection."""
    verb = ["-m", "wakeword", "listen", str(bundle), "--device", device, "--threshold", str(threshold), "--json"]
    return Process([sys.executable, *verb, *options], env)


def level_listener(env: dict[str, str], *arguments: str) -> Process:
    """`level_word.py` on a microphone."""
    return Process([sys.executable, str(LEVEL_WORD), *arguments], env)


def run_python(code: str, env: dict[str, str]) -> bytes:
    return subprocess.run(
        [sys.executable, "-c", code], env=env, stdout=subprocess.PIPE, timeout=PATIENCE_S, check=True
    ).stdout
