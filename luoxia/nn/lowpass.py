r"""Low-pass filters by Kaiser's window, for signals that may not alias (Karras et al. 2021, arXiv:2106.12423, appendix C).

A filter of n taps at the sampling rate s passes what is below the cutoff f_c and stops what is beyond f_c + f_h, where
f_h is half the width of the transition. The window w_K has the shape beta that Kaiser found for the attenuation A:

    A = 2.285 \pi (n - 1) (2 f_h) / (s / 2) + 7.95  decibels,
    h(x) = sinc(2 f_c x) w_K(x),                    x = (k - (n - 1) / 2) / s  for k = 0 ... n - 1,
    h(x, y) = jinc(2 f_c \sqrt{x^2 + y^2}) w_K(x) w_K(y),  jinc(r) = 2 J_1(\pi r) / (\pi r).

Taps sum to 1. The second one passes the same band in all directions, and is no product of two filters.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


def window(taps: int, half_width: float, rate: float) -> NDArray[np.float64]:
    """w_K at ``taps`` places, for a transition of 2 ``half_width`` at the sampling ``rate``."""
    attenuation = 2.285 * np.pi * (taps - 1) * 2 * half_width / (rate / 2) + 7.95
    if attenuation > 50:
        beta = 0.1102 * (attenuation - 8.7)
    elif attenuation > 21:
        beta = 0.5842 * (attenuation - 21) ** 0.4 + 0.07886 * (attenuation - 21)
    else:
        beta = 0.0
    return np.kaiser(taps, beta)


def lowpass(taps: int, cutoff: float, half_width: float, rate: float, *, radial: bool = False) -> Tensor:
    """float32 (n,), or (n, n) where ``radial``; frequencies in periods to the picture's width, as ``rate`` is."""
    places = (np.arange(taps) - (taps - 1) / 2) / rate
    weights = window(taps, half_width, rate)
    if radial:
        distance = 2 * cutoff * np.hypot(*np.meshgrid(places, places))
        filter_ = _jinc(distance) * np.outer(weights, weights)
    else:
        filter_ = np.sinc(2 * cutoff * places) * weights
    return torch.from_numpy((filter_ / filter_.sum()).astype(np.float32))


def _jinc(r: NDArray[np.float64]) -> NDArray[np.float64]:
    angle = np.pi * np.where(r == 0, 1.0, r)
    first = torch.special.bessel_j1(torch.from_numpy(angle)).numpy()
    return np.where(r == 0, 1.0, 2 * first / angle)
