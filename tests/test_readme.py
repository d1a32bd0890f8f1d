"""The README is executable: its commands run here, in order, in an empty folder."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.synth_clips import make_clips

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text("utf-8")
COMMANDS = [
    line for block in re.findall(r"```bash\n(.*?)```", README, re.DOTALL) for line in block.splitlines() if line
]
INSTALL = re.compile(r"^pip install .*? && ")
pytest.importorskip("espeakng_loader", reason="the README's demo speaks with the extra 'espeak'")


def run(command: str, folder: Path) -> str:
    """Runs a README command with this Python and this checkout, and returns what it printed."""
    words = shlex.split(command)
    assert words[0] == "wakeword", f"the README has a command that this test does not know: {command}"
    environment = os.environ | {"PYTHONPATH": str(ROOT), "WAKEWORD_CACHE": str(folder / "cache")}
    done = subprocess.run(
        [sys.executable, "-m", *words], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def test_the_first_two_commands_install_and_run_the_demo_and_the_tests() -> None:
    assert INSTALL.sub("", COMMANDS[0]) == "wakeword demo"
    assert INSTALL.sub("", COMMANDS[1]) == "python -m pytest -q"
    assert all(INSTALL.match(command) for command in COMMANDS[:2])


@pytest.mark.timeout(1200)
def test_every_command_of_the_readme_runs_and_the_demo_hears_its_words(tmp_path: Path) -> None:
    printed = run(INSTALL.sub("", COMMANDS[0]), tmp_path)
    heard, said = map(int, re.search(r"heard (\d+) of (\d+) words", printed).groups())
    assert heard >= said / 2, printed
    assert (tmp_path / "demo.png").stat().st_size > 10_000
    make_clips(tmp_path / "clips")
    for command in COMMANDS[2:]:
        run(command, tmp_path)
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
