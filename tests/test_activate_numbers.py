"""The seed system's numbers, each counted from first principles: windows are cut, not asked for."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view

from wakeword.config import Config, load_config
from wakeword.features import compute, tables, zero_state


@pytest.fixture(scope="module")
def activate() -> Config:
    return load_config("activate")


def test_an_example_is_ten_seconds_at_44100_hz(activate: Config) -> None:
    assert activate.audio.sample_rate_hz == 44_100
    assert activate.example_samples == 10 * 44_100 == 441_000


def test_cutting_200_sample_windows_every_80_gives_5511_frames(activate: Config) -> None:
    windows = sliding_window_view(np.zeros(441_000, np.float32), 200)[::80]
    assert (activate.features.window_samples, activate.features.hop_samples) == (200, 80)
    assert len(windows) == activate.input_frames == 5511


def test_the_spectrum_of_a_window_has_101_bins(activate: Config) -> None:
    assert len(np.fft.rfft(np.zeros(200))) == activate.features.bins == tables(activate).bins == 101


def test_the_front_end_itself_makes_5511_by_101(activate: Config) -> None:
    t = tables(activate)
    nothing_before = zero_state(t).__class__(np.zeros(0), zero_state(t).norm)
    frames, _ = compute(t, np.zeros(441_000), nothing_before)
    assert frames.shape == (5511, 101)


def test_a_kernel_of_15_at_stride_4_fits_1375_times(activate: Config) -> None:
    starts = [start for start in range(0, 5511, 4) if start + 15 <= 5511]
    assert (activate.model.conv_filters, activate.model.conv_kernel, activate.model.conv_stride) == (196, 15, 4)
    assert len(starts) == activate.output_steps == 1375


def test_two_grus_of_128_units_follow_with_the_seeds_dropout(activate: Config) -> None:
    assert activate.model.gru_units == (128, 128)
    assert activate.model.dropout == 0.8


def test_dropout_and_batch_norms_stand_where_the_seeds_do(activate: Config) -> None:
    pytest.importorskip("torch")
    from wakeword.model import WakeModel

    model, order = WakeModel(activate).eval(), []
    for name, layer in model.named_modules():
        if name.partition(".")[0] != "front" and not list(layer.children()):
            layer.register_forward_hook(lambda *_, name=name: order.append(name))
    model(model.zero_state().pcm.new_zeros(1, 320), model.zero_state())
    first, second = ["gru.0", "dropout", "gru_norm.0"], ["gru.1", "dropout", "gru_norm.1"]
    assert order == ["conv", "conv_norm", "dropout", *first, *second, "dropout", "head"]


def test_an_output_step_is_exactly_4_times_80_samples_or_7_256_ms(activate: Config) -> None:
    exact_ms = Fraction(4 * 80 * 1000, 44_100)
    assert activate.step_samples == 320
    assert activate.step_ms == float(exact_ms)
    assert round(activate.step_ms, 3) == 7.256
    assert round(10_000 / 1375, 3) == 7.273  # the tempting wrong answer


def test_the_synthesis_grid_has_10000_positions_of_1_ms(activate: Config) -> None:
    assert activate.audio.example_s / (activate.synth.grid_ms / 1000) == 10_000


def test_up_to_4_activates_and_2_negatives_are_overlaid(activate: Config) -> None:
    assert activate.synth.activates == (0, 4)
    assert activate.synth.negatives == (0, 2)


def test_50_outputs_are_labelled_after_an_end_and_75_pass_before_the_next_hit(activate: Config) -> None:
    assert activate.labels.label_steps == 50
    assert activate.labels.ignore_steps == 0
    assert activate.detector.refractory_steps == 75
    assert activate.detector.smoothing_steps == 1
    assert activate.detector.rearm_ratio is None


def test_its_trainable_parameters_are_522425(activate: Config) -> None:
    torch = pytest.importorskip("torch")
    layers = [
        torch.nn.Conv1d(101, 196, 15, 4),
        torch.nn.BatchNorm1d(196),
        torch.nn.GRU(196, 128),
        torch.nn.BatchNorm1d(128),
        torch.nn.GRU(128, 128),
        torch.nn.BatchNorm1d(128),
        torch.nn.Linear(128, 1),
    ]
    assert sum(p.numel() for layer in layers for p in layer.parameters()) == 522_425
