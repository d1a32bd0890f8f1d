"""The sounds that the backbone tells apart, and the way there from the International Phonetic Alphabet.

37 classes, few enough for a small network and enough for any language espeak reads: length, stress and fine shades are
dropped, a diphthong is two sounds, and what is left is put for its nearest neighbour. Class 0 is "no new sound", the
blank of CTC (Graves et al. 2006).
"""

from __future__ import annotations

BLANK = 0
PHONES = ("", *"iɪeaɑɔoʊuʌəɜyøpbtdkɡfvθðszʃʒhxmnŋlɹjw")
NEIGHBOURS = {
    "ɐ": "ʌ", "ᵻ": "ɪ", "ɨ": "ɪ", "ʉ": "u", "ɵ": "ø", "œ": "ø", "ɛ": "e", "ε": "e", "æ": "a", "A": "a", "ɒ": "ɑ",
    "ɚ": "əɹ", "ɝ": "ɜɹ", "r": "ɹ", "ʁ": "ɹ", "ʀ": "ɹ", "ɽ": "ɹ", "ɫ": "l", "ɭ": "l", "ɬ": "l", "ʎ": "lj",
    "ʋ": "v", "β": "v", "ɸ": "f", "ʍ": "w", "ɣ": "x", "ç": "x", "χ": "x", "ħ": "h", "c": "k", "ɟ": "ɡ", "g": "ɡ",
    "ɲ": "nj", "ɳ": "n", "ɱ": "m", "ʂ": "ʃ", "ɕ": "ʃ", "ʐ": "ʒ", "ʑ": "ʒ", "ʈ": "t", "ɖ": "d",
}  # fmt: skip
TAP = "ɾ"  # a t between vowels in English, an r elsewhere
_NUMBER = {phone: number for number, phone in enumerate(PHONES) if phone}


def phones(ipa: str, english: bool = True) -> list[int]:
    """Class numbers of the sounds in a line of IPA; signs that are no sounds are passed over.

    >>> [PHONES[number] for number in phones("kəmpjˈuːɾɚ")]
    ['k', 'ə', 'm', 'p', 'j', 'u', 't', 'ə', 'ɹ']
    """
    signs = ipa.replace(TAP, "t" if english else "ɹ")
    plain = "".join(NEIGHBOURS.get(sign, sign) for sign in signs)
    return [_NUMBER[sign] for sign in plain if sign in _NUMBER]
