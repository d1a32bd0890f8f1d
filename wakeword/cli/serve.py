"""`wakeword serve`: the wake words for other programs, over Wyoming and in a web page."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from wakeword.cli.options import JsonLines
from wakeword.errors import WakewordError

if TYPE_CHECKING:
    from wakeword.detector import Detection
    from wakeword.serve.http import HttpServer
    from wakeword.serve.limits import Limits
    from wakeword.serve.sound import OnHeard
    from wakeword.serve.web import Folders
    from wakeword.serve.wyoming import WyomingServer
    from wakeword.stream import WakeWord

Bundles = Annotated[list[Path], typer.Argument(metavar="BUNDLE...", help="One or more model folders.")]
Wyoming = Annotated[
    str | None, typer.Option(metavar="tcp://HOST:PORT", help="Serve Home Assistant's voice protocol here.")
]
Http = Annotated[str | None, typer.Option(metavar="HOST:PORT", help="Serve a web page with a microphone here.")]
TOKEN_BYTES = 16


def command(
    bundles: Bundles,
    wyoming: Wyoming = None,
    http: Http = None,
    threshold: Annotated[float | None, typer.Option(help="Between 0 and 1, instead of the bundles' own.")] = None,
    takes: Annotated[Path | None, typer.Option(help="Let the page record takes into this folder.")] = None,
    hits: Annotated[Path | None, typer.Option(help="Let the page sort this folder of `listen --save-hits`.")] = None,
    token: Annotated[
        str | None, typer.Option(help="What the page asks for; beyond loopback there is always one.")
    ] = None,
    tls_cert: Annotated[Path | None, typer.Option(help="The page's certificate (PEM), for https.")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="The certificate's key (PEM).")] = None,
    clients: Annotated[int, typer.Option(min=1, max=1000, help="The most that may be connected to each at once.")] = 64,
    as_json: JsonLines = False,
) -> None:
    """Serve wake words to Home Assistant (--wyoming), in a web page (--http), or both. Ctrl-C or SIGTERM ends it.

    Prints a line for each detection. Nothing is reachable from other machines, and no sound is kept, unless you say so.
    """
    import asyncio

    from wakeword.serve.limits import Limits
    from wakeword.serve.running import run_until_stopped
    from wakeword.stream import load

    _check_choice(wyoming, http, {"--takes": takes, "--hits": hits, "--token": token, "--tls-cert": tls_cert})
    if (tls_cert is None) != (tls_key is None):
        raise WakewordError("--tls-cert: got one of --tls-cert and --tls-key, expected both")
    ww = load(bundles, threshold)
    limits = Limits(clients=clients)
    report: OnHeard = partial(_print, as_json=as_json)
    opened = []
    if wyoming:
        opened.append(_wyoming_server(ww, wyoming, report, limits))
    if http:
        pem = (tls_cert, tls_key) if tls_cert and tls_key else None
        opened.append(_http_server(ww, http, report, limits, token, pem, takes, hits))

    def ready() -> None:
        for _, where in opened:
            _status(f"listening for {', '.join(ww.phrases)} on {where}")

    asyncio.run(run_until_stopped([server for server, _ in opened], ready))


def _check_choice(wyoming: str | None, http: str | None, for_the_page: dict[str, object]) -> None:
    if not wyoming and not http:
        raise WakewordError("serve: got no address, expected --wyoming tcp://127.0.0.1:10400 or --http 127.0.0.1:8080")
    for option, given in for_the_page.items():
        if given is not None and not http:
            raise WakewordError(f"{option}: got it without --http, expected a page that it is for")


def _wyoming_server(ww: WakeWord, where: str, report: OnHeard, limits: Limits) -> tuple[WyomingServer, str]:
    from wakeword.serve.address import listen_on, parse_address
    from wakeword.serve.wyoming import WyomingServer

    listening, address = listen_on(parse_address(where, "tcp"))
    if not address.is_loopback:
        _status(f"tcp://{address} is reachable from other machines, and Wyoming knows no password")
    return WyomingServer(ww, listening, report, _status, limits), f"tcp://{address}"


def _http_server(
    ww: WakeWord,
    where: str,
    report: OnHeard,
    limits: Limits,
    token: str | None,
    pem: tuple[Path, Path] | None,
    takes: Path | None,
    hits: Path | None,
) -> tuple[HttpServer, str]:
    import secrets

    from wakeword.serve.address import listen_on, parse_address
    from wakeword.serve.http import HttpServer
    from wakeword.serve.web import application

    asked = parse_address(where, "http")
    if token is not None and not token:
        raise WakewordError("--token: got an empty one, expected some characters")
    if not asked.is_loopback:
        token = token or secrets.token_urlsafe(TOKEN_BYTES)
    app = application(ww, report, _status, limits, token, _folders(ww, takes, hits))
    listening, address = listen_on(asked)
    server = HttpServer(app, listening, limits, pem)
    if not address.is_loopback and not pem:
        _status(
            "browsers on other machines give the microphone to https only: see --tls-cert, or put a proxy before it"
        )
    return server, f"{'https' if pem else 'http'}://{address}/" + (f"?token={token}" if token else "")


def _folders(ww: WakeWord, takes: Path | None, hits: Path | None) -> Folders:
    from importlib.util import find_spec

    from wakeword.cli.record import problem_of_take
    from wakeword.cli.train import folder_name
    from wakeword.serve.hits import Hits
    from wakeword.serve.takes import Takes
    from wakeword.serve.web import Folders

    # A machine that only listens has no scipy, which the check needs; training checks every take again.
    check = problem_of_take if find_spec("scipy") else lambda pcm, rate: ""
    names = {phrase: folder_name(phrase) for phrase in ww.phrases}
    return Folders(Takes(takes, names, check) if takes else None, Hits(hits) if hits else None)


def _print(who: str, detection: Detection, as_json: bool) -> None:
    if as_json:
        facts = {"client": who, "phrase": detection.phrase, "end_s": detection.end_s, "score": detection.score}
        line = json.dumps({**facts, "end_s": round(facts["end_s"], 6), "score": round(facts["score"], 6)})
    else:
        line = f"{who}: {detection.phrase} {detection.score:.2f} at {detection.end_s:.2f} s"
    print(line, flush=True)


def _status(line: str) -> None:
    typer.echo(line, err=True)
