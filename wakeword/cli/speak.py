"""`wakeword speak`: a phrase in, clips of many voices out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from wakeword.cli.options import Language, Spellings, Voices


def command(
    phrase: Annotated[str, typer.Argument(help="What to say.")],
    out: Annotated[Path, typer.Option(help="A new folder; gets one sub-folder a voice.")],
    count: Annotated[int, typer.Option("-n", "--count", min=1, help="How many clips.")] = 100,
    lang: Language = "en",
    voice: Voices = None,
    spelling: Spellings = None,
    seed: Annotated[int, typer.Option(min=0, help="Another seed, other voices and manners.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Say a phrase in many synthetic voices, as wav files that `train --clips` and other tools can use."""
    import json
    from collections import Counter

    from synth.spoken import phrase_warnings, speak_phrase
    from wakeword.cli.train import casting

    cautions = phrase_warnings(phrase, lang)
    spoken = speak_phrase(phrase, out, count, seed, casting(lang, voice, spelling, [phrase]))
    voices = len({clip.params.voice for clip in spoken.clips})
    reasons = Counter(clip.reason for clip in spoken.dropped)
    if as_json:
        facts = {"out": str(out), "clips": len(spoken.clips), "voices": voices, "dropped": dict(reasons)}
        print(json.dumps({**facts, "warnings": cautions}))
        return
    for caution in cautions:
        print(f"warning: {phrase!r} is {caution}")
    print(f"wrote {len(spoken.clips)} clips of {voices} voices into {out}")
    for reason, number in reasons.items():
        print(f"dropped {number}: {reason}")
