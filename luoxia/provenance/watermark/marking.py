"""Puts a number into a picture."""

from __future__ import annotations

import numpy as np
from PIL import Image

from luoxia.core.errors import UserError
from luoxia.provenance.watermark import ground, lattice, search
from luoxia.provenance.watermark.code import NUMBER_BITS

FINE, COARSE = 60.0, 150.0  # pixels of a tile on the work picture: of textured pictures, and of flat art
PEAK = 1.8  # root mean squares: the pattern goes no further
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
    seen = float((pixels[..., 3] > 0).mean()) if pixels.shape[2] == 4 else 1.0
    strength = ground.strength(work, texture, seen)
    waves = lattice.waves_of(number)
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


def _add(pixels: ground.Pixels, levels: np.ndarray) -> None:
    """Add (H, W) int16 to the colours in place, where they are seen; white and black give way by one level."""
    colours = pixels[..., :3].astype(np.int16)
    np.clip(colours, 1, 254, out=colours)
    colours += levels[..., None]
    np.clip(colours, 0, 255, out=colours)
    if pixels.shape[2] == 4:
        colours = np.where(pixels[..., 3:] > 0, colours, pixels[..., :3])
    pixels[..., :3] = colours
