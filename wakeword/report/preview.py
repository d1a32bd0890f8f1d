"""Training examples as one self-contained page: what the network hears, and what it is told. No script, no request."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from wakeword.audio import to_float
from wakeword.clips import ANY_PHRASE, Event, Example
from wakeword.config import Config
from wakeword.files import write_bytes
from wakeword.labels import targets
from wakeword.report.parts import base64_text, filled, mp3

COLUMNS, ROWS = 720, 112  # of a picture
RANGE_DB = 70.0
TOP_HZ = 8000.0
WINDOW_S = 0.025


def write_preview(path: str | Path, examples: Iterable[Example], config: Config, phrases: Sequence[str]) -> None:
    """Writes the page. Raises FileError if it cannot be written."""
    cards = [_card(number, example, config, phrases) for number, example in enumerate(examples, 1)]
    names = ", ".join(f"“{phrase}”" for phrase in phrases)
    page = filled(
        "preview.html",
        title=escape(f"{names}: {len(cards)} training examples"),
        lead=escape(
            f"{len(cards)} examples of {config.audio.example_s:g} s at {config.audio.sample_rate_hz:,} Hz, drawn with "
            f"seed {config.synth.seed}, as training gets them."
        ),
        top_hz=f"{min(TOP_HZ, config.audio.sample_rate_hz / 2) / 1000:g}",
        cards="".join(cards),
    )
    write_bytes(path, page.encode(errors="backslashreplace"))


def _card(number: int, example: Example, config: Config, phrases: Sequence[str]) -> str:
    pcm, rate = to_float(example.pcm), config.audio.sample_rate_hz
    peak = float(np.abs(pcm).max())
    level = f"peak {round(20 * np.log10(peak), 1) + 0.0:g} dBFS" if peak else "silence"
    spectrogram = base64_text(spectrogram_png(pcm, rate))
    bands = "".join(_band(event, len(pcm)) for event in example.events)
    return (
        f'<article class="card"><h2>{number}<small>{escape(_background(example.recipe))}; {level}</small></h2>'
        f'<div class="lane wave">{_wave(pcm)}{bands}</div>'
        f'<div class="lane"><img alt="spectrogram" src="data:image/png;base64,{spectrogram}"></div>'
        f'<div class="lane strip">{_told(example, config, phrases)}</div>'
        f'<div class="scale"><span>0 s</span><span>{len(pcm) / rate:g} s</span></div>'
        f'<audio controls preload="none" src="data:audio/mpeg;base64,{base64_text(mp3(pcm, rate))}"></audio>'
        f"{_events(example, rate)}</article>"
    )


def _wave(pcm: np.ndarray) -> str:
    """An outline of float32 [N], the highest and lowest sample of each column, at its own peak."""
    edges = np.linspace(0, len(pcm), min(COLUMNS, len(pcm)), endpoint=False).astype(int)
    scale = 48.0 / max(float(np.abs(pcm).max()), 1e-9)
    high = 50.0 - scale * np.maximum.reduceat(pcm, edges)
    low = 50.0 - scale * np.minimum.reduceat(pcm, edges)
    points = [f"{x},{y:.1f}" for x, y in enumerate(high)] + [f"{x},{low[x]:.1f}" for x in range(len(low) - 1, -1, -1)]
    box = f'viewBox="0 0 {len(high)} 100" preserveAspectRatio="none" role="img" aria-label="waveform"'
    return f'<svg {box}><polygon points="{" ".join(points)}"/></svg>'


def spectrogram_png(pcm: np.ndarray, sample_rate_hz: int) -> bytes:
    """PNG of float32 [N]: time to the right, 0 to 8 kHz upwards, the loudest 70 dB."""
    from matplotlib import image

    frame = min(round(WINDOW_S * sample_rate_hz), len(pcm))
    starts = np.linspace(0, len(pcm) - frame, COLUMNS).astype(int)
    frames = pcm[starts[:, None] + np.arange(frame)] * np.hanning(frame)
    power = np.square(np.abs(np.fft.rfft(frames, axis=1)))
    shown_hz = np.linspace(0.0, min(TOP_HZ, sample_rate_hz / 2), ROWS)
    rows = np.rint(shown_hz * frame / sample_rate_hz).astype(int)
    level_db = 10.0 * np.log10(power[:, rows] + 1e-12)
    shown = np.clip(level_db - level_db.max() + RANGE_DB, 0.0, RANGE_DB)
    file = io.BytesIO()
    image.imsave(file, shown.T[::-1], cmap="magma", vmin=0.0, vmax=RANGE_DB, format="png")
    return file.getvalue()


def _band(event: Event, samples: int) -> str:
    name = event.label if event.kind == "activate" else {"": "other", ANY_PHRASE: "near miss"}.get(event.label, "piece")
    return _span(event.kind, event.start_sample / samples, event.end_sample / samples, name)


def _told(example: Example, config: Config, phrases: Sequence[str]) -> str:
    """The outputs that are to say 1, and those that the loss leaves out, at the time when the network gives them."""
    target, weight = (values.max(axis=1) for values in targets(example.events, phrases, config))
    kinds = np.where(target > 0, 1, np.where(weight > 0, 0, 2))
    edges = np.flatnonzero(np.diff(np.concatenate([[0], kinds, [0]])))
    spans = []
    for first, stop in pairwise(edges):
        if kinds[first]:
            starts, ends = ((config.receptive_samples + k * config.step_samples) for k in (first - 1, stop - 1))
            share = (max(starts, 0) / config.example_samples, min(ends / config.example_samples, 1.0))
            spans.append(_span("one" if kinds[first] == 1 else "free", *share, ""))
    return "".join(spans)


def _span(kind: str, start: float, end: float, text: str) -> str:
    place = f"left:{100 * start:.2f}%;width:{100 * (end - start):.2f}%"
    return f'<span class="{kind}" style="{place}">{escape(text)}</span>'


def _background(recipe: Mapping[str, Any]) -> str:
    if recipe["background"] is None:
        return "no background"
    return f"background {recipe['background']['id'].partition('/')[2]} at {recipe['background_dbfs']:g} dBFS"


def _events(example: Example, rate: int) -> str:
    rows = []
    for event, drawn in zip(example.events, example.recipe["events"], strict=True):
        when = f"{event.start_sample / rate:.2f} to {event.end_sample / rate:.2f} s"
        cells = (event.kind, event.label, when, f"{drawn['snr_db']:g} dB", ", ".join(_effects(drawn)), event.source)
        rows.append("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>")
    head = "".join(f"<th>{name}</th>" for name in ("", "label", "at", "SNR", "what was done to it", "recording"))
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>" if rows else ""


def _effects(drawn: Mapping[str, Any]) -> list[str]:
    """In the order in which they are applied."""
    words = {
        "scramble": lambda effect: f"{len(effect['order'])} parts in another order",
        "speed": lambda effect: f"speed {effect['factor']:g}",
        "vocal_tract": lambda effect: f"formants {effect['factor']:g}",
        "filter": lambda effect: (
            f"equaliser {effect['low_db']:+.0f} {effect['middle_db']:+.0f} {effect['high_db']:+.0f} dB"
        ),
        "band": lambda effect: f"band {effect['low_hz']:.0f} to {effect['high_hz']:.0f} Hz",
        "codec": lambda effect: effect["kind"],
        "room": lambda effect: (
            f"room {effect['id'].partition('/')[2]}" if "id" in effect else f"room of {effect['rt60_s']:.2f} s"
        ),
    }
    return ["backwards"] * drawn["reversed"] + [text(drawn[name]) for name, text in words.items() if drawn[name]]
