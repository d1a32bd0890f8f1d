"""A bundle that the integer runtime can express, with random weights: right in form, fires often, knows nothing."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from firmware_export.device import generated
from firmware_export.layers import read_layers
from firmware_export.package import lay_out
from firmware_export.quantize import Quantized, quantize
from firmware_export.reference import Trace, run
from firmware_export.verify import proof_signal
from wakeword.bundle import Bundle, Card, write_bundle
from wakeword.config import SystemConfig, load_config, override


class Exported(NamedTuple):
    """The packaged configuration's C in a folder, and what it must say of a signal, int16 [N]."""

    network: Quantized
    folder: Path
    signal: np.ndarray
    trace: Trace


def exported_micro(folder: Path, part_s: float) -> Exported:
    """The C of a bundle in folder/c; `part_s` is the length of each part of the signal."""
    bundle = micro_bundle(folder / "bundle", ["hey micro"], small=False)
    golden, _ = bundle.golden()
    network = quantize(read_layers(bundle.path), golden / 32768)
    lay_out(folder / "c", "c", ("hey micro",), generated(network, golden))
    signal = proof_signal(16000, golden, part_s=part_s)
    return Exported(network, folder / "c", signal, run(network, signal))


def micro_bundle(path: Path, phrases: list[str], *, small: bool = True) -> Bundle:
    """`small`: two GRUs of odd sizes, quick to run; otherwise the packaged configuration. Thresholds: of the golden."""
    import torch

    from wakeword.export import export
    from wakeword.model import WakeModel

    config = load_config("micro")
    if small:
        model = {"conv_filters": 13, "conv_kernel": 5, "gru_units": [10, 7]}
        config = override(config, model=model, features={"mel_bins": 11}, detector={"refractory_steps": 3})
    config = SystemConfig(**{name: getattr(config, name) for name in SystemConfig.model_fields})
    torch.manual_seed(11)
    network = WakeModel(config, labels=len(phrases)).eval()
    for norm in (network.conv_norm, *network.gru_norm):
        norm.running_mean.normal_(0.0, 0.3)
        norm.running_var.uniform_(0.3, 1.5)
    network.head.weight.data *= 8
    card = Card(
        phrases=phrases, thresholds=[0.5] * len(phrases), phrase_s=[0.6] * len(phrases), config=config, provenance={}
    )
    graph, weights, golden = export(network, card)
    middle = np.median(golden[1][5:], axis=0).clip(0.05, 0.95).tolist()
    card = card.model_copy(update={"thresholds": middle})
    return write_bundle(path, card, graph, weights, golden)
