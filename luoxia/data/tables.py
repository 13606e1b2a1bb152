"""Tables that say what pictures show: CSV, TSV, JSON lines, a JSON list, or Parquet, with a row for each picture.

Known columns are ``file_name`` (or ``image``, ``path``, ``key``), ``caption`` (or ``text``), ``caption_zh``, ``label``,
``url``; in Parquet also the pictures' own bytes, as ``image`` or ``jpg``. A table is data: nothing in it is executed.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from luoxia.core.errors import MalformedFileError
from luoxia.data.tabular import parquet, separator

TABLES = frozenset((".csv", ".tsv", ".jsonl", ".ndjson", ".parquet"))
FILE = ("file_name", "filename", "file", "image_path", "path", "image", "key")
CAPTION = ("caption", "text", "caption_en", "prompt", "description")
CHINESE = ("caption_zh", "text_zh", "zh")
LABEL = ("label", "class")
ADDRESS = ("url", "image_url")
BYTES = ("image", "jpg", "png", "webp", "image_bytes", "bytes")
LONGEST = 65_536  # characters of a caption


@dataclass(frozen=True)
class Row:
    """One picture: ``file`` names it, or ``address``, or ``data`` is it; ``facts`` has "caption", "caption_zh" and
    "label" where they are known."""

    file: str
    address: str
    data: bytes | None
    facts: dict[str, str]


def is_table(name: str) -> bool:
    return Path(name).suffix.lower() in TABLES


def rows(name: str, data: bytes) -> Iterator[Row]:
    """The rows of the table ``name`` whose file holds ``data``; :class:`MalformedFileError` for what is none."""
    suffix = Path(name).suffix.lower()
    try:
        if suffix == ".parquet":
            yield from map(_row, parquet(io.BytesIO(data), _known))
            return
        text = data.decode("utf-8-sig")
        if suffix in (".jsonl", ".ndjson"):
            found = (json.loads(line) for line in text.splitlines() if line.strip())
        elif suffix == ".json":
            found = iter(json.loads(text))
        else:
            found = _separated(text, suffix)
        for fields in found:
            if not isinstance(fields, dict):
                raise TypeError("a row is no object")
            yield _row(fields)
    except (ValueError, TypeError, RecursionError, csv.Error) as error:
        detail = " ".join(str(error).split())[:200]
        raise MalformedFileError(
            f"{name} cannot be read as a table: {detail}", f"无法将 {name} 作为表格读取：{detail}"
        ) from error


def _separated(text: str, suffix: str) -> Iterator[dict[str, Any]]:
    between = "\t" if suffix == ".tsv" else separator(text.split("\n", 1)[0])
    return iter(csv.DictReader(io.StringIO(text, newline=""), delimiter=between, strict=True))


def _known(columns: list[str]) -> list[str]:
    wanted = {*FILE, *CAPTION, *CHINESE, *LABEL, *ADDRESS, *BYTES}
    return [name for name in columns if name in wanted]


def _row(fields: dict[str, Any]) -> Row:
    given = {
        "caption": _text(fields, CAPTION),
        "caption_zh": _text(fields, CHINESE),
        "label": _text(fields, LABEL),
    }
    facts = {name: value for name, value in given.items() if value and len(value) <= LONGEST}
    return Row(_text(fields, FILE), _text(fields, ADDRESS), _bytes(fields), facts)


def _text(fields: dict[str, Any], names: tuple[str, ...]) -> str:
    """The first of the columns that says something; a picture's own bytes may come with its path."""
    for name in names:
        value = fields.get(name)
        if isinstance(value, dict):
            value = value.get("path")
        if isinstance(value, str | int) and not isinstance(value, bool) and str(value).strip():
            return str(value).strip()
    return ""


def _bytes(fields: dict[str, Any]) -> bytes | None:
    for name in BYTES:
        value = fields.get(name)
        if isinstance(value, dict):
            value = value.get("bytes")
        if isinstance(value, bytes) and value:
            return value
    return None
