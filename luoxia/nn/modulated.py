"""Convolution whose kernel a style scales for each picture (Karras et al. 2020, arXiv:1912.04958, section 2.2)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from luoxia.nn.resample import smooth

EPSILON = 1e-8
FOLDED = 1  # pictures up to which styles go into the kernel; more share one kernel and are scaled themselves


def demodulation(weight: Tensor, styles: Tensor) -> Tensor:
    """d_o = (sum_ik (w_oik s_i)^2 + eps)^(-1/2), which gives the output unit variance: (B, O) (equation 3 there)."""
    return (styles.square() @ weight.square().sum((2, 3)).T + EPSILON).rsqrt()


def modulated_conv2d(
    x: Tensor,
    weight: Tensor,
    styles: Tensor,
    *,
    demodulate: bool = True,
    up: bool = False,
    gain: float | Tensor = 1.0,
    padding: int | None = None,
) -> Tensor:
    r"""y_o = gain d_o \sum_i w_oi * (s_i x_i), with d_o of :func:`demodulation` or 1 (equations 1 to 3 there).

    ``x`` (B, I, H, W), ``weight`` (O, I, k, k) and ``styles`` (B, I) float32 to (B, O, H, W), or (B, O, 2 H, 2 W)
    with ``up``, where the picture is doubled on the way; a ``padding`` other than k / 2 changes the size. The scales of
    a style commute with the convolution, so the kernel is shared by all pictures: s_i goes to the input and d_o to the
    output, in the dtype of ``x``. For a single picture both go into the kernel, which is smaller than the picture.
    """
    scales = demodulation(weight, styles) * gain if demodulate else None
    fold = len(x) <= FOLDED and not torch.is_grad_enabled()
    if fold:
        kernel = weight * styles[0, None, :, None, None]
        kernel = (kernel * (gain if scales is None else scales[0, :, None, None, None])).to(x.dtype)
        return _convolved(x, kernel, up, padding)
    x = x * styles.to(x.dtype)[:, :, None, None]
    y = _convolved(x, (weight if scales is not None else weight * gain).to(x.dtype), up, padding)
    return y if scales is None else y * scales.to(y.dtype)[:, :, None, None]


def _convolved(x: Tensor, kernel: Tensor, up: bool, padding: int | None) -> Tensor:
    if not up:
        return F.conv2d(x, kernel, padding=kernel.shape[-1] // 2 if padding is None else padding)
    # The filter behind the transposed convolution costs a quarter of a convolution at the doubled size.
    return smooth(F.conv_transpose2d(x, kernel.transpose(0, 1), stride=2), padding=1, gain=4.0)
