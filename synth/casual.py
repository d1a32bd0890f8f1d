"""How English is said by people who do not mind their pronunciation, where espeak always does.

Three habits of many accents (J. C. Wells, "Accents of English", 1982): an l that no vowel follows becomes a vowel,
"bottoo" for "bottle"; a t or d between two consonants is dropped, "wilefire" for "wildfire"; and a full vowel without
stress becomes the neutral one, "uhthena" for "athena".
"""

from __future__ import annotations

from synth.phonemes import STRESS, Pronunciation, is_vowel

# What a vowel and the l after it become, by espeak's mnemonics. Vowels that are not here keep their l: after those
# espeak would put an r before another vowel.
VOCALISED = {
    "aI": "aU", "eI": "E U", "OI": "O U", "oU": "oU", "aU": "aU", "u:": "u:", "U": "U", "i:": "i: U", "i": "i U",
    "I": "I U", "I2": "I U", "I#": "I U", "E": "E U", "a": "a U", "aa": "a U", "V": "V U", "0": "0 U",
}  # fmt: skip
L, SYLLABIC_L, GLIDE = "l", "@L", "j"  # before a glide, as in "william", an l is heard as before a vowel
STOPS = ("t", "d", "t#", "d#", "t2")
KEEP_STOPS = "rjwh"  # first letters of sounds before which a t or d is heard
FULL_VOWELS = ("a", "aa", "E", "0", "O2", "V", "A:", "oU")  # not those that are weak already
NEUTRAL = "@"
STRESSED = ("'", ",")
FEWEST_SOUNDS = 3  # of less, as of "fu" for "full", all speech is full

Words = list[list[str]]  # phonemes


def casual(said: Pronunciation) -> list[Pronunciation]:
    """The other ways to say a phrase in English: each habit alone and all that go together; none where none applies.

    >>> wildfire = Pronunciation.of([["w", "'aI", "l", "d", "f", "aI@"]])
    >>> [one.spoken() for one in casual(wildfire)]
    ["[[w|'aI|l|f|aI@]]", "[[w|'aU|d|f|aI@]]", "[[w|'aU|f|aI@]]"]
    """
    ways = [[[phoneme for syllable in word for phoneme in syllable] for word in said.words]]
    for habit in (_weakened, _without_stops, _vocalised):  # in this order: an l that became a vowel keeps its d
        ways += [habit(words) for words in ways]
    found = dict.fromkeys(Pronunciation.of(words) for words in ways)
    return [one for one in found if one != said and len(one.phonemes) >= FEWEST_SOUNDS]


def _weakened(words: Words) -> Words:
    """In words that have a stress elsewhere, not at their end."""
    changed = []
    for word in words:
        last = len(word) - 1 if any(sound.startswith(STRESSED) for sound in word) else 0
        changed.append([NEUTRAL if at < last and sound in FULL_VOWELS else sound for at, sound in enumerate(word)])
    return changed


def _without_stops(words: Words) -> Words:
    changed = []
    for number, word in enumerate(words):
        before = words[number - 1][-1] if number else ""
        after = words[number + 1][0] if number + 1 < len(words) else ""
        around = zip([before, *word[:-1]], word, [*word[1:], after], strict=True)
        changed.append([phoneme for left, phoneme, right in around if not _swallowed(left, phoneme, right)] or word)
    return changed


def _swallowed(left: str, phoneme: str, right: str) -> bool:
    between = left and right and not is_vowel(left) and not is_vowel(right)
    return bool(between) and phoneme in STOPS and right[:1] not in KEEP_STOPS


def _vocalised(words: Words) -> Words:
    changed = []
    for number, word in enumerate(words):
        after = words[number + 1][0] if number + 1 < len(words) else ""
        said: list[str] = []
        for phoneme, following in zip(word, [*word[1:], after], strict=True):
            plain = said[-1].lstrip(STRESS) if said else ""
            if is_vowel(following) or following[:1] == GLIDE:
                said.append(phoneme)
            elif phoneme == SYLLABIC_L:
                said.append("U")
            elif phoneme == L and plain in VOCALISED:
                stress = said[-1][: len(said[-1]) - len(plain)]
                said[-1:] = (stress + VOCALISED[plain]).split()
            else:
                said.append(phoneme)
        changed.append(said)
    return changed
