"""What can be measured on pictures of faces: from their pixels, and from the points of a face."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from luoxia.data.faces import LEFT_EYE, MOUTH, RIGHT_EYE, FaceFinder

LOOK = 192  # pixels at which faces are looked for in small pictures
LIPS, CHIN, NOSE = (13, 14), 152, 1  # points of the mesh: the lips' inner edges, chin and tip of the nose
BRIDGE = (
    np.linspace(0.42, 0.58, 9),
    np.linspace(-0.25, 0.25, 41),
)  # across and down, in eye distances from the left eye
Measure = Callable[[NDArray[np.uint8]], dict[str, NDArray[np.float64]]]
NAMES = ("smile", "mouth", "turn", "nod", "glasses")  # what the points say


def statistics(pictures: NDArray[np.uint8]) -> dict[str, NDArray[np.float64]]:
    """What pixels (N, 3, H, W) say: lightness of the face and of what is around it, warmth, colourfulness, contrast."""
    x = pictures.astype(np.float64) / 255
    size = x.shape[-1]
    light = x.mean(1)
    q, border = size // 4, max(1, size // 8)
    middle = (slice(None), slice(q + size // 8, size - q + size // 8), slice(q, size - q))
    around = np.concatenate([light[:, :, :border], light[:, :, -border:]], 2)
    return {
        "light": light[middle].mean((1, 2)),
        "backdrop": around.mean((1, 2)),
        "warmth": (x[:, 0] - x[:, 2]).mean((1, 2)),
        "colour": (x.max(1) - x.min(1)).mean((1, 2)),
        "hair": -light[:, border : q + border, q : size - q].mean((1, 2)),
    }


def expressions(finder: FaceFinder) -> Measure:
    """What the points of a face say, in eye distances, beside :func:`statistics`: how wide the mouth is and how far open,
    how far the head is turned to the side and lowered, and how like the bridge of a pair of glasses what lies between
    the eyes is. Not a number where no face is found."""

    def measure(pictures: NDArray[np.uint8]) -> dict[str, NDArray[np.float64]]:
        rows = [_of_face(finder, picture) for picture in pictures]
        columns = np.array(rows).T
        named = dict(zip(NAMES, columns, strict=True))
        return {**named, **statistics(pictures)}

    return measure


def _of_face(finder: FaceFinder, picture: NDArray[np.uint8]) -> tuple[float, ...]:
    image = Image.fromarray(np.ascontiguousarray(picture.transpose(1, 2, 0)))
    large = image.resize((LOOK, LOOK), Image.Resampling.BICUBIC)
    faces = finder(large)
    if not faces:
        return (np.nan,) * len(NAMES)
    p = faces[0].points[:, :2].astype(np.float64)
    left, right = p[list(LEFT_EYE)].mean(0), p[list(RIGHT_EYE)].mean(0)
    unit = np.hypot(*(right - left))
    wide, between = np.hypot(*(p[MOUTH[1]] - p[MOUTH[0]])), np.hypot(*(p[LIPS[1]] - p[LIPS[0]]))
    eyes, chin, nose = (left + right) / 2, p[CHIN], p[NOSE]
    down = np.hypot(*(chin - eyes))
    turned = ((nose - eyes) @ (right - left)) / unit**2
    lowered = ((nose - eyes) @ (chin - eyes)) / down**2
    return wide / unit, between / unit, turned, lowered, _bridge(large, left, right)


def _bridge(image: Image.Image, left: NDArray[np.float64], right: NDArray[np.float64]) -> float:
    """The largest step of lightness down the bridge of the nose, to its mean: skin is even there, a frame is not."""
    grey = np.asarray(image.convert("L"), np.float64) / 255
    across = right - left
    u, v = np.meshgrid(*BRIDGE)
    x, y = np.moveaxis(left + u[..., None] * across + v[..., None] * np.array([-across[1], across[0]]), -1, 0)
    x, y = (np.clip(c, 0, n - 1.001) for c, n in ((x, grey.shape[1]), (y, grey.shape[0])))
    column, row = x.astype(int), y.astype(int)
    above, below = (
        grey[row + i, column] * (1 - x + column) + grey[row + i, column + 1] * (x - column) for i in (0, 1)
    )
    profile = (above * (1 - y + row) + below * (y - row)).mean(1)
    return float(np.abs(np.diff(profile)).max() / (profile.mean() + 0.1))
