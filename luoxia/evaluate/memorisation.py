"""Whether samples are copies: how near they come to training pictures, beside how near unseen pictures come."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from luoxia.core.errors import UserError
from luoxia.core.images import enlargement
from luoxia.evaluate.features import Images, checked_images
from luoxia.evaluate.neighbours import Vectors, nearest
from luoxia.evaluate.pictures import side_by_side


@dataclass(frozen=True)
class MemorisationReport:
    """The nearest training picture of each of N samples, and how unusual that nearness is.

    ``indices`` int64 (N, k) into the training set, nearest first; ``distances`` float64 (N, k). ``ratios`` (N,): the
    nearest distance by the median nearest distance of held-out pictures. ``p_values`` (N,): how often a held-out
    picture comes as near, in (0, 1]. ``suspicious`` bool (N,): where that is at most ``alpha``. ``z``: below about -3
    the samples as a whole lie nearer to the training set than unseen pictures do; far above 3 they lie farther off,
    as those of a model that fits too little.

    ``bound`` is the ``quantile`` of the distances of training pictures from their own nearest others, and ``nearer``
    bool (N,) says which samples come nearer to a training picture than that.
    """

    extractor: str
    alpha: float
    indices: np.ndarray
    distances: np.ndarray
    ratios: np.ndarray
    p_values: np.ndarray
    suspicious: np.ndarray
    z: float
    bound: float
    quantile: float
    nearer: np.ndarray

    @property
    def share(self) -> float:
        """The share of suspicious samples; about ``alpha`` for a model that copies nothing."""
        return float(self.suspicious.mean())

    def as_dict(self) -> dict[str, Any]:
        """What a run folder keeps: plain JSON values."""
        return {
            "extractor": self.extractor,
            "alpha": self.alpha,
            "samples": len(self.ratios),
            "share": self.share,
            "z": self.z,
            "smallest_ratio": float(self.ratios.min()),
            "suspicious": np.flatnonzero(self.suspicious).tolist(),
            "bound": self.bound,
            "quantile": self.quantile,
            "nearer": int(self.nearer.sum()),
        }


def memorisation(
    samples: Vectors,
    train: Vectors,
    held_out: Vectors,
    *,
    extractor: str,
    k: int = 3,
    alpha: float = 0.01,
    quantile: float = 0.01,
) -> MemorisationReport:
    """Compare nearest distances to the training set: of samples, and of pictures that the model never saw.

    The p-value of a sample is its rank among the H held-out pictures, (1 + #{h <= d}) / (H + 1), exact when samples
    and unseen pictures are alike; so ``alpha`` needs at least 1/alpha - 1 held-out pictures to be reached. ``z`` is
    the Mann-Whitney statistic of the two sets of distances, the global test of Meehan, Chaudhuri and Dasgupta, *A
    Non-Parametric Test to Detect Data-Copying in Generative Models*, AISTATS 2020, section 3. Ties count a half.

    Args:
        samples, train, held_out: features (N, D), (M, D), (H, D) of one extractor, named by ``extractor``. Training
            and held-out pictures must not overlap.
        k: neighbours kept for each sample.
        quantile: of the distances among training pictures, below which a sample counts as ``nearer``.
    """
    if not 0 < alpha < 1 or len(held_out) + 1 < 1 / alpha - 1e-9:
        need = math.ceil(1 / alpha - 1e-9) - 1 if 0 < alpha < 1 else 99
        raise UserError(
            f"alpha is {alpha} with {len(held_out)} held-out pictures; it lies between 0 and 1 and takes at least {need} of them",
            f"alpha 为 {alpha}，留出图片有 {len(held_out)} 张；alpha 应在 0 与 1 之间，且至少需要 {need} 张留出图片",
        )
    distances, indices = nearest(samples, train, k)
    unseen = np.sort(nearest(held_out, train)[0][:, 0])
    own = distances[:, 0]
    bound = leave_one_out(train, quantile)
    p_values = (1 + np.searchsorted(unseen, own, side="right")) / (len(unseen) + 1)
    middle = float(np.median(unseen))
    ratios = own / middle if middle else np.where(own > 0, np.inf, 0.0)
    return MemorisationReport(
        extractor=extractor,
        alpha=alpha,
        indices=indices,
        distances=distances,
        ratios=ratios,
        p_values=p_values,
        suspicious=p_values <= alpha,
        z=_mann_whitney(own, unseen),
        bound=bound,
        quantile=quantile,
        nearer=own < bound,
    )


def leave_one_out(vectors: Vectors, quantile: float) -> float:
    """The ``quantile`` of the distances of vectors (N, D) from the nearest other one, as numpy interpolates it."""
    if len(vectors) < 2 or not 0 <= quantile <= 1:
        raise UserError(
            f"quantile {quantile} of the distances among {len(vectors)} vectors: give 0 to 1, and two vectors at least",
            f"{len(vectors)} 个向量间距离的分位数 {quantile}：请给 0 到 1，且至少两个向量",
        )
    return float(np.quantile(nearest(vectors, vectors, 2)[0][:, 1], quantile))


def comparison(samples: Images, train: Images, report: MemorisationReport, *, most: int = 16) -> Image.Image:
    """The ``most`` suspect samples, nearest first, in the top row, and below each its nearest training pictures.

    ``samples`` and ``train`` are the uint8 pictures (N, C, H, W) and (M, C, H, W) of one size that the report is of.
    """
    return above_nearest(samples, train, report.indices, np.argsort(report.ratios, kind="stable")[:most])


def above_nearest(samples: Images, train: Images, indices: np.ndarray, order: np.ndarray) -> Image.Image:
    """The samples of ``order`` in the top row, and below each the training pictures of its ``indices`` (N, k)."""
    originals = checked_images(train)
    rows = [checked_images(samples)[order]]
    rows += [originals[indices[order, i]] for i in range(indices.shape[1])]
    return side_by_side(*rows, enlarge=enlargement(rows[0].shape[-1]))


def _mann_whitney(a: np.ndarray, b: np.ndarray) -> float:
    """The number of pairs with a > b, ties half, less its mean, by its standard deviation (corrected for ties)."""
    n, m = len(a), len(b)
    order = np.sort(b)
    below, upto = np.searchsorted(order, a, side="left"), np.searchsorted(order, a, side="right")
    u = (below + upto).sum() / 2
    ties = np.unique(np.concatenate((a, b)), return_counts=True)[1].astype(np.float64)
    total = n + m
    variance = n * m / 12 * (total + 1 - (ties**3 - ties).sum() / (total * (total - 1)))
    return float((u - n * m / 2) / math.sqrt(variance)) if variance > 0 else 0.0
