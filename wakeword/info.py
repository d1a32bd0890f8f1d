"""Every number of a configuration or a bundle, given or derived, as one plain dictionary.

>>> numbers("activate")["output_steps"], numbers("activate")["label_steps"]
(1375, 50)
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from wakeword.bundle import Bundle, located, read_bundle
from wakeword.config import SystemConfig, config_names, load_config
from wakeword.features import tables
from wakeword.phones import PHONES


def numbers(config_or_bundle: str | Path) -> dict[str, Any]:
    """Numbers of a bundle folder, a TOML file or a packaged configuration's name, ready for JSON.

    A ready model's name stands for the model; but where a configuration has the same name, for the configuration.
    Raises ConfigError or BundleError if it is none of them.
    """
    named = str(config_or_bundle) in config_names() and not Path(config_or_bundle).is_dir()
    if not named and located(config_or_bundle).is_dir():
        return _bundle_numbers(read_bundle(config_or_bundle))
    config = load_config(config_or_bundle)
    grid_steps = round(1000 * config.audio.example_s / config.synth.grid_ms)
    derived = {**derived_numbers(config), "grid_steps": grid_steps}
    return {"kind": "config", **derived, "config": config.model_dump(mode="json")}


def derived_numbers(config: SystemConfig, phrases: int = 1) -> dict[str, Any]:
    """What follows from a configuration, for a model that knows `phrases` phrases (or, if enrolled, so many phones)."""
    macs = macs_per_second(config, phrases)
    return {
        "sample_rate_hz": config.audio.sample_rate_hz,
        "example_samples": config.example_samples,
        "input_frames": config.input_frames,
        "input_bins": config.features.bins,
        "output_steps": config.output_steps,
        "step_samples": config.step_samples,
        "step_ms": config.step_ms,
        "label_steps": config.labels.label_steps,
        "smoothing_steps": config.detector.smoothing_steps,
        "patience_steps": config.detector.patience_steps,
        "refractory_steps": config.detector.refractory_steps,
        "refractory_s": config.detector.refractory_steps * config.step_ms / 1000,
        "added_latency_ms": added_latency_ms(config),
        "rule_latency_ms": (config.detector.smoothing_steps + config.detector.patience_steps - 2) * config.step_ms,
        "receptive_field_samples": config.receptive_samples,
        "receptive_field_s": config.receptive_samples / config.audio.sample_rate_hz,
        "conv_filters": config.model.conv_filters,
        "conv_kernel": config.model.conv_kernel,
        "conv_stride": config.model.conv_stride,
        "gru_units": list(config.model.gru_units),
        "members": config.model.members,
        "parameters": parameters(config, phrases),
        "inference_parameters": parameters(config, phrases, folded=True),
        "macs_per_second": sum(macs.values()),
        "macs_per_second_by_part": macs,
    }


def added_latency_ms(config: SystemConfig) -> float:
    """The longest time from a sample to the score that has wholly heard it, however fast the machine.

    It is held back until its step is full, and a window has heard it wholly when it has passed it. What the decision
    rule then waits for, means and patience over several scores, is `rule_latency_ms`.
    """
    return config.step_ms + 1000.0 * config.features.window_samples / config.audio.sample_rate_hz


def parameters(config: SystemConfig, phrases: int = 1, folded: bool = False) -> int:
    """Trainable parameters; `folded` leaves out the batch norms (two numbers a channel), as a bundle does."""
    model = config.model
    conv = model.conv_filters * (config.features.bins * model.conv_kernel + 1)
    gru = sum(3 * h * (i + h) + 6 * h for i, h in model.grus)
    head = phrases * (model.head_inputs + 1)
    spotter = _spotter_parameters(config) if model.spotter else 0
    normed = model.conv_filters + sum(h for _, h in model.grus)
    return conv + gru + head + spotter + (0 if folded else 2 * normed)


def _spotter_parameters(config: SystemConfig) -> int:
    """Of its GRUs and its head of phones, which stay as the backbone has them."""
    grus = config.model.spotter_grus
    return sum(3 * h * (i + h) + 6 * h for i, h in grus) + len(PHONES) * (grus[-1][1] + 1)


def macs_per_second(config: SystemConfig, phrases: int = 1) -> dict[str, int]:
    """Multiply-accumulates for one second of audio, by part. The DFT counts as the two matrix products of the graph.

    Features of kind micro are not counted: they are a library's, in fixed point.
    """
    model = config.model
    frames_per_s = config.audio.sample_rate_hz / config.features.hop_samples
    steps_per_s = config.audio.sample_rate_hz / config.step_samples
    per_step = {
        "conv": model.conv_filters * config.features.bins * model.conv_kernel,
        "gru": sum(3 * h * (i + h) for i, h in model.grus),
        "head": phrases * model.head_inputs,
    }
    if model.spotter:
        grus = model.spotter_grus
        per_step["spotter"] = sum(3 * h * (i + h) for i, h in grus) + len(PHONES) * grus[-1][1]
    return {name: round(macs * frames_per_s) for name, macs in _front_end_macs(config).items()} | {
        name: round(macs * steps_per_s) for name, macs in per_step.items()
    }


def _front_end_macs(config: SystemConfig) -> dict[str, int]:
    """Multiply-accumulates for one frame."""
    if config.features.kind == "micro":
        return {}
    t = tables(config)
    bins = len(t.used_bins())
    return {"dft": bins * t.fft_samples, "mel": 0 if t.mix is None else bins * t.bins}


def _bundle_numbers(bundle: Bundle) -> dict[str, Any]:
    card = bundle.card
    files = sorted(path for path in bundle.path.rglob("*") if path.is_file())
    enrolled = card.paths and not card.config.model.spotter
    return {
        "kind": "bundle",
        "format_version": card.format_version,
        "phrases": card.phrases,
        "thresholds": card.thresholds,
        "phrase_s": card.phrase_s,
        "file_bytes": {path.relative_to(bundle.path).as_posix(): path.stat().st_size for path in files},
        **derived_numbers(card.config, len(PHONES) if enrolled else len(card.phrases)),
        "provenance": card.provenance,
        "config": card.config.model_dump(mode="json"),
    }
