"""The documents of a source: a plain text is one, and so is every row of JSON lines, a JSON list, CSV or Parquet.

A document comes in pieces, so that one may be longer than memory. What cannot be read is told by file and line.
"""

from __future__ import annotations

import codecs
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import IO, Any

from luoxia.core.errors import UserError
from luoxia.core.language import Text
from luoxia.data import rows
from luoxia.data.archives import BROKEN, UNPACK, unpacked
from luoxia.data.decoding import UndecodableError
from luoxia.data.encodings import detect
from luoxia.data.items import Item
from luoxia.data.sources import Source

PLAIN = frozenset((".txt", ".text", ".md", ".markdown", ".mdown", ".rst", ".asc", ""))
PIECE = 1 << 22  # bytes that are read at once
NOTES = 200  # of one kind are kept with their names
LICENCES = ("license", "licence", "copying")
PARTS = {  # names of folders and files that say what a document is for
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("test", "val", "valid", "validation", "held-out", "held_out", "heldout"), "held out"),
}


@dataclass(frozen=True)
class Document:
    """``row`` counts from 1 in a file of many documents and is 0 for a file that is one; ``part`` is "train" or "held out"
    where the folder or the file is named so."""

    file: int
    row: int
    part: str
    pieces: Iterable[str]


@dataclass
class Log:
    """What was met on the way. ``files`` are names by number; ``left_out`` counts by kind, ``notes`` are the first of each
    with their reasons; ``encodings`` counts files, ``foreign`` names those that are not UTF-8."""

    files: list[str] = field(default_factory=list)
    kinds: Counter[str] = field(default_factory=Counter)
    others: Counter[str] = field(default_factory=Counter)
    encodings: Counter[str] = field(default_factory=Counter)
    foreign: list[tuple[str, str]] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    notes: dict[str, list[tuple[str, Text]]] = field(default_factory=dict)
    licences: list[str] = field(default_factory=list)
    done: int = 0  # bytes of files that are read ...
    reading: int = 0  # ... and of the one at hand

    def leave_out(self, kind: str, name: str, why: Text) -> None:
        self.left_out[kind] += 1
        some = self.notes.setdefault(kind, [])
        if len(some) < NOTES:
            some.append((name, why))


def documents(source: Source, fields: tuple[str, ...], log: Log) -> Iterator[Document]:
    """Every document of ``source`` in its order; the pieces of one have to be read before the next.

    ``fields`` are the columns that make up a row's text, one under the other; the first of :data:`rows.FIELDS` unless given.
    Reading pieces raises :class:`UndecodableError` where a file breaks in its middle.
    """
    for item in source.items():
        name = f"{item.archive}:{item.name}" if item.archive else item.name
        kind = _kind(item.name)
        path = PurePosixPath(item.name)
        if path.stem.lower() in LICENCES and kind == "plain":
            log.licences += _licence(item)
        elif kind is None:
            log.others[path.suffix.lower() or path.name] += 1
        else:
            log.files.append(name)
            log.kinds[kind] += 1
            try:
                yield from _read(item, kind, fields, log)
            except UndecodableError as error:
                log.leave_out("unreadable", name, error.text)
            except BROKEN as error:
                log.leave_out("unreadable", name, _cut_short(error).text)
        log.done, log.reading = log.done + item.size, 0


def is_text(name: str) -> bool:
    """Whether a file of this name is read as text."""
    return _kind(name) is not None


def _kind(name: str) -> str | None:
    path = PurePosixPath(name.lower())
    if any(path.suffix in ends for ends in UNPACK):
        path = path.with_suffix("")
        if not path.suffix:
            return None
    return "plain" if path.suffix in PLAIN else rows.KINDS.get(path.suffix)


def _part(name: str) -> str:
    path = PurePosixPath(name.lower())
    for part in (*path.parts[:-1], path.name.split(".")[0]):
        if part in PARTS:
            return PARTS[part]
    return ""


def _read(item: Item, kind: str, fields: tuple[str, ...], log: Log) -> Iterator[Document]:
    place, part = len(log.files) - 1, _part(item.name)
    with item.stream() as raw:
        file = unpacked(item.name, raw, item.size)
        if kind == "parquet":
            found: Iterator[tuple[int, Any]] = rows.parquet(raw, fields, log.files[place])
        else:
            pieces = _pieces(file, item.size, log, place)
            if kind == "plain":
                yield Document(place, 0, part, pieces)
                return
            found = rows.READERS[kind](pieces)
        for number, row in found:
            text = row if isinstance(row, Text) else rows.text_of(row, fields)
            if isinstance(text, Text):
                log.leave_out("row", f"{log.files[place]}:{number}", text)
            else:
                yield Document(place, number, part, (text,))


def _pieces(file: IO[bytes], size: int, log: Log, place: int) -> Iterator[str]:
    """The text of a file, decoded; raises :class:`UndecodableError` where it is none."""
    head = _filled(file, PIECE)
    whole = len(head) < PIECE
    name = detect(head, whole=whole)
    log.encodings[name] += 1
    if name not in ("utf-8", "utf-8-sig") and len(log.foreign) < NOTES:
        log.foreign.append((log.files[place], name))
    decoder = codecs.getincrementaldecoder(name)("replace")
    log.reading = min(len(head), size)
    yield decoder.decode(head, final=whole)
    while not whole:
        data = _filled(file, PIECE)
        whole = len(data) < PIECE
        log.reading = min(log.reading + len(data), size)
        if b"\0" in data and not name.startswith("utf-16") and not name.startswith("utf-32"):
            raise UndecodableError("it turns binary after its beginning", "开头之后变为二进制")
        yield decoder.decode(data, final=whole)


def _filled(file: IO[bytes], size: int) -> bytes:
    """``size`` bytes, fewer at the end alone: a stream may give less than it is asked for."""
    parts, left = [], size
    while left:
        try:
            data = file.read(left)
        except BROKEN as error:
            raise _cut_short(error) from error
        if not data:
            break
        parts.append(data)
        left -= len(data)
    return b"".join(parts)


def _cut_short(error: Exception) -> UndecodableError:
    detail = " ".join(str(error).split())[:100]
    return UndecodableError(f"it cannot be unpacked: {detail}", f"无法解压：{detail}")


def _licence(item: Item) -> list[str]:
    """The first lines of a licence's file: its name and whose it is."""
    try:
        data = item.read()
        text = data.decode(detect(data, whole=True), "replace")
    except UserError:
        return []
    lines = [" ".join(line.split()) for line in text.splitlines() if line.strip()]
    owner = next((line for line in lines[1:12] if line.lower().startswith("copyright")), "")
    return ["; ".join(filter(None, (lines[0][:120], owner[:120])))] if lines else []
