"""A model is a folder.

    model.json            the card: format version, phrases, thresholds, configuration, provenance, checksums
    model.onnx            the streaming graph (see graph.py)
    weights.safetensors   the same weights by name, batch norm folded, for other back ends
    golden.npz            a test signal, int16 [N], and the probabilities, float32 [T, K], that it must give
    report/               how well it does, if it was evaluated

`model.json` is written last: a folder without it is no bundle, so an interrupted write is never taken for one.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import unicodedata
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import Field, ValidationError

from wakeword.config import SystemConfig
from wakeword.errors import BundleError
from wakeword.files import replacing, write_bytes, writing
from wakeword.halves import halved
from wakeword.safety import check_graph, read_arrays, read_bounded
from wakeword.sections import Section

FORMAT_VERSION = 6  # 1 knew no paths, 2 no spotter, 3 no likeness of phones, 4 no float16 weights, 5 no doubt
READY = Path(__file__).parent / "models"  # bundles that come with the package, by name
LONGEST_PHRASE, MOST_PHRASES, LONGEST_S = 200, 1000, 60.0
UNPRINTABLE = {"Cc", "Cs", "Zl", "Zp"}  # categories of Unicode: control characters, halves of characters, line ends
CARD, GRAPH, WEIGHTS, GOLDEN = "model.json", "model.onnx", "weights.safetensors", "golden.npz"


class Card(Section):
    """What `model.json` says. Lists run over the phrases, K of them."""

    format_version: int = Field(FORMAT_VERSION, ge=1)
    phrases: list[str] = Field(min_length=1)
    thresholds: list[Annotated[float, Field(gt=0.0, lt=1.0)]]
    phrase_s: list[float] = Field(description="typical length of each phrase; a detection's start is its end less this")
    paths: list[list[list[int]]] = Field(
        [], description="pronunciations as lists of phones, where they are listened for"
    )
    config: SystemConfig
    provenance: dict[str, Any] = Field(description="what it was trained on, and how it did on held-out examples")
    sha256: dict[str, str] = Field(default_factory=dict, description="of the other files")

    def fingerprint(self) -> str:
        """Identifies what the graph must agree with: front end, network, phrases and their paths.

        What is not used (None, a single member) is left out: bundles from before it existed keep their fingerprint.
        """
        config = self.config
        features = config.features.model_dump(exclude_none=True)
        parts = [config.audio.sample_rate_hz, features, config.model.model_dump(exclude_defaults=True), self.phrases]
        parts += [self.paths] if self.paths else []
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Bundle:
    """A checked folder: its card was read, its files are there and are the ones that were written."""

    path: Path
    card: Card

    def graph(self) -> bytes:
        """The serialised ONNX model; graph.py says what goes in and out.

        Raises BundleError if it cannot be read, or holds what no wake word needs (see `safety`).
        """
        content = read_bounded(self.path / GRAPH)
        check_graph(content, self.path / GRAPH)
        return content

    def weights(self) -> dict[str, np.ndarray]:
        """float32 arrays by name, in torch's layouts and gate order (r, z, n), in the file partly as float16:

        conv.weight [C, F, kernel], conv.bias [C], gru.i.weight_ih [3H, I], gru.i.weight_hh [3H, H], gru.i.bias_ih [3H],
        gru.i.bias_hh [3H], head.weight [K, H * members], head.bias [K]. Where the card has paths, the head's outputs
        are the phones of `wakeword.phones` instead of phrases; but with a spotter these are those of other GRUs and
        another head, spotter.gru.i and spotter.head. With the phones go likeness [S, S], pace [1] and doubt [1] (see
        `wakeword.path`); bundles before format 4 lack all three, those before format 6 the last. Raises BundleError if
        the file is not readable.
        """
        from safetensors import SafetensorError  # 0.8 MB that a listener has no use for
        from safetensors.numpy import load

        try:
            kept = load(read_bounded(self.path / WEIGHTS))
        except SafetensorError as error:
            raise BundleError(f"{self.path / WEIGHTS}: not a safetensors file: {error}") from None
        # Before format 5 a spotter had one GRU, and its name no number.
        named = {re.sub(r"^spotter\.gru\.(?=\D)", "spotter.gru.0.", name): value for name, value in kept.items()}
        return {n: value.astype(np.float32) if value.dtype == np.float16 else value for n, value in named.items()}

    def golden(self) -> tuple[np.ndarray, np.ndarray]:
        """(pcm int16 [N], probabilities float32 [T, K] in 0..1) of a stream that starts from zeros.

        Raises BundleError for a file that holds anything else.
        """
        shapes = {"pcm": (np.dtype("<i2"), 1), "probabilities": (np.dtype("<f4"), 2)}
        pcm, probabilities = read_arrays(self.path / GOLDEN, shapes)
        return pcm, probabilities


def write_bundle(
    path: str | Path, card: Card, graph: bytes, weights: dict[str, np.ndarray], golden: tuple[np.ndarray, np.ndarray]
) -> Bundle:
    """Writes a bundle into `path`, made if absent. One already there stays until all of the new one is written.

    `golden` is (pcm int16 [N], probabilities float32 [T, K]). Raises FileError if a file cannot be written.
    """
    from safetensors.numpy import save

    packed = io.BytesIO()
    np.savez_compressed(packed, pcm=golden[0], probabilities=golden[1])
    kept = {name: halved(value) for name, value in weights.items()}
    files = {GRAPH: graph, WEIGHTS: save(kept), GOLDEN: packed.getvalue()}
    folder = Path(path)
    card = card.model_copy(update={"sha256": {name: _sha256(content) for name, content in files.items()}})
    files = {CARD: (card.model_dump_json(indent=2) + "\n").encode(), **files}
    with ExitStack() as renamed, writing(folder):
        for name, content in files.items():
            Path(renamed.enter_context(replacing(folder / name))).write_bytes(content)
        (folder / CARD).unlink(missing_ok=True)  # the last in is the first out: the card is renamed at the end
    return Bundle(folder, card)


def replace_card(bundle: Bundle, card: Card, graph: bytes) -> Bundle:
    """Puts another card and graph with the same weights into a bundle.

    Both files are written under temporary names before either is renamed, so a full disk changes nothing. Killed in the
    moment between the two renames, it leaves a bundle that is refused as damaged, never one that is half old.
    Raises FileError if a file cannot be written.
    """
    card = card.model_copy(update={"sha256": {**bundle.card.sha256, GRAPH: _sha256(graph)}})
    content = (card.model_dump_json(indent=2) + "\n").encode()
    with replacing(bundle.path / CARD) as new_card:
        Path(new_card).write_bytes(content)
        write_bytes(bundle.path / GRAPH, graph)
    return Bundle(bundle.path, card)


def check_phrases(phrases: Sequence[str]) -> None:
    """Raises BundleError for phrases that no card may hold, before hours of work."""
    for phrase in phrases:
        if not _may_be_held(phrase):
            got = f"one of {len(phrase)} characters, {phrase[:40]!a}"
            raise BundleError(f"phrase: got {got}, expected 1 to {LONGEST_PHRASE} that can be printed")
    if len(set(phrases)) < len(phrases):
        raise BundleError(f"phrase: got {list(phrases)}, expected different ones")


def check_replaceable(path: str | Path, phrases: Sequence[str]) -> None:
    """Raises BundleError if a model is in that folder, but for one that `enroll` wrote of the same phrases."""
    folder = Path(path)
    if not any((folder / name).exists() for name in (CARD, GRAPH, WEIGHTS, GOLDEN)):
        return
    found = _read_card(folder / CARD) if (folder / CARD).is_file() else None
    if found is None or found.phrases != list(phrases) or "enrolled" not in found.provenance:
        what = "some of its files" if found is None else f"one of {found.phrases}"
        raise BundleError(f"{folder}: got a model there already, {what}, expected a new folder: choose another --out")


def read_bundle(path: str | Path) -> Bundle:
    """Opens a bundle: a folder, or where there is none of that name, a ready model ("hey_computer").

    Raises BundleError if it is missing, damaged or written by a newer version of this program.
    """
    folder = located(path)
    if not folder.is_dir():
        ready = "".join(f", {name}" for name in ready_models())
        raise BundleError(f"{folder}: no such folder, expected a model bundle{ready}")
    if not (folder / CARD).is_file():
        raise BundleError(f"{folder}: not a model bundle: it has no {CARD}")
    card = _read_card(folder / CARD)
    for name in (GRAPH, WEIGHTS, GOLDEN):
        if _sha256(read_bounded(folder / name)) != card.sha256.get(name):
            raise BundleError(f"{folder / name}: damaged: its checksum is not the one in {CARD}")
    return Bundle(folder, card)


def ready_models() -> list[str]:
    """The names of the bundles that come with the package."""
    return sorted(path.parent.name for path in READY.glob(f"*/{CARD}"))


def located(path: str | Path) -> Path:
    """The folder that a bundle's path or a ready model's name stands for; what is neither stays as it is."""
    return READY / path if str(path) in ready_models() and not Path(path).is_dir() else Path(path)


def _read_card(path: Path) -> Card:
    try:
        values = json.loads(read_bounded(path))
    except (ValueError, RecursionError):
        raise BundleError(f"{path}: damaged: not valid JSON") from None
    version = values.get("format_version") if isinstance(values, dict) else None
    if isinstance(version, int) and version > FORMAT_VERSION:
        raise BundleError(
            f"{path}: got bundle format {version}, expected at most {FORMAT_VERSION}: it needs a newer wakeword"
        )
    try:
        card = Card.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "card"
        raise BundleError(f"{path}: damaged: {where}: {first['msg'].lower()}") from None
    if not len(card.phrases) == len(card.thresholds) == len(card.phrase_s):
        raise BundleError(f"{path}: damaged: phrases, thresholds and phrase_s differ in length")
    _check_sizes(card, path)
    return card


def _check_sizes(card: Card, path: Path) -> None:
    """What is right in form, and yet nothing that anybody has trained: it would fill the memory, or the terminal."""
    config, rate_hz = card.config, card.config.audio.sample_rate_hz
    for phrase in card.phrases:
        if not _may_be_held(phrase):
            raise BundleError(f"{path}: damaged: got a phrase {phrase[:40]!a}, expected words that can be printed")
    if len(card.phrases) > MOST_PHRASES:
        raise BundleError(f"{path}: damaged: got {len(card.phrases)} phrases, expected at most {MOST_PHRASES}")
    if not all(0.0 <= length_s <= LONGEST_S for length_s in card.phrase_s):
        raise BundleError(f"{path}: damaged: phrase_s: got {card.phrase_s}, expected 0 to {LONGEST_S:g}")
    if max(config.step_samples, config.receptive_samples) > LONGEST_S * rate_hz:
        longest = max(config.step_samples, config.receptive_samples)
        raise BundleError(f"{path}: damaged: an output takes {longest} samples, expected at most {LONGEST_S:g} s")


def _may_be_held(phrase: str) -> bool:
    """Whether a card may hold it: neither endless nor of signs that do things to a terminal."""
    return 0 < len(phrase) <= LONGEST_PHRASE and not any(unicodedata.category(c) in UNPRINTABLE for c in phrase)


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
