"""`wakeword demo`: the whole chain on a machine that has nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

WAV, PICTURE = Path("demo.wav"), Path("demo.png")


def command(
    phrase: Annotated[str, typer.Argument(help="The wake word to make.")] = "hey computer",
    minutes: Annotated[float, typer.Option(min=0.1, max=60.0, help="Train for at most so long.")] = 4.0,
    out: Annotated[Path, typer.Option(help="The bundle's folder.")] = Path("models/demo"),
    workers: Annotated[int | None, typer.Option(min=0, help="Processes that render. Default: half the cores.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a line.")] = False,
) -> None:
    """Make clips with espeak, train, export, listen to voices never heard in training, and draw what was heard.

    Writes the stream it listened to as demo.wav, and its score curve as demo.png, into the current folder.
    """
    from wakeword.cli.presets import QUICK, typed
    from wakeword.cli.training import open_clips, rendered, reporter, spoken_clips, train_bundle
    from wakeword.config import load_config, override

    report = reporter(as_json)
    config = typed(override(load_config("default"), **QUICK))
    config = override(config, train={"max_minutes": minutes})
    opened = open_clips(spoken_clips([phrase], report), config, [phrase], report, spoken=True)
    train_bundle(config, rendered(opened, config, workers), out, report)
    report({"event": "heard", **listen_to_unheard_voices(phrase, out), "picture": str(PICTURE), "wav": str(WAV)})


def listen_to_unheard_voices(phrase: str, bundle: Path) -> dict[str, int]:
    """Runs the bundle on a stream it has not seen, writes and draws that stream, and counts what was heard."""
    import wakeword
    from synth.unheard import unheard_scene
    from wakeword.audio import write
    from wakeword.report.scene import draw_scene

    ww = wakeword.load(bundle)
    pcm, events = unheard_scene(phrase, ww.sample_rate_hz)
    write(WAV, pcm, ww.sample_rate_hz)
    chunk_samples = ww.sample_rate_hz // 12  # no whole number of steps: any length will do
    detections = [d for at in range(0, len(pcm), chunk_samples) for d in ww.feed(pcm[at : at + chunk_samples])]
    title = "Voices never heard in training, over pink noise at 10 dB SNR"
    draw_scene(PICTURE, pcm, events, *ww.scores(pcm), detections, ww, title)
    return count_hits(events, detections, ww.sample_rate_hz)


def count_hits(events: list, detections: list, sample_rate_hz: int) -> dict[str, int]:
    """A word is heard if a detection ends between its start and one second after its end; others are false."""
    spans = [(event.start_sample / sample_rate_hz, event.end_sample / sample_rate_hz + 1.0) for event in events]
    heard = sum(any(low <= d.end_s <= high for d in detections) for low, high in spans)
    false = sum(not any(low <= d.end_s <= high for low, high in spans) for d in detections)
    return {"words": len(events), "heard": heard, "false_accepts": false}
