"""MKV and WebM: the label in a SimpleTag named AIGC (TC260-PG-20257A), found without reading any frame.

RFC 8794; RFC 9559, 5.1.8. :mod:`films` writes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from luoxia.provenance.carriers.bounded import Reading, Source, broken, not_a, reading
from luoxia.provenance.label import KEY

HEAD, SEGMENT, CLUSTER, TAGS = 0x1A45DFA3, 0x18538067, 0x1F43B675, 0x1254C367
TAG, SIMPLE, NAME, STRING = 0x7373, 0x67C8, 0x45A3, 0x4487
DEEPEST = 16


@dataclass(frozen=True)
class Element:
    id: int
    inside: int
    end: int
    is_open: bool


def labels(file: BinaryIO) -> Iterator[Reading]:
    source = Source(file)
    if source.read(4) != HEAD.to_bytes(4):
        raise not_a("MKV")
    for element in _elements(source, 0, source.size):
        if element.id == SEGMENT:
            yield from _segment(source, element)


def _segment(source: Source, segment: Element) -> Iterator[Reading]:
    for element in _elements(source, segment.inside, segment.end):
        if element.id == TAGS:
            for tag in _elements(source, element.inside, element.end):
                if tag.id == TAG:
                    yield from _simple(source, tag, 0)


def _simple(source: Source, within: Element, depth: int) -> Iterator[Reading]:
    """The labels among the tags of an element, which may hold further tags."""
    name = value = b""
    for element in _elements(source, within.inside, within.end):
        if element.id == SIMPLE and depth < DEEPEST:
            yield from _simple(source, element, depth + 1)
        elif element.id in (NAME, STRING):
            source.seek(element.inside)
            data = source.read(element.end - element.inside)
            name, value = (data, value) if element.id == NAME else (name, data)
    if name.rstrip(b"\0").upper() == KEY.encode():
        yield reading(f"Matroska tag {KEY} at byte {within.inside}", value.decode("utf-8", "replace"))


def _elements(source: Source, start: int, end: int) -> Iterator[Element]:
    """Those side by side; one of unknown length that holds frames is entered, since its end is where the next begins."""
    at = start
    while at < end:
        source.part()
        source.seek(at)
        id, id_length = _number(source, 4, keep=True)
        size, size_length = _number(source, 8, keep=False)
        inside = at + id_length + size_length
        is_open = size == (1 << 7 * size_length) - 1
        after = end if is_open else inside + size
        if after > end:
            if end < source.size:
                raise broken(at)
            source.seek(after)  # says where the file is cut short
        yield Element(id, inside, after, is_open)
        at = inside if is_open and id == CLUSTER else after


def _number(source: Source, longest: int, *, keep: bool) -> tuple[int, int]:
    """A number whose first byte tells its length, with that mark or without, and its length in bytes."""
    first = source.read(1)[0]
    length = 9 - first.bit_length()
    if not first or length > longest:
        raise broken(source.at - 1)
    value = first if keep else first & (0xFF >> length)
    return int.from_bytes(bytes([value]) + source.read(length - 1)), length
