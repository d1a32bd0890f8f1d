"""`wakeword listen`: detections on stdout, everything else on stderr."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from wakeword.cli.listening import Actions, Wishes, parse_thresholds, thresholds
from wakeword.cli.meter import CLEAR, Meter
from wakeword.cli.options import (
    Bundles,
    EndSilence,
    Exec,
    JsonLines,
    MaxS,
    MinLevel,
    Patience,
    PauseExec,
    PipeCommand,
    PreRoll,
    RawRate,
    Rearm,
    Refractory,
    SaveHits,
    SaveHitsMb,
    Smoothing,
    Threshold,
    Vad,
    WebhookUrl,
)
from wakeword.errors import WakewordError

if TYPE_CHECKING:
    from wakeword.detector import Detection
    from wakeword.listener import Listener
    from wakeword.sources import Source
    from wakeword.stream import WakeWord

# Options that mean something only beside another one.
BESIDE = {"save_hits_mb": "save_hits", **dict.fromkeys(("pre_roll", "max_s", "end_silence"), "pipe_command")}


def command(
    context: typer.Context,
    bundles: Bundles = None,
    wav: Annotated[Path | None, typer.Option(help="Listen to this recording (any common format).")] = None,
    stdin: Annotated[bool, typer.Option("--stdin", help="Listen to raw 16-bit PCM, or WAV, from a pipe.")] = False,
    rate: RawRate = None,
    device: Annotated[str | None, typer.Option(help="Microphone: its name, part of its name, or its index.")] = None,
    list_devices: Annotated[bool, typer.Option("--list-devices", help="Show the microphones and stop.")] = False,
    threshold: Threshold = None,
    smoothing: Smoothing = None,
    patience: Patience = None,
    refractory: Refractory = None,
    rearm: Rearm = None,
    min_level: MinLevel = None,
    vad: Vad = None,
    as_json: JsonLines = False,
    exec_line: Exec = None,
    pause_while_exec: PauseExec = False,
    webhook: WebhookUrl = None,
    save_hits: SaveHits = None,
    save_hits_mb: SaveHitsMb = 200.0,
    pipe_command: PipeCommand = None,
    pre_roll: PreRoll = 0.5,
    max_s: MaxS = 10.0,
    end_silence: EndSilence = 0.8,
    chime: Annotated[bool, typer.Option("--chime", help="Play a sound at each detection.")] = False,
    chime_out: Annotated[Path | None, typer.Option(help="Write the --wav with a chime at each detection.")] = None,
) -> None:
    """Listen for wake words: microphone (the default), recording, or stdin. Ctrl-C or SIGTERM ends it."""
    if list_devices:
        _print_devices(as_json)
        return
    _check_choice(wav, stdin, rate, device, chime_out)
    _check_beside(context)
    rule = {"smoothing_steps": smoothing, "patience_steps": patience, "refractory_s": refractory, "rearm_ratio": rearm}
    ww = _load(bundles, threshold, **rule, min_level_dbfs=min_level, vad_threshold=vad)
    wishes = Wishes(exec_line, pause_while_exec, webhook, save_hits, save_hits_mb, pipe_command, chime)
    wishes = replace(wishes, lengths={"pre_roll_s": pre_roll, "max_s": max_s, "end_silence_s": end_silence})
    _listen(ww, wishes, wav, chime_out, as_json, lambda: _source(wav, stdin, rate or ww.sample_rate_hz, device))


def _load(bundles: list[Path] | None, threshold: list[str] | None, **rule: float | None) -> WakeWord:
    if not bundles:
        raise WakewordError("BUNDLE: got none, expected at least one model folder")
    from wakeword.stream import load

    return load(bundles, parse_thresholds(threshold), **rule)


def _listen(
    ww: WakeWord, wishes: Wishes, wav: Path | None, chime_out: Path | None, as_json: bool, open_source: Callable
) -> None:
    from wakeword.chime import check_chime_out, write_with_chimes
    from wakeword.listener import Listener

    if chime_out:
        check_chime_out(chime_out, wav)
    # A file is over before anybody could read a meter; in a pipe there is nobody.
    meter = None if wav or as_json or not sys.stderr.isatty() else Meter(thresholds(ww), ww.sample_rate_hz)
    actions = Actions(wishes, ww, meter, _status)
    source = open_source()
    # stderr must stay empty for a file, so that scripts may take any line there for trouble.
    if not wav:
        _status(f"listening for {', '.join(ww.phrases)} on {source.name} at {source.sample_rate_hz} Hz")
    if hasattr(source, "reopen") and hasattr(signal, "SIGUSR1"):  # Windows has none
        signal.signal(signal.SIGUSR1, lambda *_: source.reopen())
    listener = Listener(source, ww, on_audio=actions.on_audio)
    actions.attach(listener)
    heard = _print_hits(listener, actions, meter, as_json, endless=not wav)
    if getattr(source, "overflows", 0):
        _status(f"lost sound {source.overflows} times, {source.lost_samples / source.sample_rate_hz:.2f} s in all")
    if chime_out:
        write_with_chimes(chime_out, wav, [detection.end_s for detection in heard])


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


def _check_beside(context: typer.Context) -> None:
    for option, other in BESIDE.items():
        given = context.get_parameter_source(option)
        if given is not None and given.name == "COMMANDLINE" and context.params[other] is None:
            names = [f"--{name.replace('_', '-')}" for name in (option, other)]
            raise WakewordError(f"{names[0]}: got it without {names[1]}, which it is for")


def _source(wav: Path | None, stdin: bool, rate_hz: int, device: str | None) -> Source:
    from wakeword.microphone import MicrophoneSource
    from wakeword.sources import StdinSource, WavSource

    if wav:
        return WavSource(wav)
    if stdin:
        return StdinSource(sys.stdin.buffer, rate_hz)
    return MicrophoneSource(device, on_event=_status)


def _print_hits(
    listener: Listener, actions: Actions, meter: Meter | None, as_json: bool, endless: bool
) -> list[Detection]:
    """Prints the detections as they come. To Ctrl-C and SIGTERM an endless source ends well; a file is cut short."""
    heard = []
    previous = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        for detection in listener:
            if meter:
                meter.hit(detection.phrase, detection.score)
            typer.echo(_as_json(detection) if as_json else _as_text(detection))
            actions(detection)
            if not endless:
                heard.append(detection)
    except KeyboardInterrupt:
        if not endless:
            raise
    finally:
        if meter:
            meter.clear()
        listener.close()
        actions.close()
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
    typer.echo(CLEAR + line if sys.stderr.isatty() else line, err=True)
