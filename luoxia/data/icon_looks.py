"""What is measured of a drawing: where it lies, its colour, where a face in it has eyes; and another colour for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from luoxia.data.icon_words import COLOURS

Floats = NDArray[np.floating[Any]]
LEAST = 0.01  # share of the square that a drawing covers at least
NEAR, FAR = 32 / 360, 60 / 360  # distance in hue up to which a colour changes wholly, from which not at all
VIVID = 0.18  # chroma from which a pixel has a hue


@dataclass(frozen=True)
class Look:
    """Lengths are in shares of the side, colours in [0, 1].

    ``box`` (left, top, right, bottom) of what is drawn, ``crown`` (x, y) where a hat would rest, ``eyes`` (x, y,
    distance) where it has two. ``hue``, ``light`` and ``vivid`` describe its main colour, which covers ``share`` of it,
    and ``colour`` is the word for that, "" when there is none.
    """

    box: tuple[float, float, float, float]
    crown: tuple[float, float]
    eyes: tuple[float, float, float] | None
    hue: float
    light: float
    vivid: float
    share: float
    colour: str

    @property
    def tintable(self) -> bool:
        """Whether it has a main colour that another can take the place of."""
        return self.share > 0.4 and self.vivid > 0.2


def measured(picture: NDArray[np.uint8]) -> Look | None:
    """What there is to know of (side, side, 4) uint8; None for one that shows next to nothing."""
    side = len(picture)
    solid = picture[..., 3] > 64
    if solid.mean() < LEAST:
        return None
    rows, columns = np.flatnonzero(solid.any(1)), np.flatnonzero(solid.any(0))
    top, bottom, left, right = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
    box = (left / side, top / side, right / side, bottom / side)
    middle, reach = (left + right) / 2, max(1, (right - left) // 12)
    centre = solid[:, int(middle) - reach : int(middle) + reach].any(1)
    first = np.flatnonzero(centre)[0] if centre.any() else top
    hue, light, vivid, share, colour = _colour(picture[solid][:, :3] / np.float32(255))
    return Look(
        box, (middle / side, first / side), _eyes(picture, solid, box), hue, light, vivid, share, colour
    )


def _colour(rgb: Floats) -> tuple[float, float, float, float, str]:
    """Main hue, its lightness, saturation and share, and its name, of pixels (n, 3)."""
    hue, saturation, light = hsl(rgb)
    chroma = rgb.max(-1) - rgb.min(-1)
    has_hue = chroma > VIVID
    if has_hue.mean() < 0.3:
        grey = ~has_hue
        level = float(np.median(rgb[grey].mean(-1)))
        spread = float(rgb[grey].mean(-1).std())
        name = "black" if level < 0.28 else "white" if level > 0.9 else "grey" if 0.4 < level < 0.75 else ""
        return 0.0, level, 0.0, 0.0, name if grey.mean() > 0.8 and spread < 0.22 else ""
    counts = np.bincount((hue[has_hue] * 36).astype(int) % 36, chroma[has_hue], minlength=36)
    smooth = counts + np.roll(counts, 1) + np.roll(counts, -1)
    main = (int(smooth.argmax()) + 0.5) / 36
    for _ in range(2):  # from the bin to the mean of what is near it
        away = _turn(hue - main)
        near = has_hue & (np.abs(away) < NEAR)
        main = float((main + np.average(away[near], weights=chroma[near])) % 1) if near.any() else main
    near = has_hue & (np.abs(_turn(hue - main)) < FAR)
    share, mean = float(near.mean()), rgb[near].mean(0)
    distances = {
        name: float(np.abs(mean - np.array(value) / 255).sum()) for name, (_, value) in COLOURS.items()
    }
    name = min(distances, key=lambda known: distances[known])
    named = name if share > 0.6 and distances[name] < 0.42 and name not in ("grey", "white", "black") else ""
    return main, float(np.median(light[near])), float(np.median(saturation[near])), share, named


def _eyes(
    picture: NDArray[np.uint8], solid: NDArray[np.bool_], box: tuple[float, float, float, float]
) -> tuple[float, float, float] | None:
    """Two dark spots at one height, to the left and right of the middle, in the upper half of what is drawn."""
    side = len(picture)
    left, top, right, bottom = (round(edge * side) for edge in box)
    width, height, middle = right - left, bottom - top, (left + right) / 2
    y, x = np.mgrid[0:side, 0:side]
    dark = solid & (picture[..., :3].max(-1) < 115)
    band = (y > top + 0.24 * height) & (y < top + 0.58 * height)
    aside = np.abs(x - middle)
    spots = dark & band & (aside > 0.09 * width) & (aside < 0.36 * width)
    one, other = spots & (x < middle), spots & (x > middle)
    n, m = int(one.sum()), int(other.sum())
    if min(n, m) < 0.004 * width * height or not 0.5 < n / m < 2:
        return None
    (xl, yl), (xr, yr) = (np.median(x[one]), np.median(y[one])), (np.median(x[other]), np.median(y[other]))
    if abs(yl - yr) > 0.06 * height or abs((xl + xr) / 2 - middle) > 0.08 * width:
        return None
    return float((xl + xr) / 2 / side), float((yl + yr) / 2 / side), float((xr - xl) / side)


def recoloured(picture: NDArray[np.uint8], look: Look, colour: str) -> NDArray[np.uint8]:
    """The main colour of (side, side, 4) uint8 becomes ``colour``: hue turned, lightness and saturation moved, so that
    shading stays; other colours, as of eyes, stay too."""
    made, solid = picture.copy(), picture[..., 3] > 0
    made[solid, :3] = _turned(picture[solid, :3] / np.float32(255), look, colour)
    return made


def _turned(rgb: Floats, look: Look, colour: str) -> NDArray[np.uint8]:
    """Pixels (n, 3) in [0, 1] to their new colours in bytes."""
    hue, saturation, light = hsl(rgb)
    chroma = saturation * (1 - np.abs(2 * light - 1))
    away = _turn(hue - look.hue)
    weight = np.clip((FAR - np.abs(away)) / (FAR - NEAR), 0, 1) * np.clip((chroma - 0.06) / 0.1, 0, 1)
    goal = np.array(COLOURS[colour][1], np.float32)[None] / 255
    (goal_hue,), (goal_saturation,), (goal_light,) = hsl(goal)
    if goal_saturation < 0.1:
        saturation_to = np.full_like(saturation, goal_saturation)
    else:
        saturation_to = np.clip(saturation * goal_saturation / max(look.vivid, 0.15), 0, 1)
    contrast = 0.85 if 0.25 < goal_light < 0.8 else 0.5
    light_to = np.clip(goal_light + (light - look.light) * contrast, 0.04, 0.985)
    made = _rgb((goal_hue + away * 0.5) % 1, saturation_to, light_to)
    mixed = rgb + (made - rgb) * weight[..., None]
    return (mixed * 255 + 0.5).astype(np.uint8)


def hsl(rgb: Floats) -> tuple[Floats, Floats, Floats]:
    """Hue, saturation and lightness in [0, 1] of (..., 3) sRGB in [0, 1]."""
    r, g, b = (np.ascontiguousarray(rgb[..., k]) for k in range(3))
    high, low = np.maximum(np.maximum(r, g), b), np.minimum(np.minimum(r, g), b)
    chroma, light = high - low, (high + low) / 2
    safe = np.where(chroma > 0, chroma, np.float32(1))
    hue = (
        np.where(high == r, (g - b) / safe % 6, np.where(high == g, (b - r) / safe + 2, (r - g) / safe + 4))
        / 6
    )
    room = 1 - np.abs(2 * light - 1)
    return hue % 1, chroma / np.maximum(room, np.float32(1e-6)), light


def _rgb(hue: Floats, saturation: Floats, light: Floats) -> Floats:
    reach = saturation * np.minimum(light, 1 - light)
    parts = [
        light - reach * np.clip(np.minimum(k - 3, 9 - k), -1, 1)
        for k in ((n + hue * 12) % 12 for n in (0, 8, 4))
    ]
    return np.stack(parts, -1)


def _turn(difference: Floats) -> Floats:
    """Differences of hues, in [-0.5, 0.5]."""
    return difference - np.rint(difference)
