"""`wakeword corpora`: open recordings of speech, noise and rooms, with their licences."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def command(
    action: Annotated[str, typer.Argument(help="list or get.")],
    names: Annotated[list[str] | None, typer.Argument(help="With get: names from the list.")] = None,
    out: Annotated[Path, typer.Option(help="Folder that gets a folder of each.")] = Path("corpora"),
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a line.")] = False,
) -> None:
    """List open corpora, or download some. A download that was stopped goes on where it was."""
    import json

    from synth.corpora import CORPORA, corpus_named
    from synth.fetch import fetch
    from wakeword.errors import DataError

    if action not in ("list", "get") or (action == "list") == bool(names):
        raise DataError(f"corpora: got {' '.join([action, *(names or [])])!r}, expected list, or get NAME")
    if action == "list":
        for corpus in CORPORA:
            print(json.dumps(_facts(corpus)) if as_json else _lines(corpus))
        return
    for corpus in [corpus_named(name) for name in names or []]:
        if corpus.archives and not as_json:
            print(f"{corpus.title}, {_size(corpus.bytes)}. Licence: {corpus.licence}", flush=True)
        with _progress() as progress:
            folder = fetch(corpus, out, progress)
        used = f"{corpus.use} {folder}" + (f" ({corpus.note})" if corpus.note else "")
        print(
            json.dumps({**_facts(corpus), "folder": str(folder)}) if as_json else f"wrote {folder}: use it with {used}"
        )


def _facts(corpus) -> dict:
    facts = {"name": corpus.name, "title": corpus.title, "licence": corpus.licence, "url": corpus.url}
    files = [{"url": a.url, "bytes": a.bytes, "md5": a.md5} for a in corpus.archives]
    return {**facts, "use": corpus.use, "bytes": corpus.bytes, "files": files, "note": corpus.note}


def _lines(corpus) -> str:
    note = f"\n    {corpus.note}" if corpus.note else ""
    size = _size(corpus.bytes) if corpus.archives else "by hand"
    return f"{corpus.name}  {size}  {corpus.use}\n    {corpus.title}\n    {corpus.licence}\n    {corpus.url}{note}"


def _size(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"


def _progress():
    """A context whose value is called with (file, bytes, bytes in all): bars on a terminal, else a line each tenth."""
    import sys
    from contextlib import nullcontext

    return _bars() if sys.stderr.isatty() else nullcontext(_TenthPrinter())


class _TenthPrinter:
    def __init__(self) -> None:
        self._said: dict[str, int] = {}

    def __call__(self, name: str, done: int, total: int) -> None:
        tenth = 10 * done // max(total, 1)
        if tenth > self._said.get(name, 0):
            self._said[name] = tenth
            typer.echo(f"{name}: {_size(done)} of {_size(total)}", err=True)


def _bars():
    from contextlib import contextmanager

    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    columns = TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn()

    @contextmanager
    def shown():
        with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True) as bars:
            tasks: dict = {}

            def show(name: str, done: int, total: int) -> None:
                if name not in tasks:
                    tasks[name] = bars.add_task(name)
                bars.update(tasks[name], completed=done, total=total)

            yield show

    return shown()
