"""The DET plot: misses against false accepts per hour, with what the number of trials allows to be said."""

from __future__ import annotations

import io
import math
import re
from typing import TYPE_CHECKING

import numpy as np

from wakeword.evaluation import Evaluation
from wakeword.metrics import Det, OperatingPoint, poisson_lower, poisson_upper, wilson

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Each colour stands for one role, because the page replaces it with the theme's variable of that name.
COLOURS = {
    "ink": "#1c2430",
    "muted": "#66707e",
    "rule": "#dfe3e8",
    "card": "#fefefe",
    "curve": "#2457c5",
    "band": "#cddafa",
    "own": "#b3541e",
    "chosen": "#0b7a53",
    "shade": "#f1f3f6",
}
SIZE_INCHES = (8.4, 4.6)
TWO_SIDED = 0.975  # each side of a 95 % band
BEYOND = 8.0  # the plot's right end, as a multiple of what it must show


def det_png(evaluation: Evaluation) -> bytes:
    """The plot on white, 1680 pixels wide."""
    file = io.BytesIO()
    det_figure(evaluation).savefig(file, format="png", dpi=200, metadata={"Software": None})
    return file.getvalue()


def det_svg(evaluation: Evaluation) -> str:
    """The plot as an inline SVG element whose colours are the CSS variables --ink, --curve ... of the page."""
    import matplotlib

    file = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "det"}):
        metadata = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        det_figure(evaluation).savefig(file, format="svg", transparent=True, metadata=metadata)
    svg = file.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'(<svg[^>]*?) width="[^"]*"', r'\1 role="img" aria-label="DET plot"', svg, count=1)
    svg = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", svg, count=1)
    for role, colour in COLOURS.items():
        svg = svg.replace(colour, f"var(--{role})")
    return re.sub(r"font: ([\d.]+px)[^;\"]*", r"font: \1 var(--sans)", svg)


def det_figure(evaluation: Evaluation) -> Figure:
    """The plot in matplotlib, without pyplot's global state."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=SIZE_INCHES, layout="constrained", facecolor=COLOURS["card"])
    axes = figure.add_subplot()
    left, right, top = _limits(evaluation)
    rates = np.geomspace(left, right, 800)
    curve, low, high = _curve_and_band(evaluation.det, rates)
    one_event = 1.0 / evaluation.det.negative_hours
    axes.axvspan(left, one_event, color=COLOURS["shade"], lw=0, zorder=0)
    axes.fill_between(rates, low, high, color=COLOURS["band"], lw=0, alpha=0.75, zorder=1, label="95 % band")
    axes.plot(rates, curve, color=COLOURS["curve"], lw=2, zorder=3, label="measured")
    target = evaluation.target_fa_per_hour
    axes.axvline(target, color=COLOURS["muted"], lw=1, ls=(0, (4, 3)), zorder=2, label=f"target, {target:g} per hour")
    _mark(axes, evaluation.own, "o", "own", left, "the bundle's own threshold")
    _mark(axes, evaluation.chosen, "D", "chosen", left, "the threshold chosen here")
    _dress(axes, left, right, top)
    middle = math.sqrt(left * one_event)  # the curve is high there, so the words stand below it
    axes.text(middle, 0.015, "less than one event", transform=axes.get_xaxis_transform(), ha="center", va="bottom",
              fontsize=8, color=COLOURS["muted"])  # fmt: skip
    return figure


def _curve_and_band(det: Det, rates: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Fewest misses at no more than each rate [M]: as measured, at best and at worst of the 95 % intervals.

    A threshold's rate is the highest at or above it, and one that leaves the detector deaf is left out, as where
    thresholds are chosen: what looks quiet only because the detector never re-arms is not drawn as a good point.
    """
    counts = np.maximum.accumulate(det.fa_count[::-1])[::-1][det.first_usable :]
    miss_rate = det.miss_rate[det.first_usable :]
    misses = np.rint(miss_rate * det.positives).astype(int)
    intervals = np.array([wilson(int(count), det.positives) for count in misses]).reshape(-1, 2)
    fewest = np.array([poisson_lower(int(count), det.negative_hours, TWO_SIDED) for count in counts])
    most = np.array([poisson_upper(int(count), det.negative_hours, TWO_SIDED) for count in counts])
    measured = _best_at(rates, counts / det.negative_hours, miss_rate)
    return measured, _best_at(rates, fewest, intervals[:, 0]), _best_at(rates, most, intervals[:, 1])


def _best_at(rates: np.ndarray, fa_per_hour: np.ndarray, miss_rate: np.ndarray) -> np.ndarray:
    """The lowest miss rate of all thresholds with at most that rate; 1 where there is none (a threshold above all)."""
    order = np.argsort(fa_per_hour, kind="stable")
    best = np.concatenate([[1.0], np.minimum.accumulate(miss_rate[order])])
    return best[np.searchsorted(fa_per_hour[order], rates, side="right")]


def _limits(evaluation: Evaluation) -> tuple[float, float, float]:
    """(lowest rate, highest rate, highest miss rate) to show."""
    points = (evaluation.own, evaluation.chosen)
    one_event = 1.0 / evaluation.det.negative_hours
    left = min(0.2 * one_event, 0.5 * evaluation.target_fa_per_hour)
    right = BEYOND * max(evaluation.target_fa_per_hour, one_event, *(point.fa_per_hour_upper for point in points))
    top = min(1.1, max(0.05, *(1.35 * point.miss_interval[1] for point in points)))
    return left, right, top


def _mark(axes: Axes, point: OperatingPoint, marker: str, role: str, left: float, label: str) -> None:
    """A threshold with its two intervals. A rate of 0 has no place on a logarithmic axis: it stands below one event."""
    rate = max(point.fa_per_hour, 0.5 / point.negative_hours)
    lower = poisson_lower(point.fa_count, point.negative_hours, TWO_SIDED)
    reach = [[rate - max(lower, left)], [poisson_upper(point.fa_count, point.negative_hours, TWO_SIDED) - rate]]
    spread = [[point.miss_rate - point.miss_interval[0]], [point.miss_interval[1] - point.miss_rate]]
    colour = COLOURS[role]
    axes.errorbar(rate, point.miss_rate, spread, reach, ecolor=colour, elinewidth=1.1, capsize=3, fmt="none", zorder=4)
    axes.plot(rate, point.miss_rate, marker, color=colour, ms=9, mec=COLOURS["card"], mew=1.3, zorder=5, label=label,
              clip_on=False)  # fmt: skip


def _dress(axes: Axes, left: float, right: float, top: float) -> None:
    from matplotlib.ticker import FuncFormatter, NullFormatter, PercentFormatter

    axes.set(xscale="log", xlim=(left, right), ylim=(0.0, top))
    axes.set_xlabel("false accepts per hour", color=COLOURS["ink"])
    axes.set_ylabel("words missed", color=COLOURS["ink"])
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0 if top > 0.08 else 1, symbol=" %"))
    axes.grid(color=COLOURS["rule"], lw=0.8, zorder=0)
    axes.set_axisbelow(True)
    axes.set_facecolor("none")
    axes.tick_params(colors=COLOURS["muted"], which="both", length=0)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(COLOURS["muted"])
    axes.legend(loc="upper right", frameon=True, framealpha=1.0, facecolor=COLOURS["card"], edgecolor=COLOURS["rule"],
                labelcolor=COLOURS["ink"], fontsize=8.5, borderpad=0.8)  # fmt: skip
