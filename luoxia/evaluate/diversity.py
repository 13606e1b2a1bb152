r"""Whether generated texts differ from one another, and whether each goes on or turns round in circles.

Units are words and Chinese characters and marks, whatever the model's vocabulary, so that models compare.

    distinct-n   different n-grams over all n-grams of all texts (Li et al. 2016, arXiv:1510.03055, section 5)
    self-BLEU    mean BLEU-4 of each text against all others (Zhu et al. 2018, arXiv:1802.01886); high: they are alike
    repetition   1 - different 4-grams / 4-grams within a text, its mean (Welleck et al. 2020, arXiv:1908.04319, eq. 8)
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

# Han and kana are units of one character each; a word goes on over apostrophes.
_UNIT = re.compile(
    r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]|[^\W\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]+(?:['’]\w+)?|[^\w\s]"
)

Gram = tuple[str, ...]


def units(text: str) -> list[str]:
    """Words in lower case, Chinese characters and marks."""
    return _UNIT.findall(text.lower())


def ngrams(sequence: Sequence[str], n: int) -> list[Gram]:
    return [tuple(sequence[i : i + n]) for i in range(len(sequence) - n + 1)]


def distinct(texts: Sequence[Sequence[str]], n: int) -> float:
    """Different n-grams over n-grams, of all texts together; nan where there is none."""
    every = [gram for text in texts for gram in ngrams(text, n)]
    return len(set(every)) / len(every) if every else math.nan


def repetition(text: Sequence[str], n: int = 4) -> float:
    """The share of n-grams of one text that stood in it before; 0 for a text too short to repeat one."""
    grams = ngrams(text, n)
    return 1 - len(set(grams)) / len(grams) if grams else 0.0


def self_bleu(texts: Sequence[Sequence[str]], n: int = 4) -> float:
    r"""Mean over i of BLEU-n of text i with all others as references (Papineni et al. 2002).

    .. math:: \mathrm{BLEU} = \min(1, e^{1 - r/c}) \exp\Big(\frac{1}{n} \sum_k \ln p_k\Big)

    p_k clips each k-gram's count by its largest in one reference; r is the reference length nearest to c, the shorter of
    two as near. A p_k of 0 is 0.1 matches instead (Chen and Cherry 2014, method 1). Texts shorter than n are left out;
    nan for fewer than two.
    """
    kept = [text for text in texts if len(text) >= n]
    if len(kept) < 2:
        return math.nan
    counts = [[Counter(ngrams(text, k)) for text in kept] for k in range(1, n + 1)]
    most = [_two_largest(level) for level in counts]
    lengths = [len(text) for text in kept]
    found = []
    for i, length in enumerate(lengths):
        logs = []
        for level, largest in zip(counts, most, strict=True):
            total = sum(level[i].values())
            hits = sum(min(count, _largest_of_others(largest[gram], i)) for gram, count in level[i].items())
            logs.append(math.log((hits or 0.1) / total))
        others = lengths[:i] + lengths[i + 1 :]
        nearest = min(others, key=lambda other: (abs(other - length), other))
        found.append(min(1.0, math.exp(1 - nearest / length)) * math.exp(sum(logs) / n))
    return float(np.mean(found))


Largest = tuple[
    int, int, int
]  # the largest count of an n-gram in one text, that text, and the largest in any other


def _two_largest(level: Sequence[Counter[Gram]]) -> dict[Gram, Largest]:
    found: dict[Gram, Largest] = {}
    for i, counter in enumerate(level):
        for gram, count in counter.items():
            first, at, second = found.get(gram, (0, -1, 0))
            found[gram] = (count, i, first) if count > first else (first, at, max(second, count))
    return found


def _largest_of_others(largest: Largest, text: int) -> int:
    return largest[2] if largest[1] == text else largest[0]


def diversity(texts: Sequence[str]) -> dict[str, Any]:
    """Every number of this file, and lengths in units: what a report keeps. None where
    the texts are too few or too short to tell."""
    cut = [units(text) for text in texts]
    lengths = np.array([len(text) for text in cut])
    said = {**{f"distinct_{n}": distinct(cut, n) for n in (1, 2, 3)}, "self_bleu": self_bleu(cut)}
    return {
        **{key: None if math.isnan(value) else value for key, value in said.items()},
        "repetition": float(np.mean([repetition(text) for text in cut])),
        "length_mean": float(lengths.mean()),
        "length_median": float(np.median(lengths)),
        "length_std": float(lengths.std()),
        "empty": int((lengths == 0).sum()),
    }
