"""Files made of RIFF chunks: WebP, with the label as XMP, and WAV, with the label in a chunk named AIGC.

WebP Container Specification, RFC 9649; TC260-PG-20259A and TC260-PG-202510A. Pixels and samples are not touched.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from luoxia.provenance.carriers import xmp
from luoxia.provenance.carriers.bounded import (
    PACKET,
    MalformedError,
    Reading,
    Source,
    broken,
    cut_short,
    not_a,
    reading,
)
from luoxia.provenance.carriers.splicing import Edit, splice
from luoxia.provenance.label import KEY, Label

FORMATS = (".webp", ".wav")
WEBP, WAVE = b"WEBP", b"WAVE"
XMP, EXTENDED = b"XMP ", b"VP8X"
OWN = KEY.encode()
HAS_XMP, HAS_ALPHA = 0x04, 0x10
UNKNOWN = 0xFFFFFFFF  # where a 64-bit length stands in a chunk of its own


@dataclass(frozen=True)
class Chunk:
    """``start`` to ``end`` with its head and padding; ``data`` of those that matter, else its first bytes."""

    kind: bytes
    start: int
    end: int
    data: bytes


def labels(file: BinaryIO) -> Iterator[Reading]:
    source = Source(file)
    form, _ = _head(source)
    for chunk in _chunks(source):
        where = f"RIFF {chunk.kind.decode('latin-1')} at byte {chunk.start}"
        if form == WEBP and chunk.kind == XMP:
            yield from xmp.labels(chunk.data, where)
        elif form == WAVE and chunk.kind == OWN:
            yield reading(where, chunk.data.decode("utf-8", "replace"))


def write(path: Path, label: Label) -> None:
    with path.open("rb") as file:
        source = Source(file)
        form, is_long = _head(source)
        found = list(_chunks(source))
    if is_long:
        raise MalformedError(
            "it is in the form for more than 4 GB (RF64), which is read and not written; write it as FLAC",
            "它采用超过 4 GB 的 RF64 形式，只能读取不能写入；请改存为 FLAC",
        )
    edits = _webp(found, label) if form == WEBP else _wave(found, label)
    size = source.size - 8 + sum(len(edit.new) - (edit.end - edit.start) for edit in edits)
    if size >= UNKNOWN:
        raise MalformedError("with the label it would be larger than 4 GB", "加上标识后将超过 4 GB")
    splice(path, [Edit(4, 8, struct.pack("<I", size)), *edits])


def framed(kind: bytes, data: bytes) -> bytes:
    return struct.pack("<4sI", kind, len(data)) + data + b"\0" * (len(data) & 1)


def _wave(found: list[Chunk], label: Label) -> list[Edit]:
    edits = [Edit(chunk.start, chunk.end, b"") for chunk in found if chunk.kind == OWN]
    data = next((chunk for chunk in found if chunk.kind == b"data"), None)
    if data is None:
        raise not_a("WAV")
    # Before the samples, where a reader that streams meets it.
    return [*edits, Edit(data.start, data.start, framed(OWN, label.to_json().encode()))]


def _webp(found: list[Chunk], label: Label) -> list[Edit]:
    if not found:
        raise not_a("WebP")
    old = [chunk for chunk in found if chunk.kind == XMP]
    edits = [Edit(chunk.start, chunk.end, b"") for chunk in old]
    packet = xmp.labelled(old[0].data, label) if old else xmp.packet(label)
    first, end = found[0], found[-1].end
    if first.kind == EXTENDED:
        edits.append(Edit(first.start + 8, first.start + 9, bytes([first.data[0] | HAS_XMP])))
    else:
        edits.append(Edit(first.start, first.start, _extended(first)))
    return [*edits, Edit(end, end, framed(XMP, packet))]


def _extended(first: Chunk) -> bytes:
    """The chunk that metadata needs before it, from the size that a simple file keeps in its bitstream."""
    data = first.data
    if first.kind == b"VP8 " and data[3:6] == b"\x9d\x01\x2a":
        width, height = (side & 0x3FFF for side in struct.unpack("<HH", data[6:10]))
        alpha = 0
    elif first.kind == b"VP8L" and data[:1] == b"\x2f":
        bits = struct.unpack("<I", data[1:5])[0]
        width, height = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        alpha = HAS_ALPHA if bits >> 28 & 1 else 0
    else:
        raise broken(first.start)
    sides = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return framed(EXTENDED, bytes([alpha | HAS_XMP, 0, 0, 0]) + sides)


def _head(source: Source) -> tuple[bytes, bool]:
    """The form, and whether it is the one for more than 4 GB."""
    riff, _, form = struct.unpack("<4sI4s", source.read(12))
    if riff not in (b"RIFF", b"RF64") or form not in (WEBP, WAVE):
        raise not_a("WAV or WebP")
    return form, riff == b"RF64"


def _chunks(source: Source) -> Iterator[Chunk]:
    long_data = 0
    while source.at + 8 <= source.size:
        source.part()
        start = source.at
        kind, length = struct.unpack("<4sI", source.read(8))
        if not all(0x20 <= letter < 0x7F for letter in kind):
            raise broken(start)
        if kind == b"ds64":
            long_data = struct.unpack_from("<Q", source.read(min(length, 64)), 8)[0] if length >= 16 else 0
        if kind == b"data" and length == UNKNOWN:
            length = long_data
        end = start + 8 + length + (length & 1)
        if end > source.size + 1:  # the last chunk may lack its padding
            raise cut_short(source.size)
        whole = kind in (XMP, OWN)
        source.seek(start + 8)
        data = source.read(length if whole else min(length, 16), PACKET)
        yield Chunk(kind, start, min(end, source.size), data)
        source.seek(min(end, source.size))
