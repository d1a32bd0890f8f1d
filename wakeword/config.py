"""Every number of the system, read strictly from TOML into the frozen models of `wakeword.sections`.

A value is given once, in a file of `configs/`; whatever follows from it is a property here. Lengths carry their unit in
their name. An unknown key or a wrong type is a `ConfigError` that names the key.

>>> config = load_config("activate")
>>> config.example_samples, config.input_frames, config.features.bins, config.output_steps
(441000, 5511, 101, 1375)
"""

from __future__ import annotations

import tomllib
from importlib import resources
from pathlib import Path
from typing import Any

from pydantic import ValidationError, model_validator

from wakeword.errors import ConfigError
from wakeword.sections import (
    AudioConfig,
    DetectorConfig,
    FeatureConfig,
    LabelConfig,
    ModelConfig,
    Section,
    SynthConfig,
    TrainConfig,
)

MICRO_RATE_HZ = 16000  # the only rate of that front end


class SystemConfig(Section):
    """All that a trained model is run by. The derived numbers below are exact integers, not roundings of seconds."""

    audio: AudioConfig
    features: FeatureConfig
    model: ModelConfig
    labels: LabelConfig
    detector: DetectorConfig

    @property
    def example_samples(self) -> int:
        return round(self.audio.example_s * self.audio.sample_rate_hz)

    @property
    def step_samples(self) -> int:
        """Samples from one output step to the next."""
        return self.features.hop_samples * self.model.conv_stride

    @property
    def step_ms(self) -> float:
        return 1000.0 * self.step_samples / self.audio.sample_rate_hz

    @property
    def warmup_steps(self) -> int:
        """Outputs at the start of a stream that have not yet seen a full window; they never fire."""
        return -(-self.receptive_samples // self.step_samples) - 1

    @property
    def receptive_samples(self) -> int:
        """Samples that one output sees directly: one window and kernel - 1 hops (the GRU adds all the past)."""
        return self.features.window_samples + (self.model.conv_kernel - 1) * self.features.hop_samples

    @property
    def input_frames(self) -> int:
        """Feature frames of one example: only windows that lie wholly inside it."""
        return 1 + (self.example_samples - self.features.window_samples) // self.features.hop_samples

    @property
    def output_steps(self) -> int:
        return 1 + (self.input_frames - self.model.conv_kernel) // self.model.conv_stride

    @model_validator(mode="after")
    def _parts_fit(self) -> SystemConfig:
        if self.features.window_samples < self.features.hop_samples:
            raise ValueError("features.window_samples is shorter than features.hop_samples")
        if self.example_samples < self.receptive_samples:
            raise ValueError(
                f"audio.example_s {self.audio.example_s} is shorter than one output's view of "
                f"{self.receptive_samples / self.audio.sample_rate_hz:.3f} s"
            )
        if self.features.kind == "micro" and self.audio.sample_rate_hz != MICRO_RATE_HZ:
            got = self.audio.sample_rate_hz
            raise ValueError(f"audio.sample_rate_hz: got {got}, expected {MICRO_RATE_HZ} for features of kind micro")
        nyquist = self.audio.sample_rate_hz / 2
        if self.features.kind == "log_mel" and self.features.high_hz > nyquist:
            raise ValueError(f"features.high_hz {self.features.high_hz} is above half the sample rate, {nyquist}")
        return self


class Config(SystemConfig):
    """What a configuration file holds: the system, what it is trained on, and how."""

    synth: SynthConfig
    train: TrainConfig


def config_names() -> list[str]:
    """Names of the configurations that come with the package."""
    return sorted(path.name.removesuffix(".toml") for path in _config_folder().iterdir() if path.name.endswith(".toml"))


def load_config(name_or_path: str | Path) -> Config:
    """Reads a TOML file, or one of the packaged configurations by its bare name (`"default"`).

    Raises ConfigError for a missing file, broken TOML, an unknown key, a wrong type or a value out of range.
    """
    text, origin = _read(name_or_path)
    try:
        values = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # of a TOMLDecodeError, of numbers that are too long, of depth
        raise ConfigError(f"{origin}: not valid TOML: {error}") from None
    return parse_config(values, origin)


def parse_config(values: dict[str, Any], origin: str = "config") -> Config:
    """Validates nested plain values; `origin` is what an error message calls them."""
    try:
        return Config.model_validate(values)
    except ValidationError as error:
        raise ConfigError(f"{origin}: {_first_problem(error)}") from None


def override(config: Config, **sections: dict[str, Any]) -> Config:
    """A copy with some values replaced: `override(config, train={"max_steps": 10})`. Validated like a file."""
    values = config.model_dump()
    for name, changes in sections.items():
        values[name] = {**values[name], **changes}
    return parse_config(values, "override")


def _read(name_or_path: str | Path) -> tuple[str, str]:
    path = Path(name_or_path)
    if path.suffix != ".toml" and len(path.parts) == 1 and not path.is_file():
        if str(name_or_path) not in config_names():
            raise ConfigError(f"config: got {str(name_or_path)!r}, expected a .toml file or one of {config_names()}")
        return _config_folder().joinpath(f"{name_or_path}.toml").read_text("utf-8"), f"config {name_or_path}"
    try:
        return path.read_text("utf-8"), str(path)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: got bytes that are not UTF-8, expected a TOML file") from None


def _config_folder() -> Any:
    """Package data in an installed wheel; the repository's `configs/` in a checkout."""
    packaged = resources.files("wakeword") / "configs"
    return packaged if packaged.is_dir() else Path(__file__).resolve().parent.parent / "configs"


def _first_problem(error: ValidationError) -> str:
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"] if part not in ("log_mel", "micro", "spectrogram")) or "config"
    more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    if first["type"] == "extra_forbidden":
        return f"unknown key {where}{more}"
    if first["type"] == "missing":
        return f"missing key {where}{more}"
    if first["type"] == "value_error":
        return f"{where}: {first['ctx']['error']}{more}"
    return f"{where}: got {first['input']!r}, {first['msg'].removeprefix('Input ').lower()}{more}"
