"""Options that several verbs share, so that they read alike everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Language = Annotated[str, typer.Option("--lang", help="The phrase's language, as espeak names it: en, es, de, ...")]
Voices = Annotated[
    list[str] | None,
    typer.Option("--voice", help="espeak, a Piper .onnx, or a command with {text} and {wav}; repeatable."),
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
