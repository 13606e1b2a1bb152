r"""A nonlinearity that does not alias (Karras et al. 2021, arXiv:2106.12423, section 2 and appendix C).

A leaky ReLU makes frequencies that the grid cannot hold, and which would fold back. So the signal is brought to a finer
grid first, bent there, and filtered down to the next grid:

    y = \downarrow_d (h_down * \min(\max(g \sigma(h_up * \uparrow_u x), -c), c)).
"""

from __future__ import annotations

import math

import torch.nn.functional as F
from torch import Tensor

from luoxia.nn import filtered_kernel


def filtered_leaky_relu(
    x: Tensor,
    bias: Tensor,
    up_filter: Tensor,
    down_filter: Tensor,
    *,
    up: int,
    down: int,
    size: int,
    slope: float,
    gain: float,
    clamp: float = 0.0,
) -> Tensor:
    """(B, C, H, H) and ``bias`` (C,) to (B, C, ``size``, ``size``) about the same centre.

    ``up_filter`` (n,), ``down_filter`` (m,) or, where it is no product of two, (m, m). What lies outside of ``x`` is 0.
    ``clamp`` 0 bounds nothing.
    """
    full, needed = (x.shape[-1] - 1) * up + len(up_filter), (size - 1) * down + len(down_filter)
    crop, odd = divmod(full - needed, 2)
    if crop < 0 or odd:
        raise ValueError(
            f"{size} pixels do not lie centred in {x.shape[-1]}, filtered {up} times up and {down} down"
        )
    # The leaky ReLU is linear in positive factors: its gain goes into the filter, with that of the zeros between pixels.
    up_filter = up_filter * (up * math.sqrt(gain))
    if filtered_kernel.fits(x, up_filter, down_filter, up, down):
        return filtered_kernel.run(
            x,
            bias,
            up_filter,
            down_filter,
            up=up,
            down=down,
            size=size,
            crop=crop,
            slope=slope,
            clamp=clamp,
        )
    x = x + bias.to(x.dtype)[:, None, None]
    fine = F.leaky_relu(_raised(x, up_filter.to(x.dtype), up, crop), slope)
    if clamp:
        fine = fine.clamp(-clamp, clamp)
    return _lowered(fine, down_filter.to(x.dtype), down)


def _raised(x: Tensor, taps: Tensor, up: int, crop: int) -> Tensor:
    count, channels = len(taps), x.shape[1]
    rows, columns = taps.view(1, 1, count, 1), taps.view(1, 1, 1, count)
    x = F.conv_transpose2d(
        x, rows.expand(channels, -1, -1, -1), stride=(up, 1), padding=(crop, 0), groups=channels
    )
    return F.conv_transpose2d(
        x, columns.expand(channels, -1, -1, -1), stride=(1, up), padding=(0, crop), groups=channels
    )


def _lowered(x: Tensor, taps: Tensor, down: int) -> Tensor:
    count, channels = len(taps), x.shape[1]
    if taps.ndim == 2:
        return F.conv2d(x, taps.expand(channels, 1, -1, -1), stride=down, groups=channels)
    rows, columns = taps.view(1, 1, count, 1), taps.view(1, 1, 1, count)
    x = F.conv2d(x, columns.expand(channels, -1, -1, -1), stride=(1, down), groups=channels)
    return F.conv2d(x, rows.expand(channels, -1, -1, -1), stride=(down, 1), groups=channels)
