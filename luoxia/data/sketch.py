"""Sketches of texts: few numbers by which texts that say nearly the same are found without comparing all with all.

A text is the set S of its shingles, three words (or characters, where words are not set apart) in a row, small letters,
without punctuation. One-permutation MinHash (Li, Owen and Zhang 2012, arXiv:1208.1259) hashes every shingle once and keeps
the smallest 16 bits in each of :data:`BINS` bins; of two texts, the share of equal bins among those filled in either estimates

    J(S, T) = |S & T| / |S | T|.

Bins left empty borrow for the look-up alone (Shrivastava 2017, arXiv:1703.04664); look-up is by :data:`BANDS` bands of
:data:`ROWS` bins (Leskovec et al., Mining of Massive Datasets, section 3.4): a pair of similarity s is met with probability
1 - (1 - s^ROWS)^BANDS, which is 0.69 at 0.3 and 0.996 at 0.5.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from luoxia.data import characters
from luoxia.nn.kernels import compiled

BINS, BANDS, ROWS = 128, 42, 3
EMPTY = np.uint16(0xFFFF)
_A, _B = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9)

_jit = compiled(__file__)


def points(texts: list[str]) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
    """The code points of all texts, one after the other, and where each begins and the last ends, (N + 1,)."""
    ends = np.zeros(len(texts) + 1, np.int64)
    np.cumsum([len(t) for t in texts], out=ends[1:])
    data = "".join(texts).encode("utf-32-le", "surrogatepass")
    return np.frombuffer(data, np.uint32), ends


def sketch(texts: list[str]) -> tuple[NDArray[np.uint16], NDArray[np.int64]]:
    """(N, BINS) uint16 sketches, and (N, scripts) int64 letters of each of :data:`luoxia.data.characters.SCRIPTS`.

    A text's own sketch is the smaller of its pieces' sketches, bin by bin.
    """
    codes, ends = points(texts)
    made = np.full((len(texts), BINS), EMPTY, np.uint16)
    scripts = np.zeros((len(texts), len(characters.SCRIPTS)), np.int64)
    _sketch(codes, ends, characters.kinds(), characters.lower(), made, scripts)
    return made, scripts


def keys(sketches: NDArray[np.uint16], first: int, count: int) -> NDArray[np.uint64]:
    """(count, N) uint64 keys of the bands from ``first`` on: texts of one key in one band may be alike. A text without a
    shingle is alike to none."""
    out = np.empty((count, len(sketches)), np.uint64)
    _keys(sketches, first, out)
    return out


def similarity(sketches: NDArray[np.uint16], one: NDArray[Any], other: NDArray[Any]) -> NDArray[np.float32]:
    """(P,) estimates of J for pairs of rows of ``sketches``."""
    out = np.empty(len(one), np.float32)
    _similarity(sketches, one, other, out)
    return out


@_jit
def _mix(x):
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


@_jit
def _put(row, one, two, three):
    x = _mix(one * _A + two * _B + three)
    place = np.int64(x >> np.uint64(57))
    value = min(np.uint16((x >> np.uint64(24)) & np.uint64(0xFFFF)), np.uint16(0xFFFE))
    row[place] = min(row[place], value)


@_jit
def _sketch(codes, ends, kinds, lower, out, scripts):
    for i in range(len(ends) - 1):
        row, letters = out[i], scripts[i]
        one = two = np.uint64(0)
        word = np.uint64(0)
        count = 0
        for at in range(ends[i], ends[i + 1] + 1):
            kind = np.uint8(0)
            code = np.uint32(0)
            if at < ends[i + 1]:
                code = codes[at]
                kind = kinds[code]
                letters[kind & 63] += 1
            if kind & 128:
                small = lower[code] if code < 65536 else code
                word = (word ^ np.uint64(small)) * _A
                word ^= word >> np.uint64(29)
                continue
            if word:
                count += 1
                if count >= 3:
                    _put(row, one, two, word)
                one, two, word = two, word, np.uint64(0)
            if kind & 64:
                count += 1
                alone = _mix(np.uint64(code) + _A)
                if count >= 3:
                    _put(row, one, two, alone)
                one, two = two, alone
        if 0 < count < 3:
            _put(row, np.uint64(count), one, two)


@_jit
def _keys(sketches, first, out):
    for i in range(len(sketches)):
        row = sketches[i]
        empty = True
        for b in range(BINS):
            if row[b] != EMPTY:
                empty = False
        for band in range(len(out)):
            key = np.uint64(first + band) * _A
            for r in range(ROWS):
                place = (first + band) * ROWS + r
                value = row[place]
                attempt = np.uint64(place) << np.uint64(32)
                while value == EMPTY and not empty:
                    attempt += np.uint64(1)
                    value = row[np.int64(_mix(attempt * _A) >> np.uint64(57))]
                key = _mix(key ^ np.uint64(value)) + _B
            out[band, i] = np.uint64(i) if empty else key


@_jit
def _similarity(sketches, one, other, out):
    for p in range(len(one)):
        a, b = sketches[one[p]], sketches[other[p]]
        same = filled = 0
        for k in range(BINS):
            either = (a[k] != EMPTY) | (b[k] != EMPTY)
            filled += either
            same += either & (a[k] == b[k])
        out[p] = same / filled if filled else 0.0
