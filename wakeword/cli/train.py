"""`wakeword train`: clips in, a bundle out."""

from __future__ import annotations

from collections.abc import Collection
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from wakeword.bundle import check_phrases, read_bundle
from wakeword.cli.options import (
    Backgrounds,
    HardNegatives,
    JsonLines,
    Language,
    MaxMinutes,
    MaxSteps,
    Negatives,
    Rooms,
    Spellings,
    Takes,
    Voices,
)
from wakeword.errors import DataError
from wakeword.files import folder_name

if TYPE_CHECKING:
    from synth.casting import Casting
    from wakeword.config import Config


TEACHER = "teacher"  # the folder, in that of a small bundle, of the larger one that it learned from
HARD_PROBABILITY = 0.2  # of a negative to be a near miss, where the configuration would draw none


def command(
    phrases: Annotated[list[str] | None, typer.Argument(help="The wake word, or several for one model.")] = None,
    clips: Annotated[Path | None, typer.Option(help="Folder with activates/ negatives/ backgrounds/.")] = None,
    takes: Takes = None,
    negatives: Negatives = None,
    hard_negatives: HardNegatives = None,
    backgrounds: Backgrounds = None,
    rooms: Rooms = None,
    data: Annotated[Path | None, typer.Option(help="A dataset that `wakeword synth` wrote, instead.")] = None,
    lang: Language = "en",
    voice: Voices = None,
    spelling: Spellings = None,
    config: Annotated[str, typer.Option(help="A .toml file, or the name of a packaged configuration.")] = "default",
    start_from: Annotated[Path | None, typer.Option(help="An earlier run, or a backbone, to begin with.")] = None,
    teacher: Annotated[str | None, typer.Option(help="A larger bundle of it, for a small one to learn from.")] = None,
    out: Annotated[Path | None, typer.Option(help="The bundle's folder. Default: models/PHRASE.")] = None,
    workers: Annotated[int | None, typer.Option(min=0, help="Processes that render. Default: half the cores.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="A first try in minutes: misses more, wakes more.")] = False,
    target_fa_per_hour: Annotated[float | None, typer.Option(help="False accepts per hour to calibrate for.")] = None,
    max_minutes: MaxMinutes = None,
    max_steps: MaxSteps = None,
    as_json: JsonLines = False,
) -> None:
    """Train a wake word from recordings, or from nothing but its text: without --clips and --data espeak speaks it.

    Of several words, recordings lie in a sub-folder each. The clips folder's name is the default word. Stopped with
    Ctrl-C, or killed, the same command goes on where it was.
    """
    from wakeword.cli.training import Material, from_dataset, reporter, train_bundle

    missed = [folder for one in hard_negatives or [] for folder in wrong_hits(one)]
    added = _added(activates=takes, negatives=negatives, near_misses=missed, backgrounds=backgrounds, rooms=rooms)
    _refuse(phrases, clips, data, bool(voice or spelling) or lang != "en", bool(added))
    limits = {"max_minutes": max_minutes, "max_steps": max_steps, "target_fa_per_hour": target_fa_per_hour}
    configured = partial(_settings, quick=quick, spoken=not (clips or data), added=added)
    settings, report = configured(config, limits=limits), reporter(as_json)
    material = Material(phrases, clips, added, casting(lang, voice, spelling, phrases, quick), workers, report)
    examples = from_dataset(data, settings, phrases) if data else material.examples(settings)
    out = out or Path("models") / folder_name(" ".join(examples.phrases))
    taught_by = read_bundle(teacher) if teacher else None
    if settings.train.teacher and not (teacher or clips or data):
        larger = configured(settings.train.teacher, limits=limits, at_most=True)
        taught_by = train_bundle(larger, material.examples(larger), out / TEACHER, report)
    train_bundle(settings, examples, out, report, start_from, taught_by)


def _added(**folders: list[Path] | None) -> dict[str, list[Path]]:
    """By kind, those that were given."""
    return {kind: given for kind, given in folders.items() if given}


def _settings(
    name: str, *, quick: bool, spoken: bool, added: Collection[str], limits: dict[str, Any], at_most: bool = False
) -> Config:
    """`at_most`: limits never make the training longer than the configuration says."""
    from wakeword.cli.presets import QUICK, typed
    from wakeword.config import load_config, override

    config = override(load_config(name), **(QUICK if quick else {}))
    config = typed(config, "activates" in added) if spoken else config
    if "near_misses" in added and config.synth.near_miss_probability == 0.0:
        config = override(config, synth={"near_miss_probability": HARD_PROBABILITY})
    given = {name: value for name, value in limits.items() if value is not None}
    if at_most and "max_steps" in given:
        given["max_steps"] = min(given["max_steps"], config.train.max_steps)
    return override(config, train=given)


def _refuse(phrases: list[str] | None, clips: Path | None, data: Path | None, voiced: bool, added: bool) -> None:
    check_phrases(phrases or [])
    if not phrases and clips is None and data is None:
        raise DataError("train: got neither a phrase nor --clips nor --data, expected one of them")
    if clips and data:
        raise DataError("train: got both --clips and --data, expected one of them")
    if data and added:
        raise DataError("train: got recordings besides --data, expected them only where examples are rendered")
    if voiced and (clips or data):
        raise DataError(
            "train: got --voice, --spelling or --lang with recordings, expected them only where the phrase is spoken"
        )


def casting(
    lang: str, voice: list[str] | None, spelling: list[str] | None, phrases: list[str] | None, brief: bool = False
) -> Casting:
    """Who says the phrases, and how they are written."""
    from synth.casting import Casting
    from synth.voices.speaking import ESPEAK

    return Casting(lang, tuple(voice or [ESPEAK]), spellings(spelling, phrases or []), brief)


def spellings(given: list[str] | None, phrases: list[str]) -> tuple[tuple[str, str], ...]:
    """Pairs of a phrase and another way to write it. Raises DataError where it is not said of which of several.

    >>> spellings(["okay naboo"], ["okay nabu"]), spellings(["off=orf"], ["on", "off"])
    ((('okay nabu', 'okay naboo'),), (('off', 'orf'),))
    """
    parts = [text.rpartition("=") for text in given or ()]
    if len(phrases) != 1 and any(not whose for whose, _, _ in parts):
        raise DataError(
            f"--spelling: got {' '.join(given or ())!r}, expected PHRASE=TEXT where there are several phrases"
        )
    return tuple((whose or phrases[0], text) for whose, _, text in parts)


def wrong_hits(folder: Path) -> list[Path]:
    """The folders of `listen --save-hits` that hold what is not the word: `wrong/`, or, where nobody sorted, all of it.

    What lies in `right/` is never among them. Any other folder of recordings is taken as it is.
    """
    from wakeword.hits import HITS, NEAR_MISSES, RIGHT, WRONG

    if (folder / WRONG).is_dir():
        return [folder / WRONG]
    unsorted = [folder / name for name in (HITS, NEAR_MISSES) if any((folder / name).glob("*.wav"))]
    if not unsorted and (folder / RIGHT).is_dir():
        raise DataError(
            f"{folder}: got nothing but right hits, expected recordings in {WRONG}, {HITS} or {NEAR_MISSES}"
        )
    return unsorted or [folder]
