"""Vorbis comments: the label as a field AIGC in FLAC and Ogg (TC260-PG-202510A).

RFC 9639, 8.6; RFC 3533; RFC 7845, 5.2. FLAC is written here by bytes; Ogg, whose pages would have to be numbered anew,
by :mod:`films`.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from luoxia.provenance.carriers.bounded import Reading, Source, broken, cut_short, not_a, reading
from luoxia.provenance.carriers.splicing import Edit, splice
from luoxia.provenance.label import KEY, Label

FORMATS = (".flac",)
LARGEST = (1 << 24) - 1
COMMENT, LAST = 4, 0x80
FIELDS = 10_000
PAGES = 256  # of an Ogg file in which a comment may stand
HEADS = (b"\x03vorbis", b"OpusTags", b"\x81theora")


def labels(file: BinaryIO) -> Iterator[Reading]:
    source = Source(file)
    for start, kind, data in _blocks(source):
        if kind & ~LAST == COMMENT:
            yield from _readings(data, f"FLAC VORBIS_COMMENT at byte {start}")


def write(path: Path, label: Label) -> None:
    edits: list[Edit] = []
    home = 4
    with path.open("rb") as file:
        for start, kind, data in _blocks(Source(file)):
            if kind & ~LAST == COMMENT:
                edits.append(Edit(start, start + 4 + len(data), _block(kind, labelled(data, label))))
            elif start == 4 and kind & LAST:  # nothing but the block of the stream's facts
                made = _block(COMMENT | LAST, labelled(b"", label))
                edits = [Edit(4, 5, bytes([kind & ~LAST])), Edit(8 + len(data), 8 + len(data), made)]
            elif start == 4:
                home = start + 4 + len(data)
    if not edits:
        edits = [Edit(home, home, _block(COMMENT, labelled(b"", label)))]
    splice(path, edits)


def labelled(data: bytes, label: Label) -> bytes:
    """The block ``data`` with this label and no other."""
    vendor, fields = _fields(data) if data else (b"Luoxia", [])
    kept = [field for field in fields if field.partition(b"=")[0].upper() != KEY.encode()]
    kept.append(f"{KEY}={label.to_json()}".encode())
    packed = b"".join(struct.pack("<I", len(field)) + field for field in kept)
    return struct.pack("<I", len(vendor)) + vendor + struct.pack("<I", len(kept)) + packed


def ogg_labels(file: BinaryIO) -> Iterator[Reading]:
    """The labels in the comments of an Ogg file, each of which is the second packet of its stream."""
    source = Source(file)
    streams: dict[int, tuple[int, bytearray]] = {}
    for number in range(PAGES):
        head = source.read(27)
        if head[:4] != b"OggS":
            raise not_a("Ogg") if number == 0 else broken(source.at - 27)
        stream = int.from_bytes(head[14:18], "little")
        lacing = source.read(head[26])
        start, data = source.at, source.read(sum(lacing))
        at = 0
        for length in lacing:
            index, packet = streams.setdefault(stream, (0, bytearray()))
            packet += data[at : at + length]
            at += length
            if length < 255:
                if index == 1:
                    yield from _ogg_readings(bytes(packet), f"Ogg comment before byte {start + at}")
                streams[stream] = (index + 1, bytearray())
        if all(index > 1 for index, _ in streams.values()):
            return
    raise broken(source.at)


def _ogg_readings(packet: bytes, where: str) -> Iterator[Reading]:
    head = next((head for head in HEADS if packet.startswith(head)), None)
    if head is not None:
        yield from _readings(packet[len(head) :], where)
    elif packet[:1] in (b"\x04", b"\x84"):  # a comment of FLAC, with the head of its block
        yield from _readings(packet[4:], where)


def _blocks(source: Source) -> Iterator[tuple[int, int, bytes]]:
    """Start, kind with its mark of being the last, and data of each block of metadata."""
    if source.read(4) != b"fLaC":
        raise not_a("FLAC")
    kind = 0
    while not kind & LAST:
        source.part()
        start = source.at
        head = source.read(4)
        kind, length = head[0], int.from_bytes(head[1:])
        if kind & ~LAST == 127:
            raise broken(start)
        if kind & ~LAST == COMMENT or start == 4:
            yield start, kind, source.read(length, LARGEST)
        else:
            source.seek(source.at + length)
            yield start, kind, b""


def _block(kind: int, data: bytes) -> bytes:
    return bytes([kind]) + len(data).to_bytes(3) + data


def _readings(data: bytes, where: str) -> Iterator[Reading]:
    for field in _fields(data)[1]:
        name, _, value = field.partition(b"=")
        if name.upper() == KEY.encode():
            yield reading(where, value.decode("utf-8", "replace"))


def _fields(data: bytes) -> tuple[bytes, list[bytes]]:
    """The name of the program that wrote it, and each field."""
    found: list[bytes] = []
    vendor, at = _counted(data, 0)
    if at + 4 > len(data):
        raise cut_short(at)
    count = struct.unpack_from("<I", data, at)[0]
    if count > FIELDS:
        raise broken(at)
    at += 4
    for _ in range(count):
        field, at = _counted(data, at)
        found.append(field)
    return vendor, found


def _counted(data: bytes, at: int) -> tuple[bytes, int]:
    if at + 4 > len(data):
        raise cut_short(at)
    end = at + 4 + struct.unpack_from("<I", data, at)[0]
    if end > len(data):
        raise cut_short(at)
    return data[at + 4 : end], end
