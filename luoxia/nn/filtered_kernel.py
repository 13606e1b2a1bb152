"""The filtered leaky ReLU of :mod:`luoxia.nn.filtered` on a CPU, compiled: a picture never exists on the finer grid.

Sixteen channels at a time, rows of the finer grid are made, bent, filtered and dropped, so that what is between stays in
the processor's cache. A row of the finer grid lies as ``up`` rows of every ``up``-th pixel: then both filters are sums of
six rows that begin at different places, and run along memory.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from torch import Tensor

from luoxia.nn.kernels import Team, compiled, from_bf16, to_bf16
from luoxia.nn.simd import LANES

TAPS = 6  # of each sum; filters are multiples of it

_jit = compiled(__file__)


def fits(x: Tensor, up_filter: Tensor, down_filter: Tensor, up: int, down: int) -> bool:
    """Whether :func:`run` does this one: without gradients, on a CPU, with six taps for each step, as published."""
    return (
        not torch.is_grad_enabled()
        and x.device.type == "cpu"
        and x.dtype in (torch.float32, torch.bfloat16)
        and len(up_filter) == TAPS * up
        and len(down_filter) % TAPS == 0
        and up % down == 0
    )


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
def _tiles(first, last, x, x16, bias, taps_up, taps_down, up, down, crop, slope, clamp, out, out16):
    """Tiles of 16 channels from ``first`` to ``last``, of x (B, H, H, C) or its bf16 bits x16, to out or out16."""
    half, radial = x.size == 0, taps_down.shape[0] > 1
    _, inner, _, channels = x16.shape if half else x.shape
    size = out16.shape[1] if half else out.shape[1]
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
    lowered = np.zeros((count, ways, wide * LANES), np.float32)
    made = np.empty((ways, wide * LANES), np.float32)
    n, m = columns * LANES, wide * LANES
    per = -(-channels // LANES)
    for tile in range(first, last):
        image, begin = tile // per, tile % per * LANES
        lanes = min(LANES, channels - begin)
        rows[:] = zero
        loaded = 0
        for q in range((size - 1) * down + count):
            newest, phase = (q + crop) // up, (q + crop) % up
            while loaded <= newest and loaded < inner:
                row = rows[loaded % TAPS]
                for i in range(inner):
                    at = (left + i) * LANES
                    if half:
                        for c in range(lanes):
                            row[at + c] = from_bf16(x16[image, loaded, i, begin + c]) + bias[begin + c]
                    else:
                        for c in range(lanes):
                            row[at + c] = x[image, loaded, i, begin + c] + bias[begin + c]
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
            for h in range(ways):
                if radial:
                    for k in range(count):
                        _along(made[h], fine[(top + k) % count], taps_down[k], down * h, up, m, k == 0)
                else:
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
            j = top // down
            for i in range(size):
                line, at = made[i % ways], i // ways * LANES
                if half:
                    for c in range(lanes):
                        out16[image, j, i, begin + c] = to_bf16(line[at + c])
                else:
                    for c in range(lanes):
                        out[image, j, i, begin + c] = line[at + c]


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
    x = x.contiguous(memory_format=torch.channels_last)
    out = torch.empty((*x.shape[:2], size, size), dtype=x.dtype, memory_format=torch.channels_last)
    half = x.dtype == torch.bfloat16
    none = np.empty((0, 0, 0, 0), np.uint16 if not half else np.float32)
    there, made = (t.permute(0, 2, 3, 1) for t in (x, out))
    if half:
        pair, back = (none, there.view(torch.uint16).numpy()), (none, made.view(torch.uint16).numpy())
    else:
        pair, back = (there.numpy(), none), (made.numpy(), none)
    taps = down_filter.float().numpy()
    _team(torch.get_num_threads()).split(
        _tiles,
        len(x) * -(-x.shape[1] // LANES),
        *pair,
        bias.float().numpy(),
        up_filter.float().numpy(),
        taps if taps.ndim == 2 else taps[None],
        up,
        down,
        crop,
        np.float32(slope),
        np.float32(clamp or np.inf),
        *back,
    )
    return out
