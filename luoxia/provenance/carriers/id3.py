"""MP3: the label as a TXXX frame described AIGC in an ID3v2 tag at the beginning (TC260-PG-202510A).

id3.org: ID3v2.2, 2.3 and 2.4. Sound is not touched.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from luoxia.provenance.carriers.bounded import MalformedError, Reading, Source, broken, not_a, reading
from luoxia.provenance.carriers.splicing import Edit, splice
from luoxia.provenance.label import KEY, Label

FORMATS = (".mp3",)
LARGEST = 64 << 20  # a tag holds pictures too
PADDING = 64  # zeros by which readers know that a frame was the last one
UNSYNCHRONISED, EXTENDED, FOOTER = 0x80, 0x40, 0x10
CODECS = ("latin-1", "utf-16", "utf-16-be", "utf-8")


@dataclass(frozen=True)
class Tag:
    """``end`` is where the sound begins; ``frames`` are whole, with their heads."""

    version: int
    end: int
    frames: list[bytes]


def labels(file: BinaryIO) -> Iterator[Reading]:
    source = Source(file)
    tag = _tag(source)
    if tag is None:
        _check_sound(source)
        return
    for frame in tag.frames:
        text = _label(frame, tag.version)
        if text is not None:
            yield reading(f"ID3v2.{tag.version} TXXX", text)


def write(path: Path, label: Label) -> None:
    with path.open("rb") as file:
        source = Source(file)
        tag = _tag(source)
        if tag is None:
            _check_sound(source)
            tag = Tag(3, 0, [])
    kept = [frame for frame in tag.frames if _label(frame, tag.version) is None]
    frames = b"".join([*kept, _frame(label, tag.version)])
    if len(frames) >= LARGEST:
        raise MalformedError("its ID3 tag is too large", "其 ID3 标签过大")
    frames += bytes(PADDING)
    head = b"ID3" + bytes([tag.version, 0, 0]) + _seven(len(frames))
    splice(path, [Edit(0, tag.end, head + frames)])


def _tag(source: Source) -> Tag | None:
    head = source.file.read(10)
    if len(head) < 10 or head[:3] != b"ID3":
        source.seek(0)
        return None
    version, flags = head[3], head[5]
    if version not in (2, 3, 4):
        raise MalformedError(
            f"its tag is ID3v2.{version}, which is not known", f"其标签版本 ID3v2.{version} 未知"
        )
    size = _from_seven(head[6:])
    data = source.read(size, LARGEST)
    end = source.at + (10 if flags & FOOTER and version == 4 else 0)
    source.seek(end)
    if flags & UNSYNCHRONISED and version < 4:  # from 2.4 on it is each frame's own matter
        data = data.replace(b"\xff\0", b"\xff")
    if flags & EXTENDED and version > 2 and len(data) >= 4:
        data = data[_from_seven(data[:4]) if version == 4 else 4 + int.from_bytes(data[:4]) :]
    return Tag(version, end, list(_frames(data, version, source)))


def _frames(data: bytes, version: int, source: Source) -> Iterator[bytes]:
    head, at = 6 if version == 2 else 10, 0
    while at + head < len(data) and data[at]:
        source.part()
        size = data[at + 3 : at + 6] if version == 2 else data[at + 4 : at + 8]
        length = _from_seven(size) if version == 4 else int.from_bytes(size)
        if at + head + length > len(data) or not length:
            raise broken(at + 10)
        yield data[at : at + head + length]
        at += head + length


def _label(frame: bytes, version: int) -> str | None:
    """What a frame says, if its description is the label's key."""
    name, head = (b"TXX", 6) if version == 2 else (b"TXXX", 10)
    if not frame.startswith(name):
        return None
    body = frame[head:]
    if version == 4 and frame[9] & 0x01:  # a data length stands before it
        body = body[4:]
    if version == 4 and frame[9] & 0x02:
        body = body.replace(b"\xff\0", b"\xff")
    if body[:1] not in (b"\0", b"\1", b"\2", b"\3"):
        return None
    text = body[1:].decode(CODECS[body[0]], "replace").lstrip("\ufeff")
    description, _, value = text.partition("\0")
    return value.strip("\ufeff\0") if description.strip("\ufeff") == KEY else None


def _frame(label: Label, version: int) -> bytes:
    body = b"\0" + KEY.encode() + b"\0" + label.to_json().encode()
    if version == 2:
        return b"TXX" + len(body).to_bytes(3) + body
    size = _seven(len(body)) if version == 4 else len(body).to_bytes(4)
    return b"TXXX" + size + b"\0\0" + body


def _check_sound(source: Source) -> None:
    head = source.read(2)
    if head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        raise not_a("MP3")


def _seven(number: int) -> bytes:
    """A number in four bytes of seven bits."""
    return bytes(number >> shift & 0x7F for shift in (21, 14, 7, 0))


def _from_seven(data: bytes) -> int:
    return sum((byte & 0x7F) << shift for byte, shift in zip(data, (21, 14, 7, 0), strict=True))
