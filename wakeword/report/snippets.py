"""Moments of recordings as a picture and a player inside the page: what was missed, what woke it."""

from __future__ import annotations

import io

import numpy as np

from wakeword.audio import read_stretch
from wakeword.report.parts import base64_text, mp3

RATE_HZ = 16000
BEFORE_S, AFTER_S = 1.6, 0.6  # around a false accept: the word ends, if there is one, shortly before the detection
TAKE_S = 3.0  # of a missed take
FRAME, HOP = 400, 160
RANGE_DB = 60.0
TOP_HZ = 6000.0


def moment_html(path: str, time_s: float) -> str:
    """What was heard around a moment of a file; empty if it cannot be read again."""
    return _html(read_stretch(path, max(time_s - BEFORE_S, 0.0), BEFORE_S + AFTER_S, RATE_HZ))


def take_html(path: str) -> str:
    """The beginning of a take; empty if it cannot be read again."""
    return _html(read_stretch(path, 0.0, TAKE_S, RATE_HZ))


def _html(pcm: np.ndarray) -> str:
    if len(pcm) < FRAME:
        return ""
    return (
        f'<figure class="snippet"><img alt="spectrogram" src="data:image/png;base64,{base64_text(_spectrogram(pcm))}">'
        f'<audio controls preload="none" src="data:audio/mpeg;base64,{base64_text(mp3(pcm, RATE_HZ))}"></audio>'
        "</figure>"
    )


def _spectrogram(pcm: np.ndarray) -> bytes:
    """PNG, a column each 10 ms, up to 6 kHz, over a range of 60 dB."""
    from matplotlib import image

    frames = np.lib.stride_tricks.sliding_window_view(pcm, FRAME)[::HOP] * np.hanning(FRAME)
    power = np.abs(np.fft.rfft(frames, 512))[:, : int(512 * TOP_HZ / RATE_HZ)] ** 2
    level_db = 10.0 * np.log10(power + 1e-12)
    shown = np.clip(level_db - level_db.max() + RANGE_DB, 0.0, RANGE_DB)
    file = io.BytesIO()
    image.imsave(file, shown.T[::-1], cmap="magma", vmin=0.0, vmax=RANGE_DB, format="png")
    return file.getvalue()
