"""Finds the lattice in a picture: of what period it is, and what its waves carry.

What is looked at is not the luma but its slopes, each weighed down where it is large for its surroundings, and their
divergence. Plain ground with nothing but the pattern then speaks as loudly as texture does, and an edge hardly at all.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from luoxia.provenance.watermark.lattice import REACH, VECTORS, Waves, turns

FLOOR, STEEP = 0.2, 4.0  # levels of a slope: what is small on plain ground, what is an edge however steep
SHORTEST_PERIOD, LONGEST_PERIOD = 26, 400
HIGHEST = 0.36  # cycles per pixel: waves beyond are not looked for
PADDED = 2  # times as many places in the spectrum as pixels, so that a wave between two is not missed
LOUDEST = 1.5  # medians: a wave counts no more than that

Field = NDArray[np.float32]


def field_of(values: Field) -> Field:
    """What the lattice is looked for in: (H, W) float32 from luma in levels, (H, W) float32.

    With u a slope and m the mean of slopes around it, each counts as v / (1 + v^2), v = u / (m + 0.2).
    """
    down, across = np.zeros_like(values), np.zeros_like(values)
    np.subtract(values[1:], values[:-1], out=down[:-1])
    np.subtract(values[:, 1:], values[:, :-1], out=across[:, :-1])
    around = np.abs(down)
    around += np.abs(across)
    np.minimum(around, STEEP, out=around)
    image = Image.fromarray(around)
    around = np.asarray(image.reduce(8).resize(image.size, Image.Resampling.BILINEAR)) + np.float32(FLOOR)
    field = np.zeros_like(values)
    for slope in (down, across):
        slope /= around
        slope /= 1 + slope * slope
    field -= down
    field[1:] += down[:-1]
    field -= across
    field[:, 1:] += across[:, :-1]
    return field


def waves_in(field: Field, period: float) -> Waves:
    """The lattice's waves in ``field`` for tiles of ``period`` pixels that begin at its corner: (waves,) complex64.

    Each is divided by the root of the power half-way to its neighbours on the lattice, where a picture has as much of
    its own and the pattern nothing, and none counts more than one and a half medians.
    """
    height, width = field.shape
    ky = np.arange(-2 * REACH - 1, 2 * REACH + 2) / 2
    kx = np.arange(-1, 2 * REACH + 2) / 2
    across = turns(np.arange(width) + 0.5, -kx / period)
    rows = field @ np.concatenate([across.real, across.imag], 1)
    down = turns(-ky / period, np.arange(height) + 0.5)
    grid = down @ (rows[:, : len(kx)] + 1j * rows[:, len(kx) :])
    iy, ix = VECTORS[:, 0] + REACH, VECTORS[:, 1]
    power = np.abs(grid[::2, ::2]) ** 2  # half-way in both directions
    noise = (power[iy, ix] + power[iy + 1, ix] + power[iy, ix + 1] + power[iy + 1, ix + 1]) / 4
    ring = np.rint(np.hypot(*VECTORS.T)).astype(np.int64)
    rings = np.bincount(ring, noise) / np.maximum(np.bincount(ring), 1)
    noise = np.sqrt((noise + 1e-6 * noise.mean() + 1e-30) * (rings[ring] + 1e-30))
    waves = grid[1::2, 1::2][iy, ix] / np.sqrt(noise)
    size = np.abs(waves)
    return (waves / np.maximum(size, LOUDEST * np.median(size) + 1e-30)).astype(np.complex64)


def periods(field: Field, count: int) -> list[float]:
    """Periods of which there may be a lattice in ``field``, the likeliest first.

    The logarithm of the power spectrum, less its mean around, is added up over the lattice of each period: the
    phases, and with them the number and the place, do not matter to it.
    """
    height, width = (min(2048, 1 << (PADDED * side - 1).bit_length()) for side in field.shape)
    rows, columns = int(height * HIGHEST), int(width * HIGHEST) + 1
    part = field[:height, :width]
    spectrum = np.fft.rfft(part, width, axis=1)[:, :columns]
    spectrum = np.fft.fft(spectrum, height, axis=0)
    spectrum = np.concatenate([spectrum[-rows:], spectrum[: rows + 1]])
    power = np.log(np.abs(spectrum) ** 2 + 1e-3).astype(np.float32)
    image = Image.fromarray(power)
    power -= np.asarray(image.reduce(16).resize(image.size, Image.Resampling.BILINEAR))
    np.clip(power, -3, 3, out=power)
    # Neighbouring periods move the farthest wave by seven tenths of a place in the spectrum.
    rates = np.arange(1 / LONGEST_PERIOD, 1 / SHORTEST_PERIOD, 0.7 / (REACH * max(height, width)))
    y = np.rint((rates * height)[:, None] * VECTORS[:, 0]).astype(np.int32)
    x = np.rint((rates * width)[:, None] * VECTORS[:, 1]).astype(np.int32)
    inside = (np.abs(y) <= rows) & (x < columns)
    y, x = np.clip(y, -rows, rows) + rows, np.minimum(x, columns - 1)
    scores = np.where(inside, power[y, x], 0).mean(1)
    found = []
    for _ in range(count):
        best = int(scores.argmax())
        found.append(float(1 / rates[best]))
        scores[max(0, best - 3) : best + 4] = -np.inf
    return found
