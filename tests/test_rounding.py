"""Weights in training rounded just as the device's are."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch", reason="training needs the extra 'train'")

import torch

from firmware_export.quantize import quantize_matrix
from wakeword.config import load_config, override
from wakeword.model import WakeModel, folded_weights
from wakeword.rounding import rounded_weights


@pytest.fixture
def model() -> WakeModel:
    """Two GRUs, so that a norm is folded into each kind of layer; its norms have seen something."""
    torch.manual_seed(3)
    made = WakeModel(override(load_config("micro"), model={"gru_units": [24, 16]})).eval()
    for norm in (made.conv_norm, *made.gru_norm):
        norm.running_mean.normal_(0.0, 0.5)
        norm.running_var.uniform_(0.05, 3.0)
        torch.nn.init.uniform_(norm.weight, -1.5, 1.5)
    return made


def device_error(weights: dict[str, np.ndarray]) -> float:
    """The most that int8 takes from a weight, in units of its row's scale: at most a half."""
    worst = 0.0
    for name in ("conv.weight", "gru.0.weight_ih", "gru.0.weight_hh", "gru.1.weight_ih", "head.weight"):
        rows = weights[name].reshape(len(weights[name]), -1).astype(np.float64)
        matrix = quantize_matrix(rows, np.zeros(len(rows)), 1e-4, 1e-4)
        scale = np.abs(rows).max(axis=1) / 127
        worst = max(worst, float(np.abs(rows / scale[:, None] - matrix.weight).max()))
    return worst


def test_inside_the_device_rounds_nothing_any_more(model: WakeModel) -> None:
    assert device_error(folded_weights(model)) > 0.4
    with rounded_weights(model):
        assert device_error(folded_weights(model)) < 1e-3


def test_weights_are_as_before_even_after_an_error(model: WakeModel) -> None:
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with pytest.raises(RuntimeError, match="stopped"), rounded_weights(model):
        raise RuntimeError("stopped")
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


def test_the_gradient_is_taken_at_the_rounded_weights(model: WakeModel) -> None:
    pcm = torch.randn(2, 16000) * 0.1
    with rounded_weights(model):
        loss = model(pcm, model.empty_state(2))[0].square().mean()
        loss.backward()
    grads = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
    model.zero_grad()
    with rounded_weights(model):
        weights = {name: value.clone() for name, value in model.state_dict().items()}
    model.load_state_dict(weights)
    model(pcm, model.empty_state(2))[0].square().mean().backward()
    for name, parameter in model.named_parameters():
        assert torch.allclose(grads[name], parameter.grad, atol=1e-7), name
