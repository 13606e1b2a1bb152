"""Markdown: the label as a mapping AIGC in the front matter (TC260-PG-20258A).

Front matter is YAML between lines of three dashes. Only the one mapping is understood here, as programs write it: a
line for each field, the value bare or in quotes. Nothing of YAML's types, anchors or tags is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import BinaryIO

from luoxia.provenance.carriers.bounded import Reading, Source
from luoxia.provenance.carriers.splicing import Edit, splice
from luoxia.provenance.label import KEY, NAMES, Label, LabelError

FORMATS = (".md", ".markdown")
LARGEST = 64 << 10  # bytes of front matter
MARK = b"\xef\xbb\xbf"  # of the encoding
_FENCE = re.compile(rb"---[ \t]*\r?\n")
_END = re.compile(rb"(?m)^(?:---|\.\.\.)[ \t]*\r?$")
_MAPPING = re.compile(rb"(?m)^(['\"]?)AIGC\1[ \t]*:[^\n]*(?:\n|\Z)(?:(?:[ \t][^\n]*|[ \t]*\r?)(?:\n|\Z))*")
_LINE = re.compile(r"[ \t]+(['\"]?)(\w{1,40})\1[ \t]*:[ \t]+(.*?)[ \t]*\Z")


def labels(file: BinaryIO) -> Iterator[Reading]:
    matter, start = _front_matter(file)
    for found in _MAPPING.finditer(matter or b""):
        where = f"Markdown front matter at byte {start + found.start()}"
        try:
            yield Reading(where, _parsed(found[0].decode("utf-8", "replace")))
        except LabelError as error:
            yield Reading(where, None, error.text)


def write(path: Path, label: Label) -> None:
    with path.open("rb") as file:
        matter, start = _front_matter(file)
    block = _block(label).encode()
    if matter is None:
        splice(path, [Edit(start, start, b"---\n" + block + b"---\n\n")])
        return
    old = [Edit(start + found.start(), start + found.end(), b"") for found in _MAPPING.finditer(matter)]
    splice(path, [Edit(start, start, block), *old])


def _block(label: Label) -> str:
    values = asdict(label)
    lines = [f"  {name}: '{values[field].replace(chr(39), chr(39) * 2)}'" for field, name in NAMES.items()]
    return "\n".join([f"{KEY}:", *lines, ""])


def _front_matter(file: BinaryIO) -> tuple[bytes | None, int]:
    """What stands between the dashes, if anything does, and where it begins."""
    source = Source(file)
    data = source.file.read(LARGEST)
    begin = len(MARK) if data.startswith(MARK) else 0
    fence = _FENCE.match(data, begin)
    end = _END.search(data, fence.end()) if fence else None
    if fence is None or end is None:
        return None, begin
    return data[fence.end() : end.start()], fence.end()


def _parsed(block: str) -> Label:
    head, *lines = block.replace("\r", "").split("\n")
    inline = head.partition(":")[2].strip()
    if inline:
        return Label.parse(_value(inline) if inline[0] in "'\"" else inline)
    values: dict[str, str] = {}
    for line in lines:
        found = _LINE.match(line) or _LINE.match(f"{line} ")
        if not line.strip():
            continue
        if found is None or found[2] in values:
            raise LabelError(
                f"the label has a line {line.strip()[:40]!r}", f"标识中有一行 {line.strip()[:40]!r}"
            )
        values[found[2]] = _value(found[3])
    return Label.from_object(dict.fromkeys(("ReservedCode1", "ReservedCode2"), "") | values)


def _value(text: str) -> str:
    if text.startswith("'") and text.endswith("'") and len(text) > 1:
        return text[1:-1].replace("''", "'")
    if text.startswith('"'):
        try:
            value = json.loads(text)
        except ValueError:
            value = None
        if isinstance(value, str):
            return value
        raise LabelError("the label has a broken string", "标识中有损坏的字符串")
    return text
