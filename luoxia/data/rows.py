"""Rows of tables that hold documents: JSON lines, a JSON list, CSV, TSV and Parquet, each read as it comes.

A reader takes the pieces of a file's text and gives each row with its number, from 1; in place of a row that cannot be
read, why. Nothing in a table is executed.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import IO, Any

from luoxia.core.language import Text
from luoxia.data import tabular
from luoxia.data.decoding import UndecodableError

KINDS = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".csv": "csv",
    ".tsv": "csv",
    ".parquet": "parquet",
}
FIELDS = ("text", "content", "paragraphs", "body")
LONGEST = 1 << 28  # characters that a row may have

Rows = Iterator[tuple[int, Any]]


def text_of(row: Any, fields: tuple[str, ...]) -> str | Text:
    """The text of a row: the row itself, or its ``fields`` one under the other; why there is none."""
    if isinstance(row, str):
        return row
    if not isinstance(row, dict):
        return Text("it is no text and no object", "既不是文本也不是对象")
    named = fields or next(((name,) for name in FIELDS if row.get(name)), ())
    parts = [_joined(row[name]) for name in named if name in row]
    if not parts:
        has = ", ".join(list(map(str, row))[:8])
        wanted = ", ".join(fields or FIELDS)
        return Text(
            f"it has no {wanted}, but {has}: give --field",
            f"没有 {wanted}，现有 {has}：请给出 --field",
        )
    text = "\n".join(part for part in parts if part)
    return text or Text("its text is empty", "文本为空")


def _joined(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return "\n".join(filter(None, map(_joined, value)))
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else ""


def lines(pieces: Iterable[str]) -> Iterator[str]:
    """Lines by their line feeds alone, which they keep: JSON may hold other ends of lines."""
    waiting: list[str] = []
    size = 0
    for piece in pieces:
        parts = piece.split("\n")
        for part in parts[:-1]:
            waiting.append(part)
            yield "".join(waiting) + "\n"
            waiting, size = [], 0
        waiting.append(parts[-1])
        size += len(parts[-1])
        if size > LONGEST:
            raise UndecodableError(
                f"a line of it is longer than {LONGEST >> 20} million characters",
                f"有一行超过 {LONGEST >> 20} 百万字符",
            )
    if size:
        yield "".join(waiting)


def _json_lines(pieces: Iterable[str]) -> Rows:
    for number, line in enumerate(lines(pieces), 1):
        if line.strip():
            try:
                yield number, json.loads(line)
            except (ValueError, RecursionError) as error:
                detail = getattr(error, "msg", "nested too deeply")
                yield number, Text(f"it is not JSON: {detail}", f"不是 JSON：{detail}")


def _json_list(pieces: Iterable[str]) -> Rows:
    """The elements of a list, or the one value that is none, read one at a time."""
    read, scan = iter(pieces), json.JSONDecoder().raw_decode
    text, at, number, listed = next(read, ""), 0, 0, False
    ended = False
    while True:
        while at < len(text) and text[at] in " \t\r\n\ufeff":
            at += 1
        if at < len(text) and number == 0 and not listed and text[at] == "[":
            listed, at = True, at + 1
            continue
        if at < len(text) and text[at] == "," and number:
            at += 1
            continue
        if at < len(text) and listed and text[at] == "]":
            return
        try:
            if at == len(text):
                raise ValueError("it ends in its middle")
            value, end = scan(text, at)
            if end == len(text) and not ended:  # a number may go on
                raise ValueError("it ends in its middle")
        except (ValueError, RecursionError) as error:
            if ended or len(text) - at > LONGEST or isinstance(error, RecursionError):
                if at == len(text) and not listed and number:
                    return
                detail = getattr(error, "msg", None) or "it ends in its middle or is nested too deeply"
                yield number + 1, Text(f"it is not JSON: {detail}", f"不是 JSON：{detail}")
                return
            more = "".join(islice(read, max(1, (len(text) - at) >> 22)))
            ended, text, at = not more, text[at:] + more, 0
            continue
        number, at = number + 1, end
        yield number, value


def _separated(pieces: Iterable[str]) -> Rows:
    feed = lines(pieces)
    head = next(feed, "")
    csv.field_size_limit(LONGEST)
    reader = csv.reader(_chain(head, feed), delimiter=tabular.separator(head), strict=True)
    names: list[str] = []
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield reader.line_num, Text(f"it is not CSV: {error}", f"不是 CSV：{error}")
            return
        if not names:
            names = [name.strip() for name in row]
        elif row:
            yield reader.line_num, dict(zip(names, row, strict=False))


def _chain(head: str, rest: Iterator[str]) -> Iterator[str]:
    yield head
    yield from rest


def parquet(file: IO[bytes], fields: tuple[str, ...], name: str) -> Rows:
    """Rows of a Parquet file, of their text's columns alone."""

    def of_text(columns: list[str]) -> list[str]:
        return [n for n in fields or FIELDS if n in columns] or columns

    try:
        seekable = file if file.seekable() else io.BytesIO(file.read())
        yield from enumerate(tabular.parquet(seekable, of_text, name), start=1)
    except (tabular.ParquetError, OSError) as error:
        detail = " ".join(str(error).split())[:100]
        raise UndecodableError(f"it is no Parquet: {detail}", f"不是 Parquet：{detail}") from error


READERS: dict[str, Callable[[Iterable[str]], Rows]] = {
    "jsonl": _json_lines,
    "json": _json_list,
    "csv": _separated,
}
