"""A small file of every format that can carry a label, made by programs that are not ours."""

from __future__ import annotations

import io
import wave
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image


def picture(size: int = 24) -> Image.Image:
    y, x = np.mgrid[:size, :size]
    return Image.fromarray(np.dstack([x * 9, y * 9, 200 - x * 4]).astype(np.uint8))


def _saved(**options: object) -> Callable[[Path], None]:
    return lambda path: picture().save(path, **options)  # type: ignore[arg-type]


def seen_through(path: Path) -> None:
    image = picture().convert("RGBA")
    image.putalpha(Image.linear_gradient("L").resize(image.size))
    image.save(path, lossless=True)


def animation(path: Path) -> None:
    frames = [picture(), picture().rotate(90), picture().rotate(180)]
    frames[0].save(path, save_all=True, append_images=frames[1:], loop=0, duration=80)


def film(path: Path) -> None:
    import av

    codec, sound = ("libvpx-vp9", "libopus") if path.suffix == ".webm" else ("libx264", "aac")
    options = {"movflags": "faststart"} if path.suffix == ".mp4" else {}
    with av.open(path, "w", options=options) as file:
        file.metadata["title"] = "a title"
        pictures = file.add_stream(codec, rate=10)
        pictures.width, pictures.height, pictures.pix_fmt = 32, 32, "yuv420p"
        tones = file.add_stream(sound, rate=48000)
        tones.layout = "mono"
        for i in range(5):
            frame = av.VideoFrame.from_ndarray(np.full((32, 32, 3), 40 * i, np.uint8), format="rgb24")
            file.mux(pictures.encode(frame))
        file.mux(pictures.encode())
        _tones(file, tones)


def sound(path: Path) -> None:
    import av

    codec = {".mp3": "libmp3lame", ".flac": "flac", ".m4a": "aac"}.get(path.suffix, "libopus")
    with av.open(path, "w") as file:
        file.metadata["title"] = "a title"
        _tones(file, file.add_stream(codec, rate=48000, layout="mono"))


def _tones(file, stream) -> None:
    import av

    for i in range(4):
        time = np.arange(960) + 960 * i
        samples = (8000 * np.sin(time / 20)).astype(np.int16)[None]
        frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
        frame.sample_rate, frame.pts = 48000, 960 * i
        file.mux(stream.encode(frame))
    file.mux(stream.encode())


def wav(path: Path) -> None:
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 16000, 0, "NONE", ""))
        file.writeframes((8000 * np.sin(np.arange(801) / 9)).astype(np.int16).tobytes())


def pdf(path: Path) -> None:
    from pypdf import PdfWriter

    writer = PdfWriter()
    writer.add_blank_page(100, 100)
    writer.add_metadata({"/Title": "a title"})
    writer.write(path)


def docx(path: Path) -> None:
    from docx import Document

    document = Document()
    document.add_paragraph("秋水共长天一色")
    document.save(str(path))


def pptx(path: Path) -> None:
    from pptx import Presentation

    slides = Presentation()
    slides.slides.add_slide(slides.slide_layouts[0]).shapes.title.text = "落霞"  # type: ignore[union-attr]
    slides.save(str(path))


def _text(content: str) -> Callable[[Path], None]:
    return lambda path: path.write_bytes(content.encode()) and None


SVG = """<?xml version="1.0"?>
<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "http://www.w3.org/Graphics/SVG/1.1/DTD/svg11.dtd">
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><title>a &gt; b</title><circle r="3"/></svg>
"""
MAKERS: dict[str, Callable[[Path], None]] = {
    "a.png": _saved(),
    "a.jpg": _saved(),
    "a.webp": _saved(),
    "lossless.webp": _saved(lossless=True),
    "alpha.webp": seen_through,
    "moving.webp": animation,
    "a.gif": animation,
    "a.tiff": _saved(),
    "big.tiff": _saved(big_tiff=True),
    "a.svg": _text(SVG),
    "a.mp4": film,
    "a.mov": film,
    "a.mkv": film,
    "a.webm": film,
    "a.m4a": sound,
    "a.wav": wav,
    "a.mp3": sound,
    "a.flac": sound,
    "a.ogg": sound,
    "a.opus": sound,
    "a.pdf": pdf,
    "a.docx": docx,
    "a.pptx": pptx,
    "a.html": _text("<!doctype html>\n<html><head><title>a</title></head><body><p>b</p></body></html>\n"),
    "a.md": _text("---\ntitle: a\n---\n\n# b\n\nc\n"),
    "a.txt": _text("落霞与孤鹜齐飞\n"),
    "a.json": _text('{"a": [1, 2.50], "b": {"AIGC": null}}\n'),
}


def make(name: str, folder: Path) -> Path:
    """The file of that name of :data:`MAKERS`, in ``folder``."""
    path = folder / name
    MAKERS[name](path)
    return path


def png_bytes() -> bytes:
    file = io.BytesIO()
    picture().save(file, "PNG")
    return file.getvalue()
