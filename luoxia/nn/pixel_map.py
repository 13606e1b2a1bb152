"""Pixels in [-1, 1] to a probability's open interval and back (Ramesh et al. 2021, arXiv:2102.12092, appendix A.3):

    phi(x) = (1 - 2 eps) x + eps,   eps = 0.1,

on x in [0, 1], so that the logit of a black or a white pixel is no infinity.
"""

from __future__ import annotations

from torch import Tensor

MARGIN = 0.1


def map_pixels(x: Tensor) -> Tensor:
    """x in [-1, 1] -> (eps, 1 - eps)."""
    return (1 - 2 * MARGIN) * (x + 1) / 2 + MARGIN


def unmap_pixels(y: Tensor) -> Tensor:
    """The inverse of :func:`map_pixels`, cut to [-1, 1]."""
    return ((y - MARGIN) / (1 - 2 * MARGIN)).clamp(0, 1) * 2 - 1
