"""What content is before it is marked: its hash, a sketch that fits into a record, and how far two are from each other."""

from __future__ import annotations

import base64
import difflib
import hashlib
import math

import numpy as np
from numpy.typing import NDArray

Content = str | bytes | NDArray[np.uint8]
SIDE = 16  # of the sketch of a picture, in pixels: 1 KB of text
CHARACTERS = 4_000  # of a text that its sketch keeps


def digest(content: Content) -> str:
    """SHA-256 of a text in UTF-8, of bytes, or of pixels (..., H, W, C) with their shape."""
    if isinstance(content, str):
        return hashlib.sha256(b"text\0" + content.encode("utf-8", "surrogatepass")).hexdigest()
    if isinstance(content, bytes):
        return hashlib.sha256(b"bytes\0" + content).hexdigest()
    if content.dtype != np.uint8:
        raise TypeError(f"pixels are uint8, not {content.dtype}")
    shape = "x".join(map(str, content.shape))
    return hashlib.sha256(f"pixels\0{shape}\0".encode() + np.ascontiguousarray(content).tobytes()).hexdigest()


def sketch(content: Content) -> str:
    """The beginning of a text, or base64 of a picture's ``SIDE`` squared RGB means; "" of anything else."""
    if isinstance(content, str):
        return content[:CHARACTERS]
    if isinstance(content, bytes) or content.ndim != 3:
        return ""
    return base64.b64encode(_small(content).tobytes()).decode()


def _small(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Pixels (H, W, C), C 1, 3 or 4, as uint8 (SIDE, SIDE, 3)."""
    from PIL.Image import Resampling

    from luoxia.workspace.encoding import image

    return np.asarray(image(pixels).convert("RGB").resize((SIDE, SIDE), Resampling.BOX))


def distance(one: str, other: str, *, text: bool) -> float | None:
    """How far two sketches are from each other: 0 for none, 1 for all. None where one of them is none.

    Of texts, 1 minus difflib's ratio, the share of characters in common runs; of pictures, the root of the mean squared
    difference over 255.
    """
    if text:
        return 1 - difflib.SequenceMatcher(None, one, other, autojunk=False).ratio() if one or other else None
    try:
        a, b = (
            np.frombuffer(base64.b64decode(s, validate=True), np.uint8).astype(float) for s in (one, other)
        )
    except ValueError:
        return None
    if a.size != 3 * SIDE**2 or a.size != b.size:
        return None
    return math.sqrt(float(((a - b) ** 2).mean())) / 255
