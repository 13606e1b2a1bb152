"""Whether what is about to leave is a copy of what its model learned from: the nearest training pictures, the longest
passages in common, looked up in the index that lies with the model.

A sheet is judged by its pictures, which its record says how to find. Where a model has no index, the record says that
nothing could be looked up.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from luoxia.core.errors import MalformedFileError
from luoxia.core.language import Text
from luoxia.data.attribution import read as attributed
from luoxia.weights import originals as files
from luoxia.workspace.encoding import Content
from luoxia.workspace.learned import folder_of_used
from luoxia.workspace.made_from import MadeFrom, ModelUsed
from luoxia.workspace.sheets import cells

TOLD = 8  # copies that a record names
MOST = 256  # pictures of a sheet that are looked at
HELPERS = ("clip", "dvae", "upscaler", "ranks")  # roles of models that show nothing of their own
AGAIN = 2  # whole lines of poems of before that are no chance where the poems are not here


@dataclass(frozen=True)
class Near:
    """A training item that something comes near: ``what`` of it as in "picture 3", ``item`` of data set ``data``, whose it
    is, and how near: of pictures the score by its bound, of texts the bytes in common."""

    what: str
    data: str
    item: str
    source: str
    licence: str
    author: str
    nearness: float
    passage: str = ""

    def to_json(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if value != ""}

    @property
    def text(self) -> Text:
        whose = self.source or self.author
        return Text(
            f"{self.what} comes near {self.item} of {self.data}: {whose}",
            f"{self.what} 与 {self.data} 的 {self.item} 相近：{whose}",
        )


@dataclass(frozen=True)
class Judgement:
    """``near`` are the copies, ``looked_up`` the models that have an index, ``unknown`` those that have none and why."""

    near: tuple[Near, ...] = ()
    looked_up: tuple[str, ...] = ()
    unknown: tuple[tuple[str, str], ...] = ()

    def to_json(self) -> dict[str, Any]:
        """What the record keeps; {} where no model took part."""
        told: dict[str, Any] = {}
        if self.near:
            told["near"] = [one.to_json() for one in self.near[:TOLD]]
            told["count"] = len(self.near)
        if self.looked_up:
            told["looked_up"] = list(self.looked_up)
        if self.unknown:
            told["not_looked_up"] = dict(self.unknown)
        return told


def judge(content: Content, made_from: MadeFrom) -> Judgement:
    """Look ``content`` up, before any mark, for each model that it shows something of."""
    near, looked_up, unknown = list[Near](), list[str](), list[tuple[str, str]]()
    for model in made_from.models:
        if model.role in HELPERS:
            continue
        found = _looked_up(content, made_from, model)
        if isinstance(found, str):
            unknown.append((model.id, found))
        else:
            looked_up.append(model.id)
            near += found
    return Judgement(tuple(near), tuple(looked_up), tuple(unknown))


def _looked_up(content: Content, made_from: MadeFrom, model: ModelUsed) -> list[Near] | str:
    """What comes near, or why that is not known."""
    folder = folder_of_used(model)
    try:
        if made_from.command.startswith("poem") and isinstance(content, str):
            return _poems(content, folder)
        if folder is None:
            return "the model's folder is not known"
        if isinstance(content, str) and made_from.kind == "text" and (folder / files.TEXTS).is_file():
            return _passages(content, folder)
        if isinstance(content, np.ndarray) and (folder / files.PICTURES).is_file():
            return _pictures(content, made_from, folder)
    except MalformedFileError as error:
        return error.text.en
    if files.is_there(folder):
        return "content of this kind is not looked up"
    return "the model has no index of what it learned from"


_KEPT: dict[Path, tuple[int, Any]] = {}  # indexes that were read, by their files and when those were written


def _index(folder: Path, name: str) -> Any:
    from luoxia.evaluate import originals, text_originals

    path = folder / name
    written = path.stat().st_mtime_ns
    if _KEPT.get(path, (0,))[0] != written:
        read = originals.read if name == files.PICTURES else text_originals.read
        _KEPT[path] = (written, read(folder))
    return _KEPT[path][1]


def _pictures(sheet: NDArray[np.uint8], made_from: MadeFrom, folder: Path) -> list[Near]:
    index = _index(folder, files.PICTURES)
    pictures = cells(sheet, made_from.parameters)[:MOST]
    found = []
    for number, one in enumerate(index.nearest(np.stack(pictures).transpose(0, 3, 1, 2))):
        if one.near:
            whose = attributed(one.source)
            what = "the picture" if len(pictures) == 1 else f"picture {number + 1}"
            item = f"picture {one.item}"
            data, score = str(index.told.get("data", "?")), round(one.score, 3)
            found.append(Near(what, data, item, one.source[:600], whose.licence, whose.author, score))
    return found


def _passages(text: str, folder: Path) -> list[Near]:
    index = _index(folder, files.TEXTS)
    one = index.longest(text)
    if one.length < index.bound:
        return []
    lines = index.told["sources"]
    whose = attributed("; ".join(lines))
    item = f"document {one.document}"
    return [
        Near("the text", str(index.told.get("data", "?")), item, "; ".join(lines)[:600], whose.licence, whose.author,
             float(one.length), one.text[:200])
    ]  # fmt: skip


_LINE = re.compile(r"[^，。！？；：、\s]+")


def _poems(text: str, folder: Path | None) -> list[Near] | str:
    """Lines of poems that there were before: by the poems themselves where they are here, else by the model's index."""
    from luoxia.data.verse import originals, package
    from luoxia.data.verse.line_index import LineIndex
    from luoxia.weights.verse_folder import LINES

    here, found = originals.here(), list[Near]()
    beside = folder / LINES if folder else None
    if here is None and (beside is None or not beside.is_file()):
        return "the poems of before are not here; `luoxia data get verse` brings them"
    index = None if here is not None or beside is None else LineIndex.from_bytes(beside.read_bytes())
    licence = attributed(package.LICENCE).licence
    for number, poem in enumerate(text.split("\n\n")):
        lines = _LINE.findall(poem.partition("\n")[2])
        what = f"poem {number + 1}"
        if here is not None:
            one = here.nearest("".join(lines))
            if one is not None and any(line in one.run for line in lines if len(line) >= 5):
                item = f"《{one.title}》"
                length = float(len(one.run))
                found.append(Near(what, "verse", item, package.LICENCE, licence, one.author, length, one.run))
        elif index is not None:
            again = [line for line in lines if line in index]
            if len(again) >= AGAIN:
                found.append(
                    Near(what, "verse", "", package.LICENCE, licence, "", float(len(again)), "，".join(again))
                )
    return found
