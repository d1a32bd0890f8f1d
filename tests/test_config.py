"""Configuration files: strict about names, types and ranges, in one line that names the key."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import ValidationError

from wakeword.config import Config, config_names, load_config, override
from wakeword.errors import ConfigError
from wakeword.info import parameters

DEFAULT = load_config("default")
DEFAULT_TEXT = (Path(__file__).parent.parent / "configs" / "default.toml").read_text("utf-8")


@pytest.mark.parametrize("name", config_names())
def test_every_packaged_configuration_loads_and_survives_json(name: str) -> None:
    config = load_config(name)
    assert Config.model_validate_json(config.model_dump_json()) == config


def test_the_packaged_configurations_are_known_by_name() -> None:
    assert {"activate", "default", "tiny"} <= set(config_names())


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("conv_stride", "conv_strides", r"unknown key model\.conv_strides|missing key model\.conv_stride"),
        ("hop_samples = 160", "", r"missing key features\.hop_samples"),
        ("conv_filters = 96", 'conv_filters = "many"', r"model\.conv_filters: got 'many'"),
        ("conv_filters = 96", "conv_filters = 0", r"model\.conv_filters: got 0, .*greater than or equal to 1"),
        ("conv_kernel = 8", "conv_kernel = 1", r"conv_kernel 1 is shorter than conv_stride 4"),
        ("gru_units = [96, 96]", "gru_units = []", r"model\.gru_units"),
        ("dropout = 0.1", "dropout = 1.0", r"model\.dropout: got 1\.0, .*less than 1"),
        ("threshold = 0.5", "threshold = 1.5", r"detector\.threshold: got 1\.5"),
        ("snr_db = [0.0, 60.0]", "snr_db = [60.0, 0.0]", r"snr_db: a range is \[low, high\], got \[60\.0, 0\.0\]"),
        ("activates = [0, 2]", "activates = [0.5, 2]", r"synth\.activates"),
        ('kind = "log_mel"', 'kind = "wavelet"', r"features: got .*"),
        ("high_hz = 7600.0", "high_hz = 9000.0", r"high_hz 9000\.0 is above half the sample rate"),
        ("low_hz = 60.0", "low_hz = 7700.0", r"low_hz 7700\.0 is not below high_hz"),
        ("conv_kernel = 8", "conv_kernel = 800", r"example_s 6\.0 is shorter than one output's view of 8\.015 s"),
        ("[audio]", "[audio", r"not valid TOML"),
        ("example_s = 6.0", "example_s = inf", r"audio\.example_s: got inf, should be a finite number"),
        ("gru_units = [96, 96]", "gru_units = [0]", r"model\.gru_units\.0: got 0, .*greater than or equal to 1"),
        ("speed = [0.88, 1.14]", "speed = [0.0, 1.14]", r"speed: got \[0\.0, 1\.14\], expected two numbers from 0\.1"),
        ("rt60_s = [0.1, 0.7]", "rt60_s = [nan, 0.7]", r"rt60_s\.0: got nan, should be a finite number"),
    ],
)
def test_a_mistake_is_one_line_that_names_the_key(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in DEFAULT_TEXT
    path = tmp_path / "mine.toml"
    path.write_text(DEFAULT_TEXT.replace(old, new, 1), "utf-8")
    with pytest.raises(ConfigError, match=message) as caught:
        load_config(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_files_that_are_not_there_or_not_text_are_named(tmp_path: Path) -> None:
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match=r"gone\.toml: cannot be read"):
        load_config(tmp_path / "gone.toml")
    with pytest.raises(ConfigError, match=r"binary\.toml: got bytes that are not UTF-8"):
        load_config(tmp_path / "binary.toml")
    with pytest.raises(ConfigError, match=r"got 'nonsense', expected a \.toml file or one of \['activate', "):
        load_config("nonsense")


def test_a_folder_that_bears_a_configuration_s_name_does_not_hide_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "default").mkdir()
    monkeypatch.chdir(tmp_path)
    assert load_config("default") == DEFAULT


def test_the_default_network_has_60_to_150_thousand_parameters() -> None:
    assert 60_000 <= parameters(DEFAULT) <= 150_000


def test_override_replaces_values_and_checks_them_like_a_file() -> None:
    assert override(DEFAULT, train={"max_steps": 10}).train.max_steps == 10
    assert DEFAULT.train.max_steps != 10
    with pytest.raises(ConfigError, match=r"unknown key train\.steps"):
        override(DEFAULT, train={"steps": 10})


def test_a_configuration_cannot_be_changed_in_place() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        DEFAULT.train.max_steps = 1


@given(st.integers(8, 400), st.integers(0, 400), st.integers(1, 12), st.integers(0, 6), st.integers(4000, 20000))
def test_frames_and_steps_are_the_windows_that_fit(hop: int, more: int, stride: int, extra: int, samples: int) -> None:
    window, kernel = hop + more, stride + extra
    features = {"window_samples": window, "hop_samples": hop, "fft_samples": 1024}
    sizes = {"conv_kernel": kernel, "conv_stride": stride}
    assume(samples >= window + (kernel - 1) * hop)
    config = override(
        DEFAULT, audio={"sample_rate_hz": 16000, "example_s": samples / 16000}, features=features, model=sizes
    )
    frames = [start for start in range(0, samples, hop) if start + window <= samples]
    steps = [start for start in range(0, len(frames), stride) if start + kernel <= len(frames)]
    assert (config.example_samples, config.input_frames, config.output_steps) == (samples, len(frames), len(steps))
