"""`wakeword listen`: detections on stdout, everything else on stderr."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from wakeword.errors import WakewordError

if TYPE_CHECKING:
    from wakeword.detector import Detection
    from wakeword.sources import Source

HIGHEST_RATE_HZ = 768_000  # of any sound card


def command(
    bundles: Annotated[
        list[Path] | None, typer.Argument(metavar="BUNDLE...", help="One or more model folders.")
    ] = None,
    wav: Annotated[Path | None, typer.Option(help="Listen to this recording (any common format).")] = None,
    stdin: Annotated[bool, typer.Option("--stdin", help="Listen to raw 16-bit PCM, or WAV, from a pipe.")] = False,
    rate: Annotated[
        int | None,
        typer.Option(min=1, max=HIGHEST_RATE_HZ, metavar="HZ", help="Of raw --stdin; default: the bundle's."),
    ] = None,
    device: Annotated[str | None, typer.Option(help="Microphone: its name, part of its name, or its index.")] = None,
    list_devices: Annotated[bool, typer.Option("--list-devices", help="Show the microphones and stop.")] = False,
    threshold: Annotated[float | None, typer.Option(help="Between 0 and 1, instead of the bundle's own.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a line.")] = False,
    chime: Annotated[bool, typer.Option("--chime", help="Play a sound at each detection.")] = False,
    chime_out: Annotated[Path | None, typer.Option(help="Write the --wav with a chime at each detection.")] = None,
) -> None:
    """Listen for wake words: microphone (the default), recording, or stdin. Ctrl-C ends it."""
    if list_devices:
        return _print_devices(as_json)
    _check_choice(wav, stdin, rate, device, chime_out)
    if not bundles:
        raise WakewordError("BUNDLE: got none, expected at least one model folder")
    from wakeword.chime import Player, check_chime_out, write_with_chimes
    from wakeword.listener import Listener
    from wakeword.stream import load

    ww = load(bundles, threshold)
    if chime_out:
        check_chime_out(chime_out, wav)
    play = Player(_status).play if chime else None
    source = _source(wav, stdin, rate or ww.sample_rate_hz, device)
    # stderr must stay empty for a file, so that scripts may take any line there for trouble.
    if not wav:
        _status(f"listening for {', '.join(ww.phrases)} on {source.name} at {source.sample_rate_hz} Hz")
    heard = _listen(Listener(source, ww), as_json, play, endless=not wav)
    if chime_out:
        write_with_chimes(chime_out, wav, [detection.end_s for detection in heard])
    return None


def _check_choice(wav: Path | None, stdin: bool, rate: int | None, device: str | None, chime_out: Path | None) -> None:
    chosen = [name for name, given in (("--wav", wav), ("--stdin", stdin), ("--device", device)) if given]
    if len(chosen) > 1:
        raise WakewordError(f"got {' and '.join(chosen)}, expected one source")
    if rate is not None and not stdin:
        raise WakewordError("--rate: got it without --stdin; files and microphones know their own rate")
    if chime_out and not wav:
        raise WakewordError("--chime-out: got it without --wav, expected a recording to lay the chimes over")
    if stdin and (sys.stdin is None or sys.stdin.isatty()):
        raise WakewordError("--stdin: got no pipe, expected sound through a pipe")


def _source(wav: Path | None, stdin: bool, rate_hz: int, device: str | None) -> Source:
    from wakeword.microphone import MicrophoneSource
    from wakeword.sources import StdinSource, WavSource

    if wav:
        return WavSource(wav)
    if stdin:
        return StdinSource(sys.stdin.buffer, rate_hz)
    return MicrophoneSource(device, on_event=_status)


def _listen(listener, as_json: bool, play: Callable[[], None] | None, endless: bool) -> list[Detection]:
    """Prints the detections as they come. To Ctrl-C and SIGTERM an endless source ends well; a file is cut short."""
    heard = []
    previous = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        for detection in listener:
            typer.echo(_as_json(detection) if as_json else _as_text(detection))
            if play:
                play()
            if not endless:
                heard.append(detection)
    except KeyboardInterrupt:
        if not endless:
            raise
    finally:
        listener.close()
        signal.signal(signal.SIGTERM, previous or signal.SIG_DFL)
    return heard


def _as_json(detection: Detection) -> str:
    return json.dumps(
        {
            "phrase": detection.phrase,
            "start_s": round(detection.start_s, 6),
            "end_s": round(detection.end_s, 6),
            "score": round(detection.score, 6),
        },
        ensure_ascii=False,
    )


def _as_text(detection: Detection) -> str:
    minutes, seconds = divmod(round(detection.end_s, 2), 60)
    return f"{int(minutes):3d}:{seconds:05.2f}  {detection.phrase}  {detection.score:.2f}"


def _print_devices(as_json: bool) -> None:
    from dataclasses import asdict

    from wakeword.microphone import list_devices

    devices = list_devices()
    if not devices and not as_json:
        _status("this computer has no sound input")
    for device in devices:
        mark = "*" if device.is_default else " "
        text = f"{mark} {device.index:3d}  {device.name}  ({device.host_api}, {device.default_rate_hz} Hz)"
        typer.echo(json.dumps(asdict(device)) if as_json else text)


def _status(line: str) -> None:
    typer.echo(line, err=True)
