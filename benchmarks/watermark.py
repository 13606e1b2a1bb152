"""What the unseen mark of pictures survives, what it costs, and whether it is ever seen where it is not.

    python benchmarks/watermark.py [--portraits FOLDER] [--faces FOLDER] [--unmarked 10000] [--json out.json]

Kinds of pictures: photographs (two that scikit-learn carries, and crops of them), portraits and faces from folders of
pictures where given, icons of the set `icons` where it was fetched, posters, dark, transparent, plain and text. Each is
marked with a number of its own, changed, and read; a wrong number counts apart from none. Speed is processor time of one thread. The same
seed draws everything.
"""

from __future__ import annotations

import argparse
import io
import json
import platform
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw
from sklearn.datasets import load_sample_images

from luoxia.core.folder import home
from luoxia.provenance import watermark

SEED = 20_26
RESAMPLING = Image.Resampling
Pixels = np.ndarray


def reencoded(form: str, quality: int) -> Callable[[Pixels], Pixels]:
    def change(pixels: Pixels) -> Pixels:
        buffer = io.BytesIO()
        flattened(pixels).save(buffer, form, quality=quality)
        return np.asarray(Image.open(buffer).convert("RGB"))

    return change


def flattened(pixels: Pixels) -> Image.Image:
    image = Image.fromarray(pixels)
    if image.mode == "RGBA":
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("RGB")


def scaled(factor: float, how: RESAMPLING = RESAMPLING.LANCZOS) -> Callable[[Pixels], Pixels]:
    def change(pixels: Pixels) -> Pixels:
        height, width = pixels.shape[:2]
        return np.asarray(
            Image.fromarray(pixels).resize((round(width * factor), round(height * factor)), how)
        )

    return change


def cropped(left: float, top: float, right: float, bottom: float) -> Callable[[Pixels], Pixels]:
    def change(pixels: Pixels) -> Pixels:
        height, width = pixels.shape[:2]
        return pixels[
            round(height * top) : height - round(height * bottom),
            round(width * left) : width - round(width * right),
        ]

    return change


def screenshot(factor: float) -> Callable[[Pixels], Pixels]:
    """The picture in a window with bars and lines of text, at an odd place."""

    def change(pixels: Pixels) -> Pixels:
        image = flattened(pixels)
        size = round(image.width * factor), round(image.height * factor)
        image = image if factor == 1 else image.resize(size, RESAMPLING.BICUBIC)
        screen = Image.new("RGB", (int(size[0] * 1.6) + 91, int(size[1] * 1.4) + 57), (246, 247, 249))
        draw = ImageDraw.Draw(screen)
        draw.rectangle((0, 0, screen.width, 40), fill=(60, 64, 72))
        for line in range(60, screen.height, 24):
            draw.text((size[0] + 60, line), "Autumn water shares one colour", fill=(40, 40, 40))
        screen.paste(image, (37, 53))
        return np.asarray(screen)

    return change


def levels(factor: float, shift: float) -> Callable[[Pixels], Pixels]:
    def change(pixels: Pixels) -> Pixels:
        out = pixels.copy()
        colours = (pixels[..., :3].astype(np.float32) - 128) * factor + 128 + shift
        out[..., :3] = np.clip(np.rint(colours), 0, 255)
        return out

    return change


def palette(pixels: Pixels) -> Pixels:
    return np.asarray(flattened(pixels).convert("P", palette=Image.Palette.ADAPTIVE).convert("RGB"))


CHANGES: dict[str, Callable[[Pixels], Pixels]] = {
    "none": lambda pixels: pixels,
    "JPEG 60": reencoded("JPEG", 60),
    "JPEG 50": reencoded("JPEG", 50),
    "WebP 60": reencoded("WEBP", 60),
    "half": scaled(0.5),
    "half, box": scaled(0.5, RESAMPLING.BOX),
    "double": scaled(2),
    "to 0.8": scaled(0.8),
    "crop of a side": cropped(0.1, 0, 0, 0),
    "crop of all sides": cropped(0.1, 0.1, 0.1, 0.1),
    "screenshot": screenshot(1),
    "screenshot 1.25": screenshot(1.25),
    "screenshot 1.5": screenshot(1.5),
    "brighter by 10": levels(1, 10),
    "darker by 10": levels(1, -10),
    "contrast 1.1": levels(1.1, 0),
    "contrast 0.9": levels(0.9, 0),
    "256 colours": palette,
    "crop, JPEG 70": lambda pixels: reencoded("JPEG", 70)(cropped(0.1, 0.1, 0.1, 0.1)(pixels)),
    "half, JPEG 75": lambda pixels: reencoded("JPEG", 75)(scaled(0.5)(pixels)),
}


def poster(side: int, hue: int) -> Pixels:
    image = Image.new("RGB", (side, side * 7 // 5), (250, 240, 220))
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 0, side, side // 3), fill=(200, hue, 50))
    draw.ellipse((side // 4, side // 2, 3 * side // 4, side), fill=(30, 60, 120 + hue // 2))
    draw.text((side // 8, side // 8), "LUOXIA 2026", font_size=side // 8, fill="white")
    draw.text((side // 8, side * 6 // 5), "Autumn water, one colour", font_size=side // 16, fill=(20, 20, 20))
    return np.asarray(image)


def page(side: int, draw: np.random.Generator) -> Pixels:
    image = Image.new("RGB", (side, side), "white")
    pen = ImageDraw.Draw(image)
    for line in range(8, side, int(draw.integers(12, 40))):
        words = "".join(chr(97 + int(c)) if c < 26 else " " for c in draw.integers(0, 31, 80))
        pen.text((8, line), words, font_size=int(draw.integers(9, 22)), fill="black")
    return np.asarray(image)


def folder(path: Path | None) -> list[Path]:
    return sorted(p for p in path.rglob("*") if p.suffix.lower() in (".jpg", ".png")) if path else []


def icons() -> np.ndarray | None:
    path = home() / "data" / "icons-256-v1.data" / "images.npy"
    return np.load(path, mmap_mode="r") if path.is_file() else None


def icon(k: int, stock: np.ndarray) -> Pixels:
    return np.ascontiguousarray(stock[k % len(stock)].transpose(1, 2, 0))


def pictures(portraits: list[Path]) -> Iterator[tuple[str, Pixels]]:
    """Those that are marked, of each kind some."""
    photographs = [Image.fromarray(a) for a in load_sample_images().images]
    for image in photographs:
        for size in ((256, 256), (384, 256), (640, 427), (300, 900), (1024, 1024), (2048, 1365)):
            yield "photograph", np.asarray(image.resize(size, RESAMPLING.LANCZOS))
        for size in ((384, 256), (1024, 683)):
            yield "dark", (np.asarray(image.resize(size)) * 0.15).astype(np.uint8)
    for path in portraits[:: max(1, len(portraits) // 40)]:
        yield "portrait 256", np.asarray(Image.open(path).convert("RGB"))
    stock = icons()
    for k in range(0, 40) if stock is not None else ():
        yield "icon 256", icon(k * 149, stock)
    for k in range(0, 20) if stock is not None else ():
        drawing = icon(k * 311 + 7, stock)
        yield "transparent 256", np.dstack([drawing, np.where(drawing.min(2) < 250, 255, 0).astype(np.uint8)])
    for side in (256, 512, 1024):
        for hue in (20, 120):
            yield "poster", poster(side, hue)
    for k, side in enumerate((256, 512, 1024)):
        yield "text", page(side, np.random.default_rng(k))
    for grey in (90, 200):
        yield "plain", np.full((256, 256, 3), grey, np.uint8)
    ramp = np.linspace(0, 255, 600)[None, :, None].repeat(400, 0).repeat(3, 2)
    yield "plain", ramp.astype(np.uint8)
    yield "white", np.full((256, 256, 3), 255, np.uint8)


def unmarked(count: int, portraits: list[Path], faces: list[Path]) -> Iterator[tuple[str, Pixels]]:
    """Those that are not, ``count`` of them."""
    draw = np.random.default_rng(SEED)
    photographs = [Image.fromarray(a) for a in load_sample_images().images]
    stock = icons()
    files = portraits + faces

    def photograph() -> Pixels:
        side = int(draw.integers(64, 420))
        image = photographs[int(draw.integers(2))]
        x, y = int(draw.integers(image.width - side + 1)), int(draw.integers(image.height - side + 1))
        size = int(draw.integers(128, 700))
        return np.asarray(image.crop((x, y, x + side, y + side)).resize((size, size), RESAMPLING.BICUBIC))

    def noise() -> Pixels:
        height, width = (int(n) for n in draw.integers(128, 600, 2))
        scale = int(draw.integers(1, 9))
        small = draw.integers(0, 256, (height // scale + 1, width // scale + 1, 3)).astype(np.uint8)
        return np.asarray(Image.fromarray(small).resize((width, height), RESAMPLING.BICUBIC))

    def plain() -> Pixels:
        field = np.full((*draw.integers(128, 800, 2), 3), draw.integers(0, 256, 3), np.uint8)
        return field + draw.integers(0, 1 + int(draw.integers(3)), field.shape).astype(np.uint8)

    def gradient() -> Pixels:
        y, x = np.mgrid[0:400, 0:500]
        a, b, c = draw.normal(0, 1, 3)
        return (
            np.clip(128 + a * x / 4 + b * y / 4 + 40 * c * np.sin(x * y / 9e4), 0, 255)
            .astype(np.uint8)[..., None]
            .repeat(3, 2)
        )

    def tiled() -> Pixels:
        period = int(draw.choice([30, 32, 60, 64, 75, 120, 128, 150, 300]))
        tile = draw.integers(0, 256, (period, period, 3)).astype(np.float32)
        for _ in range(int(draw.integers(0, 7))):
            tile = (tile + np.roll(tile, 1, 0) + np.roll(tile, 1, 1)) / 3
        return np.tile(tile, (600 // period + 1, 600 // period + 1, 1)).astype(np.uint8)

    def file() -> Pixels:
        return np.asarray(Image.open(files[int(draw.integers(len(files)))]).convert("RGB"))

    def drawing() -> Pixels:
        assert stock is not None
        return icon(int(draw.integers(len(stock))), stock)

    def text() -> Pixels:
        return page(int(draw.integers(128, 600)), draw)

    makers = [photograph, noise, plain, gradient, tiled, text]
    if stock is not None:
        makers += [drawing] * 5
    if files:
        makers += [file] * 5
    for k in range(count):
        maker = makers[k % len(makers)]
        yield maker.__name__, maker()


def survival(portraits: list[Path]) -> dict[str, dict[str, list[str | float]]]:
    draw = np.random.default_rng(SEED)
    found: dict[str, dict[str, list[str | float]]] = defaultdict(lambda: defaultdict(list))
    for kind, pixels in pictures(portraits):
        number = int(draw.integers(0, 1 << 48))
        marked = watermark.mark(pixels, number)
        seen = np.ones(pixels.shape[:2], bool) if pixels.shape[2] == 3 else pixels[..., 3] > 0
        error = (marked[seen][:, :3].astype(np.float64) - pixels[seen][:, :3]) ** 2
        found[kind]["PSNR"].append(float(10 * np.log10(255**2 / error.mean())))
        for name, change in CHANGES.items():
            reading = watermark.read(np.ascontiguousarray(change(marked)))
            verdict = "lost" if reading is None else "read" if reading.number == number else "wrong"
            found[kind][name].append(verdict)
    return found


def speed(rounds: int) -> dict[str, float]:
    image = Image.fromarray(load_sample_images().images[0])
    out = {}
    for side in (256, 1024, 4096):
        pixels = np.asarray(image.resize((side, side), RESAMPLING.LANCZOS))
        marked = watermark.mark(pixels, 1)
        for name, run in {
            "mark": lambda p=pixels: watermark.mark(p, 1),
            "read": lambda m=marked: watermark.read(m),
            "find none": lambda p=pixels: watermark.read(p),
        }.items():
            times = []
            for _ in range(rounds + 1):
                begin = time.process_time()
                run()
                times.append(time.process_time() - begin)
            out[f"{name} {side}"] = 1000 * statistics.median(times[1:])
    return out


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--portraits", type=Path)
    parser.add_argument("--faces", type=Path)
    parser.add_argument("--unmarked", type=int, default=10_000)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    portraits, faces = folder(given.portraits), folder(given.faces)

    found = survival(portraits)
    kinds = list(found)
    print("| change | " + " | ".join(f"{kind} ({len(found[kind]['PSNR'])})" for kind in kinds) + " |")
    print("|" + "---|" * (len(kinds) + 1))
    lowest = [f"{min(found[kind]['PSNR']):.1f} / {np.mean(found[kind]['PSNR']):.1f}" for kind in kinds]
    print("| PSNR, dB: lowest / mean | " + " | ".join(lowest) + " |")
    for name in CHANGES:
        print(f"| {name} | " + " | ".join(str(found[kind][name].count("read")) for kind in kinds) + " |")
    wrong = sum(found[kind][name].count("wrong") for kind in kinds for name in CHANGES)
    print(f"\nwrong numbers: {wrong}")

    times = speed(5)
    for name, took in times.items():
        print(f"{name}: {took:.1f} ms")

    seen: dict[str, int] = defaultdict(int)
    false = 0
    for kind, pixels in unmarked(given.unmarked, portraits, faces):
        seen[kind] += 1
        false += watermark.read(pixels) is not None
    print(f"unmarked pictures: {sum(seen.values())} ({dict(seen)}), of which read as marked: {false}")
    if given.json:
        facts = {
            "survival": found,
            "milliseconds": times,
            "unmarked": seen,
            "false": false,
            "versions": {"python": platform.python_version(), "numpy": np.__version__},
            "machine": platform.processor(),
        }
        given.json.write_text(json.dumps(facts, indent=1))


if __name__ == "__main__":
    main()
