"""Several networks whose frozen layers are computed once for all."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="needs torch: pip install .[train]")

from wakeword.config import load_config, override  # noqa: E402
from wakeword.model import WakeModel  # noqa: E402
from wakeword.teachers import Teachers  # noqa: E402

CONFIG = override(load_config("tiny"), model={"gru_units": [12, 8], "dropout": 0.0})


def same_but_above(layers: int) -> list[WakeModel]:
    """Three networks, equal in so many layers."""
    models = [WakeModel(CONFIG, 2) for _ in range(3)]
    names = (("conv",), ("gru.0", "gru_norm.0"))[:layers]
    starts = tuple(start for part in names for start in part)
    first = {name: value for name, value in models[0].state_dict().items() if starts and name.startswith(starts)}
    for model in models:
        model.load_state_dict(first, strict=False)
    return models


@pytest.mark.parametrize("layers", [0, 1, 2])
def test_each_says_what_it_says_alone(layers: int) -> None:
    torch.manual_seed(1)
    models = same_but_above(layers)
    teachers = Teachers(models).eval()
    teachers.freeze(layers)
    pcm = 0.1 * torch.randn(4, CONFIG.example_samples)
    with torch.no_grad():
        alone = [model(pcm, model.empty_state(4))[0] for model in models]
        torch.testing.assert_close(teachers.each(pcm), torch.stack(alone))
        torch.testing.assert_close(teachers(pcm), torch.stack(alone).mean(dim=0))


def test_what_is_frozen_gets_no_gradient_and_the_rest_of_each_does() -> None:
    teachers = Teachers(same_but_above(2)).train()
    teachers.freeze(2)
    teachers.each(0.1 * torch.randn(2, CONFIG.example_samples)).square().sum().backward()
    for model in teachers.models:
        assert model.conv.weight.grad is None and model.gru[0].weight_hh_l0.grad is None
        assert model.gru[1].weight_hh_l0.grad.abs().sum() > 0 and model.head.weight.grad.abs().sum() > 0
