"""`wakeword evaluate`: a bundle against recordings it has not heard."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from wakeword.evaluation import Evaluation


def command(
    bundle: Annotated[Path, typer.Argument(help="The bundle's folder.")],
    positives: Annotated[Path, typer.Option(help="Folder of takes of the word, one in each file.")],
    negatives: Annotated[list[Path], typer.Option(help="Folder of recordings without the word; may be given again.")],
    noise: Annotated[Path | None, typer.Option(help="Folder of noise in which the takes are heard.")] = None,
    snr_db: Annotated[float | None, typer.Option(help="Active speech over that noise, in dB.")] = None,
    noisy_negatives: Annotated[bool, typer.Option("--noisy-negatives", help="Hear the negatives in it, too.")] = False,
    target_fa_per_hour: Annotated[float, typer.Option(help="Wanted false accepts per hour.")] = 0.5,
    phrase: Annotated[str | None, typer.Option(help="Which of the bundle's phrases; default: the first.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Draws the excerpts of noise.")] = 0,
    out: Annotated[
        Path | None, typer.Option(help="Folder for the report; default: BUNDLE/report, or NAME_report.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on one line.")] = False,
) -> None:
    """Measure misses and false accepts of a bundle, and choose its threshold.

    Writes evaluation.json, det.png and index.html, a page that needs nothing else.
    """
    import wakeword
    from synth.rooms import living_room
    from wakeword.bundle import read_bundle
    from wakeword.cli.progress import file_progress
    from wakeword.evaluate import evaluate
    from wakeword.report import write_report

    ww, folder = wakeword.load(bundle), _report_folder(bundle, out)
    heard = (positives, negatives, noise, snr_db, target_fa_per_hour, phrase, noisy_negatives, seed)
    with file_progress() as progress:
        found = evaluate(ww, *heard, progress, living_room)
    about = {
        "wakeword": wakeword.__version__,
        "bundle": str(bundle),
        "positives": str(positives),
        "negatives": ", ".join(map(str, negatives)),
        "noise": str(noise) if noise else "none",
        "seed": seed,
    }
    page = write_report(found, folder, about, read_bundle(bundle).card.provenance)
    if as_json:
        typer.echo(json.dumps({**about, **found.to_dict(), "report": str(page)}))
    else:
        _print_table(found, page)


def _report_folder(bundle: Path, out: Path | None) -> Path:
    """What is missing for the report is better said now than after an hour of listening."""
    import matplotlib  # noqa: F401

    from wakeword.files import check_writable
    from wakeword.report import PAGE_NAME

    folder = out or (bundle / "report" if bundle.is_dir() else Path(f"{bundle}_report"))
    check_writable(folder / PAGE_NAME)
    return folder


def _print_table(found: Evaluation, page: Path) -> None:
    from rich.box import SIMPLE
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from wakeword.report.page import percent, threshold_text

    table = Table("", "own threshold", "chosen here", box=SIMPLE)
    points = (found.own, found.chosen)
    table.add_row("threshold", *(threshold_text(at.threshold) for at in points))
    table.add_row("words missed", *(f"{percent(at.miss_rate)} ({at.misses} of {at.positives})" for at in points))
    table.add_row("  95 % interval", *(" to ".join(map(percent, at.miss_interval)) for at in points))
    rates = (f"{at.fa_per_hour:.2f} ({at.fa_count} in {at.negative_hours:.2f} h)" for at in points)
    table.add_row("false accepts per hour", *rates)
    table.add_row("  95 % upper bound", *(f"{at.fa_per_hour_upper:.2f}" for at in points))
    console = Console()
    console.print(table)
    console.print(escape(found.claim), highlight=False)
    if found.warning:
        console.print(found.warning, highlight=False)
    if found.skipped:
        console.print(f"{len(found.skipped)} files were skipped or cut short; the report lists them.", highlight=False)
    console.print(f"report: {escape(str(page))}", highlight=False, soft_wrap=True)
