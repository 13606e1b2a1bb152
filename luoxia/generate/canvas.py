"""A picture that is to be completed: what of it is given, and what is to be drawn.

In this order: a mask, white where to draw; transparency, where the file has any; the shape, where it is no square: a
picture wider than tall is the upper part of a square one, one taller than wide the left part; else a share of its rows,
from the top.
"""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from luoxia.core.errors import UserError
from luoxia.data.decoding import decode

SEEN = 0.02  # share of a code's pixels that may be missing from what is given


@dataclass(frozen=True)
class Canvas:
    """``pixels`` (3, S, S) uint8, white where nothing is given; ``missing`` (S, S) bool."""

    pixels: NDArray[np.uint8]
    missing: NDArray[np.bool_]

    def free(self, side: int) -> NDArray[np.bool_]:
        """(side^2,): the codes that are to be drawn, those whose pixels are not all given. Raises :class:`UserError` where
        that is none of them, or all."""
        size = len(self.missing) // side
        share = self.missing.reshape(side, size, side, size).mean((1, 3)).flatten()
        free = share > SEEN
        if free.all() or not free.any():
            raise UserError(
                "nothing of the picture is kept: give one with something to go on from, or draw without it"
                if free.all()
                else "nothing is to be drawn: the mask is black, or the picture is whole",
                "没有保留图片的任何部分：请给出可供续画的图片，或直接作画"
                if free.all()
                else "没有要画的部分：遮罩全黑，或图片已完整",
            )
        return free


def canvas(data: bytes, size: int, *, mask: bytes | None = None, keep: float = 0.5) -> Canvas:
    """The picture in ``data`` at ``size`` pixels, of any form, size and mode that Luoxia reads."""
    if not 0 < keep < 1:
        raise UserError(
            f"the share to keep is {keep:g}; give one between 0 and 1",
            f"保留比例为 {keep:g}；请给 0 到 1 之间的数",
        )
    image = decode(data).image.convert("RGB")
    missing = _missing(data, image, mask)
    if missing is None and image.width != image.height:
        return _extended(image, size)
    image = ImageOps.fit(image, (size, size), Image.Resampling.LANCZOS)
    if missing is None:
        lacks = np.zeros((size, size), bool)
        lacks[round(keep * size) :] = True
    else:
        lacks = np.asarray(ImageOps.fit(missing, (size, size), Image.Resampling.BOX)) > 127
    return _whitened(image, lacks)


def _missing(data: bytes, image: Image.Image, mask: bytes | None) -> Image.Image | None:
    """White where to draw, in the picture's size; None where neither mask nor transparency says so."""
    if mask is not None:
        drawn = decode(mask).image.convert("L")
        if drawn.size != image.size:
            raise UserError(
                f"the mask has {drawn.width} x {drawn.height} pixels, the picture {image.width} x {image.height}: give "
                "a mask of the picture's size",
                f"遮罩为 {drawn.width} x {drawn.height} 像素，图片为 {image.width} x {image.height}：请给同样大小的遮罩",
            )
        return drawn
    with Image.open(io.BytesIO(data)) as opened:  # decode has found it sound
        opened.seek(0)
        if not (opened.has_transparency_data and opened.mode != "CMYK"):
            return None
        alpha = ImageOps.exif_transpose(opened).convert("RGBA").getchannel("A")
    return None if alpha.getextrema() == (255, 255) else ImageOps.invert(alpha)


def _extended(image: Image.Image, size: int) -> Canvas:
    long = max(image.size)
    there = tuple(max(1, round(side * size / long)) for side in image.size)
    sheet = Image.new("RGB", (size, size), "white")
    sheet.paste(image.resize((there[0], there[1]), Image.Resampling.LANCZOS))
    lacks = np.ones((size, size), bool)
    lacks[: there[1], : there[0]] = False
    return _whitened(sheet, lacks)


def _whitened(image: Image.Image, lacks: NDArray[np.bool_]) -> Canvas:
    pixels = np.asarray(image).transpose(2, 0, 1).copy()
    pixels[:, lacks] = 255
    return Canvas(np.ascontiguousarray(pixels), lacks)
