"""Puts a number into a picture."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from luoxia.core.errors import UserError
from luoxia.provenance.watermark import ground, lattice, reading, search
from luoxia.provenance.watermark.lattice import COARSE, FINE, SPARSE

OPEN = 0.6  # a picture of which less can be seen is sparse
PEAK = 1.8  # root mean squares: the pattern goes no further
LOUDER = (1.0, 1.25, 1.6)
CLEAR = 15.5  # z, as reading has it, that is enough before anything happens to the picture
MOST = 3.0  # levels, the greatest root mean square of what is added: 38.6 dB
LEAST = 128  # pixels of the shorter side

Levels = NDArray[np.float32]
Place = tuple[float, tuple[float, float]]  # pixels of a tile, and where it begins in tiles


def mark(pixels: ground.Pixels, number: int) -> ground.Pixels:
    """``pixels`` with ``number`` in it: uint8 (H, W, 3 or 4) in, a new array of the same shape out.

    ``number`` goes from 0 to 2**48 - 1. It can be relied on from 256 pixels on. A number that the picture carries already
    is taken out, so that the last one is what is read. Alpha and the colours that it hides stay as they are.

    Raises :class:`UserError` where the shorter side is less than 128 pixels.
    """
    assert pixels.dtype == np.uint8
    assert pixels.ndim == 3
    assert pixels.shape[2] in (3, 4)
    height, width = pixels.shape[:2]
    if min(height, width) < LEAST:
        raise UserError(
            f"a picture of {width} x {height} pixels is too small for a watermark: {LEAST} pixels are the least",
            f"{width} x {height} 像素的图片太小，无法加入水印：至少需要 {LEAST} 像素",
        )
    factor = ground.reduction(height, width)
    seen = ground.seen_in(pixels, factor)
    work = ground.work_picture(pixels, factor)
    older = reading.find(search.field_of(np.asarray(work, np.float32)), reading.USUAL, 1)
    if older is not None:
        place = older.period, older.begin
        waves = lattice.waves_of(older.number)
        strength = ground.strength(work, ground.textures(work), seen)
        pixels = _added(pixels, -strength, waves, place, factor)
        work = ground.work_picture(pixels, factor)
    texture = ground.textures(work)
    place = FINE, (0.0, 0.0)
    if ground.is_flat_art(texture):
        place = COARSE if float(seen.mean()) > OPEN else SPARSE, (0.0, 0.0)
    strength = ground.strength(work, texture, seen)
    strength *= _louder(np.asarray(work, np.float32), strength * seen, number, place, float(seen.sum()))
    return _added(pixels, strength, lattice.waves_of(number), place, factor)


def _pattern(waves: lattice.Waves, rows: range, columns: range, place: Place, factor: int) -> Levels:
    period, (y, x) = place
    down, across = ((np.array(side) + 0.5) / (period * factor) for side in (rows, columns))
    pattern = lattice.pattern(waves, down - y, across - x)
    return np.clip(pattern, -PEAK, PEAK, out=pattern)


def _louder(work: Levels, strength: Levels, number: int, place: Place, seen: float) -> float:
    """How many times stronger the pattern has to be to be clear, within what may be changed.

    ``seen`` is how many pixels of the work picture are not transparent.
    """
    height, width = work.shape
    pattern = _pattern(lattice.waves_of(number), range(height), range(width), place, 1) * strength
    most = MOST / float(np.sqrt((pattern * pattern).sum() / max(1.0, seen)) + 1e-9)
    for louder in LOUDER:
        marked = np.clip(np.rint(work + min(louder, most) * pattern), 0, 255)
        waves = search.waves_in(search.field_of(marked), place[0])
        if louder >= most or reading.fit(lattice.signs_in(waves, place[1]), number) >= CLEAR:
            return min(louder, most)
    return min(LOUDER[-1], most)


def _added(
    pixels: ground.Pixels, strength: Levels, waves: lattice.Waves, place: Place, factor: int
) -> ground.Pixels:
    height, width = pixels.shape[:2]
    marked = pixels.copy()
    map_of = Image.fromarray(strength)
    for top, bottom in ground.bands(height, width, factor):
        pattern = _pattern(waves, range(top, bottom), range(width), place, factor)
        box = (0, top / factor, width / factor, bottom / factor)
        pattern *= np.asarray(map_of.resize((width, bottom - top), Image.Resampling.BILINEAR, box))
        _add(marked[top:bottom], np.rint(pattern).astype(np.int16))
    return marked


def _add(pixels: ground.Pixels, levels: NDArray[np.int16]) -> None:
    """Add (H, W) to the colours in place, where they are seen. White and black give way by one level."""
    colours = pixels[..., :3].astype(np.int16)
    np.clip(colours, 1, 254, out=colours)
    colours += levels[..., None]
    np.clip(colours, 0, 255, out=colours)
    if pixels.shape[2] == 4:
        colours = np.where(pixels[..., 3:] > 0, colours, pixels[..., :3])
    pixels[..., :3] = colours
