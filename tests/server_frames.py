"""Answers of a live page, taken apart."""

from __future__ import annotations

import io
import json
import struct
from typing import Any

import numpy as np
from PIL import Image
from websockets.sync.client import ClientConnection


def heard(live: ClientConnection) -> tuple[dict[str, Any], list[np.ndarray]]:
    """The head and the pictures, uint8 (C, H, W), of the next answer."""
    message = live.recv(20)
    assert isinstance(message, bytes), message
    (length,) = struct.unpack(">I", message[:4])
    head, at, pictures = json.loads(message[4 : 4 + length]), 4 + length, []
    for size in head["sizes"]:
        image = Image.open(io.BytesIO(message[at : at + size]))
        assert image.format == "WEBP"
        pictures.append(np.asarray(image.convert("RGB")).transpose(2, 0, 1))
        at += size
    assert at == len(message)
    return head, pictures


def refused(live: ClientConnection) -> dict[str, Any]:
    message = live.recv(20)
    assert isinstance(message, str)
    answer = json.loads(message)
    assert "\n" not in answer["error"]["message"]
    return answer
