"""Euclidean nearest neighbours, exact and in bounded memory: a block of rows at a time."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from luoxia.core.errors import UserError

Vectors = np.ndarray | Tensor  # (N, D)

BLOCK = 1 << 23  # distances in memory at a time, 64 MB
ROUNDING = 1e-12  # of the squared lengths: what is nearer is the same point


def nearest(
    queries: Vectors, references: Vectors, k: int = 1, *, block: int = BLOCK
) -> tuple[np.ndarray, np.ndarray]:
    """The ``k`` nearest of ``references`` (M, D) to each of ``queries`` (N, D), nearest first.

    Returns:
        distances, float64 (N, k), and indices into ``references``, int64 (N, k).

    Raises :class:`UserError` when there are fewer than ``k`` references or the vectors do not compare.
    """
    a, b = pair(queries, references)
    if not 1 <= k <= len(b):
        raise UserError(
            f"{k} nearest of {len(b)} vectors were asked for; choose 1 to {len(b)}",
            f"要从 {len(b)} 个向量中取 {k} 个最近邻；请选择 1 到 {len(b)}",
        )
    found = [rows.topk(k, dim=1, largest=False) for rows in distances(a, b, block)]
    return torch.cat([f.values for f in found]).numpy(), torch.cat([f.indices for f in found]).numpy()


def distances(a: Tensor, b: Tensor, block: int = BLOCK) -> Iterator[Tensor]:
    """Distances (n, M) of the rows of ``a`` (N, D) from those of ``b`` (M, D), some rows at a time, float64.

    From |a - b|^2 = |a|^2 - 2 a.b + |b|^2 about the common mean; what rounding leaves of equal vectors is 0.
    """
    centre = b.mean(0)
    a, b = a - centre, b - centre
    lengths_a, lengths_b = a.square().sum(1), b.square().sum(1)
    for rows, lengths in zip(
        a.split(max(1, block // len(b))), lengths_a.split(max(1, block // len(b))), strict=True
    ):
        scale = lengths[:, None] + lengths_b
        squared = torch.addmm(scale, rows, b.T, alpha=-2)
        yield squared.where(squared > ROUNDING * scale, 0).sqrt()


def matrix(vectors: Vectors) -> Tensor:
    """The same numbers as a float64 tensor on the CPU, whatever the strides and whoever may write to them."""
    if isinstance(vectors, Tensor):
        return vectors.detach().to("cpu", torch.float64)
    return torch.from_numpy(np.require(vectors, np.float64, ["C", "W"]))


def pair(a: Vectors, b: Vectors, *, least: int = 1) -> tuple[Tensor, Tensor]:
    """Both as float64 (N, D) and (M, D), or :class:`UserError`: not two sets of at least ``least`` finite vectors."""
    first, second = matrix(a), matrix(b)
    shapes = f"{tuple(first.shape)}, {tuple(second.shape)}"
    if first.ndim != 2 or second.ndim != 2 or first.shape[1] != second.shape[1] or not first.shape[1]:
        raise UserError(
            f"vectors of shapes {shapes} do not compare; give (N, D) and (M, D) of one extractor",
            f"形状为 {shapes} 的向量无法比较；请给出同一提取器的 (N, D) 和 (M, D)",
        )
    if min(len(first), len(second)) < least:
        raise UserError(
            f"there are {len(first)} and {len(second)} vectors; at least {least} of each are needed",
            f"两组向量分别有 {len(first)} 和 {len(second)} 个；每组至少需要 {least} 个",
        )
    if not (bool(first.isfinite().all()) and bool(second.isfinite().all())):
        raise UserError(
            "some vectors hold values that are no finite numbers; look at the pictures they came from",
            "部分向量含有并非有限数的值；请检查对应的图片",
        )
    return first, second
