"""SVG into pixels by Skia, with everything that points out of the document taken out first."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def closed(svg: str) -> str:
    """The document without references to anything outside of itself, in the form that Skia reads."""
    svg = re.sub(r"""\s(?:xlink:)?href\s*=\s*(?:"(?!#)[^"]*"|'(?!#)[^']*')""", "", svg)
    # Skia follows the older form of a reference only.
    svg = svg.replace(' href="#', ' xlink:href="#')
    if "xmlns:xlink" not in svg:
        svg = svg.replace("<svg ", '<svg xmlns:xlink="http://www.w3.org/1999/xlink" ', 1)
    return svg


def document(svg: str, side: int) -> Any:
    """A ``skia.SVGDOM`` that fills a square of ``side`` pixels. Raises ``ValueError`` for what is no SVG."""
    import skia

    # The stream must own its bytes: Skia reads them after Python may have let them go.
    made = skia.SVGDOM.MakeFromStream(skia.MemoryStream(closed(svg).encode(), True))
    if made is None:
        raise ValueError("this is no SVG")
    made.setContainerSize(skia.Size(side, side))
    return made


def on_white(svg: str, size: int) -> NDArray[np.uint8]:
    """An SVG drawn on white at ``size`` pixels, (3, H, W) uint8."""
    import skia

    surface = skia.Surface(size * 2, size * 2)  # twice as fine, then halved: thin lines stay whole
    canvas = surface.getCanvas()
    canvas.clear(skia.ColorWHITE)
    document(svg, size * 2).render(canvas)
    return halved(surface.toarray(colorType=skia.kRGBA_8888_ColorType)[..., :3])


def halved(fine: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Squares of four pixels averaged: (2H, 2W, 3) to (3, H, W) uint8."""
    return np.asarray(Image.fromarray(fine).reduce(2)).transpose(2, 0, 1)


def transparent(svg: str, side: int) -> NDArray[np.uint8]:
    """An SVG drawn on nothing, (side, side, 4) uint8 RGBA, colours not multiplied by alpha."""
    import skia

    surface = skia.Surface(side, side)
    canvas = surface.getCanvas()
    canvas.clear(skia.ColorTRANSPARENT)
    document(svg, side).render(canvas)
    return surface.toarray(colorType=skia.kRGBA_8888_ColorType)
