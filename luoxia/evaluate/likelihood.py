"""How probable a model finds data it has not seen, and what simple models reach that any other has to beat."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from luoxia.core import seeds
from luoxia.core.errors import UserError
from luoxia.evaluate.features import Images

Levels = int | Sequence[int] | np.ndarray  # how many values from 0 on, or the values themselves

FULL_COVARIANCE = 256  # dimensions up to which a mixture's covariances are full matrices


def bits_per_dim(nll_nats: Tensor, dims: int) -> Tensor:
    """-ln p in nats (B,) as bits for each of ``dims`` dimensions: nll / (dims ln 2)."""
    if dims < 1:
        raise UserError(
            f"dims is {dims}; give the number of values in one picture",
            f"dims 为 {dims}；请给出一张图片中数值的个数",
        )
    return nll_nats / (dims * math.log(2))


def importance_weighted_bound(log_p_xz: Tensor, log_q_z: Tensor) -> Tensor:
    r"""A bound on ln p(x) that tightens as K grows, from ``K`` draws of z from q(z|x).

    .. math:: L_K = \ln \frac{1}{K} \sum_{k=1}^K \frac{p(x, z_k)}{q(z_k | x)}

    Burda, Grosse and Salakhutdinov, *Importance Weighted Autoencoders*, ICLR 2016, eq. 8; K = 1 is the evidence lower
    bound.

    Args:
        log_p_xz: ln p(x, z_k), float (K, B).
        log_q_z: ln q(z_k | x), float (K, B).

    Returns:
        (B,) nats.
    """
    if log_p_xz.shape != log_q_z.shape or log_p_xz.ndim != 2:
        shapes = f"{tuple(log_p_xz.shape)}, {tuple(log_q_z.shape)}"
        raise UserError(f"both must be (K, B), not {shapes}", f"两者都应为 (K, B)，而不是 {shapes}")
    return torch.logsumexp(log_p_xz - log_q_z, 0) - math.log(len(log_p_xz))


def levels_of(images: Images) -> np.ndarray:
    """The values that occur in the pictures, ascending: 17 of them in scanned digits of 17 grey levels."""
    return np.unique(_array(images))


def independent_pixels(train: Images, held_out: Images, levels: Levels = 256) -> float:
    """Bits per dimension of held-out pictures under one histogram for each pixel and channel of the training pictures.

    p(x) is the product over dimensions d of (n_d(x_d) + 1) / (N + L), Laplace's rule of succession, with n_d counts
    of N training pictures and L levels. What a model must beat to have learned anything of how pixels hang together.

    Args:
        train, held_out: uint8 (N, C, H, W) and (M, C, H, W).
        levels: how many values there are, from 0 on, or the values themselves (see :func:`levels_of`).
    """
    values = _values(levels)
    seen, new = _indices(train, held_out, values)
    bits = 0.0
    for d in range(seen.shape[1]):  # a table of all dimensions would be large: 256 counts for each
        counts = np.bincount(seen[:, d], minlength=len(values))
        bits -= np.log2((counts[new[:, d]] + 1) / (len(seen) + len(values))).sum()
    return float(bits / new.size)


def gaussian_mixture(
    train: Images,
    held_out: Images,
    components: int = 50,
    seed: int = 0,
    *,
    levels: Levels = 256,
    covariance: Literal["full", "diag"] | None = None,
) -> float:
    r"""Bits per dimension of held-out pictures under a mixture of Gaussians: an upper bound, as of a variational model.

    Uniform noise makes levels continuous, y = x + u with u in [0, 1), and by Jensen the density bounds the discrete
    probability: :math:`\log P(x) \ge E_u \log p(x + u)` (Theis, van den Oord and Bethge, *A note on the evaluation of
    generative models*, ICLR 2016, section 3.1). Fitted by expectation-maximisation with scikit-learn, which comes with
    ``pip install 'luoxia[train]'``, to levels whose noise is its exact moments, mean 1/2 and variance 1/12. A pixel
    that never changes costs log2(2 pi e / 12) / 2 = 0.25 bits here and nothing under :func:`independent_pixels`.

    Args:
        train, held_out: uint8 (N, C, H, W) and (M, C, H, W).
        components: Gaussians; no more than training pictures.
        seed: of the noise and of where expectation-maximisation starts.
        levels: as in :func:`independent_pixels`.
        covariance: "full" matrices or "diag"; None for full ones where there are at most 256 dimensions and each
            component has twice as many pictures as dimensions. With fewer, full matrices fit the training pictures
            alone.
    """
    try:
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.mixture import GaussianMixture
    except ImportError as error:
        raise UserError(
            "the mixture of Gaussians needs scikit-learn: pip install 'luoxia[train]'",
            "高斯混合基线需要 scikit-learn：pip install 'luoxia[train]'",
        ) from error
    seen, new = _indices(train, held_out, _values(levels))
    if not 1 <= components <= len(seen):
        raise UserError(
            f"components is {components}; {len(seen)} training pictures allow 1 to {len(seen)}",
            f"components 为 {components}；{len(seen)} 张训练图片可取 1 到 {len(seen)}",
        )
    dims, each = seen.shape[1], len(seen) / components
    kind = covariance or ("full" if dims <= FULL_COVARIANCE and each >= 2 * dims else "diag")
    start = seeds.checked(seed) % 2**32  # the most that scikit-learn takes
    mixture = GaussianMixture(components, covariance_type=kind, reg_covar=1 / 12, random_state=start)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the bound holds wherever the fit stopped
        mixture.fit(seen + 0.5)
    nats = mixture.score_samples(new + seeds.generator(seed).random(new.shape))
    return float(-nats.mean() / (dims * math.log(2)))


def _values(levels: Levels) -> np.ndarray:
    values = np.arange(levels) if isinstance(levels, int) else np.unique(np.asarray(levels))
    if not 1 <= len(values) <= 256 or values[0] < 0 or values[-1] > 255:
        raise UserError(
            f"levels is {str(levels)[:60]}; give their number up to 256, or the values, each from 0 to 255",
            f"levels 为 {str(levels)[:60]}；请给出不超过 256 的级数，或 0 到 255 之间的各个值",
        )
    return values


def _indices(train: Images, held_out: Images, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which level each value is, int64 (N, D) and (M, D)."""
    seen, new = _array(train), _array(held_out)
    if seen.shape[1:] != new.shape[1:] or not (seen.size and new.size):
        raise UserError(
            f"pictures of shapes {seen.shape} and {new.shape} do not compare; give (N, C, H, W) of one size",
            f"形状为 {seen.shape} 和 {new.shape} 的图片无法比较；请给出同一尺寸的 (N, C, H, W)",
        )
    place = np.full(256, -1)
    place[values] = np.arange(len(values))
    found = place[seen], place[new]
    if min(found[0].min(), found[1].min()) < 0:
        raise UserError(
            f"some pixels have none of the {len(values)} levels; levels_of(images) lists those that occur",
            f"部分像素不属于给定的 {len(values)} 个级别；levels_of(images) 可列出出现过的值",
        )
    return found[0].reshape(len(seen), -1), found[1].reshape(len(new), -1)


def _array(images: Images) -> np.ndarray:
    array = images.cpu().numpy() if isinstance(images, Tensor) else images
    if array.dtype != np.uint8:
        raise UserError(
            f"pictures of type {array.dtype} have no discrete levels; give uint8",
            f"类型为 {array.dtype} 的图片没有离散级别；请给 uint8",
        )
    return array
