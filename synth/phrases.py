"""What is said besides the phrase: ordinary sentences, and words of no language. Neither may wake anything."""

from __future__ import annotations

import numpy as np

SENTENCES = (
    "what time is it in the kitchen", "please turn the lights off before you leave", "I will call you back tomorrow",
    "the train was late again this morning", "can you pass me the salt", "she said it would rain all week",
    "we should have left an hour ago", "there is a letter for you on the table", "how much does this one cost",
    "he never told anyone about the accident", "put the flowers in water", "the children are playing outside",
    "my brother bought a new bicycle", "nobody knows where the keys are", "let's have dinner at seven",
    "the market closes early on Sunday", "open the window, it is warm in here", "did you see the game last night",
    "I forgot my umbrella at the office", "the water is boiling", "take the second street on the left",
    "our neighbours moved to another city", "it takes twenty minutes on foot", "he plays the guitar every evening",
    "the museum has a new exhibition", "could you speak a little louder", "I would like a cup of coffee",
    "the doctor will see you now", "they painted the house yellow", "this is the best soup I have ever had",
    "remember to feed the cat", "the meeting starts at half past nine", "where did you put my glasses",
    "the battery is almost empty", "we walked along the river for hours", "she speaks three languages",
    "I am looking for a birthday present", "the plane lands at midnight", "my phone is not working",
    "let me know when you arrive", "the old bridge was closed for repairs", "you can sit next to me",
    "they sold more tickets than seats", "the soup needs more pepper", "what are you doing on Saturday",
    "he opened the door and went inside", "yes", "no", "maybe later", "good morning", "thank you very much",
    "one two three four five", "six seven eight nine ten", "hello", "hey", "okay", "stop", "listen to me",
    "come here", "sorry, I did not hear you", "happy birthday", "see you soon", "well, that is a surprise",
    "the president spoke about the economy", "and now the weather for the weekend", "scientists found a new planet",
    "prices rose by two percent last year", "the film is about a young musician", "once upon a time there was a king",
)  # fmt: skip

# Of a syllable of `nonsense`: what comes more than once is drawn more often.
ONSETS = tuple("bdfghjklmnprstvwz") * 2 + ("", "bl", "dr", "kr", "pl", "sk", "st", "tr")
NUCLEI = ("a", "e", "i", "o", "u") * 2 + ("ai", "au", "ei", "ia", "ou")
CODAS = ("",) * 12 + ("l", "m", "n", "nt", "r", "s", "st", "t")


def nonsense(rng: np.random.Generator, words: int) -> str:
    """Words of one to four syllables in no language: what a model has to meet to be calm in all of them.

    >>> nonsense(np.random.default_rng(0), 3)
    'rugausthut tukouai zeidaunbli'
    """
    lengths = rng.integers(1, 5, words)
    return " ".join("".join(_syllable(rng) for _ in range(length)) for length in lengths)


def manners(phrase: str) -> list[str]:
    """The same words as people say them to a device: plainly, calling, asking, with a pause between the words.

    >>> manners("hey computer")
    ['hey computer', 'hey computer!', 'hey computer?', 'hey, computer']
    """
    said = [phrase, f"{phrase}!", f"{phrase}?"]
    return [*said, ", ".join(phrase.split())] if " " in phrase.strip() else said


def _syllable(rng: np.random.Generator) -> str:
    return "".join(rng.choice(sounds) for sounds in (ONSETS, NUCLEI, CODAS))
