"""Options that several verbs share, so that they read alike everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Language = Annotated[str, typer.Option("--lang", help="The phrase's language, as espeak names it: en, es, de, ...")]
Voices = Annotated[
    list[str] | None,
    typer.Option("--voice", help="espeak, kokoro, a Piper .onnx, or a command with {text} and {wav}; repeatable."),
]
Spellings = Annotated[
    list[str] | None,
    typer.Option("--spelling", metavar="[PHRASE=]TEXT", help="Another way to write what is said; repeatable."),
]
JsonLines = Annotated[bool, typer.Option("--json", help="Print one JSON object a line.")]
Takes = Annotated[list[Path] | None, typer.Option("--takes", help="Folder of your takes of the phrase; repeatable.")]
Negatives = Annotated[list[Path] | None, typer.Option("--negatives", help="Folder of your speech without it.")]
Backgrounds = Annotated[list[Path] | None, typer.Option("--backgrounds", help="Folder of your noise and rooms.")]
MaxMinutes = Annotated[float | None, typer.Option("--max-minutes", help="Train for at most so many minutes.")]
MaxSteps = Annotated[int | None, typer.Option("--max-steps", min=1, help="Train on at most so many batches.")]
Rooms = Annotated[list[Path] | None, typer.Option("--rooms", help="Folder of impulse responses of rooms.")]
HardNegatives = Annotated[
    list[Path] | None, typer.Option("--hard-negatives", help="Folder of `listen --save-hits`, or of other false hits.")
]

# Of `listen`: what is heard, what decides, and what is done about it.
HIGHEST_RATE_HZ = 768_000  # of any sound card
Bundles = Annotated[list[Path] | None, typer.Argument(metavar="BUNDLE...", help="One or more model folders.")]
RawRate = Annotated[
    int | None, typer.Option(min=1, max=HIGHEST_RATE_HZ, metavar="HZ", help="Of raw --stdin; default: the bundle's.")
]
Threshold = Annotated[
    list[str] | None,
    typer.Option(metavar="[PHRASE=]X", help="Between 0 and 1, instead of the bundle's own; repeatable with PHRASE=."),
]
Smoothing = Annotated[int | None, typer.Option(min=1, metavar="STEPS", help="Outputs whose mean is the score.")]
Patience = Annotated[int | None, typer.Option(min=1, metavar="STEPS", help="Successive steps over the threshold.")]
Refractory = Annotated[
    float | None, typer.Option(min=0.0, metavar="SECONDS", help="No second hit of a phrase within this time.")
]
Rearm = Annotated[
    float | None, typer.Option(metavar="RATIO", help="Nor before the score fell below this share of the threshold.")
]
MinLevel = Annotated[
    float | None, typer.Option(metavar="DBFS", help="No hit where nothing was this loud within the last second.")
]
Vad = Annotated[
    float | None, typer.Option(metavar="X", help="No hit without speech, by Silero, over this probability (0.5).")
]
Exec = Annotated[
    str | None,
    typer.Option("--exec", metavar="CMD", help="Run this at each hit, without a shell; {phrase} {score} {end_s}."),
]
PauseExec = Annotated[bool, typer.Option("--pause-while-exec", help="Hear nothing while --exec's command runs.")]
WebhookUrl = Annotated[str | None, typer.Option("--webhook", metavar="URL", help="POST each hit there as JSON.")]
SaveHits = Annotated[
    Path | None, typer.Option(metavar="DIR", help="Keep the sound around hits and near misses, for training.")
]
SaveHitsMb = Annotated[float, typer.Option(metavar="MB", help="How much of it; the oldest go first.")]
PipeCommand = Annotated[
    str | None, typer.Option(metavar="CMD", help="Run this at each hit, with what follows as 16-bit PCM on its stdin.")
]
PreRoll = Annotated[float, typer.Option(metavar="SECONDS", help="Of --pipe-command: sound from before the hit's end.")]
MaxS = Annotated[float, typer.Option("--max-s", metavar="SECONDS", help="Of --pipe-command: at most so much.")]
EndSilence = Annotated[float, typer.Option(metavar="SECONDS", help="Of --pipe-command: it ends after so much silence.")]
