"""MP4 and MOV: the label under the key AIGC in ``moov.udta.meta`` (TC260-PG-20257A), found without reading any frame.

ISO/IEC 14496-12, 4.2 and 8.11; QuickTime File Format, Metadata. A label in XMP is read too. :mod:`films` writes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from luoxia.provenance.carriers import xmp
from luoxia.provenance.carriers.bounded import Reading, Source, broken, not_a, reading
from luoxia.provenance.label import KEY

XMP = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
CONTAINERS = (b"moov", b"udta", b"meta")
FIRST = (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot")
DEEPEST = 8
LABELS = (b'{"AIGC"', b'{"Label"')  # how a value that is meant to be a label begins


@dataclass(frozen=True)
class Box:
    kind: bytes
    start: int
    inside: int
    end: int


def labels(file: BinaryIO) -> Iterator[Reading]:
    source = Source(file)
    source.seek(min(4, source.size))
    if source.read(4) not in FIRST:
        raise not_a("MP4")
    yield from _walk(source, 0, source.size, 0)


def is_index_first(file: BinaryIO) -> bool:
    """Whether the index stands before the frames, so that a film can be watched while it is fetched."""
    kinds = [box.kind for box in _boxes(Source(file), 0, file.seek(0, 2))]
    return b"moov" in kinds and b"mdat" in kinds and kinds.index(b"moov") < kinds.index(b"mdat")


def _walk(source: Source, start: int, end: int, depth: int) -> Iterator[Reading]:
    keys: list[bytes] = []
    for box in _boxes(source, start, end):
        where = f"MP4 {box.kind.decode('latin-1')} at byte {box.start}"
        source.seek(box.inside)
        if box.kind in CONTAINERS and depth < DEEPEST:
            inside = box.inside
            if box.kind == b"meta" and box.end - inside >= 8 and source.read(8)[4:] != b"hdlr":
                inside += 4  # ISO's form has a version before its boxes, QuickTime's has none
            yield from _walk(source, inside, box.end, depth + 1)
        elif box.kind == b"uuid" and box.end - box.inside > 16 and source.read(16) == XMP:
            yield from xmp.labels(source.read(box.end - box.inside - 16), where)
        elif box.kind == b"XMP_" and depth:
            yield from xmp.labels(source.read(box.end - box.inside), where)
        elif box.kind == b"keys":
            keys = list(_keys(source.read(box.end - box.inside)))
        elif box.kind == b"ilst":
            yield from _items(source, box, keys)


def _items(source: Source, within: Box, keys: list[bytes]) -> Iterator[Reading]:
    for item in _boxes(source, within.inside, within.end):
        number = int.from_bytes(item.kind)
        key = keys[number - 1] if 0 < number <= len(keys) else b""
        for box in _boxes(source, item.inside, item.end):
            if box.kind != b"data" or box.end - box.inside < 8:
                continue
            source.seek(box.inside + 8)
            length = box.end - box.inside - 8
            named = key.rpartition(b".")[2] == KEY.encode()
            head = source.read(min(length, 16))
            # Some programs put the label under a key of another meaning, or under none.
            if named or head.lstrip().startswith(LABELS):
                text = (head + source.read(length - len(head))).decode("utf-8", "replace")
                yield reading(
                    f"MP4 key {KEY if named else item.kind.decode('latin-1')} at byte {box.start}", text
                )


def _keys(data: bytes) -> Iterator[bytes]:
    at = 8
    while at + 8 <= len(data):
        size = struct.unpack_from(">I", data, at)[0]
        if size < 8 or at + size > len(data):
            raise broken(at)
        yield data[at + 8 : at + size]
        at += size


def _boxes(source: Source, start: int, end: int) -> Iterator[Box]:
    at = start
    while at + 8 <= end:
        source.part()
        source.seek(at)
        size, kind = struct.unpack(">I4s", source.read(8))
        inside = at + 8
        if size == 1:
            size = struct.unpack(">Q", source.read(8))[0]
            inside += 8
        after = end if size == 0 else at + size
        if after < inside or (after > end and end < source.size):
            raise broken(at)
        if after > end:
            source.seek(after)  # says where the file is cut short
        yield Box(kind, at, inside, after)
        at = after
