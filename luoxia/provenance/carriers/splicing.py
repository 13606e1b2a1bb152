"""Some bytes of a file replaced, the rest copied as it is, at any size."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

CHUNK = 1 << 20


@dataclass(frozen=True)
class Edit:
    """Bytes from ``start`` to before ``end`` give way to ``new``."""

    start: int
    end: int
    new: bytes


def splice(path: Path, edits: Sequence[Edit]) -> None:
    """Apply ``edits``, which do not overlap, to the file at ``path``; on failure it stays as it was."""
    beside = path.with_name(f"{path.name}.spliced")
    try:
        with path.open("rb") as old, beside.open("xb") as new:
            at = 0
            for edit in sorted(edits, key=lambda edit: (edit.start, edit.end)):
                assert at <= edit.start <= edit.end, "edits overlap"
                _copy(old, new, edit.start - at)
                new.write(edit.new)
                old.seek(edit.end)
                at = edit.end
            shutil.copyfileobj(old, new, CHUNK)
        shutil.copymode(path, beside)
        os.replace(beside, path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def spliced(data: bytes, edits: Sequence[Edit]) -> bytes:
    """The same for bytes in memory."""
    pieces, at = [], 0
    for edit in sorted(edits, key=lambda edit: (edit.start, edit.end)):
        assert at <= edit.start <= edit.end, "edits overlap"
        pieces += [data[at : edit.start], edit.new]
        at = edit.end
    return b"".join([*pieces, data[at:]])


def _copy(old: BinaryIO, new: BinaryIO, count: int) -> None:
    while count:
        data = old.read(min(CHUNK, count))
        assert data, "the file changed while it was copied"
        new.write(data)
        count -= len(data)
