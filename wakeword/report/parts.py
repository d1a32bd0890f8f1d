"""What the pages are made of: a template in the look that they share, and tables."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable
from importlib import resources
from string import Template

import numpy as np

PLAYED_PEAK = 0.7
MP3_RATES_HZ = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)


def filled(name: str, **fields: str) -> str:
    """The page of that file's name, its $fields replaced by HTML that is ready."""
    folder = resources.files("wakeword.report")
    look = folder.joinpath("look.css").read_text("utf-8")
    return Template(folder.joinpath(name).read_text("utf-8")).substitute(look=look, **fields)


def table(head: Iterable[tuple[str, str]], rows: Iterable[Iterable[tuple[str, str]]]) -> str:
    """Cells are (ready HTML, CSS class). Without rows there is no table."""
    top = "".join(f'<th class="{kind}">{text}</th>' for text, kind in head)
    body = "".join("<tr>" + "".join(f'<td class="{kind}">{cell}</td>' for cell, kind in row) + "</tr>" for row in rows)
    return f"<table>{f'<thead><tr>{top}</tr></thead>' if top else ''}<tbody>{body}</tbody></table>" if body else ""


def mp3(pcm: np.ndarray, sample_rate_hz: int) -> bytes:
    """float32 [N] at a peak of -3 dBFS, so that quiet ones can be heard, too; at 16 kHz if MP3 lacks the rate."""
    import soundfile
    import soxr

    peak = float(np.abs(pcm).max())
    scaled = pcm * np.float32(PLAYED_PEAK / peak) if peak else pcm
    rate = sample_rate_hz if sample_rate_hz in MP3_RATES_HZ else 16000
    file = io.BytesIO()
    soundfile.write(file, soxr.resample(scaled, sample_rate_hz, rate), rate, format="MP3")
    return file.getvalue()


def base64_text(content: bytes) -> str:
    """As a page holds it."""
    return base64.b64encode(content).decode("ascii")
