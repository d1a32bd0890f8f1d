"""A picture of a stream: what was said, the score curve, and what was heard."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from wakeword.clips import Event
from wakeword.detector import Detection, smooth
from wakeword.files import write_bytes
from wakeword.sections import DetectorConfig
from wakeword.stream import WakeWord

SAID, SCORE, HEARD, WAVE = "#b9d7ea", "#1b4965", "#c1121f", "#8d99ae"
WAVE_COLUMNS = 2000  # a waveform is drawn as that many vertical strokes


def draw_scene(
    path: str | Path,
    pcm: np.ndarray,
    events: Sequence[Event],
    times_s: np.ndarray,
    probabilities: np.ndarray,
    detections: Sequence[Detection],
    ww: WakeWord,
    title: str,
) -> None:
    """Draws the first phrase of `ww` on float32 pcm [N]; `times_s` [T], `probabilities` [T, K] are from `ww.scores`."""
    from matplotlib.figure import Figure

    rule, rate = ww.detector_configs[0], ww.sample_rate_hz
    figure = Figure(figsize=(12, 5), dpi=120, layout="constrained")
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=[1, 2])
    columns = pcm[: len(pcm) // WAVE_COLUMNS * WAVE_COLUMNS].reshape(WAVE_COLUMNS, -1)
    centre_s = (np.arange(WAVE_COLUMNS) + 0.5) * columns.shape[1] / rate
    top.fill_between(centre_s, columns.min(axis=1), columns.max(axis=1), color=WAVE, linewidth=0)
    for axes in (top, bottom):
        for number, event in enumerate(events):
            label = f"“{event.label}” is said" if number == 0 else None
            axes.axvspan(event.start_sample / rate, event.end_sample / rate, color=SAID, label=label, zorder=0)
        axes.spines[["top", "right"]].set_visible(False)
        axes.margins(x=0)
    bottom.plot(times_s, _scores(probabilities[:, 0], rule), color=SCORE, linewidth=1, label="score")
    bottom.axhline(rule.threshold, color=HEARD, linewidth=0.8, linestyle="--", label=f"threshold {rule.threshold:.2f}")
    hits = ([d.end_s for d in detections], [min(d.score, 1.0) for d in detections])
    bottom.plot(*hits, "v", color=HEARD, markersize=8, label="detection", clip_on=False)
    top.set_ylabel("waveform")
    top.set_yticks([])
    bottom.set(xlabel="seconds", ylabel="score", ylim=(0, 1.05))
    figure.legend(*bottom.get_legend_handles_labels(), loc="outside upper right", ncols=4, frameon=False, fontsize=9)
    top.set_title(title, loc="left", fontsize=11)
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png")
    write_bytes(Path(path), drawn.getvalue())


def _scores(probabilities: np.ndarray, rule: DetectorConfig) -> np.ndarray:
    return smooth(probabilities, rule.smoothing_steps, rule.patience_steps)
