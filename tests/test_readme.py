"""The README is executable: its commands run here, in order, in an empty folder."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sound_system import HAS_ALSA, file_microphone
from synth_clips import make_clips, noise, syllables

from wakeword.audio import write

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text("utf-8")
COMMANDS = [
    line.partition(" # ")[0].strip()
    for block in re.findall(r"```bash\n(.*?)```", README, re.DOTALL)
    for line in block.splitlines()
    if line
]
# What would take a quarter of an hour, an hour of somebody's home, or somebody who speaks.
SHORTER = (
    ("wakeword train", " --max-steps 20"),
    ("wakeword train .*--takes", " --config tiny --voice espeak"),
    ("wakeword record", " --device wavmic"),
    ("wakeword record .*--background", " --background 0.2"),
    ("wakeword calibrate", " --target-fa-per-hour 1000"),
)
INSTALL = re.compile(r"^pip install .*? && ")
pytest.importorskip("espeakng_loader", reason="the README's demo speaks with the extra 'espeak'")


def run(command: str, folder: Path, environment: dict[str, str]) -> str:
    """Runs a README command with this Python and this checkout, and returns what it printed."""
    words = shlex.split(command)
    assert words[0] == "wakeword", f"the README has a command that this test does not know: {command}"
    done = subprocess.run(
        [sys.executable, "-m", *words],
        cwd=folder,
        env=environment,
        input="\n" * 20,  # whoever is asked presses Enter
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def shortened(command: str) -> str:
    """Of an option that is given twice the last one counts."""
    return command + "".join(option for pattern, option in SHORTER if re.match(pattern, command))


def spoken(seed: int) -> np.ndarray:
    """A word with silence around it, 2.3 s at 44.1 kHz."""
    hush = noise(0.8, rate_hz=44100) * 0.02
    return np.concatenate([hush, syllables(0.7, seed, 44100), hush]).astype(np.float32)


def room_with_a_speaker(folder: Path) -> dict[str, str]:
    """The environment of a process whose microphone hears words; without ALSA, what would have been recorded there."""
    if HAS_ALSA:
        return file_microphone(folder, np.concatenate([spoken(seed) for seed in range(12)]))
    for number in range(10):
        write(folder / "takes" / "hey_computer" / f"{number}.wav", spoken(number), 44100)
        write(folder / "my_home" / f"{number}.wav", spoken(number), 44100)
    return dict(os.environ)


def test_the_first_two_commands_install_and_run_the_demo_and_the_tests() -> None:
    assert INSTALL.sub("", COMMANDS[0]) == "wakeword demo"
    assert INSTALL.sub("", COMMANDS[1]) == "python -m pytest -q"
    assert all(INSTALL.match(command) for command in COMMANDS[:2])


@pytest.mark.timeout(1200)
def test_every_command_of_the_readme_runs_and_the_demo_hears_its_words(tmp_path: Path) -> None:
    environment = room_with_a_speaker(tmp_path) | {"PYTHONPATH": str(ROOT), "WAKEWORD_CACHE": str(tmp_path / "cache")}
    printed = run(INSTALL.sub("", COMMANDS[0]), tmp_path, environment)
    heard, said = map(int, re.search(r"heard (\d+) of (\d+) words", printed).groups())
    assert heard >= said / 2, printed
    assert (tmp_path / "demo.png").stat().st_size > 10_000
    make_clips(tmp_path / "clips")
    for command in COMMANDS[2:]:
        if HAS_ALSA or not command.startswith("wakeword record"):
            run(shortened(command), tmp_path, environment)
    assert (tmp_path / "chimed.wav").exists()
    assert (tmp_path / "models" / "from_dataset" / "model.json").exists()


def test_the_python_example_runs(tiny_bundle: Path) -> None:
    import numpy as np

    code = re.search(r"```python\n(.*?)```", README, re.DOTALL).group(1)
    exec(code.replace("models/demo", str(tiny_bundle)), {"pcm": np.zeros(16000, np.int16)})


@pytest.mark.parametrize("benchmark", sorted((ROOT / "benchmarks").glob("*.py")), ids=lambda path: path.stem)
def test_every_benchmark_starts_from_any_folder(benchmark: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(benchmark), "--help"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"usage: {benchmark.name}")
