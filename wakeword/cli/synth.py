"""`wakeword synth`: clips in, a dataset of labelled examples out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

LISTED_FILES = 10  # of those that were skipped; dataset.json has them all


def command(
    config: Annotated[str, typer.Argument(help="A .toml file, or the name of a packaged configuration.")],
    out: Annotated[Path, typer.Option(help="Folder for audio/, dataset.json and manifest.jsonl.")],
    clips: Annotated[Path, typer.Option(help="Folder with activates/ negatives/ backgrounds/.")] = Path("clips"),
    phrase: Annotated[list[str] | None, typer.Option(help="The wake word; repeat it for several words.")] = None,
    examples: Annotated[int | None, typer.Option(min=1, help="How many, instead of what the file says.")] = None,
    workers: Annotated[int | None, typer.Option(min=0, help="Processes that render. Default: all cores.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Write a dataset of labelled examples. A run that was stopped goes on where it was."""
    import json
    import os

    from synth import open_clips, write_dataset
    from wakeword.config import load_config, override

    settings = load_config(config)
    if examples:
        settings = override(settings, synth={"examples": examples})
    with _progress("decoding", as_json) as progress:
        opened = open_clips(clips, settings, phrase, progress)
    with _progress("rendering", as_json) as progress:
        written = write_dataset(opened, out, os.cpu_count() or 1 if workers is None else workers, progress)
    if as_json:
        facts = {"out": str(out), "examples": written["examples"], **written["clips"], "skipped": written["rejected"]}
        print(json.dumps(facts))
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
    return "\n".join([*lines, f"wrote {out}"])
