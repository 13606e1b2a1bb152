"""Convolution whose kernel a style scales for each picture (Karras et al. 2020, arXiv:1912.04958, section 2.2)."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from luoxia.nn.resample import smooth

EPSILON = 1e-8


class Kept:
    """A kernel (O, I, k, k) as it is used, kept from call to call while it does not change and nothing is learned.

    For a single picture the kernels are the larger part of what is read.
    """

    def __init__(self) -> None:
        self._of: object = None
        self._found: tuple[Tensor, Tensor] | None = None

    def __call__(self, weight: Tensor, dtype: torch.dtype, up: bool) -> tuple[Tensor, Tensor]:
        """What :func:`prepared` gives."""
        if (torch.is_grad_enabled() and weight.requires_grad) or weight.is_inference():
            self._of = self._found = None
            return prepared(weight, dtype, up)
        of = weight.data_ptr(), weight._version, weight.device, dtype
        if self._found is None or self._of != of:
            with torch.inference_mode(False):  # a slope in the styles may be asked for later
                self._of, self._found = of, prepared(weight.detach(), dtype, up)
        return self._found

    def __deepcopy__(self, _: object) -> Kept:
        return Kept()


def prepared(weight: Tensor, dtype: torch.dtype, up: bool) -> tuple[Tensor, Tensor]:
    """``weight`` (O, I, k, k) as its convolution reads it, in ``dtype``, channels last, (I, O, k, k) where it goes ``up``;
    and its squares summed over places, (O, I) float32."""
    kernel = weight.transpose(0, 1) if up else weight
    return kernel.to(dtype).contiguous(memory_format=torch.channels_last), weight.square().sum((2, 3))


def demodulation(squares: Tensor, styles: Tensor) -> Tensor:
    """d_o = (sum_ik (w_oik s_i)^2 + eps)^(-1/2), which gives the output unit variance: (B, O) (equation 3 there).

    ``squares`` (O, I) are those of the kernel, summed over places k.
    """
    return (styles.square() @ squares.T + EPSILON).rsqrt()


def modulated_conv2d(
    x: Tensor,
    weight: Tensor,
    styles: Tensor,
    *,
    demodulate: bool = True,
    up: bool = False,
    gain: float | Tensor = 1.0,
    padding: int | None = None,
    kept: Callable[[Tensor, torch.dtype, bool], tuple[Tensor, Tensor]] = prepared,
) -> Tensor:
    r"""y_o = gain d_o \sum_i w_oi * (s_i x_i), with d_o of :func:`demodulation` or 1 (equations 1 to 3 there).

    ``x`` (B, I, H, W), ``weight`` (O, I, k, k) and ``styles`` (B, I) float32 to (B, O, H, W), or (B, O, 2 H, 2 W)
    with ``up``, where the picture is doubled on the way; a ``padding`` other than k / 2 changes the size. The scales of
    a style commute with the convolution, so the kernel is shared by all pictures: s_i goes to the input and d_o to the
    output, in the dtype of ``x``. For a single picture that is larger than the kernel, both go into the kernel. ``kept``
    may remember what becomes of ``weight``.
    """
    kernel, squares = kept(weight, x.dtype, up)
    scales = demodulation(squares, styles) * gain if demodulate else None
    if len(x) == 1 and x.numel() > weight.numel() and not torch.is_grad_enabled():
        folded = weight * styles[0, None, :, None, None]
        folded = (folded * (gain if scales is None else scales[0, :, None, None, None])).to(x.dtype)
        return _convolved(x, folded.transpose(0, 1) if up else folded, up, padding)
    x = x * (styles if scales is not None else styles * gain).to(x.dtype)[:, :, None, None]
    y = _convolved(x, kernel, up, padding)
    return y if scales is None else y * scales.to(y.dtype)[:, :, None, None]


def _convolved(x: Tensor, kernel: Tensor, up: bool, padding: int | None) -> Tensor:
    if not up:
        return F.conv2d(x, kernel, padding=kernel.shape[-1] // 2 if padding is None else padding)
    # The filter behind the transposed convolution costs a quarter of a convolution at the doubled size.
    return smooth(F.conv_transpose2d(x, kernel, stride=2), padding=1, gain=4.0)
