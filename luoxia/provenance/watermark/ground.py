"""The picture as the mark sees it: its luma, reduced by a power of two until the shorter side is 384 to 767 pixels.

The pattern is defined on this work picture, so a picture and its half carry patterns that look alike there, and a large
picture keeps its mark when it is made small. Luma is read in bands of rows: a large picture needs little more memory
than it has.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SHORTEST = 384  # pixels that the shorter side keeps at least
CELL = 4
PLAIN = 0.8  # levels: a cell whose standard deviation is less is plain
PLAIN_SHARE = 0.4  # of the cells, in flat art
# The pattern's root mean square in levels: on plain ground of flat art and of other pictures, more for each level of
# texture, and at most. Below about 1.4, WebP at quality 60 leaves nothing of it on plain ground of 256 pixels.
FLAT_ART, TEXTURED, GROWTH, GREATEST = 1.5, 1.8, 0.18, 4.2
SOFTEST, LOUDEST = 0.65, 1.6  # times as strong as in an opaque picture of 256 pixels
PROMISED = 256
WHITE = 250  # levels of luma: white paper, which loses the pattern when it is made brighter
BAND = 1 << 21  # pixels of a band

Pixels = NDArray[np.uint8]


def reduction(height: int, width: int) -> int:
    """The power of two by which a picture is reduced."""
    factor = 1
    while min(height, width) // (2 * factor) >= SHORTEST:
        factor *= 2
    return factor


def bands(height: int, width: int, multiple: int) -> Iterator[tuple[int, int]]:
    """Ranges of rows that cover a picture, each beginning at a multiple."""
    rows = max(1, BAND // (width * multiple)) * multiple
    for top in range(0, height, rows):
        yield top, min(height, top + rows)


def work_picture(pixels: Pixels, factor: int) -> Image.Image:
    """Luma by ITU-R BT.601, mode "L"; what is transparent lies on white."""
    height, width = pixels.shape[:2]
    work = Image.new("L", (-(-width // factor), -(-height // factor)))
    for top, bottom in bands(height, width, factor):
        band = Image.fromarray(pixels[top:bottom])
        if band.mode == "RGBA":
            band = Image.alpha_composite(Image.new("RGBA", band.size, "white"), band)
        luma = band.convert("L")
        work.paste(luma.reduce(factor) if factor > 1 else luma, (0, top // factor))
    return work


def textures(work: Image.Image) -> NDArray[np.float32]:
    """The standard deviations of cells of 4 x 4 pixels of a work picture, in levels: (H // 4, W // 4)."""
    values = np.asarray(work, np.float32)
    height, width = (side // CELL * CELL for side in values.shape)
    cells = values[:height, :width].reshape(height // CELL, CELL, width // CELL, CELL)
    mean = cells.mean((1, 3))
    variance = (cells * cells).mean((1, 3)) - mean * mean
    return np.sqrt(np.maximum(variance, 0)).astype(np.float32)


def is_flat_art(texture: NDArray[np.float32]) -> bool:
    """Whether plain ground prevails. What codecs leave of the pattern there are long waves; in texture short ones are read best."""
    return float((texture < PLAIN).mean()) > PLAIN_SHARE


def seen_in(pixels: Pixels, factor: int) -> NDArray[np.float32]:
    """How much of each place of the work picture is not wholly transparent: (H, W) of 0 to 1."""
    height, width = pixels.shape[:2]
    seen = Image.new("L", (-(-width // factor), -(-height // factor)), 255)
    if pixels.shape[2] == 4:
        for top, bottom in bands(height, width, factor):
            band = Image.fromarray(np.where(pixels[top:bottom, :, 3] > 0, 255, 0).astype(np.uint8))
            seen.paste(band.reduce(factor) if factor > 1 else band, (0, top // factor))
    return np.asarray(seen, np.float32) / np.float32(255)


def strength(
    work: Image.Image, texture: NDArray[np.float32], seen: NDArray[np.float32]
) -> NDArray[np.float32]:
    """How strong the pattern may be at each place of a work picture: its root mean square in levels, (H, W).

    Texture hides it, an edge between plain grounds does not: a cell's texture counts as the least of its own and its
    eight neighbours'. A large picture says everything more often, and may whisper; where little is drawn on white or on a
    transparent ground (``seen``: (H, W) of 0 to 1), it must speak up.
    """
    least = np.pad(texture, 1, mode="edge")
    least = np.minimum(np.minimum(least[:-2], least[1:-1]), least[2:])
    least = np.minimum(np.minimum(least[:, :-2], least[:, 1:-1]), least[:, 2:])
    plain = FLAT_ART if is_flat_art(texture) else TEXTURED
    allowed = Image.fromarray(np.minimum(plain + GROWTH * least, GREATEST))
    wide = np.asarray(allowed.resize(work.size, Image.Resampling.BILINEAR))
    drawn = (np.asarray(work) < WHITE) & (seen > 0)
    loudness = np.where(drawn, _loudness(float(drawn.sum())), _loudness(float(seen.sum())))
    return (wide * loudness).astype(np.float32)


def _loudness(area: float) -> np.float32:
    often = area / PROMISED**2 + 1e-9
    return np.float32(min(LOUDEST, max(SOFTEST, often ** (-0.25 if often > 1 else -0.4))))
