"""Where drawings lie in a picture: fitted into a part of it, in numbers, together, one worn by another."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.random import Generator

from luoxia.core.language import Text
from luoxia.data.icon_looks import Look
from luoxia.data.icon_words import WORN


@dataclass(frozen=True)
class Placed:
    """A drawing with the middle of its square at (x, y) and the square's side ``scale``, in shares of the picture."""

    drawing: int
    x: float
    y: float
    scale: float
    colour: str = ""
    mirrored: bool = False


@dataclass(frozen=True)
class Scene:
    """What a picture shows. ``ground`` is a shape and a colour behind ``items``, which lie in the order of painting."""

    kind: str
    items: tuple[Placed, ...]
    caption: Text
    ground: tuple[str, str] | None = None


def fitted(
    i: int, look: Look, x: float, y: float, fill: float, colour: str = "", mirrored: bool = False
) -> Placed:
    """Drawing ``i`` with the middle of what is drawn at (x, y) and ``fill`` as its longer side."""
    left, top, right, bottom = look.box
    scale = fill / max(right - left, bottom - top)
    across = ((left + right) / 2 - 0.5) * (-1 if mirrored else 1)
    tint = "" if colour == look.colour else colour
    return Placed(i, x - across * scale, y - ((top + bottom) / 2 - 0.5) * scale, scale, tint, mirrored)


def spots(number: int, rng: Generator) -> tuple[list[tuple[float, float]], float]:
    """Middles for two to five equal things, and the side of each."""
    if number == 2:
        return ([(0.26, 0.5), (0.74, 0.5)] if rng.random() < 0.7 else [(0.31, 0.31), (0.69, 0.69)]), 0.46
    if number == 3:
        if rng.random() < 0.6:
            return [(0.5, 0.27), (0.27, 0.73), (0.73, 0.73)], 0.43
        return [(0.18, 0.5), (0.5, 0.5), (0.82, 0.5)], 0.31
    if number == 4:
        return [(0.27, 0.27), (0.73, 0.27), (0.27, 0.73), (0.73, 0.73)], 0.42
    return [(0.19, 0.19), (0.81, 0.19), (0.5, 0.5), (0.19, 0.81), (0.81, 0.81)], 0.34


def dressed(i: int, look: Look, j: int, thing: Look, key: str) -> tuple[Placed, ...] | None:
    """Drawing ``i`` wearing ``j``, which is what the emoji ``key`` shows; None where it has no eyes to wear it on."""
    left, top, right, bottom = look.box
    width, place = right - left, WORN[key][1]
    if place == "eyes":
        if look.eyes is None:
            return None
        x, y, apart = look.eyes
        wide = float(np.clip(2.1 * apart, 0.6 * width, 0.95 * width))
        y += 0.02
    else:
        wide = WORN[key][2] * width
        x, y = look.crown
        if place == "corner":
            x, y = x + 0.28 * width, top + 0.16 * (bottom - top)
    scale = wide / (thing.box[2] - thing.box[0])
    if place == "top":  # its lower edge rests a little below the crown
        y -= 0.36 * scale * (thing.box[3] - thing.box[1])
    across, down = (thing.box[0] + thing.box[2]) / 2 - 0.5, (thing.box[1] + thing.box[3]) / 2 - 0.5
    put = Placed(j, x - across * scale, y - down * scale, scale)
    return together((Placed(i, 0.5, 0.5, 1.0), put), (look, thing), 0.92)


def together(items: tuple[Placed, ...], looks: tuple[Look, ...], fill: float) -> tuple[Placed, ...]:
    """Moved and scaled as one, so that what is drawn fills ``fill`` of the picture."""
    edges = np.array(
        [
            [at + (edge - 0.5) * item.scale for at, edge in zip((item.x, item.y) * 2, look.box, strict=True)]
            for item, look in zip(items, looks, strict=True)
        ]
    )
    left, top, right, bottom = (*edges[:, :2].min(0), *edges[:, 2:].max(0))
    zoom = fill / max(right - left, bottom - top)
    x, y = (left + right) / 2, (top + bottom) / 2
    return tuple(
        replace(
            item,
            x=float(0.5 + (item.x - x) * zoom),
            y=float(0.5 + (item.y - y) * zoom),
            scale=float(item.scale * zoom),
        )
        for item in items
    )
