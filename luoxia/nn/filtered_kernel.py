"""The filtered leaky ReLU of :mod:`luoxia.nn.filtered` on a CPU, compiled: a picture never exists on the finer grid.

Sixteen channels at a time, rows of the finer grid are made, bent, filtered and dropped, so that what is between stays in
the processor's cache. A row of the finer grid lies as ``up`` rows of every ``up``-th pixel: then both filters are sums of
six rows that begin at different places, and run along memory.
"""

# pyright: reportCallIssue=false
# An intrinsic is declared with the typing context that Numba passes, and called without it.

from __future__ import annotations

from functools import cache

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from luoxia.nn.kernels import Team, compiled
from luoxia.nn.simd import LANES, move_bf16, move_f32, shift_bf16, shift_f32

TAPS = 6  # of each sum; filters are multiples of it

_jit = compiled(__file__)


def fits(x: Tensor, up_filter: Tensor, down_filter: Tensor, up: int, down: int) -> bool:
    """Whether :func:`run` does this one: without gradients, on a CPU, with six taps for each step, as published."""
    return (
        not torch.is_grad_enabled()
        and x.device.type == "cpu"
        and x.dtype in (torch.float32, torch.bfloat16)
        and x.shape[2] == x.shape[3]
        and len(up_filter) == TAPS * up
        and len(down_filter) % TAPS == 0
        and up % down == 0
        and (down_filter.ndim == 1 or _mirrored(down_filter))
    )


def _mirrored(taps: Tensor) -> bool:
    """But for rounding, as every radial filter is."""
    return bool((taps - taps.flip(0)).abs().max() < 1e-6 * taps.abs().max())


@_jit
def _sum6(out, a, b, c, d, e, f, w, first, step, fresh):
    """out (+)= w[first] a + w[first + step] b + ..., in float32."""
    wa, wb, wc = w[first], w[first + step], w[first + 2 * step]
    wd, we, wf = w[first + 3 * step], w[first + 4 * step], w[first + 5 * step]
    if fresh:
        for i in range(len(out)):
            out[i] = wa * a[i] + wb * b[i] + wc * c[i] + wd * d[i] + we * e[i] + wf * f[i]
    else:
        for i in range(len(out)):
            out[i] += wa * a[i] + wb * b[i] + wc * c[i] + wd * d[i] + we * e[i] + wf * f[i]


@_jit
def _bend(row, slope, clamp):
    for i in range(len(row)):
        y = row[i]
        y = max(y, slope * y)
        row[i] = min(max(y, -clamp), clamp)


@_jit
def _add(out, a, b):
    for r in range(len(out)):
        to, left, right = out[r], a[r], b[r]
        for i in range(len(to)):
            to[i] = left[i] + right[i]


@_jit
def _along(out, fine, taps, first, up, n, fresh):
    """out (+)= the second filter along a row of the finer grid, whose every ``up``-th pixels are together."""
    for k in range(0, len(taps), TAPS):
        a, b, c = first + k, first + k + 1, first + k + 2
        d, e, f = first + k + 3, first + k + 4, first + k + 5
        _sum6(
            out,
            fine[a % up, a // up * LANES : a // up * LANES + n],
            fine[b % up, b // up * LANES : b // up * LANES + n],
            fine[c % up, c // up * LANES : c // up * LANES + n],
            fine[d % up, d // up * LANES : d // up * LANES + n],
            fine[e % up, e // up * LANES : e // up * LANES + n],
            fine[f % up, f // up * LANES : f // up * LANES + n],
            taps,
            k,
            1,
            fresh and k == 0,
        )


@_jit
def _tiles(
    first, last, x, bias, taps_up, taps_down, half, inner, size, channels, up, down, crop, slope, clamp, out
):
    """Tiles of 16 channels from ``first`` to ``last``, of (B, H, H, C) at address ``x`` to address ``out``, both bf16 if
    ``half`` and float32 if not. C is 16 or more: the last tile of a picture overlaps the one before."""
    radial, number = taps_down.shape[0] > 1, 2 if half else 4  # bytes
    zero = np.float32(0)
    count = taps_down.shape[1]
    ways = up // down  # pixels of the output to one step of ``up``
    wide = -(-size // ways)  # columns of each way
    lean = (up - 1 + crop) // up
    columns = max(-(-((size - 1) * down + count) // up), wide + (down * (ways - 1) + count - 1) // up)
    left = TAPS - 1
    width = left + max(inner, columns + lean)
    rows = np.zeros((TAPS + 1, width * LANES), np.float32)  # of the input, in turns; the last one stays 0
    which = np.empty(TAPS, np.int64)
    tall = np.empty(width * LANES, np.float32)
    fine = np.zeros((count if radial else 1, up, columns * LANES), np.float32)
    both = np.empty((up, columns * LANES), np.float32)
    lowered = np.zeros((count, ways, wide * LANES), np.float32)
    made = np.empty((ways, wide * LANES), np.float32)
    n, m = columns * LANES, wide * LANES
    per = -(-channels // LANES)
    for tile in range(first, last):
        image, begin = tile // per, min(tile % per * LANES, channels - LANES)
        shift = bias.ctypes.data + begin * 4
        rows[:] = zero
        loaded = 0
        for q in range((size - 1) * down + count):
            newest, phase = (q + crop) // up, (q + crop) % up
            while loaded <= newest and loaded < inner:
                at = rows[loaded % TAPS].ctypes.data + left * LANES * 4
                pixel = x + ((image * inner + loaded) * inner * channels + begin) * number
                for _ in range(inner):
                    if half:
                        shift_bf16(pixel, shift, at)
                    else:
                        shift_f32(pixel, shift, at)
                    pixel += channels * number
                    at += LANES * 4
                loaded += 1
            for k in range(TAPS):
                i = newest - k
                which[k] = i % TAPS if 0 <= i < inner else TAPS
            _sum6(
                tall,
                rows[which[0]],
                rows[which[1]],
                rows[which[2]],
                rows[which[3]],
                rows[which[4]],
                rows[which[5]],
                taps_up,
                phase,
                up,
                True,
            )
            here = fine[q % count] if radial else fine[0]
            for r in range(up):
                at = ((r + crop) // up + left) * LANES
                _sum6(
                    here[r],
                    tall[at : at + n],
                    tall[at - LANES : at - LANES + n],
                    tall[at - 2 * LANES : at - 2 * LANES + n],
                    tall[at - 3 * LANES : at - 3 * LANES + n],
                    tall[at - 4 * LANES : at - 4 * LANES + n],
                    tall[at - 5 * LANES : at - 5 * LANES + n],
                    taps_up,
                    (r + crop) % up,
                    up,
                    True,
                )
                _bend(here[r], slope, clamp)
            if not radial:
                for h in range(ways):
                    _along(lowered[q % count, h], here, taps_down[0], down * h, up, m, True)
            if q < count - 1 or (q - count + 1) % down:
                continue
            top = q - count + 1
            if radial:  # rows that lie mirrored have the same taps
                for k in range(count // 2):
                    _add(both, fine[(top + k) % count], fine[(top + count - 1 - k) % count])
                    for h in range(ways):
                        _along(made[h], both, taps_down[k], down * h, up, m, k == 0)
            else:
                for h in range(ways):
                    for k in range(0, count, TAPS):
                        _sum6(
                            made[h],
                            lowered[(top + k) % count, h],
                            lowered[(top + k + 1) % count, h],
                            lowered[(top + k + 2) % count, h],
                            lowered[(top + k + 3) % count, h],
                            lowered[(top + k + 4) % count, h],
                            lowered[(top + k + 5) % count, h],
                            taps_down[0],
                            k,
                            1,
                            k == 0,
                        )
            pixel = out + ((image * size + top // down) * size * channels + begin) * number
            for i in range(size):
                at = made.ctypes.data + (i % ways * wide + i // ways) * LANES * 4
                if half:
                    move_bf16(at, pixel)
                else:
                    move_f32(at, pixel)
                pixel += channels * number


@cache
def _team(threads: int) -> Team:
    return Team(threads)


def run(
    x: Tensor,
    bias: Tensor,
    up_filter: Tensor,
    down_filter: Tensor,
    *,
    up: int,
    down: int,
    size: int,
    crop: int,
    slope: float,
    clamp: float,
) -> Tensor:
    """As :func:`luoxia.nn.filtered.filtered_leaky_relu`, whose gains are in ``up_filter`` here. ``crop`` pixels of the
    finer grid are left out on each side. In float32 between ``x`` and what comes out, which has its dtype."""
    channels = x.shape[1]
    bias = bias.detach().float().expand(channels)
    if channels < LANES:
        lacking = LANES - channels
        x, bias = F.pad(x, (0, 0, 0, 0, 0, lacking)), F.pad(bias, (0, lacking))
    x, bias = x.contiguous(memory_format=torch.channels_last), bias.contiguous()
    out = torch.empty((*x.shape[:2], size, size), dtype=x.dtype, memory_format=torch.channels_last)
    taps = down_filter.detach().float().numpy()
    _team(torch.get_num_threads()).split(
        _tiles,
        len(x) * -(-x.shape[1] // LANES),
        x.data_ptr(),
        bias.numpy(),
        up_filter.detach().float().numpy(),
        taps if taps.ndim == 2 else taps[None],
        x.dtype == torch.bfloat16,
        x.shape[-1],
        size,
        x.shape[1],
        up,
        down,
        crop,
        np.float32(slope),
        np.float32(clamp or np.inf),
        out.data_ptr(),
    )
    return out[:, :channels]
