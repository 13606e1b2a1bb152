"""JSON: the label as the first member, AIGC, of the outermost object. RFC 8259. The rest stays as it is written."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from luoxia.provenance.carriers.bounded import MalformedError, Reading, Source, not_a, reading
from luoxia.provenance.carriers.splicing import Edit, splice
from luoxia.provenance.label import KEY, Label

FORMATS = (".json",)
LARGEST = 64 << 20
MARK = "\ufeff"
_BLANK = re.compile(r"[ \t\r\n]*")
# Numbers stay text: long ones would take time that grows with the square of their length.
_DECODER = json.JSONDecoder(parse_int=str, parse_float=str)


@dataclass(frozen=True)
class Member:
    """``start`` to ``end`` is the member with the comma after it, in characters; ``value`` is its text."""

    name: str
    start: int
    end: int
    value: str


def labels(file: BinaryIO) -> Iterator[Reading]:
    text = _read(file)
    if text.startswith("{", _after_blank(text, 0)):
        for member in _members(text):
            if member.name == KEY:
                yield reading(f"JSON member at character {member.start}", member.value)
    else:
        _value(text, _after_blank(text, 0))


def write(path: Path, label: Label) -> None:
    with path.open("rb") as file:
        text = _read(file)
    if not text.startswith("{", _after_blank(text, 0)):
        raise MalformedError(
            "its outermost value is no object, and only an object has a place for the label; put it into one",
            "其最外层的值不是对象，只有对象才有放置标识的位置；请将其放入一个对象",
        )
    members = list(_members(text))
    home = _after_blank(text, 0) + 1
    kept = [member for member in members if member.name != KEY]
    made = f'"{KEY}": {label.to_json()}' + (", " if kept else "")
    pieces, at = [text[:home], made], home
    for member in members:
        if member.name == KEY:
            pieces.append(text[at : member.start])
            at = member.end
    pieces.append(text[at:])
    result = "".join(pieces)
    if members and members[-1].name == KEY and kept:  # the comma before it is left over
        end = result.rindex("}")
        head = result[:end].rstrip(" \t\r\n")
        result = head.removesuffix(",") + result[len(head) : end] + result[end:]
    splice(path, [Edit(0, path.stat().st_size, result.encode())])


def _read(file: BinaryIO) -> str:
    source = Source(file)
    data = source.read(source.size, LARGEST)
    try:
        return data.decode("utf-8").removeprefix(MARK)
    except UnicodeDecodeError as error:
        raise not_a("JSON") from error


def _members(text: str) -> Iterator[Member]:
    """The members of the outermost object. Raises :class:`MalformedError` where the text is no JSON."""
    at = _after_blank(text, _after_blank(text, 0) + 1)
    while not text.startswith("}", at):
        start = at
        if not text.startswith('"', at):
            raise _broken(at)
        name, end = _value(text, at)
        at = _after_blank(text, end)
        if not text.startswith(":", at):
            raise _broken(at)
        begin = _after_blank(text, at + 1)
        _, end = _value(text, begin)
        at = _after_blank(text, end)
        if text.startswith(",", at):
            at = _after_blank(text, at + 1)
            if text.startswith("}", at):
                raise _broken(at)
        elif not text.startswith("}", at):
            raise _broken(at)
        yield Member(name, start, at, text[begin:end])
    if _after_blank(text, at + 1) != len(text):
        raise _broken(at + 1)


def _value(text: str, at: int) -> tuple[Any, int]:
    """The value that begins at ``at``, and where it ends."""
    try:
        return _DECODER.raw_decode(text, at)
    except (ValueError, RecursionError) as error:
        raise _broken(at) from error


def _after_blank(text: str, at: int) -> int:
    found = _BLANK.match(text, at)
    assert found is not None
    return found.end()


def _broken(at: int) -> MalformedError:
    return MalformedError(f"it is no JSON at character {at}", f"第 {at} 个字符处不是 JSON")
