"""Which characters belong together in verse: vectors from what stands in one couplet.

    M_ab = max(0, log(n_ab n / (n_a n_b)))        positive pointwise mutual information
    M ~ U S V^T,  the vector of a is U_a sqrt(S)

Levy and Goldberg 2014, "Neural word embedding as implicit matrix factorization", sections 3 and 4.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from numpy.typing import NDArray

SIZE = 96  # of a vector
AT_ONCE = 1 << 22  # pairs that are counted together


def vectors(groups: Iterable[NDArray[np.int64]], count: int, size: int = SIZE) -> NDArray[np.float32]:
    """(count, size) float32 of length 1, 0 for characters that occur in no group. ``groups`` are arrays (n, k) of n groups
    of k characters' numbers below ``count``, -1 for none."""
    together = np.zeros(count * count, np.float32)
    for group in groups:
        length = group.shape[1]
        a, b = np.triu_indices(length, 1)
        step = max(1, AT_ONCE // len(a))
        for at in range(0, len(group), step):
            some = group[at : at + step]
            left, right = some[:, a].ravel(), some[:, b].ravel()
            told = (left >= 0) & (right >= 0) & (left != right)
            pairs, times = np.unique(left[told] * count + right[told], return_counts=True)
            together[pairs] += times
    counts = together.reshape(count, count)
    counts += counts.T.copy()
    each = counts.sum(1)
    expected = np.outer(each, each) / max(float(each.sum()), 1.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        information = np.maximum(np.log(counts / expected), 0)
    information[~np.isfinite(information)] = 0
    with torch.random.fork_rng():
        torch.manual_seed(0)
        u, s, _ = torch.svd_lowrank(torch.from_numpy(information), q=min(size, count), niter=3)
    found = (u * s.sqrt()).numpy()
    lengths = np.linalg.norm(found, axis=1, keepdims=True)
    return np.where(lengths > 1e-6, found / np.maximum(lengths, 1e-6), 0).astype(np.float32)


def nearest(vectors: NDArray[np.float32], count: int) -> NDArray[np.int64]:
    """(N, count): the ``count`` nearest other ones of each vector by cosine; itself where it has no direction."""
    out = np.empty((len(vectors), count), np.int64)
    for at in range(0, len(vectors), 1024):
        rows = np.arange(at, min(at + 1024, len(vectors)))
        near = vectors[rows] @ vectors.T
        near[np.arange(len(rows)), rows] = -2
        found = np.argpartition(-near, count, axis=1)[:, :count]
        order = np.argsort(np.take_along_axis(-near, found, 1), axis=1)
        out[rows] = np.take_along_axis(found, order, 1)
        silent = ~vectors[rows].any(1)
        out[rows[silent]] = rows[silent, None]
    return out
