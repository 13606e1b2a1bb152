"""Sheets: several pictures in rows, as :func:`luoxia.core.images.grid` lays them out, by what their record says of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from luoxia.core.images import GAP


@dataclass(frozen=True)
class Layout:
    """``count`` pictures, ``columns`` in a row, with ``gap`` pixels between them."""

    count: int
    columns: int
    gap: int = GAP


def layout(parameters: Mapping[str, Any]) -> Layout | None:
    """As many as the record's "seeds" or "n", in its "columns"; or a table of its "rows" and "cols". None for a single picture,
    and for "one" of a sheet by itself."""
    if parameters.get("one") is not None:
        return None
    rows, cols, seeds = (parameters.get(name) for name in ("rows", "cols", "seeds"))
    if isinstance(rows, list | tuple) and isinstance(cols, list | tuple):
        return Layout((len(rows) + 1) * (len(cols) + 1), len(cols) + 1)
    count = len(seeds) if isinstance(seeds, list | tuple | range) else parameters.get("n")
    columns, gap = parameters.get("columns"), parameters.get("gap", GAP)
    if not (isinstance(count, int) and isinstance(columns, int) and isinstance(gap, int)):
        return None
    return Layout(count, min(columns, count), gap) if count > 1 and columns > 0 else None


def cells(sheet: NDArray[np.uint8], parameters: Mapping[str, Any]) -> list[NDArray[np.uint8]]:
    """The pictures (S, S, 3) on a sheet (H, W, C); the sheet itself where it is one picture, its middle square where it is
    oblong, or not what the record says."""
    pixels = sheet[..., :3] if sheet.shape[2] >= 3 else np.repeat(sheet[..., :1], 3, 2)
    height, width = pixels.shape[:2]
    if told := layout(parameters):
        gap, columns = told.gap, told.columns
        rows = -(-told.count // columns)
        side, rest = divmod(width - (columns - 1) * gap, columns)
        if rest == 0 and side > 0 and rows * (side + gap) - gap == height:
            corners = [
                ((i // columns) * (side + gap), (i % columns) * (side + gap)) for i in range(told.count)
            ]
            return [pixels[top : top + side, left : left + side] for top, left in corners]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return [pixels[top : top + side, left : left + side]]
