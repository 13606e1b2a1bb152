"""Strips along a picture's edges that are not of it: captions, frames, and the edge of a neighbour in a contact sheet."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

DEPTH = 0.35  # of a side: what lies deeper is the picture
GREY = 12  # levels between the colours of a strip's ground at most: strips are black, white or grey
# How near to the ground a pixel is of it, what share of the strip's last line is, and what share beyond it is not:
# of grey strips, and of black and white ones, which may carry letters.
GREYS, PURE = (28, 0.97, 0.8), (16, 0.8, 0.6)


class Box(NamedTuple):
    """Pixels kept: left and top inside, right and bottom outside."""

    left: int
    top: int
    right: int
    bottom: int


def find(pixels: NDArray[np.uint8]) -> Box | None:
    """What is left of ``pixels`` (H, W, 3) without its strips, or None where there are none.

    A strip ends in a straight line across the whole picture: on its far side one even colour, on its near side
    almost nothing of that colour. An even background does not end like that.
    """
    height, width = pixels.shape[:2]
    box = Box(0, 0, width, height)
    while True:  # a strip on one side hides those that it crosses
        inner = pixels[box.top : box.bottom, box.left : box.right].astype(np.int16)
        top, bottom = _depth(inner), _depth(inner[::-1])
        inner = inner[top : len(inner) - bottom].transpose(1, 0, 2)
        left, right = _depth(inner), _depth(inner[::-1])
        if not top + bottom + left + right:
            break
        box = Box(box.left + left, box.top + top, box.right - right, box.bottom - bottom)
        if min(box.right - box.left, box.bottom - box.top) < 0.5 * min(height, width):
            return None  # this is no picture with strips, but something built of blocks
    return None if box == (0, 0, width, height) else box


def _depth(lines: NDArray[np.int16]) -> int:
    """How many of the first ``lines`` (L, W, 3) are a strip."""
    most = int(DEPTH * len(lines))
    grounds = np.median(lines[:most], axis=1)  # (most, 3)
    pure = (grounds.max(1) <= 8) | (grounds.min(1) >= 247)
    near, even, _ = np.where(pure[:, None], PURE, GREYS).T
    of_ground = np.abs(lines[:most] - grounds[:, None]).max(-1) <= near[:, None]  # (most, W)
    last = (np.ptp(grounds, axis=1) <= GREY) & (of_ground.mean(1) >= even)
    for k in np.flatnonzero(last)[::-1]:
        reach, _, other = PURE if pure[k] else GREYS
        for gap in (1, 2):  # compression may blur the border over a line
            beyond = np.abs(lines[k + gap : k + gap + 2] - grounds[k]).max(-1) > reach
            if beyond.mean(1).min() >= other:
                return int(k) + gap
    return 0
