"""Pictures that show the same: groups of near duplicates by perceptual hash, confirmed by a look at both.

The hash (Zauner 2010, section 3.2) is the sign of the 8 x 8 lowest frequencies of the cosine transform of a 32 x 32 grey
copy about their median: the same for copies that were scaled, compressed again or made a little lighter.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import adaptive_avg_pool2d

SIDE, LOW = 32, 8
BITS = 10  # of 64 that copies may differ in
CELLS = 8  # a picture is looked at as so many cells a side ...
LEVELS = 12.0  # ... of which none may differ by more grey levels, their common shift of brightness taken out
BLOCK = 256


def near(pictures: NDArray[np.uint8]) -> list[list[int]]:
    """Groups of two or more of ``pictures`` (N, C, H, W) uint8 that show the same, each sorted; O(N^2) in 64-bit words."""
    hashes, looks = fingerprints(pictures)
    parent = list(range(len(pictures)))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = i = parent[parent[i]]
        return i

    for at in range(0, len(hashes), BLOCK):
        block = hashes[at : at + BLOCK]
        far = np.bitwise_count(block[:, None] ^ hashes[None, at:])
        for i, j in np.argwhere(far <= BITS) + at:
            if i < j and alike(looks[i], looks[j]):
                first, second = sorted((root(int(i)), root(int(j))))
                parent[second] = first
    groups: dict[int, list[int]] = {}
    for i in range(len(parent)):
        groups.setdefault(root(i), []).append(i)
    return [group for group in groups.values() if len(group) > 1]


def alike(a: NDArray[np.float32], b: NDArray[np.float32]) -> bool:
    """Whether two looks (C, CELLS, CELLS) differ by a common shift of brightness alone."""
    difference = a - b
    return bool(np.abs(difference - np.median(difference)).max() <= LEVELS)


def fingerprints(pictures: NDArray[np.uint8]) -> tuple[NDArray[np.uint64], NDArray[np.float32]]:
    """Hashes (N,) and coarse looks (N, C, CELLS, CELLS) in grey levels."""
    hashes, looks = [], []
    basis = _cosines()
    for at in range(0, len(pictures), BLOCK):
        part = torch.from_numpy(pictures[at : at + BLOCK].astype(np.float32))
        grey = adaptive_avg_pool2d(part.mean(1), SIDE)
        low = (basis @ grey @ basis.T).flatten(1)  # (B, LOW * LOW)
        bits = (low > low.median(1, keepdim=True).values).numpy()
        hashes.append(np.packbits(bits, axis=1).view(">u8")[:, 0].astype(np.uint64))
        looks.append(adaptive_avg_pool2d(part, CELLS).numpy())
    return np.concatenate(hashes), np.concatenate(looks)


def _cosines() -> torch.Tensor:
    """The first LOW rows of the type-II cosine transform of SIDE values, (LOW, SIDE)."""
    n, k = torch.arange(SIDE), torch.arange(LOW)[:, None]
    return torch.cos(torch.pi / SIDE * (n + 0.5) * k)
