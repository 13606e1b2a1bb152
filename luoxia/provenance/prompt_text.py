"""A prompt as it is judged: plain letters, words and characters, and what of them is looked up.

The prompt itself stays as it was written; what is undone here are ways to write the same in letters that look otherwise.
"""

from __future__ import annotations

import re
import unicodedata
import zlib
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

BUCKETS = 1 << 16
LONGEST = 24  # letters of one word; a longer one is several
GRAMS = (3, 4, 5)

# Cyrillic and Greek letters that look like Latin ones, and digits and signs that stand for letters within words.
_ALIKE = str.maketrans("асеіјкмоврѕтухһԁɡαβεικνορτυχ", "aceijkmobpstyxhdgabeiknoptux")
_INSTEAD = str.maketrans("0134579@$!", "oieastg" + "asi")
_SPELT = re.compile(r"(?<![a-z0-9])[a-z0-9](?:[ .\-_*·][a-z0-9]){2,}(?![a-z0-9])")
_HAN = "\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003134f"
_APART = re.compile(rf"(?<=[{_HAN}])[ .\-_*·|/]+(?=[{_HAN}])")
_MIXED = re.compile(r"[a-z0-9@$!]+")
_LETTER = re.compile(r"[a-z]")
_DRAWN_OUT = re.compile(r"([a-z])\1{2,}")
_TOKEN = re.compile(rf"[{_HAN}]|[^\W\d_{_HAN}]+|\d+")


def plain(text: str) -> str:
    """Compatible forms as one (NFKD), no case, no marks and nothing invisible; letters that stand in for others, letters
    set apart and letters drawn out as the word that is meant."""
    seen = (
        "" if (kind := unicodedata.category(c)) in ("Cf", "Mn", "Me") else " " if kind[0] in "CZ" else c
        for c in unicodedata.normalize("NFKD", text).casefold()
    )
    said = "".join(seen).translate(_ALIKE)
    said = _SPELT.sub(lambda found: re.sub(r"[^a-z0-9]", "", found[0]), said)
    said = _APART.sub("", said)
    said = _MIXED.sub(lambda found: _meant(found[0]), said)
    return _DRAWN_OUT.sub(r"\1", said)


def _meant(run: str) -> str:
    """A word with the letters that its digits and signs stand for; a run without a letter is none, and stays."""
    return run.rstrip("!").translate(_INSTEAD) if _LETTER.search(run) else run


def tokens(text: str) -> list[str]:
    """Words, numbers and single Chinese characters of ``text`` as :func:`plain` gives it; punctuation is left out."""
    found: list[str] = []
    for word in _TOKEN.findall(text):
        found += [word[i : i + LONGEST] for i in range(0, len(word), LONGEST)]
    return found


def features(found: list[str]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """What each token is looked up by: buckets of all of them, one after another, and where each token's begin, (T,).

    Of a word, itself and its runs of 3 to 5 letters, ends marked; of a Chinese character, itself, with either neighbour,
    and with the two that follow.
    """
    buckets: list[int] = []
    starts: list[int] = []
    last = len(found)
    for i, token in enumerate(found):
        starts.append(len(buckets))
        if not is_han(token):
            buckets += _of_word(token)
            continue
        before = found[i - 1] if i and is_han(found[i - 1]) else "<"
        after = found[i + 1] if i + 1 < last and is_han(found[i + 1]) else ">"
        then = found[i + 2] if after != ">" and i + 2 < last and is_han(found[i + 2]) else ">"
        buckets += [
            _bucket(token),
            _bucket(before + token),
            _bucket(token + after),
            _bucket(token + after + then),
        ]
    return np.array(buckets, np.int64), np.array(starts, np.int64)


def is_han(found: str) -> bool:
    """Whether a token is a Chinese character."""
    return len(found) == 1 and found >= "\u3400"


@lru_cache(maxsize=1 << 14)
def _of_word(word: str) -> tuple[int, ...]:
    marked = f"<{word}>"
    runs = [marked[i : i + n] for n in GRAMS for i in range(len(marked) - n + 1) if n < len(marked)]
    return tuple(_bucket(run) for run in (marked, *runs))


def _bucket(run: str) -> int:
    return zlib.crc32(run.encode("utf-8", "surrogatepass")) % BUCKETS
