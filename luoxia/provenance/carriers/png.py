"""PNG: the label as XMP in an ``iTXt`` chunk; those under the keyword AIGC are read too. Pixels are not touched.

PNG (Third Edition), 5 and 11.3.3; XMP Specification, Part 3, 1.1.5.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from luoxia.core.language import Text
from luoxia.provenance.carriers import exif, xmp
from luoxia.provenance.carriers.bounded import PACKET, MalformedError, Reading, Source, broken, not_a, reading
from luoxia.provenance.carriers.splicing import Edit, splice
from luoxia.provenance.label import KEY, Label

FORMATS = (".png", ".apng")
MAGIC = b"\x89PNG\r\n\x1a\n"
XMP = b"XML:com.adobe.xmp"
TEXTS = (b"iTXt", b"tEXt", b"zTXt")


@dataclass(frozen=True)
class Chunk:
    """``start`` to ``end`` with its frame; ``data`` of those that may hold a label, else empty."""

    kind: bytes
    start: int
    end: int
    data: bytes = b""
    is_sound: bool = True


def labels(file: BinaryIO) -> Iterator[Reading]:
    for chunk in _chunks(file):
        found = list(_in_chunk(chunk))
        yield from found
        if found and not chunk.is_sound:
            yield Reading(
                _place(chunk),
                None,
                Text("the checksum of the chunk is wrong", "该数据块的校验和不符"),
            )


def write(path: Path, label: Label) -> None:
    edits, home, old = [], None, b""
    with path.open("rb") as file:
        for chunk in _chunks(file):
            if chunk.kind == b"IHDR":
                home = chunk.end
            elif chunk.kind == b"eXIf" and exif.comment(chunk.data):
                start, end = exif.comment(chunk.data) or (0, 0)
                data = chunk.data[:start] + b" " * (end - start) + chunk.data[end:]
                edits.append(Edit(chunk.start, chunk.end, framed(b"eXIf", data)))
            elif _is_xmp(chunk):
                old = old or _text(chunk)
                edits.append(Edit(chunk.start, chunk.end, b""))
            elif chunk.kind in TEXTS and _keyword(chunk) == KEY.encode():
                edits.append(Edit(chunk.start, chunk.end, b""))
    if home is None:
        raise not_a("PNG")
    packet = xmp.labelled(old, label) if old else xmp.packet(label)
    edits.append(Edit(home, home, framed(b"iTXt", XMP + bytes(5) + packet)))
    splice(path, edits)


def framed(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _chunks(file: BinaryIO) -> Iterator[Chunk]:
    source = Source(file)
    if source.read(8) != MAGIC:
        raise not_a("PNG")
    kind = b""
    while kind != b"IEND":
        source.part()
        start = source.at
        length, kind = struct.unpack(">I4s", source.read(8))
        if not kind.isalpha() or length >= 1 << 31:
            raise broken(start)
        end = start + 12 + length
        if kind in (*TEXTS, b"eXIf") and length <= PACKET:
            data = source.read(length)
            sum_ = struct.unpack(">I", source.read(4))[0]
            yield Chunk(kind, start, end, data, zlib.crc32(kind + data) == sum_)
        else:
            source.seek(end)
            yield Chunk(kind, start, end)


def _in_chunk(chunk: Chunk) -> Iterator[Reading]:
    if _is_xmp(chunk):
        yield from xmp.labels(_text(chunk), _place(chunk))
    elif chunk.kind in TEXTS and _keyword(chunk) == KEY.encode():
        yield reading(_place(chunk), _text(chunk).decode("utf-8", "replace"))
    elif chunk.kind == b"eXIf" and (span := exif.comment(chunk.data)):
        yield reading(f"Exif, UserComment, {_place(chunk)}", chunk.data[slice(*span)].decode("latin-1"))


def _place(chunk: Chunk) -> str:
    return f"PNG {chunk.kind.decode()} at byte {chunk.start}"


def _keyword(chunk: Chunk) -> bytes:
    return chunk.data.partition(b"\0")[0]


def _is_xmp(chunk: Chunk) -> bool:
    return chunk.kind == b"iTXt" and _keyword(chunk) == XMP


def _text(chunk: Chunk) -> bytes:
    """The text of a chunk, unpacked up to a bound if it is packed."""
    rest = chunk.data.partition(b"\0")[2]
    if chunk.kind == b"tEXt":
        return rest
    packed = chunk.kind == b"zTXt"
    if packed:
        rest = rest[1:]
    else:
        packed = rest[:1] == b"\1"
        rest = rest[2:].partition(b"\0")[2].partition(b"\0")[2]
    if not packed:
        return rest
    try:
        engine = zlib.decompressobj()
        data = engine.decompress(rest, PACKET)
    except zlib.error as error:
        raise broken(chunk.start) from error
    if engine.unconsumed_tail:
        raise MalformedError(
            f"the text at byte {chunk.start} unpacks to more than is read",
            f"第 {chunk.start} 字节处的文本解压后超过读取上限",
        )
    return data
