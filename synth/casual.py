"""How English is said by people who do not mind their pronunciation, where espeak always does.

Two habits of many accents (J. C. Wells, "Accents of English", 1982): an l that no vowel follows becomes a vowel,
"bottoo" for "bottle"; and a t or d between two consonants is dropped, "wilefire" for "wildfire".
"""

from __future__ import annotations

from synth.phonemes import STRESS, Pronunciation, is_vowel

# What a vowel and the l after it become, by espeak's mnemonics. Vowels that are not here keep their l: after those
# espeak would put an r before another vowel.
VOCALISED = {
    "aI": "aU", "eI": "E U", "OI": "O U", "oU": "oU", "aU": "aU", "u:": "u:", "U": "U", "i:": "i: U", "i": "i U",
    "I": "I U", "I2": "I U", "I#": "I U", "E": "E U", "a": "a U", "aa": "a U", "V": "V U", "0": "0 U",
}  # fmt: skip
SYLLABIC = "@L"
L, STOPS, KEEP_STOPS = "l", ("t", "d", "t#", "d#", "t2"), "rjwh"  # before these first letters a t or d is heard


def casual(said: Pronunciation) -> list[Pronunciation]:
    """The other ways to say a phrase in English: each habit alone, and both; none where neither finds anything.

    >>> wildfire = Pronunciation.of([["w", "'aI", "l", "d", "f", "aI@"]])
    >>> [one.spoken() for one in casual(wildfire)]
    ["[[w|'aU|d|f|aI@]]", "[[w|'aI|l|f|aI@]]", "[[w|'aU|f|aI@]]"]
    """
    words = [[phoneme for syllable in word for phoneme in syllable] for word in said.words]
    dropped = _without_stops(words)
    made = [Pronunciation.of(each) for each in (_vocalised(words), dropped, _vocalised(dropped))]
    return list(dict.fromkeys(one for one in made if one != said))


def _vocalised(words: list[list[str]]) -> list[list[str]]:
    changed = []
    for number, word in enumerate(words):
        after = words[number + 1][0] if number + 1 < len(words) else ""
        said: list[str] = []
        for phoneme, following in zip(word, [*word[1:], after], strict=True):
            plain = said[-1].lstrip(STRESS) if said else ""
            if is_vowel(following):
                said.append(phoneme)
            elif phoneme == SYLLABIC:
                said.append("U")
            elif phoneme == L and plain in VOCALISED:
                stress = said[-1][: len(said[-1]) - len(plain)]
                said[-1:] = (stress + VOCALISED[plain]).split()
            else:
                said.append(phoneme)
        changed.append(said)
    return changed


def _without_stops(words: list[list[str]]) -> list[list[str]]:
    changed = []
    for number, word in enumerate(words):
        before = words[number - 1][-1] if number else ""
        after = words[number + 1][0] if number + 1 < len(words) else ""
        around = zip([before, *word[:-1]], word, [*word[1:], after], strict=True)
        changed.append([phoneme for left, phoneme, right in around if not _swallowed(left, phoneme, right)])
    return changed


def _swallowed(left: str, phoneme: str, right: str) -> bool:
    between = left and right and not is_vowel(left) and not is_vowel(right)
    return bool(between) and phoneme in STOPS and right[:1] not in KEEP_STOPS
