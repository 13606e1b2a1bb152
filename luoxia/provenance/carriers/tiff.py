"""TIFF: the label as XMP under tag 700 of the first directory, which moves to the end of the file if it must grow.

TIFF 6.0, 2; the BigTIFF design; XMP Specification, Part 3, 1.1.6. Strips and tiles are not touched.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from luoxia.provenance.carriers import xmp
from luoxia.provenance.carriers.bounded import PACKET, MalformedError, Reading, Source, broken, not_a
from luoxia.provenance.carriers.splicing import Edit, splice
from luoxia.provenance.label import Label

FORMATS = (".tif", ".tiff")
XMP, BYTES, UNDEFINED = 700, 1, 7
ENTRIES = 4096


@dataclass(frozen=True)
class Directory:
    """The first directory: entries as bytes by tag, and how numbers are written in this file."""

    order: str
    is_big: bool
    start: int
    entries: dict[int, bytes]
    following: bytes

    @property
    def number(self) -> str:
        return f"{self.order}{'Q' if self.is_big else 'I'}"

    @property
    def width(self) -> int:
        return 8 if self.is_big else 4

    def span(self, tag: int) -> tuple[int, int]:
        """Where the bytes of an entry stand in the file; those of a few are in the entry itself."""
        _, kind = struct.unpack_from(f"{self.order}HH", self.entries[tag])
        count, value = struct.unpack_from(f"{self.number}{self.number[-1]}", self.entries[tag], 4)
        if kind not in (BYTES, UNDEFINED) or count <= self.width:
            raise broken(self.start)
        return value, value + count


def labels(file: BinaryIO) -> Iterator[Reading]:
    source = Source(file)
    directory = _first(source)
    if XMP in directory.entries:
        yield from xmp.labels(_packet(source, directory), f"TIFF tag 700 at byte {directory.span(XMP)[0]}")


def write(path: Path, label: Label) -> None:
    edits: list[Edit] = []
    old, start, end = b"", 0, 0
    with path.open("rb") as file:
        source = Source(file)
        directory = _first(source)
        if XMP in directory.entries:
            old = _packet(source, directory)
            start, end = directory.span(XMP)
            edits.append(Edit(start, end, bytes(end - start)))
        size = source.size
    packet = xmp.labelled(old, label) if old else xmp.packet(label)
    if edits and len(packet) <= end - start:
        splice(path, [Edit(start, end, packet.ljust(end - start))])
        return
    packet += b" " * (-len(packet) % 2)
    place = size + size % 2  # values begin at even bytes
    home = place + len(packet)
    numbers = directory.number + directory.number[-1]
    entry = struct.pack(f"{directory.order}HH", XMP, UNDEFINED) + struct.pack(numbers, len(packet), place)
    entries = dict(sorted({**directory.entries, XMP: entry}.items()))
    count = struct.pack(f"{directory.order}{'Q' if directory.is_big else 'H'}", len(entries))
    if not directory.is_big and home + 2 + 12 * len(entries) + 4 > 0xFFFFFFFF:
        raise MalformedError("with the label it would be larger than 4 GB", "加上标识后将超过 4 GB")
    added = bytes(place - size) + packet + count + b"".join(entries.values()) + directory.following
    head = 8 if directory.is_big else 4
    edits += [
        Edit(head, head + directory.width, struct.pack(directory.number, home)),
        Edit(size, size, added),
    ]
    splice(path, edits)


def _first(source: Source) -> Directory:
    mark = source.read(4)
    order = {b"II": "<", b"MM": ">"}.get(mark[:2])
    if order is None or (version := struct.unpack(f"{order}H", mark[2:])[0]) not in (42, 43):
        raise not_a("TIFF")
    is_big = version == 43
    if is_big and source.read(4) != struct.pack(f"{order}HH", 8, 0):
        raise broken(4)
    width = 8 if is_big else 4
    number = f"{order}{'Q' if is_big else 'I'}"
    start = struct.unpack(number, source.read(width))[0]
    source.seek(start)
    count = struct.unpack(f"{order}{'Q' if is_big else 'H'}", source.read(8 if is_big else 2))[0]
    if not 0 < count <= ENTRIES:
        raise broken(start)
    size = 20 if is_big else 12
    table = source.read(count * size)
    rows = [table[i : i + size] for i in range(0, len(table), size)]
    entries = {struct.unpack_from(f"{order}H", row)[0]: row for row in rows}
    if len(entries) != count:
        raise broken(start)
    return Directory(order, is_big, start, entries, source.read(width))


def _packet(source: Source, directory: Directory) -> bytes:
    start, end = directory.span(XMP)
    source.seek(start)
    return source.read(end - start, PACKET)
