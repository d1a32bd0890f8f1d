"""Trains the models that come with the package: phrases that were only typed, and real speech that does not hold them.

Each in two sizes, but for those that micro's cannot hear: that of `default`, and that of `micro`, which learns from the
first, by the name PHRASE_micro.

    python benchmarks/models.py --audio AUDIO --work DIR [--phrase "hey computer"] [--recorded DIR]

AUDIO is a folder with `manifest.jsonl` (path, kind, set, speaker, text, licence), split as in `benchmarks/people.py`. A
model's threshold is the one that held-out speech asks for, half a false accept per hour. Whether the phrase is heard is
measured with flite's voices, of which the backbone alone has heard other texts; how often people are missed is not
known, for want of recordings. The card says so, and which sets it was trained on. Bundles go to wakeword/models.

--recorded DIR, where `benchmarks/athena.py --config micro --work DIR` has trained, ships that network as athena_micro.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[0] = str(ROOT)  # instead of this folder, whose synth.py is not the package

from benchmarks.athena import HELD_OUT_NOISE, HELD_OUT_SPEECH, evaluate, run  # noqa: E402
from benchmarks.people import SNR_DB, lay_out  # noqa: E402
from wakeword.bundle import CARD, READY, read_bundle, write_bundle  # noqa: E402
from wakeword.files import folder_name  # noqa: E402

# Of 16 by flite, "hey jarvis" was heard in 4 and "hey robot" in 7: they are not among these.
PHRASES = ("hey computer", "okay computer", "okay nabu", "computer", "activate")
DEAF_IN_MICRO = ("okay nabu", "activate")  # heard in none
TARGET_FA_PER_HOUR = 0.5
SPOKE_TO_BACKBONE = "flite, festival, Kokoro, hibari-tts and Piper's en_US-joe (the backbone alone)"
FLITE_VOICES = ("awb", "kal16", "rms", "slt")
STRETCHES = (0.85, 1.0, 1.15, 1.3)  # of flite's durations


def main() -> int:
    arguments = _arguments()
    rows = [json.loads(line) for line in (arguments.audio / "manifest.jsonl").read_text("utf-8").splitlines()]
    if arguments.recorded:
        ship_recorded(arguments.recorded, rows)
    for phrase in arguments.phrase or ([] if arguments.recorded else PHRASES):
        name = folder_name(phrase)
        clips, bundle = arguments.work / name / "clips", arguments.work / name / "bundle"
        if not (clips / "ready").exists():
            shutil.rmtree(clips, ignore_errors=True)
            lay_out(rows, arguments.audio, clips, phrase, 0)
            say(phrase, clips / "test" / "positives")
            (clips / "ready").touch()
        added = [
            part for kind in ("negatives", "backgrounds", "rooms") for part in (f"--{kind}", clips / "real" / kind)
        ]
        sizes = {name: (bundle, [])}
        if phrase not in DEAF_IN_MICRO:
            sizes[f"{name}_micro"] = (bundle.with_name("micro"), ["--config", "micro", "--teacher", bundle])
        for shipped, (made, options) in sizes.items():
            if not (made / CARD).exists():
                run("train", phrase, *added, *options, "--out", made)
            figures = judged(made, clips / "test")
            ship(made, READY / shipped, figures, [*sources(rows), SPOKE_TO_BACKBONE])
            print(f"{shipped}: {figures}", flush=True)
    return 0


def judged(bundle: Path, test: Path) -> dict[str, str]:
    """Sets a bundle's threshold by the test's speech, and says how it does there."""
    run("calibrate", bundle, "--negatives", test / "negatives", "--target-fa-per-hour", TARGET_FA_PER_HOUR)
    folders = ["--positives", test / "positives", "--negatives", test / "negatives"]
    found = json.loads(run("evaluate", bundle, *folders, "--out", bundle / "report", "--json"))
    return measured(found["own_threshold"])


def ship_recorded(work: Path, rows: list[dict]) -> None:
    """The micro network of a recorded word, measured on its held-out takes in held-out noise."""
    bundle = work / "micro"
    point = evaluate(bundle, work / "clips" / "test", SNR_DB)["own_threshold"]
    heard = f"{point['positives'] - point['misses']} of {point['positives']} takes of its own voices"
    figures = {**measured(point), "heard": f"{heard} at {SNR_DB:g} dB SNR; other people: not measured"}
    ship(bundle, READY / "athena_micro", figures, sources(rows))
    print(f"athena_micro: {figures}")


def say(phrase: str, folder: Path) -> None:
    """The phrase by flite's voices at four speeds, a folder a voice."""
    for voice in FLITE_VOICES:
        (folder / voice).mkdir(parents=True, exist_ok=True)
        for stretch in STRETCHES:
            how = ["-voice", voice, "--setf", f"duration_stretch={stretch}"]
            subprocess.run(["flite", *how, "-t", phrase, "-o", folder / voice / f"{stretch}.wav"], check=True)


def measured(point: dict) -> dict[str, str]:
    """What is known of a model, in words: `wakeword models list` prints it."""
    heard = point["positives"] - point["misses"]
    hours, most = point["negative_hours"], point["fa_per_hour_upper"]
    return {
        "false accepts": f"{point['fa_count']} in {hours:.1f} h of speech, at 95 % at most {most:.1f} per hour",
        "heard": f"{heard} of {point['positives']} by flite; people: not measured",
    }


def sources(rows: list[dict]) -> list[str]:
    """The sets that trained the model or its backbone, with their licences."""
    used = {f"{row['set']} ({row['licence']})" for row in rows if row["set"] not in HELD_OUT_NOISE | HELD_OUT_SPEECH}
    return [*sorted(used), "eSpeak NG's voices"]


def ship(bundle: Path, out: Path, figures: dict[str, str], used: list[str]) -> None:
    model = read_bundle(bundle)
    provenance = {**model.card.provenance, "measured": figures, "sources": used}
    card = model.card.model_copy(update={"provenance": provenance})
    write_bundle(out, card, model.graph(), model.weights(), model.golden())


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--audio", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--recorded", type=Path, help="the --work of benchmarks/athena.py --config micro")
    parser.add_argument("--phrase", action="append", help="one of them, or another; repeatable")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
