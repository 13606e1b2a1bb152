"""The longest passage of each text that stands, letter for letter, in what the model learned from.

The texts become one suffix automaton (Blumer et al. 1985): a state for every set of places that some substring ends at.
The training text runs through it once, character by character, in compiled code, so that its size costs time and no
memory: at every place the automaton knows the longest substring of any text that ends there. What each state met is then
read off for every place of every text. White space counts as one space: line breaks are no difference.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from luoxia.nn.kernels import compiled

_jit = compiled(__file__)

_SPACE = re.compile(r"\s+")


@dataclass(frozen=True)
class Overlap:
    """``length`` characters of the text from ``start`` on stand at ``place`` of the training text, -1 for none;
    ``share`` of its characters lie in such passages of ``least`` or more. ``passage`` is what they read."""

    length: int
    start: int
    place: int
    share: float
    passage: str


def flat(text: str) -> str:
    """White space as one space."""
    return _SPACE.sub(" ", text).strip()


def longest(texts: Sequence[str], training: Iterable[str], *, least: int = 50) -> list[Overlap]:
    """The longest overlap of each text with ``training``, given in pieces of any size that join without a gap."""
    cut = [flat(text) for text in texts]
    automaton = _Automaton([_codes(text) for text in cut])
    automaton.feed(_joined(training))
    return [_overlap(text, *automaton.endings(i), least) for i, text in enumerate(cut)]


def _codes(text: str) -> NDArray[np.int64]:
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32).astype(np.int64)


def _joined(pieces: Iterable[str]) -> Iterable[NDArray[np.int64]]:
    """The pieces' characters, white space as one space also where two of them meet."""
    spaced = True
    for piece in pieces:
        text = _SPACE.sub(" ", piece)
        if spaced and text.startswith(" "):
            text = text[1:]
        if text:
            spaced = text.endswith(" ")
            yield _codes(text)


def _overlap(text: str, lengths: NDArray[np.int64], places: NDArray[np.int64], least: int) -> Overlap:
    """``lengths[i]``: of the longest passage that ends with character i; ``places[i]``: where it ends in training."""
    if not len(lengths) or not lengths.max():
        return Overlap(0, 0, -1, 0.0, "")
    end = int(lengths.argmax())
    length = int(lengths[end])
    covered = np.zeros(len(text) + 1, np.int64)
    for i in np.flatnonzero(lengths >= least):
        covered[i + 1 - lengths[i]] += 1
        covered[i + 1] -= 1
    share = float((covered.cumsum()[:-1] > 0).mean())
    start = end + 1 - length
    return Overlap(length, start, int(places[end]) + 1 - length, share, text[start : end + 1])


class _Automaton:
    """The suffix automaton of several texts. State 0 is the empty string; ``link`` goes to the longest suffix that
    ends at more places, ``size`` is the longest substring of a state."""

    def __init__(self, texts: Sequence[NDArray[np.int64]]) -> None:
        self.texts = texts
        self.link, self.size = [-1], [0]
        self.next: list[dict[int, int]] = [{}]
        for text in texts:
            last = 0
            for code in text.tolist():
                last = self._extend(last, code)
        self._best = np.zeros(len(self.link), np.int64)  # the longest match met in each state
        self._at = np.full(len(self.link), -1, np.int64)  # and where in training it ends

    def _extend(self, last: int, code: int) -> int:
        known = self.next[last].get(code)
        if known is not None:  # another text has been here
            return known if self.size[known] == self.size[last] + 1 else self._clone(last, code, known)
        new, at = self._state(self.size[last] + 1, {}, 0), last
        while at >= 0 and code not in self.next[at]:
            self.next[at][code] = new
            at = self.link[at]
        if at >= 0:
            known = self.next[at][code]
            fits = self.size[known] == self.size[at] + 1
            self.link[new] = known if fits else self._clone(at, code, known)
        return new

    def _state(self, size: int, following: dict[int, int], link: int) -> int:
        self.size.append(size)
        self.next.append(following)
        self.link.append(link)
        return len(self.size) - 1

    def _clone(self, at: int, code: int, known: int) -> int:
        twin = self._state(self.size[at] + 1, dict(self.next[known]), self.link[known])
        self.link[known] = twin
        while at >= 0 and self.next[at].get(code) == known:
            self.next[at][code] = twin
            at = self.link[at]
        return twin

    def feed(self, pieces: Iterable[NDArray[np.int64]]) -> None:
        keys, targets = _table(self.next)
        link, size = np.array(self.link, np.int64), np.array(self.size, np.int64)
        state, length, place = 0, 0, 0
        for piece in pieces:
            state, length = _run(piece, keys, targets, link, size, self._best, self._at, state, length, place)
            place += len(piece)
        # A match contains its suffixes: longer states tell shorter ones, from the longest on.
        for v in np.argsort(-size, kind="stable"):
            up = link[v]
            if up > 0 and self._best[v] and self._best[up] < size[up]:
                self._best[up], self._at[up] = size[up], self._at[v]

    def endings(self, text: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """For each character of a text, the longest passage ending with it, and where in training that ends."""
        lengths, places = (
            np.zeros(len(self.texts[text]), np.int64),
            np.full(len(self.texts[text]), -1, np.int64),
        )
        state = 0
        for i, code in enumerate(self.texts[text].tolist()):
            state = at = self.next[state][code]
            while at > 0 and not self._best[at]:
                at = self.link[at]
            lengths[i], places[i] = self._best[at] if at > 0 else 0, self._at[at] if at > 0 else -1
        return lengths, places


def _table(following: Sequence[dict[int, int]]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """All transitions in one open hash table: key state << 21 | character, of which there are less than 2^21."""
    count = sum(map(len, following))
    size = 1 << max(4, (2 * count).bit_length())
    keys, targets = np.full(size, -1, np.int64), np.zeros(size, np.int64)
    pairs = [(s << 21 | c, t) for s, to in enumerate(following) for c, t in to.items()]
    if pairs:
        _fill(np.array(pairs, np.int64), keys, targets)
    return keys, targets


@_jit
def _slot(key, mask):
    return np.int64((np.uint64(key) * np.uint64(11400714819323198485)) >> np.uint64(20)) & mask


@_jit
def _fill(pairs, keys, targets):
    mask = len(keys) - 1
    for i in range(len(pairs)):
        at = _slot(pairs[i, 0], mask)
        while keys[at] != -1:
            at = (at + 1) & mask
        keys[at], targets[at] = pairs[i, 0], pairs[i, 1]


@_jit
def _step(state, code, keys, targets):
    """The state behind ``state`` by ``code``, -1 for none."""
    key, mask = state << 21 | code, len(keys) - 1
    at = _slot(key, mask)
    while keys[at] != -1:
        if keys[at] == key:
            return targets[at]
        at = (at + 1) & mask
    return -1


@_jit
def _run(codes, keys, targets, link, size, best, where, state, length, place):
    """Training characters through the automaton; ``best`` and ``where`` keep the longest match of each state."""
    for i in range(len(codes)):
        to = _step(state, codes[i], keys, targets)
        while to < 0 and state > 0:
            state = link[state]
            length = size[state]
            to = _step(state, codes[i], keys, targets)
        if to < 0:
            length = 0
            continue
        state = to
        length += 1
        if length > best[state]:
            best[state] = length
            where[state] = place + i
    return state, length
