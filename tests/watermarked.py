"""Pictures to mark, drawn from seeds, and what is done to them on their way."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw

Change = Callable[[np.ndarray], np.ndarray]


def photograph(height=256, width=320, seed=1, light=1.0):
    """Clouds whose power falls as in photographs, some grain, and a few hard edges."""
    draw = np.random.default_rng(seed)
    fy, fx = np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None]
    fall = 1 / np.maximum(np.hypot(fy, fx), 1 / max(height, width)) ** 1.2
    planes = []
    for _ in range(3):
        spectrum = fall * np.exp(2j * np.pi * draw.random(fall.shape))
        plane = np.fft.irfft2(spectrum, s=(height, width))
        planes.append(plane / plane.std())
    common = 0.8 * planes[0][..., None] + 0.3 * np.stack(planes, 2)
    levels = 120 + 38 * common + draw.normal(0, 2, (height, width, 3))
    levels[height // 3 : height // 2, width // 4 : width // 2] += 50
    return np.clip(levels * light, 0, 255).astype(np.uint8)


def drawing(side=256, ground="white", seed=0):
    draw = np.random.default_rng(seed)
    image = Image.new("RGB", (side, side), ground)
    pen = ImageDraw.Draw(image)
    for _ in range(5):
        x, y = (int(n) for n in draw.integers(0, side * 2 // 3, 2))
        size = int(draw.integers(side // 5, side // 2))
        colour = tuple(int(c) for c in draw.integers(0, 240, 3))
        (pen.ellipse if draw.random() < 0.5 else pen.rectangle)((x, y, x + size, y + size), fill=colour)
    return np.asarray(image)


def transparent(side=256, seed=0):
    colours = drawing(side, seed=seed)
    return np.dstack([colours, np.where(colours.min(2) < 250, 255, 0).astype(np.uint8)])


PICTURES = {
    "photograph": photograph(),
    "tall photograph": photograph(700, 260, seed=2),
    "dark photograph": photograph(seed=3, light=0.15),
    "drawing": drawing(),
    "poster": drawing(600, (240, 225, 200), seed=4),
    "plain": np.full((256, 256, 3), 90, np.uint8),
}


def flattened(pixels):
    image = Image.fromarray(pixels)
    if image.mode == "RGBA":
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("RGB")


def encoded(form, quality) -> Change:
    def change(pixels):
        file = io.BytesIO()
        flattened(pixels).save(file, form, quality=quality)
        return np.asarray(Image.open(file).convert("RGB"))

    return change


def scaled(factor, how=Image.Resampling.LANCZOS) -> Change:
    def change(pixels):
        size = round(pixels.shape[1] * factor), round(pixels.shape[0] * factor)
        return np.asarray(Image.fromarray(pixels).resize(size, how))

    return change


def cropped(left, top, right, bottom) -> Change:
    def change(pixels):
        height, width = pixels.shape[:2]
        rows = slice(round(height * top), height - round(height * bottom))
        return np.ascontiguousarray(pixels[rows, round(width * left) : width - round(width * right)])

    return change


def screenshot(factor, x=37, y=53) -> Change:
    def change(pixels):
        image = flattened(scaled(factor, Image.Resampling.BICUBIC)(pixels) if factor != 1 else pixels)
        screen = Image.new("RGB", (image.width * 3 // 2 + 91, image.height * 4 // 3 + 57), (246, 247, 249))
        pen = ImageDraw.Draw(screen)
        pen.rectangle((0, 0, screen.width, 40), fill=(60, 64, 72))
        pen.text((12, 12), "a window", fill="white")
        screen.paste(image, (x, y))
        return np.asarray(screen)

    return change


def levels(factor, shift) -> Change:
    return lambda pixels: np.clip((pixels.astype(float) - 128) * factor + 128 + shift, 0, 255).astype(
        np.uint8
    )


def paletted(pixels):
    return np.asarray(Image.fromarray(pixels).convert("P", palette=Image.Palette.ADAPTIVE).convert("RGB"))


CHANGES: dict[str, Change] = {
    "none": lambda pixels: pixels,
    "JPEG 60": encoded("JPEG", 60),
    "JPEG 50": encoded("JPEG", 50),
    "WebP 60": encoded("WEBP", 60),
    "half": scaled(0.5),
    "half by means": scaled(0.5, Image.Resampling.BOX),
    "double": scaled(2),
    "to 0.8": scaled(0.8),
    "to 0.63": scaled(0.63),
    "left cropped": cropped(0.1, 0, 0, 0),
    "top cropped": cropped(0, 0.1, 0, 0),
    "right cropped": cropped(0, 0, 0.1, 0),
    "bottom cropped": cropped(0, 0, 0, 0.1),
    "all sides cropped": cropped(0.1, 0.1, 0.1, 0.1),
    "screenshot": screenshot(1),
    "screenshot elsewhere": screenshot(1, 86, 101),
    "screenshot enlarged by 1.25": screenshot(1.25),
    "screenshot enlarged by 1.5": screenshot(1.5),
    "brighter": levels(1, 8),
    "darker": levels(1, -8),
    "more contrast": levels(1.08, 0),
    "less contrast": levels(0.92, 0),
    "256 colours": paletted,
}
