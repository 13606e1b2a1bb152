"""What is said of pictures: texts that lie beside them, and tables that name them.

``NAME.txt`` is a caption, ``NAME.zh.txt`` one in Chinese, ``NAME.cls`` a class; ``NAME.json`` has "caption",
"caption_zh" and "label". A table has a row for each picture (:mod:`luoxia.data.tables`). What lies beside goes first.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import PurePosixPath

from luoxia.core.errors import UserError
from luoxia.core.language import Text
from luoxia.data.decoding import UndecodableError
from luoxia.data.items import MEMBER, Item
from luoxia.data.sources import TEXT
from luoxia.data.tables import Row, is_table, rows

FACTS = ("caption", "caption_zh", "label")


class Texts:
    """Collects texts while a source is walked over, and knows at its end which belong to a picture."""

    def __init__(self) -> None:
        self._beside = dict[tuple[str, str], dict[str, str]]()  # by archive and stem
        self._rows = dict[tuple[str, str], dict[str, str]]()  # by archive and name
        self._unused = set[tuple[str, str]]()

    def note(self, item: Item) -> Text | None:
        """Read a text or a table; why it cannot be read, where it is a table that cannot."""
        suffix = PurePosixPath(item.name).suffix.lower()
        table = is_table(item.name)
        if item.size > (MEMBER if table or suffix == ".json" else TEXT):
            return Text("it is too large for a table", "表格过大") if table else None
        try:
            data = item.read()
        except UndecodableError as error:
            return error.text if table else None
        if table or (suffix == ".json" and data.lstrip()[:1] == b"["):
            return self._table(item, data)
        if len(data) <= TEXT:
            self._text(item, suffix, data.decode("utf-8", "replace").strip())
        return None

    def of(self, archive: str, name: str) -> dict[str, str]:
        """What is known of the picture ``name``."""
        beside = self._beside.get((archive, stem(name)), {})
        for key in ((archive, name), (archive, stem(name))):
            if key in self._rows:
                self._unused.discard(key)
                return {**self._rows[key], **beside}
        return beside

    def absent(self) -> list[str]:
        """Names in tables that no picture had, sorted."""
        return sorted(name for _, name in self._unused)

    def _table(self, item: Item, data: bytes) -> Text | None:
        try:
            found: Iterable[Row] = list(rows(item.name, data))
        except UserError as error:
            return error.text
        folder = PurePosixPath(item.name).parent
        for row in found:
            if row.file:
                name = _inside(folder, row.file, PurePosixPath(item.name).stem)
                self._rows[item.archive, name] = row.facts
                if PurePosixPath(name).suffix:  # a bare key may belong to another shard
                    self._unused.add((item.archive, name))
        return None

    def _text(self, item: Item, suffix: str, text: str) -> None:
        found = self._beside.setdefault((item.archive, stem(item.name)), {})
        if suffix == ".txt":
            chinese = item.name.lower().endswith((".zh.txt", ".zh-cn.txt"))
            found["caption_zh" if chinese else "caption"] = text
        elif suffix == ".cls":
            found["label"] = text
        else:
            try:
                facts = json.loads(text)
            except (ValueError, RecursionError):
                return
            if isinstance(facts, dict):
                for key in FACTS:
                    if isinstance(facts.get(key), str | int):
                        found[key] = str(facts[key])


def _inside(folder: PurePosixPath, name: str, table: str) -> str:
    """A row's file as a name in the source; ``pets/1.png`` in ``pets.csv`` beside the folder ``pets`` is ``1.png``."""
    path = PurePosixPath(name.replace("\\", "/"))
    if folder == PurePosixPath(".") and path.parts[:1] == (table,):
        path = PurePosixPath(*path.parts[1:])
    return (folder / path).as_posix()


def stem(name: str) -> str:
    """A sample's key: WebDataset's samples, and a picture with its texts, share the path up to the first dot."""
    path = PurePosixPath(name)
    return str(path.with_name(path.name.split(".")[0] or path.name))
