"""Where eSpeak NG lies (the optional package `espeakng-loader`), and which voices it has."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from wakeword.errors import DataError, MissingExtraError

MAX_DATA_PATH_BYTES = 159  # espeak copies the path into a fixed buffer

# en-shaw is left out because it speaks Latin letters just as `en` does.
ACCENTS = (
    "en", "en-029", "en-gb-scotland", "en-gb-x-gbclan", "en-gb-x-gbcwmd", "en-gb-x-rp", "en-us", "en-us-nyc",
)  # fmt: skip
# Other languages that are written in Latin letters, so that espeak reads any text by their rules, in their sounds.
FOREIGN = (
    "az", "ca", "cs", "cy", "da", "de", "es", "et", "eu", "fi", "fr", "ga", "hr", "hu", "id", "is", "it", "lt", "lv",
    "mt", "nb", "nl", "pl", "pt", "ro", "sk", "sl", "sq", "sv", "sw", "tr",
)  # fmt: skip
UNUSED_VARIANTS = {"fast", "caleb", "whisper", "whisperf"}  # the plain voice, only faster; and whispers


def accents(language: str = "en") -> tuple[str, ...]:
    """espeak's names of a language's varieties, such as ("es", "es-419"). Raises DataError for one it does not know."""
    if language == "en":
        return ACCENTS
    known = languages()
    found = tuple(name for name in known if name == language or name.startswith(f"{language}-"))
    if not found:
        raise DataError(f"language: got {language!r}, expected one that espeak knows: {', '.join(known)}")
    return found


def voices(languages: Sequence[str] = ACCENTS) -> list[str]:
    """Names of the voices that sound different from each other: each language alone and with every variant.

    Raises MissingExtraError without espeakng-loader.
    """
    variants = sorted(path.name for path in (installed_data() / "voices" / "!v").iterdir())
    endings = ["", *(f"+{name}" for name in variants if name not in UNUSED_VARIANTS)]
    return [language + ending for language in languages for ending in endings]


def every_voice() -> list[str]:
    """The names of the voices of all languages."""
    return voices(languages())


def checked_names(names: Sequence[str] | None) -> list[str]:
    """The names themselves; without any, the English voices. Raises DataError for one that is not known.

    espeak would speak an unknown variant as the plain accent, and one speaker would pass for two.
    """
    known = set(every_voice())
    unknown = [name for name in names or () if name not in known]
    if unknown:
        raise DataError(f"espeak: got voice {unknown[0]!r}, expected one of {len(known)}, such as 'en-us+f3'")
    return list(names or voices())


def languages() -> list[str]:
    """espeak's names of all languages and their varieties."""
    return sorted(path.name.lower() for path in (installed_data() / "lang").rglob("*") if path.is_file())


def package_folder() -> Path:
    """That of espeakng-loader. Raises MissingExtraError without it."""
    found = importlib.util.find_spec("espeakng_loader")
    if found is None or found.origin is None:
        raise MissingExtraError("speaking with espeak", "espeakng-loader", "espeak")
    return Path(found.origin).parent


def installed_data() -> Path:
    """Its copy of espeak-ng-data."""
    return package_folder() / "espeak-ng-data"


def library_path() -> Path:
    """The shared library."""
    import espeakng_loader

    return Path(espeakng_loader.get_library_path())


@contextlib.contextmanager
def short_path(data: Path) -> Iterator[Path]:
    """`data` itself, or while it is needed a copy in a temporary folder, if its path is too long for espeak."""
    if len(os.fsencode(data)) <= MAX_DATA_PATH_BYTES:
        yield data
        return
    with tempfile.TemporaryDirectory(prefix="ww") as short:
        yield Path(shutil.copytree(data, Path(short) / data.name))
