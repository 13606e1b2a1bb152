"""Which documents of a corpus are left out as copies, and which are held out.

Held out is what the source's own folders say (``train/`` beside ``test/`` or ``val/``), else a share chosen by content, so
that a document keeps its side when others come or go. Documents that are alike are always on one side. Where documents are
so few, or one so long, that a share of them is none, the end of the longest is held out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from luoxia.core.errors import UserError
from luoxia.data.corpus import Corpus
from luoxia.data.near_texts import Pairs, copies, groups, pairs

SHARE = 0.02
FEW, MANY = 0.25, 3.0  # times the share that may be held out
LARGE = 0.5  # of what is to be held out, how much one document may be beyond it


@dataclass(frozen=True)
class Division:
    """Places (sorted) of documents: ``train`` and ``held_out``; ``exact`` and ``near`` are (copy, the one it repeats),
    (P, 2). ``cut`` is a document of ``train`` whose text from the byte ``cut_at`` on is held out, -1 for none."""

    train: NDArray[np.int64]
    held_out: NDArray[np.int64]
    exact: NDArray[np.int64]
    near: NDArray[np.int64]
    found: Pairs
    leaks: int
    declared: bool
    cut: int = -1
    cut_at: int = 0

    def spans(self, corpus: Corpus, *, held_out: bool) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Where the texts of one side begin and how many bytes each has."""
        places = self.held_out if held_out else self.train
        starts, sizes = corpus.start[places].copy(), corpus.size[places].copy()
        if self.cut >= 0 and held_out:
            starts = np.append(starts, corpus.start[self.cut] + self.cut_at)
            sizes = np.append(sizes, corpus.size[self.cut] - self.cut_at)
        elif self.cut >= 0:
            sizes[places == self.cut] = self.cut_at
        return starts, sizes


def divide(corpus: Corpus, *, near: float, share: float = SHARE) -> Division:
    """The division of ``corpus``; documents as alike as ``near`` are copies, those above 1 none."""
    count = len(corpus)
    twin = _exact(corpus.digest)
    held_out, train = corpus.held_out.copy(), corpus.train.copy()
    copied = np.flatnonzero(twin >= 0)
    held_out[twin[copied]] |= corpus.held_out[copied]
    train[twin[copied]] |= corpus.train[copied]
    kept = np.flatnonzero(twin < 0)
    found = pairs(corpus.sketches, kept)
    nearly = copies(found, near, held_out)
    group = groups(found, nearly, count)
    exact = np.stack([copied, twin[copied]], 1)
    near_copies = np.flatnonzero(nearly >= 0)
    kept = np.flatnonzero((twin < 0) & (nearly < 0))
    declared = bool(corpus.held_out.any() and (~corpus.held_out).any())
    if declared:
        out = np.unique(group[held_out & (twin < 0)])
        chosen = np.isin(group, out)
        leaks = int((chosen & ~held_out & (twin < 0)).sum() + (held_out & train & (twin < 0)).sum())
    else:
        chosen, leaks = _by_content(corpus, group, kept, share), 0
    sides = kept[~chosen[kept]], kept[chosen[kept]]
    if declared and not len(sides[0]):
        raise UserError(
            "all documents are like a held-out one: nothing is left to train on",
            "所有文档都与留出文档相似：没有可用于训练的文档",
        )
    division = Division(
        *sides, exact, np.stack([near_copies, nearly[near_copies]], 1), found, leaks, declared
    )
    return division if len(sides[1]) else _cut(corpus, division, share)


def _exact(digest: NDArray[np.uint64]) -> NDArray[np.int64]:
    """(N,) the first document of the same text, -1 for a first one."""
    twin = np.full(len(digest), -1, np.int64)
    order = np.lexsort((digest[:, 1], digest[:, 0]))
    ordered = digest[order]
    same = (
        np.concatenate([[False], (ordered[1:] == ordered[:-1]).all(1)]) if len(order) else np.empty(0, bool)
    )
    starts = np.flatnonzero(~same)
    first = order[starts[np.searchsorted(starts, np.arange(len(order)), side="right") - 1]]
    twin[order[same]] = first[same]
    return twin


def _by_content(
    corpus: Corpus, group: NDArray[np.int64], kept: NDArray[np.int64], share: float
) -> NDArray[np.bool_]:
    """(N,) whether a document is held out: the groups whose least digest is small, as long as that makes about ``share``."""
    count = len(corpus)
    key = np.full(count, np.iinfo(np.uint64).max, np.uint64)
    np.minimum.at(key, group, corpus.digest[:, 0])
    size = np.zeros(count, np.int64)
    np.add.at(size, group[kept], corpus.size[kept])
    total = int(size.sum())
    chosen = (key < np.uint64(int(share * 2**64))) & (size > 0)
    if not FEW * share * total <= size[chosen].sum() <= MANY * share * total:
        chosen[:] = False  # few documents, or very unequal ones: take the next that fit
        taken = 0
        for i in np.argsort(key, kind="stable").tolist():
            if size[i] > 0 and taken + size[i] <= (1 + LARGE) * share * total:
                chosen[i] = True
                taken += int(size[i])
            if taken >= share * total or key[i] == np.iinfo(np.uint64).max:
                break
        if taken < FEW * share * total:
            chosen[:] = False
    return chosen[group]


def _cut(corpus: Corpus, division: Division, share: float) -> Division:
    """The end of the longest document is held out: after a line's end, or where there is none, after a character."""
    longest = int(division.train[corpus.size[division.train].argmax()])
    total = int(corpus.size[division.train].sum())
    size = int(corpus.size[longest])
    at = size - max(1, min(int(share * total), size // 2))
    with corpus.path.open("rb") as file:
        file.seek(int(corpus.start[longest]) + at)
        data = file.read(min(1 << 16, size - at))
    line = data.find(b"\n") + 1
    if not 0 < line < len(data):
        line = next((i for i, byte in enumerate(data[:4]) if byte & 0xC0 != 0x80), 0)
    if not 0 < at + line < size:
        raise UserError(
            f"{corpus.name} is too short to hold a part of it out",
            f"{corpus.name} 太短，无法留出一部分",
        )
    return Division(
        division.train,
        division.held_out,
        division.exact,
        division.near,
        division.found,
        division.leaks,
        division.declared,
        longest,
        at + line,
    )
