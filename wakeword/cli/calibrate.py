"""`wakeword calibrate`: a new threshold for a bundle, from recordings without the word."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from wakeword.bundle import Card
    from wakeword.calibrate import Calibration


def command(
    bundle: Annotated[Path, typer.Argument(help="The bundle's folder.")],
    negatives: Annotated[list[Path], typer.Option(help="Folder of recordings without the word; may be given again.")],
    target_fa_per_hour: Annotated[float, typer.Option(help="Wanted false accepts per hour.")] = 0.5,
    phrase: Annotated[str | None, typer.Option(help="Which of the bundle's phrases; default: the first.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on one line.")] = False,
) -> None:
    """Set a bundle's threshold by what it does on your own recordings, without training.

    An hour or more of your home, your radio or your meetings, in which nobody says the word.
    """
    import json

    import wakeword
    from wakeword.bundle import CARD, READY, located, read_bundle, replace_card
    from wakeword.calibrate import calibrate
    from wakeword.cli.progress import file_progress
    from wakeword.errors import BundleError
    from wakeword.export import with_thresholds
    from wakeword.files import check_writable

    if located(bundle).parent == READY:
        raise BundleError(f"{bundle}: got a ready model, expected a folder of yours: wakeword models get {bundle}")
    ww = wakeword.load(bundle)
    check_writable(bundle / CARD)
    with file_progress() as progress:
        found = calibrate(ww, negatives, target_fa_per_hour, phrase, progress)
    opened, facts = read_bundle(bundle), _facts(found, negatives)
    card = _recalibrated(opened.card, found, facts)
    replace_card(opened, card, with_thresholds(opened.graph(), card))
    if as_json:
        print(json.dumps({"bundle": str(bundle), "phrase": found.phrase, **facts}))
    else:
        _print(found, bundle)


def _recalibrated(card: Card, found: Calibration, facts: dict[str, Any]) -> Card:
    thresholds = list(card.thresholds)
    thresholds[card.phrases.index(found.phrase)] = found.after.threshold
    earlier = card.provenance.get("calibration")
    known = earlier if isinstance(earlier, dict) else {}
    provenance = {**card.provenance, "calibration": {**known, found.phrase: facts}}
    return card.model_copy(update={"thresholds": thresholds, "provenance": provenance})


def _facts(found: Calibration, negatives: list[Path]) -> dict[str, Any]:
    return {
        "threshold": found.after.threshold,
        "threshold_before": found.before.threshold,
        "target_fa_per_hour": found.target_fa_per_hour,
        "fa_count": found.after.fa_count,
        "fa_count_before": found.before.fa_count,
        "negative_hours": round(found.after.negative_hours, 4),
        "fa_per_hour": found.after.fa_per_hour,
        "fa_per_hour_upper": found.after.fa_per_hour_upper,
        "negatives": [folder.name for folder in negatives],
        "skipped": len(found.skipped),
    }


def _print(found: Calibration, bundle: Path) -> None:
    before, after = found.before, found.after
    print(
        f"{found.phrase!r}: threshold {before.threshold:.3f} -> {after.threshold:.3f}, false accepts in "
        f"{after.negative_hours:.2f} h: {before.fa_count} -> {after.fa_count}, "
        f"{after.fa_per_hour:.2f} per hour, at 95 % at most {after.fa_per_hour_upper:.2f}"
    )
    if after.fa_per_hour_upper > found.target_fa_per_hour:
        print(f"to show {found.target_fa_per_hour:g} per hour takes {found.hours_needed:.1f} h without a false accept")
    if found.skipped:
        print(f"skipped {len(found.skipped)} files, the first: {found.skipped[0].path}: {found.skipped[0].reason}")
    print(f"wrote {bundle}")
