"""Examples of how to answer, from a file: JSON lines, a JSON list, CSV, TSV or Parquet, an example a row.

A row has a question and its answer under one of the names in ``pair_fields.PAIRS``, or ``messages`` as OpenAI's format has
them, or ``text``. Which were taken is said; rows that lack theirs are told by line, all at once.
"""

from __future__ import annotations

import codecs
import csv
import hashlib
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from luoxia.core.errors import UserError, unreadable
from luoxia.core.language import Text
from luoxia.data.pair_fields import PAIRS, Conversation, Fields, RowError
from luoxia.data.tabular import ParquetError, parquet, separator

LARGEST = 1 << 30  # bytes of a file of pairs
TOLD = 8  # lines that a refusal names
SUFFIXES = (".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".parquet")


@dataclass(frozen=True)
class Pairs:
    """``conversations`` in the order of the file and the ``lines`` they stand on; ``digest`` is the SHA-256 of the file."""

    name: str
    conversations: tuple[Conversation, ...]
    lines: tuple[int, ...]
    fields: Fields
    digest: str
    notes: tuple[Text, ...] = ()


def read(path: str | Path) -> Pairs:
    """The examples in the file ``path``. Raises :class:`UserError` for what is none, naming lines."""
    path = Path(path)
    if path.suffix.lower() not in SUFFIXES:
        raise UserError(
            f"{path} is no file of examples: give {', '.join(SUFFIXES)}",
            f"{path} 不是样例文件：请给 {'、'.join(SUFFIXES)}",
        )
    try:
        if path.stat().st_size > LARGEST:
            raise UserError(f"{path} is larger than 1 GB: split it", f"{path} 大于 1 GB：请拆分")
        data = path.read_bytes()
    except OSError as error:
        raise unreadable(path, error) from error
    notes: list[Text] = []
    rows = list(_rows(path, data, notes))
    if not rows:
        raise UserError(f"{path} has no examples in it", f"{path} 中没有样例")
    fields = Fields.of(set(rows[0][1]))
    if fields is None:
        found, known = ", ".join(list(rows[0][1])[:8]) or "-", ", ".join("/".join(pair) for pair in PAIRS[:4])
        raise UserError(
            f"{path}:{rows[0][0]} has the fields {found}; an example has {known}, messages or text",
            f"{path}:{rows[0][0]} 的字段为 {found}；样例应含 {known}、messages 或 text",
        )
    conversations, lines, refused = [], [], []
    for line, row in rows:
        try:
            conversations.append(fields.conversation(row))
            lines.append(line)
        except RowError as error:
            refused.append((line, error))
    if refused:
        raise _refusal(path, fields, refused, len(rows))
    names = " + ".join(fields.names)
    notes.insert(0, Text(f"{len(rows)} examples, from {names}", f"共 {len(rows)} 个样例，取自 {names}"))
    digest = hashlib.sha256(data).hexdigest()
    return Pairs(path.name, tuple(conversations), tuple(lines), fields, digest, tuple(notes))


def _refusal(path: Path, fields: Fields, refused: list[tuple[int, RowError]], total: int) -> UserError:
    some = refused[:TOLD]
    more = len(refused) - len(some)
    en = "; ".join(f"line {line}: {error.en}" for line, error in some) + (
        f"; and {more} more" if more else ""
    )
    zh = "；".join(f"第 {line} 行：{error.zh}" for line, error in some) + (
        f"；另有 {more} 处" if more else ""
    )
    names = " + ".join(fields.names)
    return UserError(
        f"{path}: {len(refused)} of {total} examples lack what the others have ({names}): {en}",
        f"{path}：{total} 个样例中有 {len(refused)} 个不完整（应有 {names}）：{zh}",
    )


def _rows(path: Path, data: bytes, notes: list[Text]) -> Iterator[tuple[int, dict[str, Any]]]:
    """Rows with the lines they begin on; of Parquet and a JSON list, their number."""
    suffix = path.suffix.lower()
    if suffix == ".parquet":
        yield from enumerate(_parquet(path, data), start=1)
        return
    text = _decoded(path, data, notes)
    if suffix == ".json":
        rows = _json(path, text, 1)
        if not isinstance(rows, list):
            raise UserError(f"{path} holds no list of examples", f"{path} 不是样例列表")
        yield from ((n, _object(path, n, row)) for n, row in enumerate(rows, start=1))
    elif suffix in (".csv", ".tsv"):
        yield from _separated(path, text, suffix)
    else:
        for n, line in enumerate(text.split("\n"), start=1):
            if line.strip():
                yield n, _object(path, n, _json(path, line, n))


def _json(path: Path, text: str, line: int) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        at = line + getattr(error, "lineno", 1) - 1
        reason = getattr(error, "msg", "nested too deeply")
        raise UserError(f"{path}:{at}: not JSON ({reason})", f"{path}:{at}：不是 JSON（{reason}）") from error


def _object(path: Path, line: int, row: Any) -> dict[str, Any]:
    if isinstance(row, dict):
        return row
    raise UserError(f"{path}:{line}: an example is an object", f"{path}:{line}：样例应为对象")


def _separated(path: Path, text: str, suffix: str) -> Iterator[tuple[int, dict[str, Any]]]:
    between = "\t" if suffix == ".tsv" else separator(text.split("\n", 1)[0])
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=between, strict=True)
    before = 1
    try:
        for row in reader:
            extra = row.pop(None, None)  # type: ignore[call-overload]
            if extra is not None:
                raise UserError(
                    f"{path}:{before + 1}: more columns than the heading names",
                    f"{path}:{before + 1}：列数多于表头",
                )
            yield before + 1, row
            before = reader.line_num
    except csv.Error as error:
        raise UserError(
            f"{path}:{reader.line_num}: not CSV ({error})", f"{path}:{reader.line_num}：不是 CSV（{error}）"
        ) from error


def _parquet(path: Path, data: bytes) -> list[dict[str, Any]]:
    try:
        return list(parquet(io.BytesIO(data), lambda columns: columns))
    except ParquetError as error:
        detail = str(error)[:200]
        raise UserError(f"{path} is no Parquet: {detail}", f"{path} 不是 Parquet：{detail}") from error


def _decoded(path: Path, data: bytes, notes: list[Text]) -> str:
    """The text, whatever usual encoding it is in; one that is not UTF-8 is said."""
    if data[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        tries = ("utf-16",)
    elif b"\0" in data[:4096]:
        raise UserError(f"{path} is a binary file, not text", f"{path} 是二进制文件，不是文本")
    else:
        tries = ("utf-8-sig", "gb18030")
    for name in tries:
        try:
            text = data.decode(name)
        except UnicodeDecodeError:
            continue
        if not name.startswith("utf-8"):
            notes.append(Text(f"{path.name} was read as {name}", f"{path.name} 按 {name} 编码读取"))
        return text
    raise UserError(
        f"{path} is in no encoding that is known here; convert it to UTF-8",
        f"{path} 的编码无法识别；请转换为 UTF-8",
    )
