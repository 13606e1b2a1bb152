"""How much pictures change along the way between two latents: a smooth space changes little at every place."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from luoxia.core.errors import UserError

EPSILON = 1e-4  # of the way
KEPT = (0.01, 0.99)  # quantiles between which values count: a few outliers would make the mean
BATCH = 16  # pairs of pictures


class PathLength(NamedTuple):
    """The mean of ``values`` (N,) that lie between the quantiles of :data:`KEPT`."""

    mean: float
    values: np.ndarray


def perceptual_path_length(
    decode: Callable[[Tensor], Tensor],
    start: Tensor,
    end: Tensor,
    distance: Callable[[Tensor, Tensor], Tensor],
    *,
    t: Tensor | None = None,
    epsilon: float = EPSILON,
) -> PathLength:
    r"""Mean perceptual distance of two pictures that lie ``epsilon`` of the way apart, by the square of that.

    .. math:: l_W = E \left[ \frac{1}{\epsilon^2} d\bigl(G(\mathrm{lerp}(w_1, w_2, t)),
              G(\mathrm{lerp}(w_1, w_2, t + \epsilon))\bigr) \right]

    Karras, Laine and Aila, *A Style-Based Generator Architecture*, arXiv:1812.04948, section 4.1, equation 3. Its
    published values take LPIPS on VGG-16 for d; with another distance values compare with themselves alone. Everything
    runs without autocast: at such steps half precision would measure its own rounding.

    Args:
        decode: latents (B, D) to pictures (B, C, H, W), the same noise for each.
        start: latents (N, D) at t = 0, ``end`` those at t = 1.
        distance: of pictures (B, C, H, W) from pictures, (B,), quadratic in small differences.
        t: (N,) in [0, 1]; None is 0 for all, the ends alone, as Karras et al. 2020 (arXiv:1912.04958) take it.

    Raises :class:`UserError` for latents that do not pair.
    """
    if start.shape != end.shape or start.ndim != 2 or not len(start):
        shapes = f"{tuple(start.shape)}, {tuple(end.shape)}"
        raise UserError(
            f"latents of shapes {shapes} are no pairs; give two (N, D)",
            f"形状为 {shapes} 的潜变量无法配对；请给两个 (N, D)",
        )
    places = torch.zeros(len(start), 1, dtype=start.dtype, device=start.device) if t is None else t[:, None]
    found = []
    with torch.inference_mode(), torch.autocast(start.device.type, enabled=False):
        for rows in torch.arange(len(start), device=start.device).split(BATCH):
            a, b, at = start[rows], end[rows], places[rows]
            first, second = decode(a + (b - a) * at), decode(a + (b - a) * (at + epsilon))
            found.append((distance(first, second) / epsilon**2).double().cpu())
    values = torch.cat(found).numpy()
    low = np.quantile(values, KEPT[0], method="lower")
    high = np.quantile(values, KEPT[1], method="higher")
    return PathLength(float(values[(values >= low) & (values <= high)].mean()), values)
