"""The network: features, Conv1D, GRUs, one logit per label and step. `forward(pcm, state) -> (logits, state)`.

Training, whole-file scoring and streaming are this one call. They differ only in the state they start from: a stream
starts from zeros (silence before it), a training example from `empty_state` (nothing before it, so that no padding is
ever trained on). Where dropout and batch norm stand follows the seed system.
"""

from __future__ import annotations

from itertools import chain
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from wakeword.config import SystemConfig
from wakeword.errors import BundleError, ConfigError
from wakeword.features import Tables, tables
from wakeword.features.micro import frames
from wakeword.path import HEARING, WEIGHT, Paths, hearing_in
from wakeword.spotter import SpotState, Spotter

BATCH_NORM_EPSILON = 1e-3


class State(NamedTuple):
    """What a stream carries from call to call. B batch, F bins, H hidden."""

    pcm: Tensor  # [B, P] samples that the next window needs again
    norm: Tensor  # [B, F + 1] running energy sums and their weight
    conv: Tensor  # [B, F, Q] frames that the next convolution needs again
    gru: tuple[Tensor, ...]  # [1, B, H] each
    spot: SpotState | None = None  # of a model with a spotter


class FrontEnd(nn.Module):
    """PCM [B, N] -> feature frames [B, F, T]: torch's twin of `wakeword.features.compute`."""

    def __init__(self, t: Tables) -> None:
        super().__init__()
        self.tables = t
        self.register_buffer("window", torch.tensor(t.window, dtype=torch.float32), persistent=False)
        self.register_buffer("bin_gain", torch.tensor(t.bin_gain, dtype=torch.float32), persistent=False)
        mix = None if t.mix is None else torch.tensor(t.mix, dtype=torch.float32)
        self.register_buffer("mix", mix, persistent=False)
        mask = None if t.norm is None else torch.tensor(t.norm.mask, dtype=torch.float32)
        self.register_buffer("mask", mask, persistent=False)

    def forward(self, pcm: Tensor, carried: Tensor, norm: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """pcm [B, N], carried [B, P], norm [B, F + 1] -> frames [B, F, T], and the next carried and norm."""
        samples = torch.cat([carried, pcm], dim=1)
        windows = samples.unfold(1, len(self.window), self.tables.hop_samples)  # [B, T, W]
        energy = torch.stack([self._energies(one) for one in windows])  # one by one they stay in the processor's cache
        if self.tables.norm is not None:
            energy, norm = self._normalised(energy, norm)
        return energy.transpose(1, 2), samples[:, windows.shape[1] * self.tables.hop_samples :], norm

    def _energies(self, windows: Tensor) -> Tensor:
        """Windows [T, W] of one example -> band energies [T, F]."""
        spectrum = torch.fft.rfft(windows * self.window, self.tables.fft_samples)
        energy = (spectrum.real**2 + spectrum.imag**2) * self.bin_gain
        return energy if self.mix is None else energy @ self.mix

    def _normalised(self, energy: Tensor, norm: Tensor) -> tuple[Tensor, Tensor]:
        """The running mean as one triangular matrix product, so that training needs no loop over frames."""
        rule, frames = self.tables.norm, energy.shape[1]
        numbers = torch.arange(frames + 1, device=energy.device)
        powers = (rule.keep ** numbers.double()).float()
        age = numbers[:-1, None] - numbers[None, :-1]
        decay = (1 - rule.keep) * powers[age.clamp(min=0)].tril()
        ones = torch.ones_like(energy[:, :, :1])
        sums = decay @ torch.cat([energy, ones], dim=2) + powers[1:, None] * norm[:, None, :]
        mean = sums[:, :, :-1] / sums[:, :, -1:] + rule.floor
        hidden = mean.sum(dim=2, keepdim=True) * self.mask
        return torch.log((energy + rule.floor + hidden) / (mean + hidden) + rule.offset), sums[:, -1]


class MicroFrontEnd(nn.Module):
    """The same call for features of kind micro. What it carries is all of the stream, [B, N so far]: their own state
    cannot be taken out of the library, and a training example is one call. `norm` comes back as it is."""

    def forward(self, pcm: Tensor, carried: Tensor, norm: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        pairs = zip(pcm.cpu().numpy(), carried.cpu().numpy(), strict=True)
        made = np.stack([frames(new, before).T for new, before in pairs])
        return torch.from_numpy(made).to(pcm.device), torch.cat([carried, pcm], dim=1), norm


class WakeModel(nn.Module):
    """The whole chain from PCM to logits. `labels` is K, the number of phrases.

    Where `config.model.spotter` says so, `paths` are those of the phrases through the backbone's phones.
    """

    def __init__(self, config: SystemConfig, labels: int = 1, paths: Paths | None = None) -> None:
        super().__init__()
        sizes, drop = config.model, config.model.dropout
        self.features = config.features
        self.front = MicroFrontEnd() if config.features.kind == "micro" else FrontEnd(tables(config))
        self.conv = nn.Conv1d(config.features.bins, sizes.conv_filters, sizes.conv_kernel, sizes.conv_stride)
        self.conv_norm = nn.BatchNorm1d(sizes.conv_filters, eps=BATCH_NORM_EPSILON)
        self.members = sizes.members
        self.gru = nn.ModuleList(nn.GRU(i, h, batch_first=True) for i, h in sizes.grus)
        widths = (*sizes.gru_units[:-1], sizes.head_inputs)
        self.gru_norm = nn.ModuleList(nn.BatchNorm1d(width, eps=BATCH_NORM_EPSILON) for width in widths)
        self.dropout = nn.Dropout(drop)
        self.head = nn.Linear(sizes.head_inputs, labels)
        with torch.no_grad():
            self.head.weight.mul_(sizes.members**0.5)  # as each member's own would begin, which has fewer inputs
        if sizes.spotter and (paths is None or paths.phrases != labels):
            raise ConfigError("model.spotter: got no pronunciation of each phrase, expected false there")
        self.spotter = Spotter(sizes.spotter_grus, paths, BATCH_NORM_EPSILON) if sizes.spotter and paths else None

    def zero_state(self, batch: int = 1) -> State:
        """The state at the start of a stream: zeros."""
        features, device = self.features, self.head.weight.device
        history = self.conv.kernel_size[0] - self.conv.stride[0]
        return State(
            torch.zeros(batch, features.window_samples - features.hop_samples, device=device),
            torch.zeros(batch, features.bins + 1, device=device),
            torch.zeros(batch, features.bins, history, device=device),
            tuple(torch.zeros(1, batch, gru.hidden_size, device=device) for gru in self.gru),
            self.spotter.zero_state(batch) if self.spotter else None,
        )

    def empty_state(self, batch: int) -> State:
        """The state at the start of a training example: no samples and no frames before the first."""
        zeros = self.zero_state(batch)
        return zeros._replace(pcm=zeros.pcm[:, :0], conv=zeros.conv[:, :, :0])

    def freeze(self, layers: int) -> None:
        """Keeps the weights and batch statistics of so many layers as they are: the convolution, then the GRUs."""
        parts = [(self.conv, self.conv_norm), *((*grus, norm) for grus, norm in self.layers())]
        for module in chain.from_iterable(parts[:layers]):
            module.eval().requires_grad_(False)

    def layers(self) -> list[tuple[list[nn.GRU], nn.BatchNorm1d]]:
        """Each layer of GRUs with its norm. Several GRUs hear the same, and their outputs are joined."""
        grus, lower = list(self.gru), len(self.gru) - self.members
        return list(zip([*([gru] for gru in grus[:lower]), grus[lower:]], self.gru_norm, strict=True))

    def forward(self, pcm: Tensor, state: State) -> tuple[Tensor, State]:
        """pcm float32 [B, N] in -1..1 -> logits [B, T, K] and the next state."""
        x, after = self.below(pcm, state)
        said, last = self.above(x, state)
        logits, after = said.mean(dim=0), after._replace(gru=(*after.gru, *last))
        if self.spotter is None:
            return logits, after
        path, spot = self.spotter(x, state.spot)
        return (logits + WEIGHT * path) / (1.0 + WEIGHT), after._replace(spot=spot)

    def each(self, pcm: Tensor, state: State) -> tuple[Tensor, tuple[Tensor, ...]]:
        """pcm float32 [B, N] in -1..1 -> each member's logits [M, B, T, K], whatever a spotter thinks of them.

        And what the GRUs carry on, as `State.gru`.
        """
        x, after = self.below(pcm, state)
        said, last = self.above(x, state)
        return said, (*after.gru, *last)

    def below(self, pcm: Tensor, state: State) -> tuple[Tensor, State]:
        """pcm [B, N] -> what the last layer hears, [B, T, I], and the next state of all that."""
        with torch.no_grad():
            frames, pcm_left, norm = self.front(pcm, state.pcm, state.norm)
        frames = torch.cat([state.conv, frames], dim=2)
        x = self.dropout(torch.relu(self.conv_norm(self.conv(frames))))  # [B, C, T]
        frames_left = frames[:, :, x.shape[2] * self.conv.stride[0] :]
        hidden: list[Tensor] = []
        for grus, norm_layer in self.layers()[:-1]:
            steps, last = grus[0](x.transpose(1, 2), state.gru[len(hidden)])
            x = norm_layer(self.dropout(steps.transpose(1, 2)))
            hidden.append(last)
        return x.transpose(1, 2), State(pcm_left, norm, frames_left, tuple(hidden))

    def above(self, x: Tensor, state: State) -> tuple[Tensor, list[Tensor]]:
        """What the last layer hears, [B, T, I] -> each member's logits [M, B, T, K] and what its GRU carries on."""
        grus, norm_layer = self.layers()[-1]
        pairs = [gru(x, before) for gru, before in zip(grus, state.gru[-self.members :], strict=True)]
        steps = norm_layer(self.dropout(torch.cat([steps for steps, _ in pairs], dim=2).transpose(1, 2)))
        return self._said(self.dropout(steps.transpose(1, 2))), [last for _, last in pairs]

    def _said(self, x: Tensor) -> Tensor:
        """Joined outputs [B, T, M * H] -> logits [M, B, T, K]: the head's weights in as many parts, one bias."""
        if self.members == 1:
            return self.head(x)[None]
        parts = zip(x.chunk(self.members, dim=2), self.head.weight.chunk(self.members, dim=1), strict=True)
        return torch.stack([nn.functional.linear(part, weight, self.head.bias) for part, weight in parts])


def stream_logits(model: WakeModel, pcm: Tensor, chunk_samples: int) -> Tensor:
    """Logits [B, T, K] of pcm [B, N] fed in pieces of `chunk_samples` (a multiple of the step) from a zero state."""
    state, pieces = model.zero_state(pcm.shape[0]), []
    with torch.inference_mode():
        for start in range(0, pcm.shape[1] - chunk_samples + 1, chunk_samples):
            logits, state = model(pcm[:, start : start + chunk_samples], state)
            pieces.append(logits)
    return torch.cat(pieces, dim=1)


def weighted_loss(logits: Tensor, target: Tensor, weight: Tensor, positive_weight: float) -> Tensor:
    """Mean binary cross-entropy over the steps with weight, all [B, T, K]; a 1 counts `positive_weight` times."""
    weight = weight * (1.0 + (positive_weight - 1.0) * target)
    loss = nn.functional.binary_cross_entropy_with_logits(logits, target, weight=weight, reduction="sum")
    return loss / weight.sum()


def folded_weights(model: WakeModel) -> dict[str, np.ndarray]:
    """The weights that inference needs, float32, each batch norm folded into the layer it touches.

    The convolution's norm comes after it (scales its outputs); a GRU's norm comes before the next layer (scales that
    layer's inputs).
    """
    scale, shift = _affine(model.conv_norm)
    weights = {
        "conv.weight": model.conv.weight.detach().double() * scale[:, None, None],
        "conv.bias": model.conv.bias.detach().double() * scale + shift,
    }
    scale, shift, i = torch.ones(1).double(), torch.zeros(1).double(), 0
    for grus, norm in model.layers():
        below = scale, shift
        for gru in grus:
            weights |= _folded_gru(f"gru.{i}", gru, scale, shift)
            i += 1
        scale, shift = _affine(norm)
    weights |= _folded_linear("head", model.head, scale, shift, model.members)
    if model.spotter is not None:
        for i, (gru, norm) in enumerate(zip(model.spotter.gru, model.spotter.norm, strict=True)):
            weights |= _folded_gru(f"spotter.gru.{i}", gru, *below)
            below = _affine(norm)
        weights |= _folded_linear("spotter.head", model.spotter.head, *below)
        weights |= {f"spotter.{name}": getattr(model.spotter, name) for name in HEARING}
    return {name: value.float().contiguous().numpy() for name, value in weights.items()}


def _folded_gru(name: str, gru: nn.GRU, scale: Tensor, shift: Tensor) -> dict[str, Tensor]:
    into = gru.weight_ih_l0.detach().double()
    return {
        f"{name}.weight_ih": into * scale,
        f"{name}.bias_ih": gru.bias_ih_l0.detach().double() + (into * shift).sum(dim=1),
        f"{name}.weight_hh": gru.weight_hh_l0.detach(),
        f"{name}.bias_hh": gru.bias_hh_l0.detach(),
    }


def _folded_linear(name: str, layer: nn.Linear, scale: Tensor, shift: Tensor, members: int = 1) -> dict[str, Tensor]:
    """Of several members the weights for their mean."""
    weight = layer.weight.detach().double() / members
    bias = layer.bias.detach().double() + (weight * shift).sum(dim=1)
    return {f"{name}.weight": weight * scale, f"{name}.bias": bias}


def model_from_weights(config: SystemConfig, weights: dict[str, np.ndarray], paths: Paths | None = None) -> WakeModel:
    """A model in eval mode from folded weights: its batch norms do nothing until they are trained again.

    Raises BundleError if the weights are not those of this configuration.
    """
    model = WakeModel(config, len(weights.get("head.bias", [0])), paths).eval()
    own = {name.replace("_l0", ""): tensor for name, tensor in model.named_parameters() if "norm" not in name}
    for name, tensor in own.items():
        if name not in weights or weights[name].shape != tuple(tensor.shape):
            got = list(weights[name].shape) if name in weights else "none"
            raise BundleError(f"weights: {name}: got {got}, expected {list(tensor.shape)}: of another configuration?")
    with torch.no_grad():
        for name, tensor in own.items():
            tensor.copy_(torch.from_numpy(weights[name]))
        if model.spotter is not None:
            for name, value in hearing_in(weights, "spotter.").items():
                getattr(model.spotter, name).copy_(torch.from_numpy(value))
        model.head.weight.mul_(model.members)
        for norm in (model.conv_norm, *model.gru_norm, *(model.spotter.norm if model.spotter else [])):
            norm.running_var.fill_(1.0 - BATCH_NORM_EPSILON)
    return model


def _affine(norm: nn.BatchNorm1d) -> tuple[Tensor, Tensor]:
    scale = norm.weight.detach().double() / torch.sqrt(norm.running_var.double() + norm.eps)
    return scale, norm.bias.detach().double() - norm.running_mean.double() * scale
