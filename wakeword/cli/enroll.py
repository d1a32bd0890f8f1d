"""`wakeword enroll`: a phrase in, a bundle out in seconds, without training."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from wakeword.cli.options import JsonLines, Language


def command(
    phrases: Annotated[list[str], typer.Argument(help="The wake word, or several for one model.")],
    lang: Language = "en",
    out: Annotated[Path | None, typer.Option(help="The bundle's folder. Default: models/PHRASE.")] = None,
    target_fa_per_hour: Annotated[float, typer.Option(help="False accepts per hour to listen with.")] = 0.5,
    as_json: JsonLines = False,
) -> None:
    """Listen for a phrase by its sounds alone: ready at once. `wakeword train` makes a better model in minutes."""
    from synth.spoken import phrase_warnings, reading
    from wakeword.backbone import load_backbone
    from wakeword.bundle import CARD, check_phrases, check_replaceable
    from wakeword.cli.training import reporter
    from wakeword.config import load_config
    from wakeword.enroll import enroll
    from wakeword.files import check_writable, folder_name
    from wakeword.phones import phones

    check_phrases(phrases)
    out = out or Path("models") / folder_name(" ".join(phrases))
    check_replaceable(out, phrases)
    check_writable(out / CARD)
    report = reporter(as_json)
    for phrase in phrases:
        for warning in phrase_warnings(phrase, lang):
            report({"event": "warning", "phrase": phrase, "warning": warning})
    said = [reading(phrase, lang, [other for other in phrases if other != phrase]) for phrase in phrases]
    paths = [sorted({tuple(phones(ipa, lang == "en")) for ipa in one.ipa}) for one in said]
    lengths = [one.seconds for one in said]
    bundle = enroll(phrases, paths, lengths, load_backbone(), load_config("backbone"), out, target_fa_per_hour)
    card = bundle.card
    report({"event": "bundle", "path": str(out), "phrases": card.phrases, "thresholds": card.thresholds})
