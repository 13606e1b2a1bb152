"""GIF: the label as XMP in an application extension. Pictures are not touched.

GIF89a Specification, 26; XMP Specification, Part 3, 1.1.2: the packet stands there as it is, and a tail of falling bytes
leads any reader of sub-blocks out of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from luoxia.provenance.carriers import xmp
from luoxia.provenance.carriers.bounded import PACKET, MalformedError, Reading, Source, broken, not_a
from luoxia.provenance.carriers.splicing import Edit, splice
from luoxia.provenance.label import Label

FORMATS = (".gif",)
XMP = b"XMP DataXMP"
TAIL = b"\x01" + bytes(range(255, -1, -1)) + b"\0"
PICTURE, EXTENSION, TRAILER, APPLICATION = 0x2C, 0x21, 0x3B, 0xFF
BLOCKS = 16_000_000  # sub-blocks of 255 bytes


@dataclass(frozen=True)
class Block:
    """``kind`` is an extension's label, or :data:`PICTURE`; ``data`` is that of an application extension."""

    kind: int
    start: int
    end: int
    name: bytes = b""
    data: bytes = b""


def labels(file: BinaryIO) -> Iterator[Reading]:
    source = Source(file)
    _head(source)
    for block in _blocks(source):
        if block.name == XMP:
            yield from xmp.labels(_packet(block), f"GIF XMP at byte {block.start}")


def write(path: Path, label: Label) -> None:
    with path.open("rb") as file:
        source = Source(file)
        home = _head(source)
        found = list(_blocks(source))
    old = [block for block in found if block.name == XMP]
    edits = [Edit(block.start, block.end, b"") for block in old]
    for block in found:  # that the picture is to be repeated is told first of all
        if block.kind != APPLICATION:
            break
        if block.name != XMP:
            home = block.end
    packet = xmp.labelled(_packet(old[0]), label) if old else xmp.packet(label)
    extension = bytes([EXTENSION, APPLICATION, len(XMP)]) + XMP + packet + TAIL
    splice(path, [Edit(0, 6, b"GIF89a"), *edits, Edit(home, home, extension)])


def _packet(block: Block) -> bytes:
    """The packet without its tail."""
    return block.data.partition(TAIL[:4])[0]


def _head(source: Source) -> int:
    """Read up to the first block, and tell where that is."""
    head = source.read(13)
    if head[:6] not in (b"GIF87a", b"GIF89a"):
        raise not_a("GIF")
    _skip_colours(source, head[10])
    return source.at


def _blocks(source: Source) -> Iterator[Block]:
    while True:
        source.part()
        start = source.at
        introducer = source.read(1)[0]
        if introducer == TRAILER:
            return
        if introducer == PICTURE:
            _skip_colours(source, source.read(9)[8])
            source.read(1)
            _skip_data(source)
            yield Block(PICTURE, start, source.at)
        elif introducer == EXTENSION:
            kind = source.read(1)[0]
            name = b""
            if kind == APPLICATION:
                name = source.read(source.read(1)[0])
            begin = source.at
            _skip_data(source)
            end, data = source.at, b""
            if name == XMP:
                source.seek(begin)
                if end - begin > PACKET:
                    raise MalformedError(
                        f"the XMP at byte {start} is more than is read",
                        f"第 {start} 字节处的 XMP 超过读取上限",
                    )
                data = source.read(end - begin)
            yield Block(kind, start, end, name, data)
        else:
            raise broken(start)


def _skip_colours(source: Source, packed: int) -> None:
    if packed & 0x80:
        source.seek(source.at + 3 * 2 ** ((packed & 7) + 1))


def _skip_data(source: Source) -> None:
    """Past the sub-blocks that begin here."""
    file = source.file
    for _ in range(BLOCKS):
        length = source.read(1)[0]
        if length == 0:
            return
        file.seek(length, 1)
    raise MalformedError("it has too many blocks", "文件的数据块过多")
