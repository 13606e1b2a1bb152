"""Puts a number into a picture."""

from __future__ import annotations

import math

import numpy as np
from PIL import Image

from luoxia.core.errors import UserError
from luoxia.provenance.watermark import ground, lattice, search
from luoxia.provenance.watermark.code import NUMBER_BITS

FINE, COARSE = 60.0, 150.0  # pixels of a tile on the work picture: of textured pictures, and of flat art
PEAK = 1.8  # root mean squares: the pattern goes no further
DEBUG = 0
LOUDER = (1.0, 1.25, 1.6)
CLEAR = 17.5
MOST = 3.0  # levels, the greatest root mean square of what is added: 38.6 dB
LEAST, PROMISED = 128, 256  # pixels of the shorter side


def mark(pixels: ground.Pixels, number: int) -> ground.Pixels:
    """``pixels`` with ``number`` in it: uint8 (H, W, 3 or 4) in, a new array of the same shape out.

    ``number`` goes from 0 to 2**48 - 1. It can be relied on from 256 pixels on.

    Raises :class:`UserError` where the shorter side is less than 128 pixels.
    """
    height, width = pixels.shape[:2]
    if min(height, width) < LEAST:
        raise UserError(
            f"a picture of {width} x {height} pixels is too small for a watermark: {LEAST} pixels are the least",
            f"{width} x {height} 像素的图片太小，无法加入水印：至少需要 {LEAST} 像素",
        )
    if not 0 <= number < 1 << NUMBER_BITS:
        raise ValueError(f"number is {number}, where 0 to 2**48 - 1 can be carried")
    factor = ground.reduction(height, width)
    work = ground.work_picture(pixels, factor)
    texture = ground.textures(work)
    period = COARSE if ground.is_flat_art(texture) else FINE
    seen = ground.seen_in(pixels, factor)
    waves = lattice.waves_of(number)
    strength = _heard(np.asarray(work, np.float32), ground.strength(work, texture, seen), seen, waves, period)
    marked = pixels.copy()
    columns = (np.arange(width) + 0.5) / (period * factor)
    for top, bottom in ground.bands(height, width, factor):
        rows = (np.arange(top, bottom) + 0.5) / (period * factor)
        pattern = lattice.pattern(waves, rows, columns)
        np.clip(pattern, -PEAK, PEAK, out=pattern)
        box = (0, top / factor, width / factor, bottom / factor)
        pattern *= np.asarray(strength.resize((width, bottom - top), Image.Resampling.BILINEAR, box))
        _add(marked[top:bottom], np.rint(pattern).astype(np.int16))
    return marked


def _heard(work, strength, seen, waves, period) -> Image.Image:
    """The strength, mode "F", as much greater as it takes for the waves to be found, within what may be lost."""
    height, width = work.shape
    rows, columns = ((np.arange(side) + 0.5) / period for side in (height, width))
    pattern = lattice.pattern(waves, rows, columns)
    np.clip(pattern, -PEAK, PEAK, out=pattern)
    pattern *= strength
    pattern *= seen
    rms = float(np.sqrt((pattern * pattern).sum() / max(1.0, float(seen.sum()))))
    louder = 1.0
    for louder in LOUDER:
        louder = min(louder, MOST / max(rms, 1e-9))
        found = search.waves_in(search.field_of(np.clip(np.rint(work + louder * pattern), 0, 255)), period)
        fit = float((found * waves.conj()).real.sum() / (np.linalg.norm(found) + 1e-30)) * math.sqrt(2)
        if DEBUG:
            print("fit", louder, fit, rms)
        if fit >= CLEAR:
            break
    return Image.fromarray(strength * np.float32(louder))


def _add(pixels: ground.Pixels, levels: np.ndarray) -> None:
    """Add (H, W) int16 to the colours in place, where they are seen; white and black give way by one level."""
    colours = pixels[..., :3].astype(np.int16)
    np.clip(colours, 1, 254, out=colours)
    colours += levels[..., None]
    np.clip(colours, 0, 255, out=colours)
    if pixels.shape[2] == 4:
        colours = np.where(pixels[..., 3:] > 0, colours, pixels[..., :3])
    pixels[..., :3] = colours
