"""`wakeword enroll`: a phrase in, a bundle out in seconds."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import chain
from pathlib import Path
from typing import Annotated

import typer

from wakeword.cli.options import JsonLines, Language


def command(
    phrases: Annotated[list[str], typer.Argument(help="The wake word, or several for one model.")],
    lang: Language = "en",
    out: Annotated[Path | None, typer.Option(help="The bundle's folder. Default: models/PHRASE.")] = None,
    target_fa_per_hour: Annotated[float, typer.Option(help="False accepts per hour to listen with.")] = 0.5,
    training: Annotated[bool, typer.Option(help="Learn for a few seconds; else listen by the sounds alone.")] = True,
    as_json: JsonLines = False,
) -> None:
    """Listen for a phrase in seconds. `wakeword train` makes a better model in minutes."""
    from wakeword.bundle import CARD, check_phrases, check_replaceable
    from wakeword.cli.brief import brief_examples
    from wakeword.cli.presets import briefly
    from wakeword.config import load_config
    from wakeword.files import check_writable, folder_name

    check_phrases(phrases)
    out = out or Path("models") / folder_name(" ".join(phrases))
    check_replaceable(out, phrases)
    check_writable(out / CARD)
    config = briefly(load_config("default")) if training else load_config("backbone")
    with closing(brief_examples(phrases, config, lang, workers=1)) as examples, ThreadPoolExecutor(1) as beside:
        # Another process makes examples, while this one loads what learns from them.
        first = beside.submit(next, examples) if training else None
        warnings, paths, lengths = _read(phrases, lang)

        from wakeword.backbone import load_backbone
        from wakeword.cli.training import reporter
        from wakeword.enroll import enroll

        backbone = load_backbone()
        made = chain([first.result()], examples) if first else None
        card = enroll(phrases, paths, lengths, backbone, config, out, target_fa_per_hour, made).card
    report = reporter(as_json)
    for phrase, warning in warnings:
        report({"event": "warning", "phrase": phrase, "warning": warning})
    report({"event": "bundle", "path": str(out), "phrases": card.phrases, "thresholds": card.thresholds})


def _read(phrases: list[str], language: str) -> tuple[list[tuple[str, str]], list[list[tuple[int, ...]]], list[float]]:
    """What speaks against the phrases, (phrase, warning); how each is said, by phones; and how long it takes."""
    from synth.spoken import phrase_warnings, reading
    from wakeword.phones import phones

    warnings = [(phrase, warning) for phrase in phrases for warning in phrase_warnings(phrase, language)]
    said = [reading(phrase, language, [other for other in phrases if other != phrase]) for phrase in phrases]
    paths = [sorted({tuple(phones(ipa, language == "en")) for ipa in one.ipa}) for one in said]
    return warnings, paths, [one.seconds for one in said]
