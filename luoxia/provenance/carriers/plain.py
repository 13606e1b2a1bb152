"""Plain text, which has no metadata: the label as a line of its own at the end, in the whole form of Annex E."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from luoxia.provenance.carriers.bounded import Reading, Source, reading
from luoxia.provenance.carriers.splicing import Edit, splice
from luoxia.provenance.label import Label

FORMATS = (".txt", ".text")
LARGEST = 64 << 10  # bytes at the end of a text in which labels are looked for


def labels(file: BinaryIO) -> Iterator[Reading]:
    for start, line in reversed(_trailing(file)[1]):
        yield reading(f"line at byte {start}", line.decode("utf-8", "replace"))


def write(path: Path, label: Label) -> None:
    with path.open("rb") as file:
        end, _ = _trailing(file)
        size = file.seek(0, 2)
        file.seek(max(0, end - 1))
        gap = b"" if end == 0 else b"\n" if file.read(1) == b"\n" else b"\n\n"
    splice(path, [Edit(end, size, gap + label.to_annex_json().encode() + b"\n")])


def _trailing(file: BinaryIO) -> tuple[int, list[tuple[int, bytes]]]:
    """Where the text ends, and the lines after it that are meant to be labels, the last one first."""
    source = Source(file)
    start = max(0, source.size - LARGEST)
    source.seek(start)
    data = source.read(source.size - start)
    found: list[tuple[int, bytes]] = []
    while True:
        data = data.rstrip(b" \t\r\n\0")
        at = data.rfind(b"\n") + 1
        line = data[at:].strip()
        # A line whose beginning was not read is part of the text.
        if not line.startswith((b'{"AIGC":', b'{"AIGC" :')) or (at == 0 and start):
            break
        found.append((start + at, line))
        data = data[:at]
    if not found:
        return source.size, []
    return start + len(data) + (1 if data else 0), found
