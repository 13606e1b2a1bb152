"""What was taken down on this machine, so that it does not come back when a set is prepared or drawn again.

One file of JSON lines in Luoxia's folder, rewritten whole. An item is known by every key that it may come back under: its
number in a built-in set, its name in a source, the SHA-256 of its pixels as they were prepared, of its text as it was cleaned.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from luoxia.core.errors import UserError
from luoxia.core.folder import home, write_atomically
from luoxia.core.language import Text

WHY = Text("it was taken down on this machine", "已在本机下架")
LARGEST = 1 << 26  # bytes of the list


def place() -> Path:
    """Where the list lies."""
    return home() / "opt-out.jsonl"


def of_pixels(pixels: NDArray[np.uint8]) -> str:
    """The key of a picture (C, H, W) as it stands in a set; one channel is as three alike."""
    whole = np.broadcast_to(pixels, (3, *pixels.shape[1:]))
    return f"pixels:{hashlib.sha256(np.ascontiguousarray(whole).tobytes()).hexdigest()}"


def of_text(text: bytes) -> str:
    """The key of a document as it was cleaned, in UTF-8."""
    return of_text_digest(hashlib.sha256(text).digest())


def of_text_digest(digest: bytes) -> str:
    return f"text:{digest.hex()}"


def of_number(data: str, number: int) -> str:
    """The key of a picture of a built-in set, whatever its size."""
    return f"number:{data}:{number}"


def of_name(data: str, name: str) -> str:
    """The key of an item that has a name in its source."""
    return f"name:{data}:{name}"


def listed() -> frozenset[str]:
    """All keys of what was taken down. Raises :class:`UserError` for a list that cannot be understood: what somebody asked to
    be left out is not let in by a guess."""
    path = place()
    try:
        status = path.stat()
    except FileNotFoundError:
        return frozenset()
    return _read(path, status.st_mtime_ns, status.st_size)


@lru_cache(1)
def _read(path: Path, _written: int, size: int) -> frozenset[str]:
    try:
        if size > LARGEST:
            raise ValueError("too large")
        rows = [json.loads(line) for line in path.read_bytes().split(b"\n") if line]
        return frozenset(str(key) for row in rows for key in row["keys"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise UserError(
            f"{path}, the list of what was taken down, cannot be read ({error}); mend it or restore it from a copy",
            f"下架清单 {path} 无法读取（{error}）；请修复或从备份恢复",
        ) from error


def note(data: str, item: str, keys: Iterable[str], at: str) -> None:
    """Put an item on the list; once is enough."""
    keys, path = sorted(keys), place()
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{path}.lock"):
        if listed().issuperset(keys):
            return
        before = path.read_bytes() if path.exists() else b""
        row = {"data": data, "item": item, "at": at, "keys": keys}
        with write_atomically(path) as file:
            file.write(before + json.dumps(row, ensure_ascii=False).encode() + b"\n")
