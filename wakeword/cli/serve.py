"""`wakeword serve`: the wake words for other programs, over Wyoming and in a web page."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from wakeword.cli.listening import parse_thresholds
from wakeword.cli.options import JsonLines, MinLevel, Patience, Rearm, Refractory, Smoothing, Threshold, Vad
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


class Page(NamedTuple):
    """What was asked for the web page."""

    where: str | None
    token: str | None
    certificate: Path | None
    key: Path | None
    takes: Path | None
    hits: Path | None


def command(
    bundles: Bundles,
    wyoming: Wyoming = None,
    http: Http = None,
    threshold: Threshold = None,
    smoothing: Smoothing = None,
    patience: Patience = None,
    refractory: Refractory = None,
    rearm: Rearm = None,
    min_level: MinLevel = None,
    vad: Vad = None,
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
    from wakeword.stream import load

    page = Page(http, token, tls_cert, tls_key, takes, hits)
    _check_choice(wyoming, page)
    rule = {"smoothing_steps": smoothing, "patience_steps": patience, "refractory_s": refractory, "rearm_ratio": rearm}
    ww = load(bundles, parse_thresholds(threshold), **rule, min_level_dbfs=min_level, vad_threshold=vad)
    _serve(ww, wyoming, page, clients, partial(_print, as_json=as_json))


def _check_choice(wyoming: str | None, page: Page) -> None:
    if not wyoming and not page.where:
        raise WakewordError("serve: got no address, expected --wyoming tcp://127.0.0.1:10400 or --http 127.0.0.1:8080")
    options = {"--takes": page.takes, "--hits": page.hits, "--token": page.token, "--tls-cert": page.certificate}
    for option, given in options.items():
        if given is not None and not page.where:
            raise WakewordError(f"{option}: got it without --http, expected a page that it is for")
    if (page.certificate is None) != (page.key is None):
        raise WakewordError("--tls-cert: got one of --tls-cert and --tls-key, expected both")
    if page.token == "":
        raise WakewordError("--token: got an empty one, expected some characters")
    if page.token and not (page.token.isascii() and page.token.isprintable()):
        raise WakewordError(f"--token: got {page.token!a}, expected characters of ASCII that can be printed")


def _serve(ww: WakeWord, wyoming: str | None, page: Page, clients: int, report: OnHeard) -> None:
    import asyncio

    from wakeword.serve.limits import Limits
    from wakeword.serve.running import run_until_stopped

    limits, opened = Limits(clients=clients), []
    if wyoming:
        opened.append(_wyoming_server(ww, wyoming, report, limits))
    if page.where:
        opened.append(_http_server(ww, page, report, limits))

    def ready() -> None:
        for _, where in opened:
            _status(f"listening for {', '.join(ww.phrases)} on {where}")

    asyncio.run(run_until_stopped([server for server, _ in opened], ready))


def _wyoming_server(ww: WakeWord, where: str, report: OnHeard, limits: Limits) -> tuple[WyomingServer, str]:
    from wakeword.serve.address import listen_on, parse_address
    from wakeword.serve.wyoming import WyomingServer

    listening, address = listen_on(parse_address(where, "tcp"))
    if not address.is_loopback:
        _status(f"tcp://{address} is reachable from other machines, and Wyoming knows no password")
    return WyomingServer(ww, listening, report, _status, limits), f"tcp://{address}"


def _http_server(ww: WakeWord, page: Page, report: OnHeard, limits: Limits) -> tuple[HttpServer, str]:
    import secrets
    from urllib.parse import quote

    from wakeword.serve.address import listen_on, parse_address
    from wakeword.serve.http import HttpServer
    from wakeword.serve.web import application

    asked, token = parse_address(page.where or "", "http"), page.token
    if not asked.is_loopback:
        token = token or secrets.token_urlsafe(TOKEN_BYTES)
    app = application(ww, report, _status, limits, token, _folders(ww, page.takes, page.hits))
    listening, address = listen_on(asked)
    pem = (page.certificate, page.key) if page.certificate and page.key else None
    server = HttpServer(app, listening, limits, pem)
    if not address.is_loopback and not pem:
        _status(
            "browsers on other machines give the microphone to https only: see --tls-cert, or put a proxy before it"
        )
    return server, f"{'https' if pem else 'http'}://{address}/" + (f"?token={quote(token, safe='')}" if token else "")


def _folders(ww: WakeWord, takes: Path | None, hits: Path | None) -> Folders:
    from importlib.util import find_spec

    from wakeword.cli.record import problem_of_take
    from wakeword.files import folder_names
    from wakeword.serve.hits import Hits
    from wakeword.serve.takes import Takes
    from wakeword.serve.web import Folders

    # A machine that only listens has no scipy, which the check needs; training checks every take again.
    check = problem_of_take if find_spec("scipy") else lambda pcm, rate: ""
    names = folder_names(ww.phrases)
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
