"""A picture as an SVG of flat shapes.

Colours are first brought down to a few, so that the steps of a smooth edge make no shapes of their own; VTracer finds
the shapes, one upon another, and fits curves to their edges. Of what it writes only the shapes are kept: paths, their
colours and places. A reader of the result meets no script, no reference, no text.
"""

from __future__ import annotations

import io
import re

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from luoxia.core.errors import UserError

SIDES = (8, 2048)  # pixels
COLOURS = (2, 256)
FLAT = 12  # of 255, by which colours within a flat place may differ
REACH = 3  # pixels from a flat place that a smooth edge may lie
ROUNDS = 5  # rings that it is filled in
SIZE = 256  # pixels that smaller pictures are enlarged to before they are traced
PATH = re.compile(
    r'<path d="([MLCZ0-9eE .,+-]+)" fill="(#[0-9A-Fa-f]{6})" transform="translate\((-?[\d.]+),(-?[\d.]+)\)"/>'
)


def trace(picture: NDArray[np.uint8], *, colours: int = 24, speckle: int = 4) -> str:
    """The SVG of ``picture``, uint8 (C, H, W), C 1 or 3, in at most ``colours``, without shapes of fewer than
    ``speckle`` squared pixels of 256 a side. Its own size is that of the picture; it scales to any."""
    height, width = _checked(picture, colours, speckle)
    image = Image.fromarray(np.broadcast_to(picture, (3, height, width)).transpose(1, 2, 0).copy())
    scale = max(1.0, SIZE / max(height, width))
    large = image.resize((round(width * scale), round(height * scale)), Image.Resampling.LANCZOS)
    flat = flattened(large, colours)
    shapes = _shapes(flat, speckle)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {flat.width} {flat.height}">\n' + "\n".join(shapes) + "\n</svg>\n"
    )


def _checked(picture: NDArray[np.uint8], colours: int, speckle: int) -> tuple[int, int]:
    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[0] not in (1, 3):
        raise UserError(
            f"an array of shape {picture.shape} and type {picture.dtype} is no picture: uint8 (C, H, W), C 1 or 3",
            f"形状 {picture.shape}、类型 {picture.dtype} 的数组不是图片：应为 uint8 (C, H, W)，C 为 1 或 3",
        )
    height, width = picture.shape[1:]
    if not SIDES[0] <= min(height, width) <= max(height, width) <= SIDES[1]:
        raise UserError(
            f"a picture of {width} x {height} pixels is not traced: from {SIDES[0]} to {SIDES[1]} a side",
            f"无法描摹 {width} x {height} 像素的图片：边长须为 {SIDES[0]} 到 {SIDES[1]}",
        )
    if not COLOURS[0] <= colours <= COLOURS[1] or not 0 <= speckle <= 64:
        raise UserError(
            f"colours is {colours} and speckle {speckle}; give {COLOURS[0]} to {COLOURS[1]} and 0 to 64",
            f"colours 为 {colours}，speckle 为 {speckle}；请给 {COLOURS[0]} 到 {COLOURS[1]} 与 0 到 64",
        )
    return height, width


def flattened(image: Image.Image, colours: int) -> Image.Image:
    """In a palette of its own, where a smooth edge's pixels belong to one of its sides.

    The palette is that of flat places. They keep their colour, as do pixels far from any of them (thin lines); the
    others take one of their neighbours' colours, the nearest to their own, from the flat places outwards.
    """
    pixels = np.asarray(image)
    flat = _spread(pixels) <= FLAT
    if flat.sum() < 16:
        flat = np.ones_like(flat)
    sample = Image.fromarray(pixels[flat][None])
    few = sample.quantize(colours, Image.Quantize.MEDIANCUT, kmeans=2, dither=Image.Dither.NONE)
    palette = np.array(few.getpalette(), np.int16).reshape(-1, 3)
    nearest = np.asarray(image.quantize(palette=few, dither=Image.Dither.NONE)).astype(np.int16)
    known = flat | ~_near(flat, REACH)
    labels = np.where(known, nearest, -1)
    for _ in range(ROUNDS):
        labels = _grown(labels, pixels.astype(np.int16), palette)
    values = palette[np.where(labels < 0, nearest, labels)].astype(np.uint8)
    values[(values > 247).all(2)] = 255
    values[(values < 8).all(2)] = 0
    return Image.fromarray(values)


def _around(values: NDArray, reach: int = 1) -> list[NDArray]:
    """The neighbours of each place of (H, W, ...), itself among them; edges repeat."""
    pad = [(reach, reach), (reach, reach)] + [(0, 0)] * (values.ndim - 2)
    padded, (height, width) = np.pad(values, pad, mode="edge"), values.shape[:2]
    steps = range(2 * reach + 1)
    return [padded[y : y + height, x : x + width] for y in steps for x in steps]


def _spread(pixels: NDArray[np.uint8]) -> NDArray[np.int16]:
    """How much colours differ within 3 by 3 pixels, (H, W)."""
    around = np.stack(_around(pixels)).astype(np.int16)
    return (around.max(0) - around.min(0)).max(2)


def _near(mask: NDArray[np.bool_], reach: int) -> NDArray[np.bool_]:
    return np.any(_around(mask, reach), axis=0)


def _grown(
    labels: NDArray[np.int16], pixels: NDArray[np.int16], palette: NDArray[np.int16]
) -> NDArray[np.int16]:
    """``labels`` (H, W), -1 where there is none yet, with one more ring of them."""
    best = np.full(labels.shape, np.iinfo(np.int32).max, np.int32)
    found = labels.copy()
    for neighbour in _around(labels):
        apart = np.square((palette[neighbour] - pixels).astype(np.int32)).sum(2)
        better = (labels < 0) & (neighbour >= 0) & (apart < best)
        found[better], best[better] = neighbour[better], apart[better]
    return found


def _shapes(image: Image.Image, speckle: int) -> list[str]:
    """Path elements made anew of what the tracer found, lowest first."""
    try:
        import vtracer
    except ImportError as error:
        raise UserError(
            'pictures are traced by VTracer; install it with: pip install "luoxia[draw]"',
            '描摹由 VTracer 完成；请安装：pip install "luoxia[draw]"',
        ) from error
    data = io.BytesIO()
    image.save(data, "PNG")
    found = vtracer.convert_raw_image_to_svg(
        data.getvalue(),
        img_format="png",
        mode="spline",
        hierarchical="stacked",
        filter_speckle=speckle,
        color_precision=8,
        layer_difference=0,
        corner_threshold=60,
        length_threshold=4.0,
        splice_threshold=45,
        path_precision=1,
    )
    paths = PATH.findall(found)
    if not paths or len(paths) != found.count("<path"):
        raise RuntimeError("the tracer wrote something else than paths")
    return [
        f'<path d="{" ".join(d.split())}" fill="{fill.lower()}"{_moved(x, y)}/>' for d, fill, x, y in paths
    ]


def _moved(x: str, y: str) -> str:
    return "" if float(x) == float(y) == 0 else f' transform="translate({x},{y})"'
