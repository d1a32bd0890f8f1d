"""Makes the clips that the backbone learns from: transcribed speech of people and of synthesizers.

    python benchmarks/transcribed.py --audio AUDIO --work DIR [--leave-out operator,voyager]
        [--voice kokoro=4000] [--voice NAME.onnx=1200] [--dictionary WORDS.txt]

AUDIO is a folder with `manifest.jsonl` (path, kind, set, speaker, text, label, start_s, end_s). Of it are used calls,
isolated words and ready synthetic clips, but nothing of the callers and speakers that are held out for tests (see
`benchmarks/people.py`), and no clip that contains one of the words to leave out: of a sentence with such a word the
parts before and after it. Besides that espeak, flite and festival, where these programs are installed, read words and
sentences, and espeak also nonsense by the rules of other languages; and so does each --voice of `wakeword train`, with
words of the list --dictionary among them. Read speech without a text (LibriSpeech) is transcribed by PocketSphinx,
where that is installed (`pip install pocketsphinx`). Last, what many of them say is said again in another order
(`synth/splicing.py`), cut where the packaged backbone hears the phones. The result is DIR/clips, with what is said in
each clip in said.json; `benchmarks/backbone.py` makes it, too, where it is not there yet.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
import zlib
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np

try:
    from pocketsphinx import Decoder
except ImportError:
    Decoder = None

sys.path[0] = str(Path(__file__).resolve().parent.parent)  # instead of this folder, whose synth.py is not the package

from benchmarks.athena import HELD_OUT_NOISE, held_out_speech, link  # noqa: E402
from benchmarks.paths import Heard  # noqa: E402
from benchmarks.people import is_tested, words_of  # noqa: E402
from synth.phrases import SENTENCES, nonsense  # noqa: E402
from synth.splicing import RATE_HZ, Piece, shares, spliced  # noqa: E402
from synth.voices.espeak import EspeakEngine, espeak_clips  # noqa: E402
from synth.voices.espeak_data import FOREIGN, voices  # noqa: E402
from synth.voices.speaking import open_voice, speak  # noqa: E402
from wakeword.audio import read, to_int16, write  # noqa: E402
from wakeword.backbone import load_backbone  # noqa: E402
from wakeword.config import load_config  # noqa: E402
from wakeword.phones import phones  # noqa: E402

MARGIN_S = 0.06  # left out on both sides of a word that must not be heard
MAX_CALL_S, PHONES_PER_S = 7.0, (2.5, 22.0)  # what is longer is only spliced; whose text cannot be right, left out
ENGLISH, NONSENSE, OTHERS = 5000, 2000, 300  # clips of espeak, of it in other languages, of each other voice
FLITE = ("kal16", "awb", "rms", "slt")
FESTIVAL = ("kal_diphone", "ked_diphone", "cmu_us_slt_arctic_hts")
TAKES = ("precise_android", "precise_hey_chatterbox", "precise_athena", "precise_amelia")  # "ey ordenador" is a test
READ, SURE, MIN_READ_S, MAX_READ_S = "librispeech", 0.3, 0.8, 5.0  # words that a recogniser is less sure of are cut out
FRAMES_PER_S = 100  # of PocketSphinx
SPLICED = {  # clips made of each kind
    "calls": 10000, "words": 2500, "read": 3000, "voices": 2500, "hmm": 1500, "flite": 500, "festival": 500,
}  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_arguments(parser)
    print(laid_out(parser.parse_args()))
    return 0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What says which clips there are."""
    parser.add_argument("--audio", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--leave-out", default="", help="words that no clip may contain, with commas between")
    parser.add_argument("--voice", action="append", metavar="NAME=CLIPS", help="a further voice; repeatable")
    parser.add_argument("--dictionary", type=Path, help="a text file of words, for what the further voices say")


def laid_out(arguments: argparse.Namespace) -> Path:
    """The folder of the clips, which is filled first where it is not whole."""
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
    return clips


class Transcribed:
    """A folder of clips, and what is said in each: said.json, {id: [kind, phones]}."""

    def __init__(self, folder: Path, left_out: list[str]) -> None:
        self.folder, self.negatives = folder, folder / "negatives"
        self.left_out = [word.lower().replace(" ", "") for word in left_out]
        self.said: dict[str, tuple[str, list[int]]] = {}
        self.long: list[tuple[Path, list[int]]] = []  # calls that are only spliced
        self.engine = EspeakEngine(names=["en-us", "en-gb-x-rp", "es", *voices(), *voices(FOREIGN)])
        self.rng = np.random.default_rng(5)
        self.decoder = Decoder(samprate=RATE_HZ, loglevel="FATAL") if Decoder else None

    def fill(self, audio: Path) -> list[str]:
        """Everything but the further voices. Returns the words that people say in the recordings."""
        rows = [json.loads(line) for line in (audio / "manifest.jsonl").read_text("utf-8").splitlines()]
        vocabulary = sorted({word for row in rows if is_for_training(row) for word in self._recorded(row, audio)})
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
        elif row["set"] == READ and self.decoder:
            self._read(audio / row["path"], row["speaker"])

    def _call(self, row: dict, path: Path, text: str) -> Iterator[str]:
        pcm, alone = read(path, RATE_HZ), row["kind"] == "words"
        for number, (start_s, end_s, said) in enumerate(self._stretches(row, text.split(), len(pcm) / RATE_HZ)):
            sounds, seconds = self._phones(" ".join(said), "en-us") if said else [], end_s - start_s
            slow, fast = PHONES_PER_S
            if not sounds or not (alone or slow <= len(sounds) / max(seconds, 0.1) <= fast):
                continue
            folder = self.negatives if seconds <= MAX_CALL_S else self.folder / "long"
            target = folder / f"call_{row['speaker']}" / f"{path.stem}_{number}.wav"
            write(target, pcm[round(start_s * RATE_HZ) : round(end_s * RATE_HZ)], RATE_HZ)
            if folder == self.negatives:
                self._note(target, "calls", " ".join(said))
                yield from said
            else:
                self.long.append((target, sounds))

    def _read(self, path: Path, speaker: str) -> None:
        """What a recogniser is sure of, in clips that are short enough to be heard whole."""
        pcm = read(path, RATE_HZ)
        for number, (start_s, end_s, said) in enumerate(self._recognised(pcm)):
            if self._clean(said) and end_s - start_s >= MIN_READ_S:
                target = self.negatives / f"read_{speaker}" / f"{path.stem}_{number}.wav"
                write(target, pcm[round(start_s * RATE_HZ) : round(end_s * RATE_HZ)], RATE_HZ)
                self._note(target, "read", said)

    def _recognised(self, pcm: np.ndarray) -> Iterator[tuple[float, float, str]]:
        """Start, end and text of each run of words of which PocketSphinx is sure."""
        self.decoder.start_utt()
        self.decoder.process_raw(to_int16(pcm).tobytes(), full_utt=True)
        self.decoder.end_utt()
        run: list[tuple[float, float, str]] = []
        for segment in self.decoder.seg():
            word = re.sub(r"\(\d+\)$", "", segment.word)  # "to(3)" is another pronunciation of "to"
            start_s, end_s = segment.start_frame / FRAMES_PER_S, (segment.end_frame + 1) / FRAMES_PER_S
            silent, sure = word[0] in "<[", segment.prob >= SURE
            if run and not silent and (not sure or end_s - run[0][0] > MAX_READ_S):
                yield run[0][0], run[-1][1], " ".join(said for *_, said in run)
                run = []
            if sure and not silent:
                run.append((start_s, end_s, word))
        if run:
            yield run[0][0], run[-1][1], " ".join(said for *_, said in run)

    def _stretches(self, row: dict, words: list[str], seconds: float) -> list[tuple[float, float, list[str]]]:
        """The whole of a call, or what comes before and after the one word in it that is to be left out."""
        left_out = [i for i, word in enumerate(words) if not self._clean(word)]
        if self._clean(" ".join(words)):
            return [(0.0, seconds, words)]
        if row["kind"] == "words" or len(left_out) != 1:
            return []
        before, after = float(row["start_s"]) - MARGIN_S, float(row["end_s"]) + MARGIN_S
        return [(0.0, before, words[: left_out[0]]), (after, seconds, words[left_out[0] + 1 :])]

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


def is_for_training(row: dict) -> bool:
    """Callers who are not tested, and of other speech what `held_out_speech` does not keep for tests."""
    return not is_tested(row) if row["set"] == "wuw2" else not held_out_speech(row)


if __name__ == "__main__":
    sys.exit(main())
