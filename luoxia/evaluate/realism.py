"""How likely single samples are to be pictures of the data: what ranks them from best to worst."""

from __future__ import annotations

import numpy as np
import torch

from luoxia.core.errors import UserError
from luoxia.evaluate.neighbours import BLOCK, Vectors, distances, nearest, pair


def realism(real: Vectors, samples: Vectors, k: int = 3, *, block: int = BLOCK) -> np.ndarray:
    r"""At least 1 where a sample lies in some ball of the data, and less the farther outside of all it lies: (N,).

    .. math:: R(s) = \max_r \frac{|r - \mathrm{NN}_k(r)|}{|s - r|}

    Kynkäänniemi et al., *Improved Precision and Recall Metric*, arXiv:1904.06991, equation 3: over the pictures r whose
    ball is no larger than the median, since outliers' balls would take anything in. A sample at the place of a picture
    gets infinity.

    Args:
        real: (M, D) features of pictures, ``samples`` (N, D) of the same extractor.
        k: the neighbour that a ball reaches to.

    Raises :class:`UserError` when there are no more than ``k`` pictures or the vectors do not compare.
    """
    data, found = pair(real, samples)
    if not 1 <= k < len(data):
        raise UserError(
            f"k is {k}; with {len(data)} pictures it goes from 1 to {len(data) - 1}",
            f"k 为 {k}；有 {len(data)} 张图片时，k 可取 1 到 {len(data) - 1}",
        )
    radii = torch.from_numpy(
        nearest(data, data, k + 1, block=block)[0][:, -1]
    )  # the nearest is the picture itself
    kept = radii <= np.quantile(radii.numpy(), 0.5, method="higher")
    data, radii = data[kept], radii[kept]
    best = [_ratios(radii, rows).amax(1) for rows in distances(found, data, block)]
    return torch.cat(best).numpy()


def _ratios(radii: torch.Tensor, away: torch.Tensor) -> torch.Tensor:
    """Of distances (n, M); a ball without extent holds its centre alone."""
    return (radii / away).where(away > 0, torch.inf)
