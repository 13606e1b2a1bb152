"""A picture as clean vector graphics: patches of one colour with smooth outlines, traced by vtracer."""

from __future__ import annotations

import io
import re

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from luoxia.core.errors import UserError

LARGE = 256  # pixels at which outlines are followed: a small picture's steps become curves before
COLOURS = 20  # that are left before tracing; a gradient becomes a few bands, not hundreds of slivers


def traced(picture: NDArray[np.uint8], shown: int | None = None) -> str:
    """``picture`` uint8 (C, S, S), C 1 or 3, as an SVG that has paths alone, no script and no reference to anything else;
    ``shown`` pixels large where nobody asks for another size, or S."""
    try:
        import vtracer
    except ImportError as error:
        raise UserError(
            "tracing needs vtracer: pip install 'luoxia[draw]'",
            "矢量化需要 vtracer：pip install 'luoxia[draw]'",
        ) from error
    size = picture.shape[-1]
    plain = np.broadcast_to(picture, (3, size, size)).transpose(1, 2, 0)
    image = Image.fromarray(np.ascontiguousarray(plain))
    if size < LARGE:
        image = image.resize((LARGE, LARGE), Image.Resampling.LANCZOS)
    image = image.quantize(COLOURS, Image.Quantize.MEDIANCUT, kmeans=1, dither=Image.Dither.NONE).convert(
        "RGB"
    )
    file = io.BytesIO()
    image.save(file, "PNG")
    svg = vtracer.convert_raw_image_to_svg(
        file.getvalue(),
        img_format="png",
        colormode="color",
        hierarchical="stacked",
        mode="spline",
        filter_speckle=5,
        color_precision=8,
        layer_difference=8,
        length_threshold=5.0,
        path_precision=1,
    )
    paths = re.findall(
        r'<path d="[-MLCZ0-9., ]*" fill="#[0-9A-Fa-f]{6}" transform="translate\([-0-9.]+,[-0-9.]+\)"/>', svg
    )
    side = shown or size
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{side}" height="{side}" viewBox="0 0 {image.width} {image.width}">'
    return "\n".join([head, *paths, "</svg>"]) + "\n"
