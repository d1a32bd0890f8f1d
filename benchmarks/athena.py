"""The easy real test: one household's wake word, trained on some takes and measured on others.

    python benchmarks/athena.py --audio AUDIO --work DIR [--config default] [--max-steps 10000] [--json]

AUDIO is a folder with `manifest.jsonl` (path, kind, set, speaker). Takes without any voice in them are left out. Held
out before anything is trained: 100 takes of the word, whole noise sets, whole speakers of speech, a whole language.
Trained on, too, is nonsense that eSpeak reads by the rules of other languages than that one. The last line is one JSON
object with --json.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import zlib
from pathlib import Path

ROOT = str(Path(__file__).resolve().parent.parent)
sys.path[0] = ROOT  # instead of this folder, whose synth.py is not the package

from synth.spoken import speak_nonsense  # noqa: E402
from synth.voices.espeak_data import FOREIGN  # noqa: E402
from synth.voicing import voiced_s  # noqa: E402
from wakeword.audio import read  # noqa: E402

WORD_SET = "precise_athena"
HELD_OUT_TAKES = 100
HELD_OUT_NOISE = {"kitchen", "berlin_noise", "muges", "ibm", "precise"}
HELD_OUT_SPEECH = {"fleurs_du_mal", "precise_amelia"}
HELD_OUT_LANGUAGE = "fr"
NONSENSE_CLIPS = 4500
RATE_HZ = 16000


def main() -> int:
    arguments = _arguments()
    rows = [json.loads(line) for line in (arguments.audio / "manifest.jsonl").read_text("utf-8").splitlines()]
    work = arguments.work / "clips"
    if not (work / "ready").exists():
        shutil.rmtree(work, ignore_errors=True)
        lay_out(rows, arguments.audio, work)
        languages = [language for language in FOREIGN if language != HELD_OUT_LANGUAGE]
        speak_nonsense(work / "train" / "negatives", NONSENSE_CLIPS, languages=languages)
        (work / "ready").touch()
    bundle = arguments.work / arguments.config
    limit = ["--max-minutes", arguments.max_minutes, "--max-steps", arguments.max_steps]
    run("train", "athena", "--clips", work / "train", "--config", arguments.config, "--out", bundle, *limit)
    report = evaluate(bundle, work / "test", arguments.snr_db)
    print(json.dumps(report) if arguments.json else json.dumps(report, indent=2))
    return 0


def lay_out(rows: list[dict], audio: Path, work: Path) -> None:
    """Links every recording into train/ or test/, sub-folders keeping speakers and sets together."""
    takes = voiced_takes(rows, audio, WORD_SET)
    takes.sort(key=lambda row: zlib.crc32(row["path"].encode()))
    for position, row in enumerate(takes):
        side = "test" if position < HELD_OUT_TAKES else "train"
        link(audio / row["path"], work / side / "activates")
    for row in rows:
        if row["kind"] in ("words", "speech", "tts") and row["set"] != WORD_SET and row.get("label") != "athena":
            side = "test" if held_out_speech(row) else "train"
            link(audio / row["path"], work / side / "negatives" / f"{row['set']}_{group_of(row)}")
        if row["kind"] == "noise":
            side = "test" if row["set"] in HELD_OUT_NOISE else "train"
            link(audio / row["path"], work / side / "backgrounds" / row["set"] / Path(row["path"]).stem)


def voiced_takes(rows: list[dict], audio: Path, name: str) -> list[dict]:
    """Those of a set that hold a voice."""
    return [row for row in rows if row["set"] == name and voiced_s(read(audio / row["path"], RATE_HZ), RATE_HZ)]


def group_of(row: dict) -> str:
    """The speaker, or where none is known the file itself."""
    return row.get("speaker") or f"{Path(row['path']).parent.name}_{Path(row['path']).stem}"


def held_out_speech(row: dict) -> bool:
    """Whole speakers: the test callers, half of the readers, one of four word speakers. The backbone heard none."""
    if row["set"] in HELD_OUT_SPEECH:
        return True
    part = zlib.crc32(row.get("speaker", "").encode()) % 4
    if row["set"] == "wuw2":
        return part == 0
    if row["set"] == "librispeech":
        return part in (0, 1)  # the readers' are all even: hence % 4, not % 2
    return row["set"] == "english_ccc" and row["speaker"] == "s2"


def evaluate(bundle: Path, test: Path, snr_db: float) -> dict:
    """The threshold is the bundle's own, chosen in training: nothing here is tuned on the held-out data."""
    folders = ["--positives", test / "activates", "--negatives", test / "negatives", "--noise", test / "backgrounds"]
    return json.loads(run("evaluate", bundle, *folders, "--snr-db", snr_db, "--out", bundle / "report", "--json"))


def run(*arguments: object) -> str:
    command = [sys.executable, "-m", "wakeword", *map(str, arguments)]
    output = subprocess.PIPE if "--json" in command else None
    done = subprocess.run(command, check=True, text=True, stdout=output, env=os.environ | {"PYTHONPATH": ROOT})
    return done.stdout or ""


def link(source: Path, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    os.symlink(source.resolve(), folder / source.name)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--audio", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--config", default="default")
    parser.add_argument("--max-steps", type=int, default=10000)
    parser.add_argument("--max-minutes", type=float, default=90.0)
    parser.add_argument("--snr-db", type=float, default=10.0)
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
