"""Byte-level BPE (Sennrich et al. 2016, arXiv:1508.07909; over bytes as in GPT-2) at the speed of the machine.

The ``tokenizers`` library reads the vocabulary, and is what this is equal to: a text is split into words by GPT-2's pattern

    's|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+

with or without every digit alone, and in each word the pair of neighbours with the lowest rank is merged until none is left.
Bytes that a vocabulary has no token for are passed over, as the library does.
Which characters are letters, digits and spaces is asked of the library itself, so that both follow one version of Unicode.
"""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import numpy as np
import tokenizers
from numpy.typing import NDArray
from tokenizers import Regex, pre_tokenizers

from luoxia.models import byte_merges
from luoxia.models.byte_merges import DIGIT, LETTER, NONE, NUMBER, SPACE


class BytePairs:
    """Encodes texts as ``engine`` does, special tokens written in them as the letters they are made of."""

    def __init__(self, engine: tokenizers.Tokenizer) -> None:
        """Raises :class:`NotImplementedError` for what is no byte-level BPE of this kind."""
        said = json.loads(engine.to_str())
        self._digits_alone = _digits_alone(said)
        self._kinds, self._planes = np.zeros(0x110000, np.uint8), set[int]()
        vocabulary, merges = said["model"]["vocab"], said["model"]["merges"]
        self._bytes = np.array([vocabulary.get(c, -1) for c in alphabet()], np.int32)
        sides = (merge if isinstance(merge, list) else merge.split(" ") for merge in merges)
        known = [(vocabulary[left], vocabulary[right], vocabulary[left + right]) for left, right in sides]
        self._pairs = np.full((1 << (2 * len(merges) + 2).bit_length(), 2), NONE)
        byte_merges.fill(self._pairs, np.array(known, np.int64).reshape(-1, 3))

    def encode(self, texts: list[str]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """The ids of all texts one after the other, and (N + 1,) where each text's begin and the last one's end.

        The interpreter lock is let go meanwhile.
        """
        ends = np.zeros(len(texts) + 1, np.int64)
        np.cumsum([len(t) for t in texts], out=ends[1:])
        joined = "".join(texts)
        codes = np.frombuffer(joined.encode("utf-32-le", "surrogatepass"), np.uint32)
        for plane in set(np.flatnonzero(np.bincount(codes >> 16)).tolist()) - self._planes:
            self._kinds[plane << 16 : (plane + 1) << 16] = _plane(plane, self._digits_alone)
            self._planes.add(plane)
        ids = np.empty(len(joined.encode("utf-8", "surrogatepass")), np.int32)
        bounds = np.zeros(len(texts) + 1, np.int64)
        byte_merges.encode(codes, ends, self._kinds, self._bytes, self._pairs, ids, bounds)
        return ids[: bounds[-1]], bounds


def alphabet() -> list[str]:
    """The character that stands for each byte in a byte-level vocabulary: printable ones for themselves, others shifted."""
    plain = {*range(33, 127), *range(161, 173), *range(174, 256)}
    shifted = iter(range(256, 512))
    return [chr(b if b in plain else next(shifted)) for b in range(256)]


def _digits_alone(said: dict[str, Any]) -> bool:
    model, before, normal = said["model"], said["pre_tokenizer"] or {}, said["normalizer"]
    plain = model["type"] == "BPE" and not any(
        model.get(name)
        for name in (
            "dropout",
            "continuing_subword_prefix",
            "end_of_word_suffix",
            "byte_fallback",
            "ignore_merges",
        )
    )
    steps = before.get("pretokenizers", [before])
    words = {"type": "ByteLevel", "add_prefix_space": False, "use_regex": True}
    digits = {"type": "Digits", "individual_digits": True}
    known = [{key: step[key] for key in (*words, "individual_digits") if key in step} for step in steps]
    marks_alone = all(token["special"] for token in said["added_tokens"])
    if not plain or not marks_alone or normal or known not in ([words], [digits, words]):
        raise NotImplementedError("no byte-level BPE that splits words as GPT-2 does")
    return len(known) == 2


@cache
def _plane(number: int, digits_alone: bool) -> NDArray[np.uint8]:
    """(0x10000,) uint8 kinds of the characters of one plane, as the library's own patterns have them."""
    codes = [c for c in range(number << 16, (number + 1) << 16) if not 0xD800 <= c < 0xE000]
    places, every = np.array(codes) & 0xFFFF, "".join(map(chr, codes))
    found = np.zeros(0x10000, np.uint8)
    for pattern, kind in ((r"\p{L}+", LETTER), (r"\p{N}+", NUMBER), (r"\s+", SPACE)):
        split = pre_tokenizers.Split(Regex(pattern), "removed", invert=True)
        for _, (first, end) in split.pre_tokenize_str(every):
            found[places[first:end]] = kind
    if digits_alone:
        apart = "".join(c + "aa" for c in every)  # a piece of one character is a digit then
        for piece, (first, _) in pre_tokenizers.Digits(individual_digits=True).pre_tokenize_str(apart):
            if len(piece) == 1:
                found[places[first // 3]] = DIGIT
    return found
