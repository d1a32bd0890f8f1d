import numpy as np
import pytest

from tests.signals import speech_like
from wakeword.audio import FULL_SCALE
from wakeword.config import load_config, override
from wakeword.features import compute, tables, zero_state
from wakeword.features.log_mel import mel_bands

SAME = 1e-9  # float64 on both sides: only the order of sums differs
GAIN_LEFT_OVER = 0.02  # nepers: what the silence floor at -110 dBFS leaves of a 20 dB gain


@pytest.mark.parametrize("name", ["default", "activate"])
def test_features_are_the_same_for_any_chunking(name: str) -> None:
    config = load_config(name)
    t = tables(config)
    pcm = speech_like(config.audio.sample_rate_hz, config.audio.sample_rate_hz)
    whole, _ = compute(t, pcm, zero_state(t))
    rng, state, pieces, at = np.random.default_rng(1), zero_state(t), [], 0
    while at < len(pcm):
        size = int(rng.integers(1, 3000))
        frames, state = compute(t, pcm[at : at + size], state)
        pieces.append(frames)
        at += size
    np.testing.assert_allclose(np.concatenate(pieces), whole, rtol=SAME, atol=SAME)


def test_the_seed_spectrogram_is_matplotlibs_specgram() -> None:
    mlab = pytest.importorskip("matplotlib.mlab", reason="the extra 'train' brings matplotlib")
    config = load_config("activate")
    t, rate = tables(config), config.audio.sample_rate_hz
    pcm = speech_like(rate // 2, rate)
    state = zero_state(t)
    ours, _ = compute(t, pcm, type(state)(state.pcm[:0], state.norm))
    theirs, _, _ = mlab.specgram(pcm.astype(np.float64) * FULL_SCALE, NFFT=200, Fs=rate, noverlap=120)
    assert ours.shape == theirs.T.shape
    np.testing.assert_allclose(ours, theirs.T, rtol=1e-6)


def test_a_full_scale_sine_has_energy_one_in_its_band() -> None:
    config = load_config("default")
    t, rate = tables(config), config.audio.sample_rate_hz
    centre_hz = 1000.0  # a whole number of 40 Hz bins
    pcm = np.sin(2 * np.pi * centre_hz * np.arange(rate) / rate)
    spectrum = np.abs(np.fft.rfft(pcm[:400] * t.window, t.fft_samples)) ** 2 * t.bin_gain
    assert spectrum[round(centre_hz / 40)] == pytest.approx(1.0, rel=1e-6)


def test_log_mel_hardly_changes_when_the_gain_changes_by_20_db() -> None:
    config = load_config("default")
    t = tables(config)
    pcm = speech_like(2 * config.audio.sample_rate_hz, config.audio.sample_rate_hz)
    loud, _ = compute(t, pcm, zero_state(t))
    soft, _ = compute(t, pcm * 10 ** (-20 / 20), zero_state(t))
    assert np.abs(loud - soft)[3:].mean() < GAIN_LEFT_OVER


def test_silence_gives_finite_features() -> None:
    t = tables(load_config("default"))
    frames, _ = compute(t, np.zeros(16000), zero_state(t))
    assert np.isfinite(frames).all()
    np.testing.assert_allclose(frames, np.log1p(t.norm.offset), rtol=1e-9)


def test_every_mel_band_hears_something() -> None:
    for name in ("default", "tiny"):
        config = load_config(name)
        assert (mel_bands(config.features, config.audio.sample_rate_hz).sum(axis=0) > 0).all()


@pytest.mark.parametrize("name", ["default", "activate"])
def test_two_products_of_half_the_length_give_the_power_of_the_fft(name: str) -> None:
    t = tables(load_config(name))
    x = np.random.default_rng(0).standard_normal(t.fft_samples)
    early, late = np.split(x, 2)
    expected = np.abs(np.fft.rfft(x)) ** 2 * t.bin_gain
    for half, (bins, dft) in zip((early + late, early - late), t.half_dfts(), strict=True):
        real, imaginary = np.split(half @ dft.astype(np.float64), 2)
        np.testing.assert_allclose(real**2 + imaginary**2, expected[bins], rtol=1e-4, atol=1e-6 * expected.max())
    assert sorted(np.concatenate([bins for bins, _ in t.half_dfts()])) == list(t.used_bins())


def test_the_mask_hides_what_lies_far_below_the_signal_and_keeps_the_rest() -> None:
    masked = load_config("default")
    plain = override(masked, features={"mask_db": None})
    rate = masked.audio.sample_rate_hz
    loud = 0.3 * np.sin(2 * np.pi * 500.0 * np.arange(rate) / rate)
    hiss = 1e-4 * np.random.default_rng(0).standard_normal(rate)  # 66 dB below
    changed = {}
    for name, config in (("masked", masked), ("plain", plain)):
        t = tables(config)
        with_hiss, without = (compute(t, pcm, zero_state(t))[0] for pcm in (loud + hiss, loud))
        changed[name] = np.abs(with_hiss - without)[10:, -10:].mean()  # the highest bands, where only the hiss is
    assert changed["masked"] < 0.01 < 0.1 < changed["plain"]
    assert tables(masked).norm.mask.sum() == pytest.approx(10 ** (masked.features.mask_db / 10))
