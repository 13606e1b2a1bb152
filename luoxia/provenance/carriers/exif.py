"""A label that another program put into the comment of Exif (TC260-PG-20259A, Annex B): found, and blotted out."""

from __future__ import annotations

import struct
from collections.abc import Iterator

COMMENT, EXIF_FOLDER = 0x9286, 0x8769


def comment(data: bytes) -> tuple[int, int] | None:
    """Where in a TIFF structure a user comment stands that is meant to be a label, without its 8 bytes of encoding."""
    order = {b"II": "<", b"MM": ">"}.get(data[:2])
    if order is None or len(data) < 8:
        return None
    first = struct.unpack_from(f"{order}I", data, 4)[0]
    places = [first, *(value for tag, _, value in _entries(data, first, order) if tag == EXIF_FOLDER)]
    for place in places[:4]:
        for tag, count, value in _entries(data, place, order):
            text = data[value + 8 : value + count]
            if tag == COMMENT and text.lstrip().startswith((b'{"AIGC"', b'{"Label"')):
                return value + 8, value + 8 + len(text)
    return None


def _entries(data: bytes, place: int, order: str) -> Iterator[tuple[int, int, int]]:
    if place + 2 > len(data):
        return
    count = struct.unpack_from(f"{order}H", data, place)[0]
    for at in range(place + 2, min(place + 2 + 12 * count, len(data) - 11), 12):
        tag, _, number, value = struct.unpack_from(f"{order}HHII", data, at)
        yield tag, number, value
