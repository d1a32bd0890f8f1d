"""`wakeword synth`: clips in; a dataset of labelled examples, or a page that shows some, out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from wakeword.cli.options import Backgrounds, Negatives, Rooms, Takes

if TYPE_CHECKING:
    from synth import Clips
    from wakeword.config import Config

LISTED_FILES = 10  # of those that were skipped; dataset.json has them all
PAGE_NAME = "preview.html"

MOST_HOURS = 10_000_000  # of a dataset


def command(
    config: Annotated[str, typer.Argument(help="A .toml file, or the name of a packaged configuration.")],
    out: Annotated[Path | None, typer.Option(help="The dataset's folder, or the page's.")] = None,
    clips: Annotated[Path, typer.Option(help="Folder with activates/ negatives/ backgrounds/.")] = Path("clips"),
    phrase: Annotated[list[str] | None, typer.Option(help="The wake word; repeat it for several words.")] = None,
    takes: Takes = None,
    negatives: Negatives = None,
    backgrounds: Backgrounds = None,
    rooms: Rooms = None,
    examples: Annotated[int | None, typer.Option(min=1, help="How many, instead of what the file says.")] = None,
    hours: Annotated[float | None, typer.Option(help="So many hours, as shards for any training there is.")] = None,
    audio_format: Annotated[str, typer.Option("--format", help="Of shards: flac, or opus, which is smaller.")] = "flac",
    shard_examples: Annotated[int, typer.Option(min=1, help="Examples in a shard.")] = 512,
    engine: Annotated[str, typer.Option(help="Who renders shards: local processes, or ray, on a cluster.")] = "local",
    preview: Annotated[
        int | None, typer.Option(min=1, help="Write a page that shows so many examples instead.")
    ] = None,
    workers: Annotated[int | None, typer.Option(min=0, help="Processes that render. Default: all cores.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Write a dataset of labelled examples. A run that was stopped goes on where it was."""
    from synth import open_clips, write_dataset, write_shards
    from synth.workers import engine_named

    settings = _settings(config, examples, hours, preview, out)
    added = {"activates": takes, "negatives": negatives, "backgrounds": backgrounds, "rooms": rooms}
    render = engine_named(engine)
    with _progress("decoding", as_json) as progress:
        given = {kind: folders for kind, folders in added.items() if folders}
        opened = open_clips(clips, settings, phrase, progress, given)
    if preview:
        _show(opened, preview, out or Path(PAGE_NAME), as_json)
        return
    processes = _cores() if workers is None else workers
    with _progress("rendering", as_json) as progress:
        if hours:
            written = write_shards(opened, out, _codec(audio_format), shard_examples, processes, progress, render)
        else:
            written = write_dataset(opened, out, processes, progress)
    _report(out, written, as_json)


def _settings(name: str, examples: int | None, hours: float | None, preview: int | None, out: Path | None) -> Config:
    import math

    from wakeword.config import load_config, override
    from wakeword.errors import DataError

    if out is None and preview is None:
        raise DataError("synth: got no --out, expected the folder of the dataset, or --preview")
    if sum(value is not None for value in (examples, hours, preview)) > 1:
        raise DataError("synth: got several of --examples, --hours and --preview, expected one of them")
    settings = load_config(name)
    if hours is not None and not 0.0 < hours <= MOST_HOURS:
        raise DataError(f"--hours: got {hours:g}, expected more than 0 and at most {MOST_HOURS:,}")
    if hours:
        examples = max(2, math.ceil(hours * 3600.0 / settings.audio.example_s))  # one for each side
    return override(settings, synth={"examples": examples}) if examples else settings


def _codec(name: str) -> str:
    from synth.encoding import CODECS
    from wakeword.errors import DataError

    if name not in CODECS:
        raise DataError(f"--format: got {name!r}, expected one of {', '.join(CODECS)}")
    return name


def _cores() -> int:
    import os

    return os.cpu_count() or 1


def _show(clips: Clips, count: int, out: Path, as_json: bool) -> None:
    import json

    from synth import stream
    from wakeword.report.preview import write_preview

    page = out if out.suffix == ".html" else out / PAGE_NAME
    write_preview(page, stream(clips, clips.config, "train", 0, count), clips.config, clips.phrases)
    print(json.dumps({"page": str(page), "examples": count}) if as_json else f"wrote {page}: {count} examples")


def _report(out: Path, written: dict, as_json: bool) -> None:
    import json

    if as_json:
        facts = {"out": str(out), "examples": written["examples"], **written["clips"], "skipped": written["rejected"]}
        print(json.dumps({**facts, "sources": written["sources"]}))
    else:
        print(_summary(out, written))


def _progress(what: str, quiet: bool):
    """A context whose value is called with (done, total): a bar on a terminal, a line each tenth in a pipe."""
    import sys
    from contextlib import nullcontext

    if quiet:
        return nullcontext()
    return _bar(what) if sys.stdout.isatty() else nullcontext(_line_printer(what))


def _bar(what: str):
    from contextlib import contextmanager

    from rich.progress import Progress

    @contextmanager
    def shown():
        with Progress(transient=True) as bar:
            task = bar.add_task(what, total=None)
            yield lambda done, total: bar.update(task, completed=done, total=total)

    return shown()


def _line_printer(what: str):
    tenth = 0

    def report(done: int, total: int) -> None:
        nonlocal tenth
        if 10 * done // total > tenth:
            tenth = 10 * done // total
            print(f"{what}: {done} of {total}", flush=True)

    return report


def _summary(out: Path, written: dict) -> str:
    lines = []
    for split, count in written["examples"].items():
        kinds = written["clips"][split].items()
        parts = [f"{kind} {n['files']} files, {n['groups']} groups, {n['hours']:.2f} h" for kind, n in kinds]
        lines.append(f"{split}: {count} examples of {'; '.join(parts)}")
    rejected = written["rejected"]
    if rejected:
        lines.append(f"skipped {len(rejected)} files:")
        lines += [f"  {one['path']}: {one['reason']}" for one in rejected[:LISTED_FILES]]
        lines += (
            [f"  and {len(rejected) - LISTED_FILES} more, see dataset.json"] if len(rejected) > LISTED_FILES else []
        )
    silent = [share for share in written["sources"] if share["source"] is None]
    if silent and "shards" in written:
        files = sum(share["files"] for share in silent)
        lines.append(f"of {files} files no licence is stated: a source.toml beside them would (docs/datasets.md)")
    return "\n".join([*lines, f"wrote {out}"])
