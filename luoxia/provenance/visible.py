"""The mark on pictures and films that everyone sees: a few words in a corner (GB 45438-2025, 5.2 and 5.4).

Its letters are at least 5 % of the shortest side high, measured at the capitals, which are the lowest full letters; it
lies at an edge; and its contrast with every pixel around the letters is at least 4.5 : 1 (WCAG 2.2, 1.4.3), for which a
plate goes under it where the picture alone would not give that. Letters come from a font of our own.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from luoxia.core.errors import UserError

if TYPE_CHECKING:
    from PIL.ImageFont import FreeTypeFont

FONT = Path(__file__).parent / "glyphs" / "mark.ttf"
SHARE = 0.05  # of the shortest side: the height of the letters
SMALL = 256  # pictures with a shorter side are given a strip below, since a mark would cover too much of them
CONTRAST = 4.5
SECONDS = 2.0  # of a film, from its first frame on
COVER = 0.62  # how much of the picture a plate hides: enough for the contrast over any pixel
CAP = 0.733  # height of the capitals in ems
LEAST = 11  # pixels of an em that can still be read
SAMPLES = 4  # a side's samples for smooth edges of a plate

Pixels = NDArray[np.uint8]
Place = tuple[int, int, int, int]


@dataclass(frozen=True)
class Lettering:
    """The words as coverage from 0 to 1, (h, w) float32, on a plate of the same size; where they lie in the picture."""

    left: int
    top: int
    letters: NDArray[np.float32]
    plate: NDArray[np.float32]


def mark(pixels: Pixels, text: str, place: Place | None = None, *, below: bool = False) -> Pixels:
    """The picture with ``text`` in its lower right corner, in the middle of ``place``, or in a light strip ``below``.

    ``pixels`` is uint8 (H, W, 3) or (H, W, 4), ``place`` (left, top, right, bottom) in pixels, a zone kept free for the
    mark. The result has the same shape, but for those ``below`` which the mark goes, and for pictures with a side under
    256 pixels: they come back higher, with a strip. Raises :class:`UserError` where the words do not fit at the size they
    must have, and for characters that the font does not have.
    """
    height, width = pixels.shape[:2]
    if below or (min(height, width) < SMALL and place is None):
        return _with_strip(pixels, text, light=below)
    lettering = _lettered(height, width, text, place)
    under = _under(pixels, lettering)
    dark = _luminance(under[..., :3]).mean() < 0.18  # as far from white as from black
    if not _opaque(under) or contrast(under[..., :3], _colour(dark)) < CONTRAST:
        return _drawn(pixels, lettering, dark, plate=True)
    return _drawn(pixels, lettering, dark, plate=False)


def mark_film(
    frames: Iterable[Pixels], rate: float, text: str, place: Place | None = None, *, seconds: float = SECONDS
) -> Iterator[Pixels]:
    """The frames of a film, of which those of its first ``seconds`` are marked; ``rate`` is frames a second.

    The mark has a plate and stays where it is, whatever moves below it. Small films are given the strip in all frames,
    which must be of one size.
    """
    lettering: Lettering | None = None
    dark = True
    for number, frame in enumerate(frames):
        height, width = frame.shape[:2]
        if min(height, width) < SMALL and place is None:
            yield _with_strip(frame, text)
        elif number <= math.ceil(seconds * rate):
            if lettering is None:
                lettering = _lettered(height, width, text, place)
                dark = bool(_luminance(_under(frame, lettering)[..., :3]).mean() < 0.18)
            yield _drawn(frame, lettering, dark, plate=True)
        else:
            yield frame


def contrast(pixels: Pixels, colour: int) -> float:
    """The least contrast between a grey ``colour`` (0 to 255) and any of the pixels, uint8 (..., 3); WCAG's ratio."""
    luminance = _luminance(pixels)
    of_colour = float(_luminance(np.full(3, colour, np.uint8)))
    lighter, darker = np.maximum(luminance, of_colour), np.minimum(luminance, of_colour)
    return float(((lighter + 0.05) / (darker + 0.05)).min())


def letter_size(height: int, width: int) -> int:
    """Pixels of an em at which capitals are 5 % of the shortest side."""
    return max(LEAST, math.ceil(math.ceil(SHARE * min(height, width)) / CAP))


def _lettered(height: int, width: int, text: str, place: Place | None) -> Lettering:
    size = letter_size(height, width)
    letters = _letters(text, size)
    pad = max(2, round(0.35 * size))
    letters = np.pad(letters, ((pad, pad), (pad, pad)))
    h, w = letters.shape
    margin = round(0.25 * size)
    left, top, right, bottom = place or (margin, margin, width - margin, height - margin)
    if not (left >= 0 and top >= 0 and right <= width and bottom <= height):
        raise UserError(
            f"the place for the mark, {place}, reaches out of the picture of {width} x {height}",
            f"标识区域 {place} 超出 {width} x {height} 的图片",
        )
    if w > right - left or h > bottom - top:
        raise UserError(
            f"the mark {text!r} needs {w} x {h} pixels at 5 % of the shortest side, and there are "
            f"{right - left} x {bottom - top}; make room or shorten it",
            f"标识 {text!r} 按最短边 5% 需要 {w} x {h} 像素，而可用空间为 {right - left} x {bottom - top}；"
            "请留出空间或缩短文字",
        )
    if place:
        left, top = (left + right - w) // 2, (top + bottom - h) // 2
    else:
        left, top = right - w, bottom - h
    return Lettering(left, top, letters, _plate(h, w, pad))


@lru_cache(maxsize=8)
def _letters(text: str, size: int) -> NDArray[np.float32]:
    """Coverage of the words, cut to their ink in width, and in height to what any text of this size may fill."""
    from PIL import Image, ImageDraw

    font = _font(size)
    missing = sorted(set(text) - _characters())
    if missing or not text.strip():
        raise UserError(
            f"the mark's font has no {' '.join(missing)!r}; it has ASCII and words such as AI生成",
            f"标识字体中没有 {' '.join(missing)!r}；它含有 ASCII 与“AI生成”一类文字",
        )
    left, top, right, bottom = (math.floor(v) for v in font.getbbox(text))
    image = Image.new("L", (right - left + 1, bottom - top + 1))
    ImageDraw.Draw(image).text((-left, -top), text, fill=255, font=font)
    return np.asarray(image, np.float32) / np.float32(255)


@lru_cache(maxsize=1)
def _characters() -> frozenset[str]:
    """What the font has letters for."""
    beyond_ascii = FONT.with_name("characters.txt").read_text(encoding="utf-8").strip()
    return frozenset(beyond_ascii) | frozenset(map(chr, range(0x20, 0x7F)))


@lru_cache(maxsize=8)
def _font(size: int) -> FreeTypeFont:
    from PIL import ImageFont

    # Pillow's own layout, so that no shaping library of the machine moves a letter.
    return ImageFont.truetype(FONT, size, layout_engine=ImageFont.Layout.BASIC)


@lru_cache(maxsize=8)
def _plate(height: int, width: int, radius: int) -> NDArray[np.float32]:
    from PIL import Image, ImageDraw

    image = Image.new("L", (width * SAMPLES, height * SAMPLES))
    box = (0, 0, width * SAMPLES - 1, height * SAMPLES - 1)
    ImageDraw.Draw(image).rounded_rectangle(box, radius * SAMPLES, fill=255)
    return np.asarray(image.reduce(SAMPLES), np.float32) / np.float32(255)


def _drawn(pixels: Pixels, lettering: Lettering, dark: bool, *, plate: bool) -> Pixels:
    result = pixels.copy()
    under = _under(result, lettering)
    colours = under[..., :3].astype(np.float32)
    if plate:
        # Over what can be seen through, nobody knows the background: the plate hides it whole.
        cover = (lettering.plate * (COVER if _opaque(under) else 1.0))[..., None]
        colours = colours * (1 - cover) + (255 - _colour(dark)) * cover
        if pixels.shape[2] == 4:
            under[..., 3] = np.maximum(under[..., 3], np.rint(255 * lettering.plate).astype(np.uint8))
    letters = lettering.letters[..., None]
    under[..., :3] = np.rint(colours * (1 - letters) + _colour(dark) * letters).astype(np.uint8)
    return result


def _with_strip(pixels: Pixels, text: str, *, light: bool = False) -> Pixels:
    """The picture with a dark or white strip below that holds the words, in as many lines as its width asks for."""
    height, width = pixels.shape[:2]
    size = letter_size(height, width)
    lines = _lines(text, size, width)
    blocks = [_letters(line, size) for line in lines]
    pitch = round(1.15 * size)
    gap = max(2, round(0.2 * size))
    rows = gap * 2 + pitch * len(blocks)
    rows += rows % 2  # codecs of films want even heights, and an even one stays so
    strip = np.zeros((rows, max(width, *(b.shape[1] for b in blocks))), np.float32)
    for row, block in enumerate(blocks):
        top = gap + row * pitch + (pitch - block.shape[0]) // 2
        left = (strip.shape[1] - block.shape[1]) // 2
        strip[top : top + block.shape[0], left : left + block.shape[1]] = block
    if strip.shape[1] > width:
        raise UserError(
            f"the picture is {width} pixels wide, too narrow for a letter of the mark; enlarge it",
            f"图片宽 {width} 像素，容不下标识的一个字；请放大",
        )
    strip = 1 - strip if light else strip
    colours = np.repeat(np.rint(255 * strip).astype(np.uint8)[..., None], 3, 2)
    if pixels.shape[2] == 4:
        colours = np.dstack([colours, np.full(colours.shape[:2], 255, np.uint8)])
    return np.concatenate([pixels, colours])


def _lines(text: str, size: int, width: int) -> list[str]:
    """``text`` broken where it must be, after a hyphen or space if that is enough, else anywhere."""
    if _letters(text, size).shape[1] <= width:
        return [text]
    for sign in ("-", " "):
        head, found, tail = text.partition(sign)
        parts = [head + found.strip(), tail]
        if found and tail and all(_letters(part, size).shape[1] <= width for part in parts):
            return parts
    lines = [""]
    for character in text.replace(" ", ""):
        if lines[-1] and _letters(lines[-1] + character, size).shape[1] > width:
            lines.append("")
        lines[-1] += character
    return lines


def _under(pixels: Pixels, lettering: Lettering) -> Pixels:
    """The part of the picture that the mark lies on, as a view."""
    h, w = lettering.letters.shape
    return pixels[lettering.top : lettering.top + h, lettering.left : lettering.left + w]


def _opaque(pixels: Pixels) -> bool:
    return pixels.shape[2] == 3 or bool((pixels[..., 3] == 255).all())


def _colour(dark: bool) -> int:
    """White letters on what is dark, black ones on what is light."""
    return 255 if dark else 0


def _luminance(pixels: Pixels) -> NDArray[np.float32]:
    """WCAG's relative luminance, 0 to 1, of uint8 sRGB (..., 3)."""
    return _LINEAR[pixels] @ np.array([0.2126, 0.7152, 0.0722], np.float32)


def _curve() -> NDArray[np.float32]:
    value = np.arange(256, dtype=np.float32) / 255
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4).astype(np.float32)


_LINEAR = _curve()
