"""JPEG: the label as XMP in an APP1 segment; one in the comment of Exif is read too. The scan is not touched.

ITU-T T.81, Annex B; XMP Specification, Part 3, 1.1.3.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from luoxia.provenance.carriers import exif, xmp
from luoxia.provenance.carriers.bounded import MalformedError, Reading, Source, broken, not_a, reading
from luoxia.provenance.carriers.splicing import Edit, splice
from luoxia.provenance.label import Label

FORMATS = (".jpg", ".jpeg", ".jpe")
XMP = b"http://ns.adobe.com/xap/1.0/\0"
EXIF = b"Exif\0\0"
APP0, APP1, SCAN, END = 0xE0, 0xE1, 0xDA, 0xD9
ALONE = (0x01, *range(0xD0, 0xD8))  # markers that no length follows
LONGEST = 0xFFFF - 2


@dataclass(frozen=True)
class Segment:
    """``start`` to ``end`` with its marker; ``data`` of APP1."""

    marker: int
    start: int
    end: int
    data: bytes = b""


def labels(file: BinaryIO) -> Iterator[Reading]:
    for segment in _segments(file):
        where = f"JPEG APP1 at byte {segment.start}"
        if segment.data.startswith(XMP):
            yield from xmp.labels(segment.data[len(XMP) :], where)
        elif segment.data.startswith(EXIF) and (span := exif.comment(segment.data[len(EXIF) :])):
            text = segment.data[len(EXIF) :][slice(*span)].decode("latin-1")
            yield reading(f"Exif, UserComment, {where}", text)


def write(path: Path, label: Label) -> None:
    edits, home, old = [], 2, b""
    with path.open("rb") as file:
        for segment in _segments(file):
            is_exif = segment.data.startswith(EXIF)
            if (segment.marker == APP0 or is_exif) and segment.start == home:
                home = segment.end
            if segment.data.startswith(XMP):
                old = old or segment.data[len(XMP) :]
                edits.append(Edit(segment.start, segment.end, b""))
            elif is_exif and (span := exif.comment(segment.data[len(EXIF) :])):
                start = segment.start + 4 + len(EXIF)
                edits.append(Edit(start + span[0], start + span[1], b" " * (span[1] - span[0])))
    packet = xmp.labelled(old, label) if old else xmp.packet(label)
    if len(XMP) + len(packet) > LONGEST:
        raise MalformedError(
            "its XMP leaves no room for the label in one segment of JPEG; remove some of it",
            "其 XMP 过大，JPEG 的一个段内放不下标识；请删去一部分",
        )
    edits.append(Edit(home, home, struct.pack(">BBH", 0xFF, APP1, len(XMP) + len(packet) + 2) + XMP + packet))
    splice(path, edits)


def _segments(file: BinaryIO) -> Iterator[Segment]:
    """What stands before the first scan."""
    source = Source(file)
    if source.read(2) != b"\xff\xd8":
        raise not_a("JPEG")
    while True:
        source.part()
        start = source.at
        lead, marker = source.read(2)
        while marker == 0xFF:  # fill bytes
            source.part()
            marker = source.read(1)[0]
        if lead != 0xFF or marker == 0:
            raise broken(start)
        if marker in (SCAN, END):
            return
        if marker in ALONE:
            yield Segment(marker, start, source.at)
            continue
        length = struct.unpack(">H", source.read(2))[0] - 2
        if length < 0:
            raise broken(start)
        data = source.read(length) if marker == APP1 else b""
        end = source.at + (0 if marker == APP1 else length)
        source.seek(end)
        yield Segment(marker, start, end, data)
