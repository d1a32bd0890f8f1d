"""`wakeword serve`: the wake words for other programs, over Wyoming and in a web page."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from wakeword.cli.options import JsonLines
from wakeword.errors import WakewordError

if TYPE_CHECKING:
    from wakeword.detector import Detection

Bundles = Annotated[list[Path], typer.Argument(metavar="BUNDLE...", help="One or more model folders.")]


def command(
    bundles: Bundles,
    wyoming: Annotated[
        str | None, typer.Option(metavar="tcp://HOST:PORT", help="Serve Home Assistant's voice protocol here.")
    ] = None,
    threshold: Annotated[float | None, typer.Option(help="Between 0 and 1, instead of the bundles' own.")] = None,
    clients: Annotated[int, typer.Option(min=1, max=1000, help="The most that may be connected at once.")] = 64,
    as_json: JsonLines = False,
) -> None:
    """Serve wake words to Home Assistant and other programs. Ctrl-C or SIGTERM ends it.

    Prints a line for each detection. Nothing is reachable from other machines, and no sound is kept, unless you say so.
    """
    import asyncio

    from wakeword.serve.address import listen_on, parse_address
    from wakeword.serve.limits import Limits
    from wakeword.serve.running import run_until_stopped
    from wakeword.stream import load

    if not wyoming:
        raise WakewordError("serve: got no address, expected --wyoming tcp://127.0.0.1:10400")
    from wakeword.serve.wyoming import WyomingServer

    ww = load(bundles, threshold)
    limits = Limits(clients=clients)
    listening, address = listen_on(parse_address(wyoming, "tcp"))
    server = WyomingServer(ww, listening, lambda who, detection: _print(who, detection, as_json), _status, limits)
    ready = lambda: _status(f"listening for {', '.join(ww.phrases)}; wyoming on tcp://{address}")  # noqa: E731
    asyncio.run(run_until_stopped([server], ready))


def _print(who: str, detection: Detection, as_json: bool) -> None:
    if as_json:
        facts = {"client": who, "phrase": detection.phrase, "end_s": detection.end_s, "score": detection.score}
        line = json.dumps({**facts, "end_s": round(facts["end_s"], 6), "score": round(facts["score"], 6)})
    else:
        line = f"{who}: {detection.phrase} {detection.score:.2f} at {detection.end_s:.2f} s"
    print(line, flush=True)


def _status(line: str) -> None:
    typer.echo(line, err=True)
