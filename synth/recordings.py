"""A folder of recordings -> trimmed, checked takes as int16 [N] at one rate.

Three folders: `activates/` (the wake word, said once a file), `negatives/` (anything else that is spoken) and
`backgrounds/` (noise, music, what a room sounds like); and, if there are such, `near_misses/` (what sounds like the
wake word) and `rooms/` (impulse responses). Files may lie in sub-folders; the first sub-folder names the GROUP, that is
the speaker or the session, and a group never lands on both sides of the split.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from synth.rooms import direct_onwards
from synth.trim import word_bounds
from synth.voicing import voiced_s
from wakeword.audio import AUDIO_SUFFIXES, audio_files, db_to_gain, read_blocks, speech_activity, to_int16
from wakeword.clips import KINDS, OPTIONAL_KINDS
from wakeword.config import Config
from wakeword.errors import AudioError, DataError

MAX_UNTRIMMED_S = 60.0  # of an activate: whoever recorded longer than this did not record one word
SHORT_NEGATIVE_S = 3.0  # up to this a negative is taken for one isolated utterance and trimmed like an activate
ADDED = "+"  # in front of the number of an added folder, as part of an id
CLIPPED_LEVEL = 0.999
CLIPPED_SHARE = 0.3  # of samples at full scale, above which a recording is refused: speech that is overdriven has less
QUIET_DBFS = -50.0  # of a take that is being recorded: nearer to the microphone is better
SILENT_PEAK = 1e-3  # -60 dBFS
MIN_VOICED_S = 0.02  # of 873 real takes of five words only two have less, which hold no word; two have just this


@dataclass(frozen=True)
class Recording:
    """A file that was found. `id` is its kind and its path inside that kind's folder, with forward slashes."""

    id: str
    path: Path
    kind: str
    label: str
    group: str


@dataclass(frozen=True)
class Rejected:
    """A file that is not used, and why, in words for the user."""

    path: str
    reason: str


@dataclass(frozen=True)
class TakeRules:
    """All that decides what becomes of a recording. Part of the bank's digest."""

    sample_rate_hz: int
    min_take_samples: int
    max_take_samples: int

    @classmethod
    def of(cls, config: Config) -> TakeRules:
        rate = config.audio.sample_rate_hz
        longest = int(config.example_samples * min(1.0, config.synth.speed[0]))
        return cls(rate, round(config.synth.min_take_s * rate), longest)


def clip_folders(
    clips_dir: str | Path | Mapping[str, str | Path], added: Mapping[str, Sequence[str | Path]] | None = None
) -> dict[str, list[Path]]:
    """The folders of each kind: one from a parent folder, or from a mapping by kind, and those that are added."""
    if isinstance(clips_dir, Mapping):
        if not set(KINDS) <= set(clips_dir) <= {*KINDS, *OPTIONAL_KINDS}:
            raise DataError(f"clips: got folders for {sorted(clips_dir)}, expected {sorted(KINDS)}")
        folders = {kind: [Path(folder)] for kind, folder in clips_dir.items()}
    elif not Path(clips_dir).is_dir():
        raise DataError(f"{clips_dir}: no such folder, expected one with {', '.join(KINDS)} inside")
    else:
        folders = {kind: [Path(clips_dir) / kind] for kind in (*KINDS, *OPTIONAL_KINDS)}
    for kind, more in (added or {}).items():
        folders.setdefault(kind, []).extend(Path(folder) for folder in more)
    return folders


def required_kinds(config: Config) -> list[str]:
    """The kinds that the configuration cannot do without."""
    synth = config.synth
    wanted = {"activates": True, "negatives": synth.negatives[1] > 0, "backgrounds": synth.background_absent < 1.0}
    return [kind for kind in KINDS if wanted[kind]]


def scan(
    folders: Mapping[str, Sequence[Path]], phrases: Sequence[str], required: Sequence[str] = KINDS
) -> tuple[list[Recording], list[Rejected]]:
    """Finds the recordings of each kind, in a fixed order, without opening them.

    Raises DataError when the first folder of a required kind, or any further one, is missing or has no audio in it, and
    when several phrases are wanted but one of them has no sub-folder in `activates/`.
    """
    found, rejected = [], []
    for kind in (*KINDS, *OPTIONAL_KINDS):
        for number, folder in enumerate(folders.get(kind, [])):
            needed = kind in required or number > 0
            if not folder.is_dir():
                if needed:
                    raise DataError(f"{folder}: no such folder, expected recordings of {kind}")
                continue
            files, foreign = audio_files(folder)
            if not files and needed:
                raise DataError(f"{folder}: no audio found, expected {kind} as {' '.join(sorted(AUDIO_SUFFIXES))}")
            rejected += [Rejected(str(path), f"format not supported: {path.suffix}") for path in foreign]
            found += [_recording(kind, folder, path, number) for path in files]
    return _with_phrases(found, rejected, phrases, folders["activates"][0])


def _recording(kind: str, folder: Path, path: Path, number: int) -> Recording:
    parts = path.relative_to(folder).parts
    added = f"{ADDED}{number}/" if number else ""
    return Recording(f"{kind}/{added}{'/'.join(parts)}", path, kind, label=kind, group=added + parts[0])


def is_added(take_id: str) -> bool:
    """Whether a recording is from a folder that was added to the clips, such as a user's own takes.

    >>> is_added("activates/+1/me/3.wav"), is_added("activates/en-us+f3/00001.wav")
    (True, False)
    """
    return take_id.split("/")[1].startswith(ADDED)


def _with_phrases(
    found: list[Recording], rejected: list[Rejected], phrases: Sequence[str], folder: Path
) -> tuple[list[Recording], list[Rejected]]:
    """Gives each activate its phrase. With several phrases its sub-folder says which."""
    wanted = {_folded(phrase): phrase for phrase in phrases}
    first = [r for r in found if r.kind == "activates" and not is_added(r.id)]
    present = {_folded(r.group) for r in first if "/" in r.id.removeprefix("activates/")}
    missing = [phrase for key, phrase in wanted.items() if key not in present]
    if len(phrases) > 1 and missing:
        raise DataError(f"{folder}: got no recordings in a sub-folder {missing[0]!r}, expected one for each phrase")
    labelled = []
    for recording in found:
        if recording.kind != "activates":
            labelled.append(recording)
        elif is_added(recording.id) and len(phrases) == 1:
            labelled.append(replace(recording, label=phrases[0]))
        elif is_added(recording.id) and _folded(recording.id.split("/")[2]) in wanted:
            labelled.append(replace(recording, label=wanted[_folded(recording.id.split("/")[2])], group=recording.id))
        elif len(phrases) == 1 and missing:
            labelled.append(Recording(recording.id, recording.path, "activates", phrases[0], recording.group))
        elif _folded(recording.group) in wanted:
            rest = recording.id.split("/")[2:]
            group = rest[0] if len(rest) > 1 else recording.id
            labelled.append(
                Recording(recording.id, recording.path, "activates", wanted[_folded(recording.group)], group)
            )
        else:
            rejected.append(Rejected(str(recording.path), f"not in a sub-folder named like one of {list(phrases)}"))
    return labelled, rejected


def _folded(name: str) -> str:
    return name.casefold().replace("_", " ").replace("-", " ").strip()


def decode(recording: Recording, rules: TakeRules) -> Iterator[np.ndarray]:
    """Yields a recording as int16 pieces [N] at the wanted rate, in constant memory.

    Activates and short negatives are trimmed to the word. Raises AudioError with the reason for a refusal, possibly
    only after the last piece, so whoever writes the pieces must be able to take them back.
    """
    blocks = _checked(read_blocks(recording.path, rules.sample_rate_hz))
    if recording.kind == "backgrounds":
        yield from map(to_int16, blocks)
        return
    if recording.kind == "rooms":
        yield to_int16(direct_onwards(np.concatenate([np.zeros(0, np.float32), *blocks]), rules.sample_rate_hz))
        return
    limit_s = MAX_UNTRIMMED_S if recording.kind == "activates" else SHORT_NEGATIVE_S
    head, ended = _head(blocks, round(limit_s * rules.sample_rate_hz))
    if ended:
        yield to_int16(_trimmed(np.concatenate(head), recording.kind, rules))
    elif recording.kind == "activates":
        raise AudioError(f"longer than {MAX_UNTRIMMED_S:g} s, expected one word")
    else:
        yield from map(to_int16, head)
        yield from map(to_int16, blocks)


def check_take(pcm: np.ndarray, rules: TakeRules) -> np.ndarray:
    """A take as it was recorded, float32 [N], cut to its word. Raises AudioError with what is wrong with it."""
    whole = np.concatenate(list(_checked(iter([pcm]))))
    level, _ = speech_activity(whole, rules.sample_rate_hz)
    if level < db_to_gain(QUIET_DBFS):
        raise AudioError(f"too quiet: speech at {20 * np.log10(level):.0f} dBFS, expected at least {QUIET_DBFS:.0f}")
    return _trimmed(whole, "activates", rules)


def _head(blocks: Iterator[np.ndarray], limit_samples: int) -> tuple[list[np.ndarray], bool]:
    head, samples = [], 0
    for block in blocks:
        head.append(block)
        samples += len(block)
        if samples > limit_samples:
            return head, False
    return head, True


def _checked(blocks: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
    samples, clipped, peak = 0, 0, 0.0
    for block in blocks:
        magnitude = np.abs(block)
        samples += len(block)
        clipped += int(np.count_nonzero(magnitude >= CLIPPED_LEVEL))
        peak = max(peak, float(magnitude.max(initial=0.0)))
        yield block
    if samples == 0:
        raise AudioError("no samples in it")
    if peak < SILENT_PEAK:
        raise AudioError(f"silent: its peak is below {20 * np.log10(SILENT_PEAK):.0f} dBFS")
    if clipped > CLIPPED_SHARE * samples:
        raise AudioError(f"clipped: {100 * clipped / samples:.1f} % of its samples are at full scale")


def _trimmed(take: np.ndarray, kind: str, rules: TakeRules) -> np.ndarray:
    start, stop = word_bounds(take, rules.sample_rate_hz)
    length, rate = stop - start, rules.sample_rate_hz
    if kind == "activates" and length < rules.min_take_samples:
        raise AudioError(
            f"too short: {length / rate:.2f} s after trimming, expected {rules.min_take_samples / rate:.2f} s"
        )
    if kind in ("activates", "near_misses") and length > rules.max_take_samples:
        longest_s = rules.max_take_samples / rate
        raise AudioError(f"too long: {length / rate:.2f} s after trimming, an example has room for {longest_s:.2f} s")
    if kind == "activates" and voiced_s(take[start:stop], rate) < MIN_VOICED_S:
        raise AudioError("no voice in it, only a click, noise or a whisper; expected the word spoken aloud")
    return take[start:stop]


def _unchanged(recording: Recording, rules: TakeRules) -> Iterator[np.ndarray]:
    """`decode`, and a refusal of a file that somebody wrote to meanwhile: half of it may be old and half new."""
    before = _state(recording.path)
    yield from decode(recording, rules)
    if _state(recording.path) != before:
        raise AudioError("changed while it was read")


def _state(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns


def decode_all(
    recordings: Sequence[Recording],
    rules: TakeRules,
    sink: Callable[[Recording, Iterator[np.ndarray]], None],
    progress: Callable[[int, int], None] | None = None,
) -> list[Rejected]:
    """Hands every recording's pieces to `sink`; a refused one is listed, with its reason, and the next is tried."""
    rejected = []
    for number, recording in enumerate(recordings, 1):
        try:
            sink(recording, _unchanged(recording, rules))
        except AudioError as error:
            rejected.append(Rejected(str(recording.path), str(error).removeprefix(f"{recording.path}: ")))
        if progress:
            progress(number, len(recordings))
    return rejected
