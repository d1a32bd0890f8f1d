"""Fixtures that several rooms share."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest


@pytest.fixture(scope="session", autouse=True)
def one_torch_thread() -> None:
    """The test networks are so small that more threads only get in each other's way."""
    if find_spec("torch"):
        import torch

        torch.set_num_threads(1)


@pytest.fixture(scope="session")
def tiny_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real bundle of the tiny configuration with random weights: right in form, knows nothing."""
    torch = pytest.importorskip("torch", reason="exporting needs the extra 'train'")
    from wakeword.bundle import Card, write_bundle
    from wakeword.config import load_config
    from wakeword.export import export
    from wakeword.model import WakeModel

    torch.manual_seed(7)
    config = load_config("tiny")
    model = WakeModel(config).eval()
    for norm in (model.conv_norm, *model.gru_norm):
        norm.running_mean.normal_(0.0, 0.3)
        norm.running_var.uniform_(0.5, 2.0)
    card = Card(phrases=["hey test"], thresholds=[0.5], phrase_s=[0.6], config=config, provenance={"made": "for tests"})
    return write_bundle(tmp_path_factory.mktemp("bundles") / "tiny", card, *export(model, card)).path
