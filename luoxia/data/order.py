"""Which sample comes when, for ever: a pure function of seed and position, so that a resumed run needs its step alone."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_MASK = np.uint64(0xFFFFFFFFFFFFFFFF)


class Order:
    """Positions 0, 1, 2, ... over ``indices``: each len(indices) of them are a fresh permutation, an epoch."""

    def __init__(self, indices: NDArray[np.int64], seed: int) -> None:
        if len(indices) == 0:
            raise ValueError("an order needs at least one sample")
        self.indices, self.seed = np.asarray(indices, np.int64), seed
        self._epochs: dict[int, NDArray[np.int64]] = {}

    def at(self, first: int, count: int) -> NDArray[np.int64]:
        """The samples at positions ``first`` to ``first + count - 1``, (count,) int64."""
        n = len(self.indices)
        positions = np.arange(first, first + count)
        out = np.empty(count, np.int64)
        for epoch in range(first // n, (first + count - 1) // n + 1):
            here = positions // n == epoch
            out[here] = self._epoch(epoch)[positions[here] - epoch * n]
        return out

    def _epoch(self, epoch: int) -> NDArray[np.int64]:
        known = self._epochs.get(epoch)
        if known is None:
            words = [self.seed & 0xFFFFFFFF, self.seed >> 32, epoch]
            random = np.random.Generator(np.random.PCG64(np.random.SeedSequence(words)))
            known = self.indices[random.permutation(len(self.indices))]
            kept = {k: v for k, v in list(self._epochs.items()) if k >= epoch - 1}
            self._epochs = {**kept, epoch: known}  # replaced whole: threads may read meanwhile
        return known


def uniform(seed: int, positions: NDArray[np.int64], stream: int) -> NDArray[np.float64]:
    """Numbers in [0, 1) that depend on (seed, position, stream) alone, however many are asked for at once.

    SplitMix64 (Steele et al. 2014) of a counter: one generator object a sample would cost more than its picture.
    """
    with np.errstate(over="ignore"):
        x = positions.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        for word in (seed & 0xFFFFFFFFFFFFFFFF, stream):
            x = (x ^ np.uint64(word)) + np.uint64(0x9E3779B97F4A7C15)
            x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            x ^= x >> np.uint64(31)
    return (x >> np.uint64(11)).astype(np.float64) / 2.0**53
