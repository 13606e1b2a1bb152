"""Content into the bytes of a file, by the file's suffix: pictures by Pillow, films by PyAV and Pillow."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from luoxia.core.errors import UserError
from luoxia.core.images import FORMS
from luoxia.provenance import visible

Pixels = NDArray[np.uint8]
QUALITY = 95  # of JPEG and WebP
PICTURES = {**FORMS, ".tif": "TIFF", ".tiff": "TIFF"}
FILMS = (".mp4", ".mov", ".webm", ".mkv", ".gif", ".webp")
TEXTS = (".txt", ".md", ".markdown", ".html", ".htm", ".json", ".svg")
LASTING = tuple(PICTURES)  # in which the unseen mark must be found again
CODECS = {".webm": ("libvpx-vp9", {"crf": "24", "b": "0", "cpu-used": "4", "row-mt": "1"})}
H264 = ("libx264", {"crf": "16", "preset": "medium"})
PALETTE_FRAMES = 12  # of a GIF, from which its colours are chosen


@dataclass
class Film:
    """Frames, uint8 (H, W, 3) each, of one size, at ``rate`` frames a second; they are gone through once."""

    frames: Iterable[Pixels]
    rate: float
    _seen: Any = field(default_factory=lambda: hashlib.sha256(b"film\0"), repr=False)

    def marked(self, text: str, zone: visible.Place | None) -> Film:
        """With the mark that people see, none for ""; what is hashed is what went in."""
        told = self._told()
        return replace(self, frames=visible.mark_film(told, self.rate, text, zone) if text else told)

    def _told(self) -> Iterator[Pixels]:
        for frame in self.frames:
            self._seen.update(f"{frame.shape}\0".encode() + np.ascontiguousarray(frame).tobytes())
            yield frame

    def digest(self) -> str:
        """SHA-256 of all frames, which are gone through for it."""
        for _ in self._told():
            pass
        return self.sha256

    def watched(self, look: Callable[[Pixels], object]) -> Film:
        """With ``look`` called on one frame of each second, the first of all included, as they are gone through."""
        return replace(self, frames=_each_second(self.frames, self.rate, look))

    @property
    def sha256(self) -> str:
        """Of the frames that were gone through, before any mark."""
        return self._seen.hexdigest()


def _each_second(frames: Iterable[Pixels], rate: float, look: Callable[[Pixels], object]) -> Iterator[Pixels]:
    for i, frame in enumerate(frames):
        if int(i / rate) > int((i - 1) / rate) or not i:
            look(frame)
        yield frame


Content = str | bytes | Pixels | Film


def write(content: Content, path: Path) -> None:
    """Write ``content`` to ``path`` in the form that its suffix names. Raises :class:`UserError` for one that cannot be."""
    suffix = path.suffix.lower()
    match content:
        case str() if suffix in TEXTS:
            path.write_text(content, encoding="utf-8", newline="\n")
        case bytes():
            path.write_bytes(content)
        case np.ndarray() if suffix in PICTURES:
            _write_picture(content, path)
        case Film() if suffix in FILMS:
            (_write_loop if suffix in (".gif", ".webp") else _write_film)(content, path)
        case _:
            known = TEXTS if isinstance(content, str) else FILMS if isinstance(content, Film) else PICTURES
            raise UserError(
                f"{path.name}: that cannot be written as {suffix or 'a file without suffix'}; name it {', '.join(known)}",
                f"{path.name}：无法写为 {suffix or '无后缀的文件'}；请以 {'、'.join(known)} 结尾",
            )


def image(pixels: Pixels) -> Image.Image:
    """uint8 (H, W, C), C 1, 3 or 4, as Pillow has it."""
    return Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)


def _write_picture(pixels: Pixels, path: Path) -> None:
    form, picture = PICTURES[path.suffix.lower()], image(pixels)
    options: dict[str, Any] = {"PNG": {"compress_level": 3}, "TIFF": {"compression": "tiff_lzw"}}.get(
        form, {}
    )
    if form == "JPEG":
        if pixels.shape[2] == 4:  # which has no transparency
            white = Image.new("RGBA", picture.size, "white")
            picture = Image.alpha_composite(white, picture).convert("RGB")
        options = {"quality": QUALITY, "subsampling": 0}
    elif form == "WEBP":
        options = {"quality": QUALITY}
    picture.save(path, form, **options)


def _write_loop(film: Film, path: Path) -> None:
    frames = [image(frame) for frame in film.frames]
    options: dict[str, Any] = {"save_all": True, "append_images": frames[1:], "loop": 0}
    if path.suffix.lower() == ".webp":
        options["duration"] = 1000 / film.rate
        frames[0].save(path, "WEBP", quality=85, method=4, **options)
        return
    # Times are hundredths of a second in a GIF; one palette for all frames, or they flicker.
    palette = _palette(frames)
    dithered = [frame.quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG) for frame in frames]
    options |= {"append_images": dithered[1:], "duration": max(20, round(100 / film.rate) * 10)}
    dithered[0].save(path, "GIF", **options)


def _palette(frames: list[Image.Image]) -> Image.Image:
    some = frames[:: max(1, len(frames) // PALETTE_FRAMES)]
    sheet = Image.new("RGB", (some[0].width * len(some), some[0].height))
    for i, frame in enumerate(some):
        sheet.paste(frame, (i * frame.width, 0))
    return sheet.quantize(256, Image.Quantize.MEDIANCUT)


def _write_film(film: Film, path: Path) -> None:
    from fractions import Fraction

    import av

    codec, options = CODECS.get(path.suffix.lower(), H264)
    fast = {"movflags": "faststart"} if path.suffix.lower() in (".mp4", ".mov") else {}
    with av.open(str(path), "w", options=fast) as file:
        stream: Any = None
        for frame in film.frames:
            if stream is None:
                rate = Fraction(film.rate).limit_denominator(1001)
                stream = file.add_stream(codec, rate=rate, options=dict(options))
                stream.width, stream.height, stream.pix_fmt = frame.shape[1], frame.shape[0], "yuv420p"
            file.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")))
        if stream is None:
            raise UserError("a film needs frames", "影片至少要有一帧")
        file.mux(stream.encode(None))
