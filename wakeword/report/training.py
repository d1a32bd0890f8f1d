"""How the model was made, for the page: what it was trained on, and how training went."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any

from wakeword.report.parts import table

KINDS = ("activates", "near_misses", "negatives", "backgrounds", "rooms")
WIDTH, HEIGHT, LEFT, BOTTOM = 760, 190, 56, 26  # of a curve's picture, and of the room for its labels


def training_html(provenance: Mapping[str, Any]) -> str:
    """Data and curves from a card's provenance, as far as it says them; empty where it says nothing.

    A card may come from anybody, and its provenance is free: one of another form has nothing to show.
    """
    try:
        body = "".join(_parts(provenance))
    except (AttributeError, KeyError, TypeError, ValueError):
        return ""
    return f'<section class="card"><h2>How the model was made</h2>{body}</section>' if body else ""


def _parts(provenance: Mapping[str, Any]) -> list[str]:
    training = provenance.get("training", {})
    history = [point for point in training.get("history", []) if "loss" in point]
    parts = [_data(provenance.get("clips", {})), _facts(training, provenance)]
    if len(history) > 1:
        steps = [point["step"] for point in history]
        curves = {"validation loss": "loss", "words missed in validation": "miss_rate"}
        parts += [_curve(title, steps, [point[key] for point in history]) for title, key in curves.items()]
    return parts


def _data(clips: Mapping[str, Any]) -> str:
    """Files, hours and groups (speakers, or files of nobody known) of each kind on each side of the split."""
    rows = [
        [(side, ""), (kind.replace("_", " "), ""), (f"{found['files']:,}", "n"), (f"{found['groups']:,}", "n"),
         (f"{found['hours']:.2f}", "n")]
        for side in ("train", "validation")
        for kind, found in _in_order(clips.get(side, {}))
    ]  # fmt: skip
    return table([("side", ""), ("kind", ""), ("files", "n"), ("groups", "n"), ("hours", "n")], rows)


def _in_order(kinds: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    yield from ((kind, kinds[kind]) for kind in KINDS if kind in kinds)


def _facts(training: Mapping[str, Any], provenance: Mapping[str, Any]) -> str:
    told = {
        "batches": training.get("step"),
        "minutes": round(training["elapsed_s"] / 60, 1) if "elapsed_s" in training else None,
        "began with": training.get("start_from"),
        "sources and licences": ", ".join(provenance.get("sources", [])) or None,
    }
    return table([], [[(name, ""), (escape(str(value)), "path")] for name, value in told.items() if value is not None])


def _curve(title: str, steps: Sequence[int], values: Sequence[float]) -> str:
    """A line from zero up, the lowest value marked: drawn by hand, since it needs no axis but two numbers."""
    top, last = max(*values, 1e-9), max(steps[-1], 1)
    at = [
        (LEFT + (WIDTH - LEFT - 8) * step / last, 8 + (HEIGHT - BOTTOM - 8) * (1 - value / top))
        for step, value in zip(steps, values, strict=True)
    ]
    best = min(range(len(values)), key=values.__getitem__)
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in at)
    floor = HEIGHT - BOTTOM
    style = 'fill="var(--muted)" font-size="12"'
    return (
        f"<figure><figcaption>{title}: {values[best]:.3g} at best, after {steps[best]:,} batches</figcaption>"
        f'<div class="plot"><svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{title} by batches">'
        f'<path d="M{LEFT} 8V{floor}H{WIDTH - 8}" fill="none" stroke="var(--rule)"/>'
        f'<polyline points="{line}" fill="none" stroke="var(--curve)" stroke-width="2"/>'
        f'<circle cx="{at[best][0]:.1f}" cy="{at[best][1]:.1f}" r="4" fill="var(--chosen)"/>'
        f'<text x="{LEFT - 6}" y="14" text-anchor="end" {style}>{top:.3g}</text>'
        f'<text x="{LEFT - 6}" y="{floor}" text-anchor="end" {style}>0</text>'
        f'<text x="{WIDTH - 8}" y="{HEIGHT - 8}" text-anchor="end" {style}>{last:,} batches</text></svg></div></figure>'
    )
