"""The compiled part of :mod:`luoxia.models.byte_pairs`: words found in code points, and pairs merged in each.

Pairs lie in a table by open addressing, (slots, 2) int64: the key left * 2^32 + right, and rank * 2^32 + merged token.
"""

from __future__ import annotations

import numpy as np

from luoxia.nn.kernels import compiled

NONE = np.int64(0x7FFFFFFFFFFFFFFF)
SEEN = 1 << 14  # words that are remembered, ...
LONG, IDS = 16, 8  # ... of up to so many characters and tokens
FEW = 256  # bytes of a word whose pairs are all looked at for the lowest rank
OTHER, LETTER, NUMBER, SPACE, DIGIT = range(5)  # DIGIT is set apart from its neighbours, NUMBER is not

_jit = compiled(__file__)


@_jit
def fill(pairs, merges):
    """Lay (M, 3) int64 merges down by their ranks: left, right, merged."""
    for rank in range(len(merges)):
        at = _slot(pairs, merges[rank, 0], merges[rank, 1])
        pairs[at, 0] = (merges[rank, 0] << 32) | merges[rank, 1]
        pairs[at, 1] = (np.int64(rank) << 32) | merges[rank, 2]


@_jit
def _slot(pairs, left, right):
    key = (np.int64(left) << 32) | np.int64(right)
    x = np.uint64(key) * np.uint64(0x9E3779B97F4A7C15)
    mask = len(pairs) - 1
    at = np.int64(x >> np.uint64(32)) & mask
    while pairs[at, 0] != key and pairs[at, 0] != NONE:
        at = (at + 1) & mask
    return at


@_jit
def _rank(left, right, pairs):
    """Rank * 2^32 + merged, or :data:`NONE` where the two are not merged: an empty row holds it as its value."""
    return pairs[_slot(pairs, left, right), 1]


@_jit
def _word(codes, at, end, kinds):
    """Where the word that begins at ``at`` ends."""
    code = codes[at]
    kind = kinds[code]
    if code == 39 and at + 1 < end:
        after = codes[at + 1]
        if after == 115 or after == 116 or after == 109 or after == 100:  # 's 't 'm 'd
            return at + 2
        if at + 2 < end:
            third = codes[at + 2]
            if ((after == 114 or after == 118) and third == 101) or (
                after == 108 and third == 108
            ):  # 're 've 'll
                return at + 3
    if kind == DIGIT:
        return at + 1
    if kind == SPACE:
        if code == 32 and at + 1 < end:
            following = kinds[codes[at + 1]]
            if following < SPACE:
                return _run(codes, at + 1, end, kinds)
        stop = _run(codes, at, end, kinds)
        if stop == end or stop == at + 1 or kinds[codes[stop]] == DIGIT:
            return stop
        return stop - 1
    return _run(codes, at, end, kinds)


@_jit
def _run(codes, at, end, kinds):
    kind = kinds[codes[at]]
    while at < end and kinds[codes[at]] == kind:
        at += 1
    return at


@_jit
def _utf8(code, symbols, n, table):
    if code < 0x80:
        symbols[n] = table[code]
        return n + 1
    if code < 0x800:
        symbols[n] = table[0xC0 | (code >> 6)]
        symbols[n + 1] = table[0x80 | (code & 63)]
        return n + 2
    if code < 0x10000:
        symbols[n] = table[0xE0 | (code >> 12)]
        symbols[n + 1] = table[0x80 | ((code >> 6) & 63)]
        symbols[n + 2] = table[0x80 | (code & 63)]
        return n + 3
    symbols[n] = table[0xF0 | (code >> 18)]
    symbols[n + 1] = table[0x80 | ((code >> 12) & 63)]
    symbols[n + 2] = table[0x80 | ((code >> 6) & 63)]
    symbols[n + 3] = table[0x80 | (code & 63)]
    return n + 4


@_jit
def _merge_few(symbols, n, ranks, pairs):
    """Merge in place, looking at all ranks for the lowest each time; the number of symbols left."""
    for i in range(n - 1):
        ranks[i] = _rank(symbols[i], symbols[i + 1], pairs)
    while n > 1:
        best, lowest = 0, ranks[0]
        for i in range(1, n - 1):
            if ranks[i] < lowest:
                best, lowest = i, ranks[i]
        if lowest == NONE:
            break
        symbols[best] = np.int32(lowest & 0xFFFFFFFF)
        n -= 1
        for i in range(best + 1, n):
            symbols[i] = symbols[i + 1]
            ranks[i] = ranks[i + 1]
        if best > 0:
            ranks[best - 1] = _rank(symbols[best - 1], symbols[best], pairs)
        if best < n - 1:
            ranks[best] = _rank(symbols[best], symbols[best + 1], pairs)
    return n


@_jit
def _sift(heap, size):
    """Take the least of a heap of ``size`` away."""
    last, at = heap[size - 1], 0
    size -= 1
    while True:
        child = 2 * at + 1
        if child >= size:
            break
        if child + 1 < size and heap[child + 1] < heap[child]:
            child += 1
        if last <= heap[child]:
            break
        heap[at] = heap[child]
        at = child
    heap[at] = last
    return size


@_jit
def _push(heap, size, value):
    at = size
    while at > 0 and heap[(at - 1) >> 1] > value:
        heap[at] = heap[(at - 1) >> 1]
        at = (at - 1) >> 1
    heap[at] = value
    return size + 1


@_jit
def _merge_many(symbols, n, pairs):
    """The same for a word without end, in O(n log n): what waits in the heap is (rank, place), checked when it comes out."""
    ranks = np.empty(n, np.int64)
    after, before = np.arange(1, n + 1), np.arange(-1, n - 1)
    heap = np.empty(3 * n, np.int64)
    size = 0
    for i in range(n - 1):
        ranks[i] = _rank(symbols[i], symbols[i + 1], pairs)
        if ranks[i] != NONE:
            size = _push(heap, size, ((ranks[i] >> 32) << 32) | i)
    ranks[n - 1] = NONE
    while size:
        top = heap[0]
        size = _sift(heap, size)
        at = top & 0xFFFFFFFF
        if ranks[at] == NONE or ranks[at] >> 32 != top >> 32:
            continue
        gone = after[at]
        symbols[at] = np.int32(ranks[at] & 0xFFFFFFFF)
        after[at] = after[gone]
        if after[gone] < n:
            before[after[gone]] = at
        ranks[gone] = NONE
        for i in (before[at], at):
            if i >= 0:
                ranks[i] = NONE
                if after[i] < n:
                    ranks[i] = _rank(symbols[i], symbols[after[i]], pairs)
                if ranks[i] != NONE:
                    size = _push(heap, size, ((ranks[i] >> 32) << 32) | i)
    left, at = 0, 0
    while at < n:
        symbols[left] = symbols[at]
        left += 1
        at = after[at]
    return left


@_jit
def encode(codes, ends, kinds, table, pairs, ids, bounds):
    few = np.empty(FEW + 8, np.int32)
    ranks = np.empty(FEW + 8, np.int64)
    words = np.zeros((SEEN, LONG + 1), np.uint32)  # length, then characters
    known = np.zeros((SEEN, IDS + 1), np.int32)  # number, then ids
    filled, gaps = 0, table.min() < 0
    for i in range(len(ends) - 1):
        at, end = ends[i], ends[i + 1]
        while at < end:
            stop = _word(codes, at, end, kinds)
            size, place = stop - at, 0
            if size <= LONG:
                place = _place(codes, at, stop)
                if _same(words[place], codes, at, size):
                    for k in range(known[place, 0]):
                        ids[filled + k] = known[place, 1 + k]
                    filled += known[place, 0]
                    at = stop
                    continue
            symbols = few if 4 * size <= FEW else ids[filled:]  # there is room for every byte of what is left
            n = 0
            for k in range(at, stop):
                n = _utf8(codes[k], symbols, n, table)
            if gaps:
                n = _closed(symbols, n)
            if 4 * size <= FEW:
                n = _merge_few(symbols, n, ranks, pairs)
                for k in range(n):
                    ids[filled + k] = few[k]
            else:
                n = _merge_many(symbols, n, pairs)
            if size <= LONG and n <= IDS:
                words[place, 0], known[place, 0] = size, n
                for k in range(size):
                    words[place, 1 + k] = codes[at + k]
                for k in range(n):
                    known[place, 1 + k] = few[k]
            filled += n
            at = stop
        bounds[i + 1] = filled


@_jit
def _place(codes, at, stop):
    x = np.uint64(stop - at)
    for k in range(at, stop):
        x = (x ^ np.uint64(codes[k])) * np.uint64(0x9E3779B97F4A7C15)
        x ^= x >> np.uint64(32)
    return np.int64(x & np.uint64(SEEN - 1))


@_jit
def _same(word, codes, at, size):
    if word[0] != size:
        return False
    for k in range(size):  # noqa: SIM110 (Numba compiles no generators)
        if word[1 + k] != codes[at + k]:
            return False
    return True


@_jit
def _closed(symbols, n):
    """Without the bytes that have no token; the number of symbols left."""
    left = 0
    for i in range(n):
        if symbols[i] >= 0:
            symbols[left] = symbols[i]
            left += 1
    return left
