"""Pictures side by side on one sheet."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from luoxia.core.errors import UserError

if TYPE_CHECKING:
    from PIL.Image import Image

BACKGROUND = 255
GAP = 2  # pixels between the pictures of a sheet
VISIBLE = 64  # pixels up to which small pictures are enlarged to be looked at


FORMS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}


def form_of(path: Path) -> str:
    """Pillow's name of the format that a picture's file name asks for."""
    form = FORMS.get(path.suffix.lower())
    if form is None:
        raise UserError(
            f"{path}: pictures are written as {', '.join(FORMS)}", f"{path}：图片可写为 {'、'.join(FORMS)}"
        )
    return form


def enlargement(size: int) -> int:
    """The whole factor by which pictures of ``size`` pixels are enlarged to be looked at."""
    return max(1, VISIBLE // size)


def grid(images: NDArray[np.uint8], columns: int, *, gap: int = GAP, enlarge: int = 1) -> Image:
    """uint8 pictures (N, C, H, W), C 1 or 3, in rows of ``columns`` with white gaps of ``gap`` pixels: an RGB picture.

    Each pixel becomes ``enlarge`` squared, so that small pictures can be looked at.
    """
    from PIL.Image import fromarray

    n, channels, height, width = images.shape
    columns = min(columns, n)
    rows = -(-n // columns)
    height, width = height * enlarge, width * enlarge
    canvas = np.full((rows * (height + gap) - gap, columns * (width + gap) - gap, 3), BACKGROUND, np.uint8)
    tiles = np.broadcast_to(images, (n, 3, *images.shape[2:])) if channels == 1 else images
    for i, tile in enumerate(tiles.transpose(0, 2, 3, 1).repeat(enlarge, 1).repeat(enlarge, 2)):
        top, left = i // columns * (height + gap), i % columns * (width + gap)
        canvas[top : top + height, left : left + width] = tile
    return fromarray(canvas)
