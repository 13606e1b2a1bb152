"""Pictures as they go over the wire, and come in."""

from __future__ import annotations

import io
import struct
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from luoxia.core.language import Text
from luoxia.server import sent

if TYPE_CHECKING:
    import numpy as np

PICTURE = 6 << 20  # bytes of one that a user sends
BODY = sent.body_of(PICTURE)  # bytes of the request that carries it, in base64


def webp(picture: np.ndarray) -> bytes:
    """uint8 (C, H, W) without loss, at WebP's quickest."""
    file = io.BytesIO()
    image(picture).save(file, "WEBP", lossless=True, quality=0, method=0)
    return file.getvalue()


def image(picture: np.ndarray) -> Any:
    """uint8 (C, H, W), C 1 or 3, as an RGB picture of Pillow."""
    import numpy as np
    from PIL import Image

    plain = picture[0] if len(picture) == 1 else np.ascontiguousarray(picture.transpose(1, 2, 0))
    return Image.fromarray(plain).convert("RGB")


def framed(head: BaseModel, pictures: list[bytes]) -> bytes:
    """The length of the head in four bytes, largest first; the head as JSON; the pictures."""
    told = head.model_dump_json().encode()
    return b"".join([struct.pack(">I", len(told)), told, *pictures])


def in_base64(text: str) -> bytes:
    """What a user sent. Raises :class:`~luoxia.core.errors.UserError` for what is no base64, or more than :data:`PICTURE`."""
    return sent.in_base64(text, PICTURE, Text("the picture", "图片"), Text("make it smaller", "请缩小"))
