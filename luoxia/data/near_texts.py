"""Texts that say nearly the same, found among sketches in memory that grows with texts by a few dozen bytes each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from luoxia.data.sketch import BANDS, keys, similarity
from luoxia.nn.kernels import compiled

AT_ONCE = 3  # bands whose keys are in memory
SIDE = 0.5  # as similar as this, texts are kept on one side of the split

_jit = compiled(__file__)


@dataclass(frozen=True)
class Pairs:
    """``one`` < ``other`` (P,) int64 are places of texts, ``alike`` (P,) float32 how similar they are."""

    one: NDArray[np.int64]
    other: NDArray[np.int64]
    alike: NDArray[np.float32]


def pairs(sketches: NDArray[np.uint16], places: NDArray[np.int64]) -> Pairs:
    """Pairs among ``places`` (M,) sorted that are alike by :data:`SIDE` at least.

    Of many texts with one key, each is compared with the first and with the one before it: what is alike to all of them is
    told by those.
    """
    found, of_all = [np.empty((0, 2), np.int64)], np.empty((0, 0), np.uint64)
    for band in range(BANDS):
        if band % AT_ONCE == 0:
            of_all = keys(sketches, band, AT_ONCE)
        key = of_all[band % AT_ONCE][places]
        order = np.argsort(key, kind="stable")
        ordered, key = places[order], key[order]
        same = (
            np.flatnonzero(key[1:] == key[:-1]) + 1
        )  # places in the order whose key is that of the one before
        starts = np.flatnonzero(np.concatenate([[True], key[1:] != key[:-1]]))
        first = starts[np.searchsorted(starts, same, side="right") - 1]
        met = [np.stack([ordered[same - 1], ordered[same]], 1)]
        met.append(np.stack([ordered[first], ordered[same]], 1)[first < same - 1])
        candidates = np.concatenate(met)
        candidates = candidates[_alike(sketches, candidates) >= SIDE]
        found.append(candidates)
    both = np.unique(np.concatenate(found), axis=0)
    return Pairs(both[:, 0], both[:, 1], _alike(sketches, both))


def _alike(sketches: NDArray[np.uint16], both: NDArray[np.int64]) -> NDArray[np.float32]:
    return similarity(sketches, np.ascontiguousarray(both[:, 0]), np.ascontiguousarray(both[:, 1]))


def copies(found: Pairs, threshold: float, first: NDArray[np.bool_]) -> NDArray[np.int64]:
    """(N,) the kept text that each one is a near copy of, -1 for those that are kept themselves.

    Texts marked ``first`` (N,) are kept rather than others; else the earlier one is. Nothing is left out for being like a
    text that is left out.
    """
    twin = np.full(len(first), -1, np.int64)
    near = found.alike >= threshold
    one, other = found.one[near], found.other[near]
    swap = first[other] & ~first[one]
    keep, drop = np.where(swap, other, one), np.where(swap, one, other)
    order = np.lexsort((keep, ~first[keep], drop, ~first[drop]))
    _greedy(keep[order], drop[order], twin)
    return twin


def groups(found: Pairs, twin: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """(N,) for each text the first of those that it is alike to, over however many others."""
    parent = np.arange(count)
    _join(found.one, found.other, parent)
    kept = np.flatnonzero(twin >= 0)
    _join(np.minimum(kept, twin[kept]), np.maximum(kept, twin[kept]), parent)
    _flatten(parent)
    return parent


@_jit
def _greedy(keep, drop, twin):
    for p in range(len(keep)):
        if twin[drop[p]] < 0 and twin[keep[p]] < 0:
            twin[drop[p]] = keep[p]


@_jit
def _root(parent, i):
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i


@_jit
def _join(one, other, parent):
    for p in range(len(one)):
        a, b = _root(parent, one[p]), _root(parent, other[p])
        if a != b:
            parent[max(a, b)] = min(a, b)


@_jit
def _flatten(parent):
    for i in range(len(parent)):
        parent[i] = _root(parent, i)
