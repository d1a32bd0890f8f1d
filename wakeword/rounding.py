"""Weights rounded while a network is trained or judged, as a microcontroller has them: int8, a scale for each row.

Training with the rounding in the loop lets the network find weights that lose nothing by it. The gradient is taken at
the rounded weights and applied to the full ones ("straight-through"; Jacob et al. 2018, arXiv:1712.05877). Activations
stay as they are: on the device they are int16, whose rounding is far below that of the weights.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from wakeword.model import WakeModel

LARGEST = 127


@contextmanager
def rounded_weights(model: WakeModel) -> Iterator[None]:
    """Inside, the model's matrices are what `firmware_export.quantize` makes of them; afterwards they are as before."""
    matrices = list(_matrices(model))
    kept = [parameter.detach().clone() for parameter, _ in matrices]
    with torch.no_grad():
        for parameter, columns in matrices:
            parameter.copy_(_rounded(parameter.flatten(1) * columns).div_(columns).view_as(parameter))
    try:
        yield
    finally:
        with torch.no_grad():
            for (parameter, _), before in zip(matrices, kept, strict=True):
                parameter.copy_(before)


def _matrices(model: WakeModel) -> Iterator[tuple[nn.Parameter, Tensor]]:
    """Each matrix with what its columns are multiplied by before they are rounded: the norm that is folded into it."""
    alone = columns = model.conv.weight.new_ones(1)
    yield model.conv.weight, columns
    for grus, norm in model.layers():
        for gru in grus:
            yield gru.weight_ih_l0, columns
            yield gru.weight_hh_l0, alone
        columns = norm.weight.detach() / torch.sqrt(norm.running_var + norm.eps)
        columns = torch.where(columns.abs() < 1e-6, 1e-6, columns)  # a channel that is off rounds to nothing
    yield model.head.weight, columns


def _rounded(rows: Tensor) -> Tensor:
    """[R, I] to whole multiples of each row's 127th part."""
    scale = (rows.abs().amax(dim=1, keepdim=True) / LARGEST).clamp(min=1e-12)
    return torch.round(rows / scale).mul_(scale)
