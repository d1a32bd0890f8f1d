"""The evaluation as one self-contained page: no script, no request, light and dark."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

import numpy as np

from wakeword.evaluation import Evaluation
from wakeword.metrics import OperatingPoint
from wakeword.report.parts import filled, table
from wakeword.report.snippets import moment_html, take_html
from wakeword.report.training import training_html
from wakeword.trials import HIT_TAIL_S, LEAD_S

LISTED = 40  # rows of a table; the JSON file has them all
CONDITIONS = {
    "snr_db": ("SNR", " dB"),
    "level_dbfs": ("speech level", " dBFS"),
    "distance_m": ("distance", " m"),
    "group": ("sub-folder", ""),
}
PLAYED = 12  # of them, the worst, that can be seen and heard


def render_page(
    evaluation: Evaluation, plot_svg: str, about: dict[str, Any], provenance: Mapping[str, Any] | None = None
) -> str:
    """HTML. `about` holds plain names and values that are shown as they are; `provenance` is the card's."""
    return filled(
        "page.html",
        title=escape(f"{evaluation.phrase}: misses and false accepts"),
        phrase=escape(evaluation.phrase),
        lead=escape(_lead(evaluation)),
        verdict="good" if evaluation.supported else "open",
        claim=escape(evaluation.claim),
        warning=f'<p class="claim open">{escape(evaluation.warning)}</p>' if evaluation.warning else "",
        points=_points(evaluation),
        plot=plot_svg,
        targets=_targets(evaluation),
        conditions=_conditions(evaluation),
        negatives=_negatives(evaluation),
        missed=_missed(evaluation),
        skipped=_skipped(evaluation),
        training=training_html(provenance or {}),
        method=_method(evaluation),
        about=table([], [[(escape(key), ""), (escape(str(value)), "path")] for key, value in about.items()]),
    )


def percent(share: float) -> str:
    """A share as text, with as many decimals as it takes to tell it from 0 and 1.

    >>> percent(0.0), percent(0.0208), percent(0.25), percent(0.0004)
    ('0 %', '2.1 %', '25 %', '0.04 %')
    """
    value = 100.0 * share
    decimals = 0 if value in (0.0, 100.0) or 10 <= value <= 90 else 1 if 0.1 <= value <= 99.9 else 2
    return f"{value:.{decimals}f} %"


def threshold_text(threshold: float) -> str:
    """A threshold with three digits that matter, also close to 1.

    >>> threshold_text(0.5), threshold_text(0.99983), threshold_text(0.00012)
    ('0.500', '0.99983', '0.00012')
    """
    room = min(threshold, 1.0 - threshold)
    return f"{threshold:.{3 if room >= 0.01 else max(3, int(np.ceil(-np.log10(room))) + 1)}f}"


def _lead(evaluation: Evaluation) -> str:
    noise = "in quiet" if evaluation.snr_db is None else f"in noise at {evaluation.snr_db:g} dB SNR"
    hours = evaluation.own.negative_hours
    return (
        f"{evaluation.own.positives:,} takes of the word, {noise}, and {hours:.2f} h of other sound "
        f"from {_files(evaluation.negative_files)}{', in the same noise' if evaluation.noisy_negatives else ''}."
    )


def _points(evaluation: Evaluation) -> str:
    chosen = f"Chosen here for {evaluation.target_fa_per_hour:g} per hour"
    return _point("own", "The bundle's own threshold", evaluation.own, evaluation) + _point(
        "chosen", chosen, evaluation.chosen, evaluation
    )


def _point(role: str, title: str, point: OperatingPoint, evaluation: Evaluation) -> str:
    low, high = (percent(bound) for bound in point.miss_interval)
    missed = f"{point.misses} of {point.positives}<br>95 %: {low} to {high}"
    accepted = f"{point.fa_count} in {point.negative_hours:.2f} h<br>95 %: at most {point.fa_per_hour_upper:.2f}"
    figures = [
        ("words missed", percent(point.miss_rate), missed),
        ("false accepts", f"{point.fa_per_hour:.2f} <small>per hour</small>", accepted),
        ("threshold", threshold_text(point.threshold), ""),
    ]
    if latency := evaluation.latency_ms(role):
        note = f"in the median<br>95 % within {latency['p95']:.0f} ms"
        figures.append(("after the word's last sound", f"{latency['median']:.0f} <small>ms</small>", note))
    rows = "".join(
        f'<div><dt>{name}</dt><dd class="figure">{value}</dd><dd class="note">{note}</dd></div>'
        for name, value, note in figures
    )
    return f'<article class="card {role}"><h2>{escape(title)}</h2><dl>{rows}</dl></article>'


def _targets(evaluation: Evaluation) -> str:
    head = [("wanted, per hour", ""), ("threshold", "n"), ("words missed", "n"), ("measured, per hour", "n"),
            ("at most, 95 %", "n")]  # fmt: skip
    rows = [
        [(f"{target:g}", ""), (threshold_text(point.threshold), "n"), (percent(point.miss_rate), "n"),
         (f"{point.fa_per_hour:.2f}", "n"), (f"{point.fa_per_hour_upper:.2f}", "n")]
        for target, point in evaluation.other_targets.items()
    ]  # fmt: skip
    return table(head, rows)


def _conditions(evaluation: Evaluation) -> str:
    """One table a kind; of groups those with the most misses."""
    head = [("takes", "n"), ("missed, own threshold", "n"), ("missed, chosen here", "n")]
    tables = []
    for kind, (title, unit) in CONDITIONS.items():
        found = [one for one in evaluation.conditions if one.kind == kind]
        if kind == "group":
            found = sorted(found, key=lambda one: one.chosen_misses / one.positives, reverse=True)[:LISTED]
        rows = [
            [(escape(f"{one.value:g}{unit}" if unit else str(one.value)), ""), (str(one.positives), "n"),
             (percent(one.own_misses / one.positives), "n"), (percent(one.chosen_misses / one.positives), "n")]
            for one in found
        ]  # fmt: skip
        tables.append(table([(title, ""), *head], rows))
    return "".join(tables)


def _negatives(evaluation: Evaluation) -> str:
    rows = [
        [(f"{moment.score:.4f}", "n"), (_clock(moment.time_s), "n"), (_path(moment.path), "path"),
         (_tags(evaluation, lambda threshold, score=moment.score: score >= threshold), ""),
         (moment_html(moment.path, moment.time_s) if number < PLAYED else "", "")]
        for number, moment in enumerate(evaluation.negatives)
    ]  # fmt: skip
    head = [("score", "n"), ("at", "n"), ("file", ""), ("above the threshold", ""), ("", "")]
    return table(head, rows[:LISTED]) if rows else '<p class="note">The score never left zero.</p>'


def _missed(evaluation: Evaluation) -> str:
    higher = max(evaluation.own.threshold, evaluation.chosen.threshold)
    missed = [take for take in evaluation.positives if take.score < higher]
    if not missed:
        return f'<p class="note">None: all {len(evaluation.positives)} takes were heard at both thresholds.</p>'
    rows = [
        [
            (f"{take.score:.4f}", "n"),
            (_path(take.path), "path"),
            (_tags(evaluation, lambda threshold, score=take.score: score < threshold), ""),
            (take_html(take.path) if number < PLAYED else "", ""),
        ]
        for number, take in enumerate(missed[:LISTED])
    ]
    more = f"The lowest {LISTED} of {len(missed)}; evaluation.json has all." if len(missed) > LISTED else ""
    return table([("score", "n"), ("file", ""), ("missed at", ""), ("", "")], rows) + f'<p class="note">{more}</p>'


def _skipped(evaluation: Evaluation) -> str:
    if not evaluation.skipped:
        return ""
    rows = [[(_path(file.path), "path"), (escape(file.reason), "path")] for file in evaluation.skipped]
    listed = table([("file", ""), ("why", "")], rows)
    return f'<details class="card"><summary>Skipped, or cut short: {_files(len(rows))}</summary>{listed}</details>'


def _method(evaluation: Evaluation) -> str:
    if evaluation.snr_db is None:
        noise, level = "a faint white noise (-70 dBFS)", ""
    else:
        noise = "an excerpt of the noise folder"
        level = " SNR is the take's active speech level (after ITU-T P.56) over the RMS of that noise."
    return (
        f"<p>Each take was heard after {LEAD_S:g} s of {noise}, which goes on beneath and after it.{level} It counts "
        f"as heard if the smoothed score reaches the threshold between its start and {HIT_TAIL_S:g} s after its end. "
        "The other recordings were heard as one stream, and the detections in it counted as a listener would make "
        "them, with smoothing, refractory time and re-arming. Digital silence does not count towards the hours.</p>"
        "<p>The chosen threshold was chosen on these very recordings, so its figures are a little too good; those of "
        "the bundle's own threshold are not, if no recording here took part in training.</p>"
    )


def _tags(evaluation: Evaluation, applies: Any) -> str:
    tags = [("own", evaluation.own.threshold), ("chosen", evaluation.chosen.threshold)]
    return " ".join(f'<span class="tag {name}">{name}</span>' for name, threshold in tags if applies(threshold))


def _path(path: str) -> str:
    """Breaks between folders where a line is too short."""
    return escape(path).replace("/", "/<wbr>").replace("\\", "\\<wbr>")


def _files(count: int) -> str:
    return f"{count:,} file{'' if count == 1 else 's'}"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(max(seconds, 0.0), 60.0)
    hours, minutes = divmod(int(minutes), 60)
    return f"{hours}:{minutes:02d}:{rest:05.2f}" if hours else f"{minutes}:{rest:05.2f}"
