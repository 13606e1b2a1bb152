"""What a text may have been copied from: an index of hashes of a training text, kept beside the model that learned from it.

Texts are taken in UTF-8 with white space as one space and letters small. Of every run of 24 bytes a 64-bit hash

    h = sum_j b_j B^(24 - j) mod 2^64,  mixed,

is looked at, and of every w hashes in a row the smallest is kept (winnowing: Schleimer, Wilkerson and Aiken, *Winnowing: Local
Algorithms for Document Fingerprinting*, SIGMOD 2003), so that a passage of 24 + w - 1 bytes is never missed; runs that stand
in many documents are nobody's, and are left out. A text is looked up with all its hashes; hits in one document that follow
on each other span a passage. No word of the training text is in the index.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from luoxia.core.language import Text
from luoxia.weights import originals as files

RUN, WINDOW = 24, 25  # bytes; so a passage of 48 is never missed
MOST, LARGEST = 1 << 20, 1 << 25  # hashes of an index, bytes of its file
COMMON = 8  # documents that a run stands in before it is nobody's
LEAST = 120  # bytes of a passage that is told: some 20 words of English, 40 Chinese characters
LONGEST = 1 << 20  # characters of a text that are looked at
UNSEEN, PIECE = 500, 2_000  # held-out documents that the bound is measured by, and bytes of each
BASE, MIX = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xD6E8FEB86659FD93)
_SPACE = re.compile(r"\s+")


@dataclass(frozen=True)
class Passage:
    """``length`` bytes of a text from ``start`` on stand in training document ``document``; -1 where none does."""

    length: int
    start: int
    document: int
    text: str


@dataclass(frozen=True)
class TextOriginals:
    """``hashes`` (N,) uint64 sorted, ``documents`` (N,) int32; ``told`` has "data", "digest", "sources" and "bound", the bytes
    of a passage from which on it is near."""

    hashes: NDArray[np.uint64]
    documents: NDArray[np.int32]
    told: dict[str, Any]

    @property
    def bound(self) -> int:
        return int(self.told["bound"])

    def longest(self, text: str) -> Passage:
        """The longest passage of ``text`` that stands in one document, to within a window at its ends."""
        data = plain(text[:LONGEST])
        found = hashes_of(data)
        first = np.searchsorted(self.hashes, found)
        known = first < len(self.hashes)
        known[known] = self.hashes[first[known]] == found[known]
        at = np.flatnonzero(known)
        best = Passage(0, 0, -1, "")
        window = int(self.told["window"])
        for document in np.unique(self.documents[first[at]]):
            mine = at[self.documents[first[at]] == document]
            cuts = np.flatnonzero(np.diff(mine) > window)
            starts, ends = (
                mine[np.concatenate([[0], cuts + 1])],
                mine[np.concatenate([cuts, [len(mine) - 1]])],
            )
            long = int((ends - starts).argmax())
            length = int(ends[long] - starts[long]) + RUN
            if length > best.length:
                start = int(starts[long])
                passage = data[start : start + length].decode("utf-8", "ignore")
                best = Passage(length, start, int(document), passage)
        return best

    def write(self, folder: Path) -> None:
        """As ``text-originals.safetensors`` in ``folder``."""
        files.write(folder / files.TEXTS, {"hashes": self.hashes, "documents": self.documents}, self.told)


def plain(text: str) -> bytes:
    """What is compared of a text."""
    return _SPACE.sub(" ", text).strip().lower().encode("utf-8", "replace")


def hashes_of(data: bytes) -> NDArray[np.uint64]:
    """A hash for each run of ``RUN`` bytes, (len - RUN + 1,)."""
    values = np.frombuffer(data, np.uint8).astype(np.uint64)
    count = len(values) - RUN + 1
    if count <= 0:
        return np.empty(0, np.uint64)
    found = np.zeros(count, np.uint64)
    for j in range(RUN):
        found *= BASE
        found += values[j : j + count]
    found ^= found >> np.uint64(32)
    found *= MIX
    return found ^ (found >> np.uint64(29))


def build(texts: Iterable[str], unseen: Iterable[str], size: int, **told: Any) -> TextOriginals | None:
    """The index of ``texts``, documents in their order, of some ``size`` bytes in all; ``unseen`` are others that the bound
    is measured by: it is not below the passages that they have in common with ``texts``. None for no text."""
    window = max(WINDOW, -(-2 * size // MOST))
    parts, numbers = [], []
    for number, text in enumerate(texts):
        chosen = _winnowed(plain(text), window)
        parts.append(chosen)
        numbers.append(np.full(len(chosen), number, np.int32))
    hashes = np.concatenate(parts) if parts else np.empty(0, np.uint64)
    if not len(hashes):
        return None
    documents = np.concatenate(numbers)
    order = np.lexsort((documents, hashes))
    hashes, documents = hashes[order], documents[order]
    kept, first, count = np.unique(hashes, return_index=True, return_counts=True)
    own = count <= COMMON
    made = TextOriginals(
        kept[own], documents[first[own]], {**told, "window": window, "bound": max(LEAST, window + RUN - 1)}
    )
    lengths = sorted(made.longest(piece).length for piece in _pieces(unseen))
    usual = lengths[min(len(lengths) - 1, int(0.999 * len(lengths)))] if lengths else 0
    bound = max(made.bound, min(usual + 1, 4 * LEAST))  # a set that repeats itself does not switch this off
    return TextOriginals(made.hashes, made.documents, {**made.told, "bound": bound, "unseen": len(lengths)})


def _pieces(unseen: Iterable[str]) -> Iterator[str]:
    for number, text in enumerate(unseen):
        if number == UNSEEN:
            return
        yield text[:PIECE]


def _winnowed(data: bytes, window: int) -> NDArray[np.uint64]:
    """The smallest of every ``window`` hashes in a row, each once."""
    found = hashes_of(data)
    if len(found) <= window:
        return np.unique(found.min(keepdims=True)) if len(found) else found
    chosen = [
        np.unique(sliding_window_view(found[at : at + (1 << 16) + window - 1], window).min(1))
        for at in range(0, len(found) - window + 1, 1 << 16)
    ]
    return np.unique(np.concatenate(chosen))


def read(folder: Path) -> TextOriginals | None:
    """The index in ``folder``, None where there is none. Raises :class:`MalformedFileError` for what is no whole one."""
    what = Text("index of a training text", "训练文本索引")
    return files.read(folder / files.TEXTS, ("hashes", "documents"), LARGEST, _whole, what)


def _whole(arrays: files.Arrays, told: dict[str, Any]) -> TextOriginals:
    hashes, documents = arrays["hashes"], arrays["documents"]
    whole = hashes.dtype == np.uint64 and documents.dtype == np.int32
    whole = whole and hashes.ndim == 1 and hashes.shape == documents.shape and len(hashes) > 0
    whole = whole and bool((hashes[1:] > hashes[:-1]).all())
    bounds = (told["bound"], told["window"])
    if not whole or not all(isinstance(n, int) and 0 < n < 1 << 40 for n in bounds):
        raise ValueError("its parts do not fit together")
    if not isinstance(told["sources"], list) or not all(isinstance(line, str) for line in told["sources"]):
        raise ValueError("its sources are no lines")
    return TextOriginals(hashes, documents, told)
