"""Open corpora that examples can be made of: where they are, how large, under what licence. Nothing is downloaded here.

Sizes and checksums are those that the publishers give (openslr.org, zenodo.org) or, for the MIT survey, the size that
was seen; `md5` is None where none is published, and then only the size is checked.
"""

from __future__ import annotations

from dataclasses import dataclass

from wakeword.errors import DataError

OPENSLR, ZENODO = "https://www.openslr.org/resources", "https://zenodo.org/records"


@dataclass(frozen=True)
class Archive:
    """One file to download."""

    url: str
    bytes: int | None
    md5: str | None

    @property
    def name(self) -> str:
        return self.url.rsplit("/", 1)[1]


@dataclass(frozen=True)
class Corpus:
    """`use` is the option of `wakeword train` and `wakeword synth` that takes its folder."""

    name: str
    title: str
    licence: str
    url: str
    use: str
    archives: tuple[Archive, ...]
    note: str = ""

    @property
    def bytes(self) -> int:
        return sum(archive.bytes or 0 for archive in self.archives)


def _librispeech(subset: str, size: int, md5: str) -> Corpus:
    return Corpus(
        f"librispeech-{subset}",
        f"LibriSpeech {subset}: read English",
        "CC BY 4.0",
        "https://www.openslr.org/12/",
        "--negatives",
        (Archive(f"{OPENSLR}/12/{subset}.tar.gz", size, md5),),
    )


def _fsd50k(part: str, title: str, files: tuple[tuple[str, int, str], ...]) -> Corpus:
    return Corpus(
        f"fsd50k-{part}",
        f"FSD50K {title}: sounds of 200 kinds from Freesound",
        "CC BY 4.0 (single clips: CC0, CC BY, CC BY-NC, CC Sampling+; see its metadata)",
        "https://zenodo.org/records/4060432",
        "--backgrounds",
        tuple(Archive(f"{ZENODO}/4060432/files/FSD50K.{part}_audio.{end}", size, md5) for end, size, md5 in files),
        "a zip archive in volumes, which stays packed: 7z x FSD50K.*_audio.zip; it holds voices, too",
    )


CORPORA = (
    _librispeech("dev-clean", 337926286, "42e2234ba48799c1f50f24a7926300a1"),
    _librispeech("dev-other", 314305928, "c8d0bcc9cca99d4f8b62fcc847357931"),
    _librispeech("test-clean", 346663984, "32fa31d27d2e1cad72775fee3f4849a9"),
    _librispeech("test-other", 328757843, "fb5a50374b501bb3bac4815ee91d3135"),
    _librispeech("train-clean-100", 6387309499, "2a93770f6d5c6c964bc36631d331a522"),
    _librispeech("train-clean-360", 23049477885, "c0e676e450a7ff2f54aeade5171606fa"),
    _librispeech("train-other-500", 30593501606, "d1a0fd59409feb2c614ce4d30c387708"),
    Corpus(
        "musan",
        "MUSAN: music, speech and noise",
        "CC BY 4.0 (single files: public domain or Creative Commons, see its LICENSE files)",
        "https://www.openslr.org/17/",
        "--backgrounds",
        (Archive(f"{OPENSLR}/17/musan.tar.gz", 11086114085, "0c472d4fc0c5141eca47ad1ffeb2a7df"),),
        "give --backgrounds its noise and music, --negatives its speech",
    ),
    Corpus(
        "rirs-noises",
        "RIRS_NOISES: real and simulated impulse responses, noises",
        "Apache-2.0",
        "https://www.openslr.org/28/",
        "--rooms",
        (Archive(f"{OPENSLR}/28/rirs_noises.zip", 1311166223, "e6f48e257286e05de56413b4779d8ffb"),),
        "give --rooms its real_rirs_isotropic_noises or simulated_rirs, not the whole",
    ),
    _fsd50k(
        "dev",
        "development",
        (
            ("z01", 3221225472, "faa7cf4cc076fc34a44a479a5ed862a3"),
            ("z02", 3221225472, "8f9b66153e68571164fb1315d00bc7bc"),
            ("z03", 3221225472, "1196ef47d267a993d30fa98af54b7159"),
            ("z04", 3221225472, "d088ac4e11ba53daf9f7574c11cccac9"),
            ("z05", 3221225472, "81356521aa159accd3c35de22da28c7f"),
            ("zip", 2306663327, "c480d119b8f7a7e32fdb58f3ea4d6c5a"),
        ),
    ),
    _fsd50k(
        "eval",
        "evaluation",
        (
            ("z01", 3221225472, "3090670eaeecc013ca1ff84fe4442aeb"),
            ("zip", 3037675767, "6fa47636c3a3ad5c7dfeba99f2637982"),
        ),
    ),
    Corpus(
        "mit-ir",
        "MIT Acoustical Reverberation Scene Statistics Survey: 271 impulse responses",
        "none stated by its authors (Traer and McDermott, PNAS 2016); ask them before you redistribute",
        "https://mcdermottlab.mit.edu/Reverb/IR_Survey.html",
        "--rooms",
        (Archive("https://mcdermottlab.mit.edu/Reverb/IRMAudio/Audio.zip", 11660005, None),),
    ),
    Corpus(
        "common-voice",
        "Mozilla Common Voice: read speech in more than 100 languages",
        "CC0-1.0",
        "https://commonvoice.mozilla.org/datasets",
        "--negatives",
        (),
        "is given out only after you accept its terms: download it in a browser and unpack it yourself",
    ),
)


def corpus_named(name: str) -> Corpus:
    """Raises DataError for a name that is not in the list."""
    for corpus in CORPORA:
        if corpus.name == name:
            return corpus
    raise DataError(f"corpora: got {name!r}, expected one of {', '.join(corpus.name for corpus in CORPORA)}")
