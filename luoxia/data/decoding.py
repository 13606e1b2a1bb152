"""A file's bytes into a picture that training can use, whatever its mode, depth, alpha, rotation or colour profile.

Bytes are hostile until decoded: formats are a short list, sizes are read before pixels, and of an animation only the
first frame is decoded.
"""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageCms, ImageOps

from luoxia.core.errors import UserError

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "AVIF", "JPEG2000")
SUFFIXES = frozenset(
    [
        ".jpg",
        ".jpeg",
        ".jpe",
        ".mpo",
        ".png",
        ".apng",
        ".webp",
        ".gif",
        ".bmp",
        ".dib",
        ".tif",
        ".tiff",
        ".ppm",
        ".pgm",
        ".pbm",
        ".pnm",
        ".avif",
        ".jp2",
        ".j2k",
    ]
)
PIXELS = 80_000_000  # a header may claim any size: more than this is not decoded
ANIMATED = ("GIF", "WEBP", "PNG", "AVIF")

# Pillow warns of large pictures before the size is ours to judge: they are refused, not told of.
warnings.filterwarnings("error", category=Image.DecompressionBombWarning)


class UndecodableError(UserError):
    """Bytes that are no picture, or one that is not safe or not possible to decode."""


@dataclass(frozen=True)
class Picture:
    """``image`` in mode "L" or "RGB", upright, in sRGB; ``size`` (width, height) and ``mode`` as the file has them;
    ``fixes`` names what was done on the way: "rotated", "alpha", "first frame", "16 bit", "profile", "mode"."""

    image: Image.Image
    size: tuple[int, int]
    mode: str
    fixes: tuple[str, ...]


def decode(data: bytes, *, wanted: int | None = None) -> Picture:
    """The picture in ``data``. A JPEG may come smaller, no side below ``wanted`` pixels, which saves most of its time.

    Raises :class:`UndecodableError`, whose text says what is wrong with the file.
    """
    if not data:
        raise UndecodableError("the file is empty", "文件为空")
    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
        size, mode = image.size, image.mode
        if size[0] * size[1] > PIXELS:
            raise Image.DecompressionBombError
        if wanted:
            image.draft(None, (2 * wanted, 2 * wanted))
        fixes = ["first frame"] if image.format in ANIMATED and getattr(image, "is_animated", False) else []
        image.seek(0)
        image.load()
        upright = ImageOps.exif_transpose(image)
        if upright.size != image.size or image.getexif().get(0x0112, 1) != 1:
            fixes.append("rotated")
            size = size if upright.size == image.size else (size[1], size[0])
        return Picture(_plain(upright, image.info.get("icc_profile"), fixes), size, mode, tuple(fixes))
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise UndecodableError(
            f"it claims more than {PIXELS // 1_000_000} million pixels",
            f"声称超过 {PIXELS // 10_000} 万像素",
        ) from error
    except Image.UnidentifiedImageError as error:
        raise UndecodableError("it is not a picture in a known format", "不是已知格式的图片") from error
    except UndecodableError:
        raise
    except MemoryError:
        raise
    except Exception as error:  # Pillow's decoders raise whatever the broken bytes lead them to
        detail = " ".join(str(error).split())[:100]
        raise UndecodableError(f"it is broken: {detail}", f"文件已损坏：{detail}") from error


def _plain(image: Image.Image, profile: bytes | None, fixes: list[str]) -> Image.Image:
    """Mode "L" or "RGB": 16 bits scaled to 8, alpha over white, colours through the embedded profile."""
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        fixes.append("16 bit")
        return _scaled(image)
    if image.mode == "P":
        image = image.convert("RGBA" if "transparency" in image.info else "RGB")
        fixes.append("mode")
    if image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info:
        image = image.convert("RGBA")
        if image.getextrema()[3] != (255, 255):  # type: ignore[index]
            fixes.append("alpha")
            white = Image.new("RGBA", image.size, "white")
            image = Image.alpha_composite(white, image)
        image = image.convert("RGB")
    if profile and image.mode in ("RGB", "CMYK"):
        converted = _in_srgb(image, profile)
        if converted is not None:
            fixes.append("profile")
            image = converted
    if image.mode == "1":
        image = image.convert("L")
    elif image.mode not in ("L", "RGB"):
        fixes.append("mode")
        image = image.convert("RGB")
    return image


def _scaled(image: Image.Image) -> Image.Image:
    """Deep grey levels in 8 bits: 65,535 is white, and of floating-point values 1."""
    values = np.asarray(image, np.float64)
    if not np.isfinite(values).all():
        raise UndecodableError("its values are not all finite", "像素值并非全部有限")
    white = 65_535.0 if image.mode != "F" else 1.0
    if values.min() < 0 or values.max() > white:
        raise UndecodableError(
            f"its values go from {values.min():g} to {values.max():g}, where 0 to {white:g} is understood",
            f"像素值从 {values.min():g} 到 {values.max():g}，而可理解的范围是 0 到 {white:g}",
        )
    return Image.fromarray(np.rint(values * (255 / white)).astype(np.uint8))


def _in_srgb(image: Image.Image, profile: bytes) -> Image.Image | None:
    """``image`` by its ICC profile in sRGB; None where the profile is sRGB, of another kind, or broken."""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if "srgb" in ImageCms.getProfileDescription(source).lower():
            return None
        return ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None


def fit(image: Image.Image, size: int) -> np.ndarray:
    """The largest square in the middle, resampled with Lanczos' window to ``size`` pixels: uint8 (3, size, size)."""
    square = ImageOps.fit(image, (size, size), Image.Resampling.LANCZOS)
    return np.ascontiguousarray(np.asarray(square.convert("RGB")).transpose(2, 0, 1))
