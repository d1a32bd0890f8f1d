"""The built wheel, installed elsewhere, works: its configurations, its command and its licences are in it."""

from __future__ import annotations

import email
import json
import os
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]

# hatchling comes with the extra `test`: building must not need the network.
pytest.importorskip("hatchling", reason="building a wheel needs the extra 'test'")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), str(ROOT))
    (built,) = folder.glob("wakeword-*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds nothing but the installed wheel; its dependencies come from this environment."""
    folder = tmp_path_factory.mktemp("elsewhere")
    pip("install", "--no-deps", "--target", str(folder), str(wheel))
    return folder


def test_the_wheel_holds_the_packages_the_configurations_and_the_licences(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    for room in ("wakeword", "synth", "firmware_export"):
        files = (path for path in (ROOT / room).rglob("*") if path.is_file() and "__pycache__" not in path.parts)
        assert {path.relative_to(ROOT).as_posix() for path in files} <= names
    assert "wakeword/report/page.html" in names
    assert {f"wakeword/configs/{path.name}" for path in (ROOT / "configs").glob("*.toml")} <= names
    assert "wakeword/weights/backbone.safetensors" in names
    assert {name.rpartition("/")[2] for name in names if "/licenses/" in name} == {"LICENSE", "NOTICE"}
    assert not [name for name in names if name.startswith(("tests/", "benchmarks/", "configs/"))]


def test_its_version_is_the_packages_and_a_plain_install_brings_no_training_package(wheel: Path) -> None:
    import wakeword

    archive = zipfile.ZipFile(wheel)
    (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
    metadata = email.message_from_bytes(archive.read(name))
    assert metadata["Version"] == wakeword.__version__
    plain = [line for line in metadata.get_all("Requires-Dist") if "extra ==" not in line]
    assert len(plain) == len(PROJECT["dependencies"])
    assert not [line for line in plain if line.startswith(("torch", "scipy", "matplotlib", "onnx>", "espeak", "ray"))]


def test_espeak_is_in_no_extra_but_its_own_and_all() -> None:
    extras = PROJECT["optional-dependencies"]
    holders = {extra for extra, needs in extras.items() if any("espeak" in need for need in needs)}
    assert holders == {"espeak", "all"}
    assert {"train", "serve", "firmware", "cluster", "test", "all"} <= set(extras)


def test_the_installed_command_finds_its_configurations_from_any_folder(installed: Path, tmp_path: Path) -> None:
    environment = os.environ | {"PYTHONPATH": str(installed)}
    command = [sys.executable, "-m", "wakeword", "info", "default", "--json"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["sample_rate_hz"] == 16000
    where = [sys.executable, "-c", "import wakeword; print(wakeword.__file__)"]
    found = subprocess.run(where, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    assert Path(found.stdout.strip()).is_relative_to(installed)


def test_every_pinned_version_is_of_a_package_that_is_asked_for() -> None:
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    pinned = {line.partition("==")[0] for line in lines if "==" in line}
    extras = (" ".join(needs) for needs in PROJECT["optional-dependencies"].values())
    named = " ".join([*PROJECT["dependencies"], *extras])
    assert "torch" in pinned
    assert not [name for name in pinned if name not in named]


def pip(*arguments: str) -> None:
    command = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "--no-input", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
