"""`wakeword record`: takes of a phrase, or the sound of a room, from a microphone."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    import numpy as np

COUNT_IN = ("3", "2", "1")
COUNT_IN_S = 0.5
MAX_TAKE_S = 3.0  # of the word itself, after trimming
METER_WIDTH, METER_FLOOR_DBFS = 30, -60.0
KEYS = "Enter: say it, p: play the last, r: record the last again, q: stop"


def command(
    phrase: Annotated[str, typer.Argument(help="What will be said.")],
    out: Annotated[Path | None, typer.Option(help="Folder for the takes. Default: takes/PHRASE.")] = None,
    count: Annotated[int, typer.Option("-n", "--count", min=1, help="How many takes.")] = 10,
    seconds: Annotated[float, typer.Option(min=1.0, max=10.0, help="Length of a take.")] = 2.5,
    background: Annotated[
        float | None, typer.Option(min=0.1, max=600.0, help="Record so many minutes of the room instead.")
    ] = None,
    device: Annotated[str | None, typer.Option(help="Microphone: name, part of a name, or index.")] = None,
) -> None:
    """Record takes of your wake word, each checked as soon as it is said; give them to `train --takes`.

    With --background MINUTES: your home while nobody says it, for `train --negatives` and `calibrate`.
    """
    from wakeword.files import folder_name

    name = folder_name(phrase)
    if background is not None:
        folder = out or Path("backgrounds") / name
        kept = [_record_background(folder, 60.0 * background, device)]
    else:
        folder = out or Path("takes") / name
        kept = _record_takes(phrase, folder, count, seconds, device)
    trained = "PHRASE --negatives" if background else f'"{phrase}" --takes'
    if kept:
        print(f"recorded {len(kept)} into {folder}; next: wakeword train {trained} {folder}")
    else:
        print(f"recorded nothing into {folder}")


def _record_takes(phrase: str, folder: Path, count: int, seconds: float, device: str | None) -> list[Path]:
    from wakeword.audio import write
    from wakeword.files import check_writable

    check_writable(_free_path(folder, "take"))
    kept: list[Path] = []
    while len(kept) < count:
        answer = _ask(f"{phrase!r}, take {len(kept) + 1} of {count} ({KEYS}) ")
        if answer == "q":
            break
        if answer == "p":
            _play(kept)
            continue
        if answer == "r" and kept:
            kept.pop().unlink()
        pcm, rate = _hear(seconds, device)
        if problem := problem_of_take(pcm, rate):
            print(f"not kept: {problem}")
            continue
        kept.append(_free_path(folder, "take"))
        write(kept[-1], pcm, rate)
        print(f"kept as {kept[-1]}")
    return kept


def _record_background(folder: Path, seconds: float, device: str | None) -> Path:
    """In one file, written as it is heard: Ctrl-C, or a microphone that goes, ends it early and keeps what there is."""
    import soundfile

    from wakeword.audio import replacing_audio, to_int16
    from wakeword.errors import AudioError
    from wakeword.microphone import MicrophoneSource

    path = _free_path(folder, "background")
    source = MicrophoneSource(device, on_event=_tell)
    try:
        with (
            replacing_audio(path) as temporary,
            soundfile.SoundFile(temporary, "w", source.sample_rate_hz, 1, "PCM_16", format="WAV") as file,
        ):
            try:
                for block in _first(seconds, source):
                    file.write(to_int16(block))
            except (KeyboardInterrupt, AudioError) as end:
                if not file.tell():
                    raise
                print(f"\nended early {end}".rstrip())
    finally:
        source.close()
    return path


def _hear(seconds: float, device: str | None) -> tuple[np.ndarray, int]:
    """float32 [N] from a microphone that is opened for it, after a count-in on a terminal, and its rate."""
    import time

    import numpy as np

    from wakeword.microphone import MicrophoneSource

    if sys.stdout.isatty():
        for number in COUNT_IN:
            print(number, end=" ", flush=True)
            time.sleep(COUNT_IN_S)
        print("now")
    source = MicrophoneSource(device, on_event=_tell)
    try:
        return np.concatenate(list(_first(seconds, source))), source.sample_rate_hz
    finally:
        source.close()


def _first(seconds: float, source) -> Iterator[np.ndarray]:
    """The blocks of so many seconds, with a level meter on a terminal. Raises AudioError if the microphone goes."""
    from wakeword.errors import AudioError
    from wakeword.sources import Gap

    left = round(seconds * source.sample_rate_hz)
    for block in source.blocks():
        if isinstance(block, Gap):
            raise AudioError(f"microphone {source.name!r} went away while it was recorded, expected it to stay")
        yield block[:left]
        left -= len(block)
        _show_level(block, max(left, 0) / source.sample_rate_hz)
        if left <= 0:
            break
    if sys.stdout.isatty():
        print("\r\x1b[K", end="")


def _show_level(block: np.ndarray, left_s: float) -> None:
    import numpy as np

    if not sys.stdout.isatty() or not len(block):
        return
    dbfs = 20.0 * np.log10(max(float(np.abs(block).max()), 1e-6))
    filled = round(METER_WIDTH * min(max(1.0 - dbfs / METER_FLOOR_DBFS, 0.0), 1.0))
    clipped = " too loud" if dbfs > -0.1 else ""
    print(f"\r\x1b[K[{'#' * filled:<{METER_WIDTH}}] {dbfs:4.0f} dBFS, {left_s:.1f} s{clipped}", end="", flush=True)


def problem_of_take(pcm: np.ndarray, rate: int) -> str:
    """What is wrong with a take, in the words that training would use; empty if it is good."""
    from synth.recordings import TakeRules, check_take
    from wakeword.config import load_config
    from wakeword.errors import AudioError

    shortest_s = load_config("default").synth.min_take_s
    try:
        check_take(pcm, TakeRules(rate, round(shortest_s * rate), round(MAX_TAKE_S * rate)))
    except AudioError as error:
        return str(error)
    return ""


def _ask(question: str) -> str:
    """The first letter of the answer; "q" at the end of input."""
    try:
        return input(question).strip().lower()[:1]
    except EOFError:
        return "q"


def _play(kept: list[Path]) -> None:
    from wakeword.audio import native_rate_hz, read
    from wakeword.portaudio import portaudio

    if not kept:
        print("nothing was kept yet")
        return
    sd, rate = portaudio(), native_rate_hz(kept[-1])
    try:
        sd.play(read(kept[-1], rate), rate, blocking=True)
    except (sd.PortAudioError, ValueError) as error:
        print(f"cannot be played: {str(error).splitlines()[0]}")


def _free_path(folder: Path, stem: str) -> Path:
    """The first number that is not taken: nothing is ever recorded over."""
    number = 1
    while (path := folder / f"{stem}_{number:03d}.wav").exists():
        number += 1
    return path


def _tell(event: str) -> None:
    sys.stderr.write(f"{event}\n")
