"""Files of examples that users send: checked by being read, kept by their content, the oldest forgotten."""

from __future__ import annotations

import hashlib
import re
import shutil
import unicodedata
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

from luoxia.core.errors import UserError
from luoxia.core.folder import home, write_atomically
from luoxia.core.language import Text
from luoxia.server import sent
from luoxia.server.errors import NotFoundError
from luoxia.server.finetune.asks import FILE, ExamplesRead, Turn
from luoxia.server.schemas import Bilingual

if TYPE_CHECKING:
    from luoxia.data.pairs import Pairs

SUFFIXES = (
    ".jsonl",
    ".ndjson",
    ".json",
    ".csv",
    ".tsv",
)  # Parquet may unpack to anything, and stays off the wire
KEPT = 16  # files that no run needs
SHOWN, CUT = 3, 400  # examples that are shown, and characters of a turn


def place() -> Path:
    return home() / "finetune" / "examples"


def in_base64(text: str) -> bytes:
    """What a user sent. Raises :class:`UserError` for what is no base64, or more than :data:`FILE`."""
    way_out = Text("use `luoxia finetune` for it, or split it", "请改用 `luoxia finetune`，或拆分")
    return sent.in_base64(text, FILE, Text("the file", "文件"), way_out)


def keep(name: str, data: bytes, needed: Collection[str] = ()) -> ExamplesRead:
    """Read the examples and keep the file; those of the ids ``needed`` are not forgotten for it. Raises
    :class:`UserError` that names lines for what is none, and keeps nothing of it."""
    called = plain_name(name)
    id = hashlib.sha256(called.encode() + b"\0" + data).hexdigest()[:16]
    folder = place() / id
    fresh = not folder.exists()
    try:
        with write_atomically(folder / called) as file:
            file.write(data)
        found = _read(folder / called)
    except BaseException:
        if fresh:
            shutil.rmtree(folder, ignore_errors=True)
        raise
    _forget(id, needed)
    return found


def find(id: str) -> Path:
    """The file with that id."""
    folder = place() / id
    files = sorted(folder.glob("*")) if re.fullmatch(r"[0-9a-f]{16}", id) else []
    if not files:
        raise NotFoundError(
            "these examples are not kept any more; send the file again", "这些样例已不再保留；请重新上传"
        )
    return files[0]


def plain_name(name: str) -> str:
    """The name of a file without anything that leads elsewhere or says something to a terminal. Raises
    :class:`UserError` for a kind of file that holds no examples."""
    last = re.split(r"[/\\]", unicodedata.normalize("NFKC", name))[-1]
    stem, dot, suffix = last.rpartition(".")
    suffix = f"{dot}{suffix}".lower()
    if suffix not in SUFFIXES:
        raise UserError(
            f"{last[:60]!r} is no file of examples: give {', '.join(SUFFIXES)}",
            f"{last[:60]!r} 不是样例文件：请给 {'、'.join(SUFFIXES)}",
        )
    kept = re.sub(r"[^\w-]+", "-", stem).strip("-")[:60]
    return f"{kept or 'examples'}{suffix}"


def _read(path: Path) -> ExamplesRead:
    from luoxia.data import pairs

    try:
        found = pairs.read(path)
    except UserError as error:
        raise without_place(error, path) from error
    return ExamplesRead(
        id=path.parent.name,
        name=path.name,
        examples=len(found.conversations),
        fields=list(found.fields.names),
        notes=[Bilingual(en=note.en, zh=note.zh) for note in found.notes],
        first=_first(found),
    )


def without_place(error: UserError, path: Path) -> UserError:
    """The same, but for the folder where the file is kept, which is nobody's business."""
    here = f"{path.parent}/"
    return UserError(error.text.en.replace(here, ""), error.text.zh.replace(here, ""))


def _first(found: Pairs) -> list[list[Turn]]:
    return [
        [Turn(role=m["role"], content=_cut(m["content"])) for m in conversation]
        for conversation in found.conversations[:SHOWN]
    ]


def _cut(text: str) -> str:
    return text if len(text) <= CUT else f"{text[:CUT]} …"


def _forget(newest: str, needed: Collection[str]) -> None:
    folders = [f for f in place().iterdir() if f.name != newest and f.name not in needed]
    for folder in sorted(folders, key=lambda f: f.stat().st_mtime, reverse=True)[KEPT - 1 :]:
        shutil.rmtree(folder, ignore_errors=True)
