"""Trains the backbone that this package ships, on transcribed speech of people and of synthesizers.

    python benchmarks/backbone.py --audio AUDIO --work DIR [--leave-out operator,voyager] [--start-from FILE]
        [--network micro] [--frozen-layers 2] [--voice kokoro=4000] [--voice NAME.onnx=1200] [--dictionary WORDS.txt]

AUDIO is a folder with `manifest.jsonl` (path, kind, set, speaker, text, label, start_s, end_s). Of it are used calls,
isolated words and ready synthetic clips, but nothing of the callers and speakers that are held out for tests (see
`benchmarks/people.py`), and no clip that contains one of the words to leave out: of a sentence with such a word the
parts before and after it. Besides that espeak, flite and festival, where these programs are installed, read words and
sentences, and espeak also nonsense by the rules of other languages; and so does each --voice of `wakeword train`, with
words of the list --dictionary among them. What is heard most, though, are the same sounds in another order
(`synth/splicing.py`). The result is DIR/run/backbone.safetensors.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

sys.path[0] = str(Path(__file__).resolve().parent.parent)  # instead of this folder, whose synth.py is not the package

from benchmarks.athena import HELD_OUT_NOISE, held_out_speech, link  # noqa: E402
from benchmarks.people import is_tested, words_of  # noqa: E402
from synth import open_clips, stream  # noqa: E402
from synth.phrases import SENTENCES, nonsense  # noqa: E402
from synth.pool import draw_weight, stretch_samples  # noqa: E402
from synth.splicing import RATE_HZ, Piece, pieces, shares, spliced  # noqa: E402
from synth.voices.espeak import EspeakEngine, espeak_clips  # noqa: E402
from synth.voices.espeak_data import FOREIGN, voices  # noqa: E402
from synth.voices.speaking import open_voice, speak  # noqa: E402
from wakeword import checkpoint  # noqa: E402
from wakeword.audio import read, write  # noqa: E402
from wakeword.backbone import PACKAGED, Backbone, Speech, load_backbone, train_backbone  # noqa: E402
from wakeword.cli.training import reporter  # noqa: E402
from wakeword.config import Config, load_config, override  # noqa: E402
from wakeword.enroll import measured_thresholds  # noqa: E402
from wakeword.likeness import loudest_steps, measured_hearing  # noqa: E402
from wakeword.model import stream_logits  # noqa: E402
from wakeword.phones import PHONES, phones  # noqa: E402

MARGIN_S = 0.06  # left out on both sides of a word that must not be heard
MAX_PIECE_S, PHONES_PER_S = 7.0, (2.5, 22.0)  # what is longer is only spliced; whose text cannot be right, left out
ENGLISH, NONSENSE, OTHERS = 5000, 2000, 300  # clips of espeak, of it in other languages, of each other voice
FLITE = ("kal16", "awb", "rms", "slt")
FESTIVAL = ("kal_diphone", "ked_diphone", "cmu_us_slt_arctic_hts")
SHARES = {  # of the draws of negatives: people are few, so they are drawn often
    "calls": 0.06, "words": 0.04, "takes": 0.03, "hmm": 0.05, "espeak": 0.08, "nonsense": 0.07, "flite": 0.02,
    "festival": 0.02, "voices": 0.09, "spliced_calls": 0.30, "spliced_words": 0.10, "spliced_voices": 0.07,
    "spliced_hmm": 0.04, "spliced_flite": 0.02, "spliced_festival": 0.01,
}  # fmt: skip
SPLICED = {  # clips made of each kind
    "calls": 10000, "words": 2500, "voices": 2500, "hmm": 1500, "flite": 500, "festival": 500,
}  # fmt: skip
CUTTINGS = 4  # of each recording, to choose pieces from
PHRASES, PHRASE_PHONES, RATES_PER_HOUR = 30, range(4, 15), (0.1, 0.5, 1.0, 2.0, 5.0)  # of `thresholds`
SILENCE_S = 0.5  # around what `hearing` is measured on: the last phone is heard late
PEOPLE = ("calls", "words", "takes")  # of the kinds of clips: what `hearing` is measured on
TAKES = ("precise_android", "precise_hey_chatterbox", "precise_athena", "precise_amelia")  # "ey ordenador" is a test


def main() -> int:
    arguments = _arguments()
    clips = arguments.work / "clips"
    if not (clips / "ready").exists():
        shutil.rmtree(clips, ignore_errors=True)
        transcribed = Transcribed(clips, [word for word in arguments.leave_out.split(",") if word])
        words = transcribed.fill(arguments.audio)
        more = arguments.dictionary.read_text("utf-8").lower().split() if arguments.dictionary else []
        for voice in arguments.voice or ():
            name, _, count = voice.rpartition("=")
            transcribed.speak(name, int(count), [*words, *filter(str.isascii, filter(str.isalpha, more))])
        transcribed.splice(Heard(load_backbone(), load_config("backbone")))
        (clips / "ready").touch()
    told = ("frozen_layers", "max_steps", "max_minutes")
    limits = {name: value for name, value in vars(arguments).items() if name in told and value is not None}
    layers = {name: getattr(load_config(arguments.network), name).model_dump() for name in ("features", "model")}
    config = override(load_config("backbone"), **layers, train=limits)
    run = arguments.work / "run"
    backbone = train_backbone(config, speech(clips, config), run, reporter(False), arguments.start_from)
    if arguments.start_from:
        backbone.weights.update(load_backbone(arguments.start_from).for_members(config))
    measured(backbone, config, clips, arguments.audio, run / PACKAGED.name)
    return 0


def measured(backbone: Backbone, config: Config, clips: Path, audio: Path, out: Path) -> None:
    """Writes a backbone with what its paths need: which phones it mistakes for which, and thresholds for `enroll`."""
    found = hearing(backbone, config, clips)
    weights = backbone.weights | {name: torch.from_numpy(value) for name, value in found.items()}
    facts = {**backbone.facts, "path_thresholds": thresholds(Backbone(weights, backbone.facts), config, audio)}
    checkpoint.save(out, {"backbone": weights}, facts)


def hearing(backbone: Backbone, config: Config, clips: Path) -> dict[str, np.ndarray]:
    """Of the people among the clips, who say nothing that was to be left out."""
    heard = Heard(backbone, config)
    said = json.loads((clips / "said.json").read_text("utf-8"))
    people = ((clips / source, phones) for source, (kind, phones) in said.items() if kind in PEOPLE and len(phones) > 1)
    return measured_hearing(((heard(path, SILENCE_S), phones) for path, phones in people), len(PHONES))


def thresholds(backbone: Backbone, config: Config, audio: Path) -> dict:
    """What `enroll` needs: how loud phrases that nobody says get on speech of people who are not kept for tests."""
    heard, engine, rng = Heard(backbone, config), EspeakEngine(names=["en-us"]), np.random.default_rng(9)
    by_count: defaultdict[int, list[list[int]]] = defaultdict(list)
    while sum(map(len, by_count.values())) < PHRASES * len(PHRASE_PHONES):
        said = phones(engine.ipa(nonsense(rng, int(rng.integers(1, 4))), "en-us"))
        if len(said) in PHRASE_PHONES and len(by_count[len(said)]) < PHRASES:
            by_count[len(said)].append(said)
    rows = map(json.loads, (audio / "manifest.jsonl").read_text("utf-8").splitlines())
    spoken = (row for row in rows if row["kind"] in ("speech", "words") and _is_for_training(row))
    posteriors = [heard(audio / row["path"]) for row in spoken]
    phrases = [said for found in by_count.values() for said in found]
    return measured_thresholds(posteriors, backbone.hearing, phrases, config.step_ms / 1000.0, RATES_PER_HOUR)


class Heard:
    """What a backbone hears in recordings: probabilities of phones [T, S]."""

    def __init__(self, backbone: Backbone, config: Config) -> None:
        self._model, self._step = backbone.model(config), config.step_samples

    def __call__(self, path: Path, silence_s: float = 0.0) -> np.ndarray:
        """Of one, with so much silence before and after it."""
        pcm = np.pad(read(path, RATE_HZ), round(silence_s * RATE_HZ))
        whole = torch.from_numpy(pcm[: len(pcm) // self._step * self._step])[None]
        return torch.softmax(stream_logits(self._model, whole, whole.shape[1])[0], dim=1).numpy()

    def pieces(self, path: Path, said: list[int], rng: np.random.Generator) -> Iterator[Piece]:
        """Of a recording of these phones, cut between them; nothing where it is too short for them."""
        if len(steps := loudest_steps(self(path, SILENCE_S), said)) == len(said):
            pcm = np.pad(read(path, RATE_HZ), round(SILENCE_S * RATE_HZ))
            for _ in range(CUTTINGS):
                yield from pieces(pcm, steps, self._step / RATE_HZ, rng)


def speech(clips: Path, config: Config) -> Speech:
    """The clips as examples, each source drawn by its share."""
    said = json.loads((clips / "said.json").read_text("utf-8"))
    opened = open_clips(clips, config, ["good morning"], lambda done, total: None)
    segments, drawn = opened.splits["train"]["negatives"], Counter()
    for segment in segments:
        drawn[said[segment.take.id][0]] += draw_weight(segment, stretch_samples(config))
    by_kind = {kind: SHARES[kind] / weight * drawn.total() for kind, weight in drawn.items()}
    times = {segment.take.id: by_kind[said[segment.take.id][0]] for segment in segments}
    return Speech(
        train=lambda start: stream(opened, config, "train", start, workers=1, times=times),
        validation=lambda count: stream(opened, config, "validation", 0, count, workers=1),
        said={source: numbers for source, (_, numbers) in said.items()},
        provenance={
            "clips": opened.summary(),
            "files": dict(Counter(kind for kind, _ in said.values())),
            "shares": SHARES,
        },
    )


class Transcribed:
    """A folder of clips, and what is said in each: said.json, {id: [kind, phones]}."""

    def __init__(self, folder: Path, left_out: list[str]) -> None:
        self.folder, self.negatives = folder, folder / "negatives"
        self.left_out = [word.lower().replace(" ", "") for word in left_out]
        self.said: dict[str, tuple[str, list[int]]] = {}
        self.long: list[tuple[Path, list[int]]] = []  # calls that are only spliced
        self.engine = EspeakEngine(names=["en-us", "en-gb-x-rp", "es", *voices(), *voices(FOREIGN)])
        self.rng = np.random.default_rng(5)

    def fill(self, audio: Path) -> list[str]:
        """Everything but the further voices. Returns the words that people say in the recordings."""
        rows = [json.loads(line) for line in (audio / "manifest.jsonl").read_text("utf-8").splitlines()]
        vocabulary = sorted({word for row in rows if _is_for_training(row) for word in self._recorded(row, audio)})
        sentences = [self._sentence(vocabulary) for _ in range(ENGLISH)]
        made_up = [nonsense(self.rng, int(self.rng.integers(2, 6))) for _ in range(NONSENSE)]
        for kind, texts, names in (("espeak", sentences, voices()), ("nonsense", made_up, voices(FOREIGN))):
            for clip in espeak_clips(texts, self.negatives / kind, len(texts), 11, names).clips:
                self._note(clip.path, kind, clip.text, clip.path.parent.name)
        for name in FLITE if shutil.which("flite") else ():
            self._flite(name, [self._sentence(vocabulary) for _ in range(OTHERS)])
        for name in FESTIVAL if shutil.which("festival") else ():
            self._festival(name, [self._sentence(vocabulary) for _ in range(OTHERS)])
        espeak_clips(["good morning"] * 4, self.folder / "activates", 4, 1)  # never drawn: there must be some
        for row in rows:
            if row["kind"] == "noise" and row["set"] not in HELD_OUT_NOISE:
                link(audio / row["path"], self.folder / "backgrounds" / row["set"] / Path(row["path"]).stem)
            if row["kind"] == "rooms":
                link(audio / row["path"], self.folder / "rooms")
        self._write()
        return vocabulary

    def speak(self, name: str, count: int, vocabulary: list[str]) -> None:
        """`count` sentences by one of the voices that `synth.voices.speaking.open_voice` knows."""
        texts = [self._sentence(vocabulary) for _ in range(count)]
        engine = open_voice(name)
        for clip in speak(texts, self.negatives, count, 13, [engine], voices()).clips:
            self._note(clip.path, "voices", clip.text, getattr(clip.params, "accent", "en-us"))
        self._write()

    def splice(self, heard: Heard) -> None:
        """Makes more clips of what each speaker of SPLICED says, in another order."""
        by_kind: defaultdict[str, defaultdict[Path, list[Piece]]] = defaultdict(lambda: defaultdict(list))
        recordings = [(kind, self.folder / source, said) for source, (kind, said) in self.said.items()]
        for kind, path, said in (*recordings, *(("calls", path, said) for path, said in self.long)):
            if kind in SPLICED and said:
                by_kind[kind][self.negatives / path.parent.name] += heard.pieces(path, said, self.rng)
        for kind, by_speaker in by_kind.items():
            spoken = {folder: found for folder, found in by_speaker.items() if found}
            for folder, count in zip(spoken, shares(map(len, spoken.values()), SPLICED[kind]), strict=True):
                for number in range(count):
                    clip, path = spliced(spoken[folder], self.rng), folder / f"spliced_{number}.wav"
                    write(path, clip.pcm, RATE_HZ)
                    self.said[f"negatives/{folder.name}/{path.name}"] = (f"spliced_{kind}", clip.said)
        self._write()

    def _write(self) -> None:
        (self.folder / "said.json").write_text(json.dumps(self.said), "utf-8")

    def _recorded(self, row: dict, audio: Path) -> Iterator[str]:
        """Links one recording, or cuts it around a word to leave out. Yields the words in it."""
        text = " ".join(words_of(row))
        if row["set"] == "wuw2":
            yield from self._call(row, audio / row["path"], text)
        elif row["set"] == "english_ccc" and self._clean(row["label"]):
            self._link(audio / row["path"], row["speaker"], "words", row["label"], "en-gb-x-rp")
            yield row["label"].lower()
        elif row["kind"] == "tts" and self._clean(text):
            self._link(
                audio / row["path"],
                f"{Path(row['path']).parent.name}{zlib.crc32(row['path'].encode()) % 10}",
                "hmm",
                text,
            )
        elif row["set"] in TAKES and self._clean(row["label"]):
            self._link(audio / row["path"], row["set"], "takes", row["label"])

    def _call(self, row: dict, path: Path, text: str) -> Iterator[str]:
        pcm, words = read(path, RATE_HZ), text.split()
        if self._clean(text):
            pieces = [(0.0, len(pcm) / RATE_HZ, words)]
        else:
            at = [i for i, word in enumerate(words) if not self._clean(word)]
            if row["kind"] == "words" or len(at) != 1:
                return
            before, after = float(row["start_s"]) - MARGIN_S, float(row["end_s"]) + MARGIN_S
            pieces = [(0.0, before, words[: at[0]]), (after, len(pcm) / RATE_HZ, words[at[0] + 1 :])]
        for number, (start_s, end_s, said) in enumerate(pieces):
            sounds, seconds = self._phones(" ".join(said), "en-us") if said else [], end_s - start_s
            slow, fast = PHONES_PER_S
            alone = row["kind"] == "words"
            if sounds and (alone or slow <= len(sounds) / max(seconds, 0.1) <= fast):
                whole = self.negatives if seconds <= MAX_PIECE_S else self.folder / "long"
                target = whole / f"call_{row['speaker']}" / f"{path.stem}_{number}.wav"
                write(target, pcm[round(start_s * RATE_HZ) : round(end_s * RATE_HZ)], RATE_HZ)
                if whole == self.negatives:
                    self._note(target, "calls", " ".join(said))
                    yield from said
                else:
                    self.long.append((target, sounds))

    def _link(self, source: Path, speaker: str, kind: str, text: str, voice: str = "en-us") -> None:
        link(source, self.negatives / f"{kind}_{speaker}")
        self._note(self.negatives / f"{kind}_{speaker}" / source.name, kind, text, voice)

    def _note(self, path: Path, kind: str, text: str, voice: str = "en-us") -> None:
        source = f"negatives/{path.relative_to(self.negatives).as_posix()}"
        self.said[source] = (kind, self._phones(text, voice))

    def _phones(self, text: str, voice: str) -> list[int]:
        return phones(self.engine.ipa(text, voice), english=voice.startswith("en"))

    def _clean(self, text: str) -> bool:
        joined = text.lower().replace(" ", "")
        return not any(word in joined for word in self.left_out)

    def _sentence(self, vocabulary: list[str]) -> str:
        """One of SENTENCES, or one to seven words in any order; never with a word to leave out."""
        while True:
            words = self.rng.choice(vocabulary, int(self.rng.integers(1, 8)))
            text = str(self.rng.choice(SENTENCES)) if self.rng.random() < 0.15 else " ".join(map(str, words))
            if self._clean(text):
                return text

    def _flite(self, name: str, texts: list[str]) -> None:
        for number, text in enumerate(texts):
            path = self.negatives / f"flite_{name}_{number % 5}" / f"{number}.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            stretch = f"duration_stretch={self.rng.uniform(0.85, 1.25):.2f}"
            subprocess.run(["flite", "-voice", name, "--setf", stretch, "-t", text, "-o", str(path)], check=True)
            self._note(path, "flite", text)

    def _festival(self, name: str, texts: list[str]) -> None:
        script = [f"(voice_{name})"]
        for number, text in enumerate(texts):
            path = self.negatives / f"festival_{name}_{number % 5}" / f"{number}.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            script.append(f'(utt.save.wave (utt.synth (Utterance Text "{text}")) "{path}" (quote riff))')
            self._note(path, "festival", text)
        program = self.folder / "festival.scm"
        program.write_text("\n".join(script), "utf-8")
        subprocess.run(["festival", "-b", str(program)], check=True)


def _is_for_training(row: dict) -> bool:
    """Callers who are not tested, and of other speech what `held_out_speech` does not keep for tests."""
    return not is_tested(row) if row["set"] == "wuw2" else not held_out_speech(row)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--audio", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--leave-out", default="", help="words that no clip may contain, with commas between")
    parser.add_argument("--network", default="backbone", help="the configuration whose features and layers it has")
    parser.add_argument("--start-from", type=Path, help="a backbone.safetensors to begin with")
    parser.add_argument("--voice", action="append", metavar="NAME=CLIPS", help="a further voice; repeatable")
    parser.add_argument("--dictionary", type=Path, help="a text file of words, for what the further voices say")
    parser.add_argument("--frozen-layers", type=int, help="the first layers of --start-from that do not learn")
    parser.add_argument("--max-steps", type=int)
    parser.add_argument("--max-minutes", type=float)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
