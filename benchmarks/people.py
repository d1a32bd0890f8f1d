"""The hard real test: words typed, never recorded, and said over the telephone by people who were not trained on.

    python benchmarks/people.py --audio AUDIO --work DIR [--word operator] [--takes 0] [--fresh] [--max-steps N]

AUDIO is a folder with `manifest.jsonl` (path, kind, set, speaker, text). The model is trained by `wakeword train WORD`:
on espeak's voices alone with --fresh, else with AUDIO's speech that does not hold the word and its noise; with
--takes K also on K takes of callers who are not tested. Heard are the word's takes of the test callers, clean and at
10 dB in held-out noise, and hours of speech of people, and in a language, of whom nothing trains anything.

A caller is tested if zlib.crc32(speaker) % 4 == 0. Of "athena" and "amelia", which few people of one household said in
front of their microphones, every take counts as a caller. "ey ordenador" is Spanish, and only typed: all its 48 takes
are tested. The last line is one JSON object with --json.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import sys
import zlib
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parent.parent)  # instead of this folder, whose synth.py is not the package

from benchmarks.athena import (  # noqa: E402
    HELD_OUT_NOISE,
    WORD_SET,
    group_of,
    held_out_speech,
    link,
    run,
    voiced_takes,
)

CALLS_SET = "wuw2"
HOUSEHOLD_SETS = {"athena": WORD_SET, "amelia": "precise_amelia", "ey ordenador": "precise_ey_ordenador"}
SPELLED = {"thinkengine": "think engine"}  # what is typed: the corpus writes "ThinkEngine"
LANGUAGES = {"ey ordenador": "es"}  # of words that are not English: they have so few takes that all are tested
SNR_DB = 10.0
RATES_PER_HOUR = (0.5, 2.0)


def main() -> int:
    arguments = _arguments()
    rows = [json.loads(line) for line in (arguments.audio / "manifest.jsonl").read_text("utf-8").splitlines()]
    word, work = arguments.word, arguments.work / arguments.word
    clips = laid_out(rows, arguments, word)
    bundle = work / f"{arguments.name or ('fresh' if arguments.fresh else 'real')}_{arguments.takes}"
    train(word, clips, bundle, arguments)
    result = {"word": word, "takes": arguments.takes, "fresh": arguments.fresh}
    result |= {name: hear(bundle, clips / "test", name, snr) for name, snr in (("clean", None), ("10_db", SNR_DB))}
    print(json.dumps(result) if arguments.json else json.dumps(result, indent=2))
    return 0


def laid_out(rows: list[dict], arguments: argparse.Namespace, word: str) -> Path:
    """The word's clips, as `lay_out` leaves them: made once."""
    clips = arguments.work / word / f"clips_{arguments.takes}"
    if not (clips / "ready").exists():
        shutil.rmtree(clips, ignore_errors=True)
        lay_out(rows, arguments.audio, clips, word, arguments.takes)
        (clips / "ready").touch()
    return clips


def lay_out(rows: list[dict], audio: Path, clips: Path, word: str, takes: int) -> None:
    """Links recordings into positives, negatives and noise of test/; negatives, backgrounds, rooms of real/; takes/."""
    mine = takes_of(rows, audio, word)
    for row in mine:
        if is_tested(row) or word in LANGUAGES:
            link(audio / row["path"], clips / "test" / "positives" / group_of(row))
    others = sorted((row for row in mine if not is_tested(row)), key=lambda row: zlib.crc32(row["path"].encode()))
    for row in others[: 0 if word in LANGUAGES else takes]:
        link(audio / row["path"], clips / "takes" / group_of(row))
    for row in rows:
        if row["kind"] in ("words", "speech", "tts") and not holds(row, word):
            side = "test/negatives" if held_out_speech(row) else "real/negatives"
            link(audio / row["path"], clips / side / f"{row['set']}_{group_of(row)}")
        if row["kind"] == "rooms":
            link(audio / row["path"], clips / "real" / "rooms")
        if row["kind"] == "noise":
            side = "test/noise" if row["set"] in HELD_OUT_NOISE else "real/backgrounds"
            link(audio / row["path"], clips / side / row["set"] / Path(row["path"]).stem)


def takes_of(rows: list[dict], audio: Path, word: str) -> list[dict]:
    """Those of the household that hold a voice, or the callers' who say the word alone."""
    if word in HOUSEHOLD_SETS:
        return voiced_takes(rows, audio, HOUSEHOLD_SETS[word])
    return [row for row in rows if row["set"] == CALLS_SET and row["kind"] == "words" and says_only(row, word)]


def is_tested(row: dict) -> bool:
    return zlib.crc32(group_of(row).encode()) % 4 == 0


def says_only(row: dict, word: str) -> bool:
    """Whether the word and nothing else is said; noises are noted in brackets."""
    return words_of(row) == word.lower().split()


def holds(row: dict, word: str) -> bool:
    """Whether the word is in it, by its text or by its label."""
    said = " ".join(words_of(row)) + " " + re.sub(r"[\W_]+", " ", str(row.get("label", "")).lower())
    return word.lower() in said


def words_of(row: dict) -> list[str]:
    plain = re.sub(r"\[[^\]]*\]|\{[^}]*\}", " ", str(row.get("text") or "").lower())
    return re.findall(r"[a-z']+", plain)


def train(word: str, clips: Path, bundle: Path, arguments: argparse.Namespace) -> None:
    options: list[object] = ["--config", arguments.config, "--lang", LANGUAGES.get(word, "en"), "--out", bundle]
    if arguments.start_from:
        options += ["--start-from", arguments.start_from]
    if arguments.max_steps:
        options += ["--max-steps", arguments.max_steps]
    if not arguments.fresh:
        options += [
            part for kind in ("negatives", "backgrounds", "rooms") for part in (f"--{kind}", clips / "real" / kind)
        ]
    for voice in arguments.voice or []:
        options += ["--voice", voice]
    if arguments.takes:
        options += ["--takes", clips / "takes"]
    run("train", SPELLED.get(word, word), *options)


def hear(bundle: Path, test: Path, name: str, snr_db: float | None) -> dict:
    """Misses at the bundle's own threshold, and at thresholds chosen for RATES_PER_HOUR on the test's negatives."""
    folders = ["--positives", test / "positives", "--negatives", test / "negatives", "--out", bundle / f"report_{name}"]
    noise = [] if snr_db is None else ["--noise", test / "noise", "--snr-db", snr_db]
    found = json.loads(run("evaluate", bundle, *folders, *noise, "--json"))
    points = {"own": found["own_threshold"]}
    chosen = {point["target_fa_per_hour"]: point for point in found["other_targets"]}
    points |= {f"at_{rate:g}_per_hour": chosen[rate] for rate in RATES_PER_HOUR}
    kept = (
        "threshold",
        "misses",
        "positives",
        "miss_rate",
        "miss_interval",
        "fa_count",
        "fa_per_hour",
        "fa_per_hour_upper",
    )
    figures = {at: {key: point[key] for key in kept} for at, point in points.items()}
    return {"negative_hours": found["own_threshold"]["negative_hours"], "latency_ms": found["latency_ms"], **figures}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--audio", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--word", default="operator")
    parser.add_argument("--takes", type=int, default=0)
    parser.add_argument("--fresh", action="store_true")
    parser.add_argument("--config", default="default")
    parser.add_argument("--start-from", type=Path, help="a backbone that has not heard the word")
    parser.add_argument("--max-steps", type=int)
    parser.add_argument("--voice", action="append", help="of `train`, instead of espeak; repeatable")
    parser.add_argument("--name", help="of the bundle's folder, to keep several")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
