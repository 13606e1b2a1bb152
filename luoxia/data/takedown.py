"""An item goes out of a prepared set of pictures or texts, and the set is put in its place whole or not at all.

The set without the item is laid down complete beside it as ``NAME.taken-down``, then the two change places by two renames; a
kill between them leaves both, and :func:`mend` finishes what was begun. Items keep their numbers when others go.
"""

from __future__ import annotations

import glob
import itertools
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from luoxia.core.errors import UserError, unreadable
from luoxia.core.folder import home, put_in_place
from luoxia.data import opt_out, prepared, tokens
from luoxia.data.decoding import UndecodableError, decode, fit
from luoxia.data.images import BUILT_IN, ImageSet
from luoxia.data.tokens import TokenSet, TokenWriter

CHUNK = 512  # pictures in memory at a time
ALIKE = 8.0  # grey levels, mean: a file whose nearest picture is farther is none of the set
REPLACED = ".replaced"  # ends the name of the set as it was
LARGEST = 256_000_000  # bytes of a file that an item is shown by


class GoneError(UserError):
    """The item was taken down before."""


@dataclass(frozen=True)
class Found:
    """An item of the set in ``folder``: ``number`` what it is called by, ``place`` where it stands, ``keys`` of the opt-out list;
    ``off`` by how many grey levels, on an average, it is another than the file that was given. ``digests`` of the set so far."""

    folder: Path
    data: str
    number: int
    place: int
    name: str
    keys: tuple[str, ...]
    digests: tuple[str, ...]
    off: float = 0.0

    @property
    def item(self) -> str:
        return f"{self.number} ({self.name})" if self.name else str(self.number)


def folders(data: str) -> list[Path]:
    """Where the set ``data`` lies: in that folder, or, of a built-in one, in all sizes that were drawn here."""
    if data in BUILT_IN:
        own = re.compile(rf"({data}-\d+-v\d+\.data)(\{REPLACED})?")
        names = {match[1] for f in (home() / "data").glob(f"{data}-*") if (match := own.fullmatch(f.name))}
        found = [home() / "data" / name for name in sorted(names)]
        for folder in found:
            mend(folder)
        return found
    path = Path(data).resolve()  # of a link, the folder itself is rewritten
    if path.name:
        mend(path)
    if (path / "data.json").is_file() or (path / tokens.FACTS).is_file():
        return [path]
    raise UserError(
        f"{data} is no prepared set: give a .data or .tokens folder, or {', '.join(BUILT_IN)}",
        f"{data} 不是准备好的数据：请给 .data 或 .tokens 文件夹，或 {'、'.join(BUILT_IN)}",
    )


def find(item: str, folder: Path) -> Found:
    """The item of the set in ``folder`` that is given by number, name, SHA-256, or a file that shows or says it.

    Raises :class:`UserError` where there is none, :class:`GoneError` for one that was taken down before.
    """
    mend(folder)
    if (folder / tokens.FACTS).is_file():
        return _document(item, tokens.read(folder))
    return _picture(item, folder, prepared.read(folder))


def remove(found: Found) -> None:
    """Rewrite the set without the item; it stands on the opt-out list already."""
    folder = found.folder
    with _alone():
        _mend(folder)
        beside = _beside(folder)
        if (folder / tokens.FACTS).is_file():
            _without_document(tokens.read(folder), found.number, beside)
        else:
            without(prepared.read(folder), (found.number,), beside)
        os.replace(folder, _replaced(folder))
        put_in_place(beside, folder)
        shutil.rmtree(_replaced(folder))


def mend(folder: Path) -> None:
    """Finish or undo what a kill left of :func:`remove`."""
    if _rests(folder):
        with _alone():  # a removal under way is no rest
            _mend(folder)


def _mend(folder: Path) -> None:
    beside, replaced = _beside(folder), _replaced(folder)
    if not folder.exists() and replaced.is_dir():
        put_in_place(beside if beside.is_dir() else replaced, folder)
    if folder.is_dir():
        for rest in _rests(folder):
            shutil.rmtree(rest) if rest.is_dir() else rest.unlink()


def _rests(folder: Path) -> list[Path]:
    """What lies beside a set while an item goes out of it, and after a kill."""
    beside = _beside(folder)
    whole = [path for path in (beside, _replaced(folder), _scratch(beside)) if path.exists()]
    return whole + list(folder.parent.glob(f"{glob.escape(beside.name)}.{'[0-9a-f]' * 8}.part"))


def _alone() -> FileLock:
    return FileLock(home() / "takedown.lock")


def honoured(images: ImageSet, folder: Path) -> ImageSet:
    """The built-in set ``images`` just made, written to ``folder`` without what was taken down of it."""
    name, listed = images.name.rsplit("-", 1)[0], opt_out.listed()
    out = [n for n in range(len(images.images)) if opt_out.of_number(name, n) in listed] if listed else []
    made = without(images, tuple(out), folder) if out else prepared.write(folder, images)
    mend(folder)
    return made


def without(images: ImageSet, numbers: tuple[int, ...], folder: Path) -> ImageSet:
    """``images`` without those called by ``numbers``, written to ``folder``."""
    kept = np.flatnonzero(~np.isin(images.numbers, numbers))
    if len(kept) == 0 or not np.setdiff1d(kept, images.held_out).size:
        raise UserError(
            f"{images.name} would have nothing left to train on: remove the set itself",
            f"{images.name} 将没有可用于训练的内容：请删除整个数据",
        )
    scratch = _scratch(folder)
    scratch.parent.mkdir(parents=True, exist_ok=True)
    try:
        pixels = np.lib.format.open_memmap(scratch, "w+", np.uint8, (len(kept), *images.images.shape[1:]))
        for at in range(0, len(kept), CHUNK):
            pixels[at : at + CHUNK] = images.images[kept[at : at + CHUNK]]
        labels = None if images.labels is None else images.labels[kept]
        captions = None if images.captions is None else tuple(images.captions[i] for i in kept)
        held_out = np.flatnonzero(np.isin(kept, images.held_out)).astype(np.int64)
        said = [] if captions is None else [prepared.as_bytes(captions)]
        digest = prepared.digest_of(pixels, held_out, *([] if labels is None else [labels]), *said)
        left = replace(
            images, images=pixels, labels=labels, captions=captions, held_out=held_out, digest=digest,
            items=None if images.items is None else tuple(images.items[i] for i in kept),
            taken_down=tuple(sorted({*images.taken_down, *numbers})), earlier=(*images.earlier, images.digest),
        )  # fmt: skip
        return prepared.write(folder, left)
    finally:
        scratch.unlink(missing_ok=True)


def _picture(item: str, folder: Path, images: ImageSet) -> Found:
    place, off = -1, 0.0
    numbers = images.numbers
    if re.fullmatch(r"#?\d{1,9}", item):
        number = int(item.removeprefix("#"))
        if number in images.taken_down:
            raise _gone(item, images.name)
        place = int(np.searchsorted(numbers, number))
        place = place if place < len(numbers) and numbers[place] == number else -1
    elif images.items is not None and item in images.items:
        place = images.items.index(item)
    elif re.fullmatch(r"[0-9a-fA-F]{64}", item):
        wanted = f"pixels:{item.lower()}"
        place = next((i for i, one in enumerate(images.images) if opt_out.of_pixels(one) == wanted), -1)
    elif (path := _file(item)) is not None:
        place, off = _shown(path, images)
    if place < 0:
        before = {opt_out.of_name(images.name, item), f"pixels:{item.lower()}"} & opt_out.listed()
        raise (_gone if before else _none)(item, images.name)
    number, name = int(numbers[place]), images.items[place] if images.items else ""
    of = images.name.rsplit("-", 1)[0]
    keys = [opt_out.of_pixels(images.images[place])]
    if of in BUILT_IN and folder.parent == home() / "data":
        keys.append(opt_out.of_number(of, number))
    if name:
        keys.append(opt_out.of_name(images.name, name))
    digests = (*images.earlier, images.digest)
    return Found(folder, images.name, number, place, name, tuple(keys), digests, off)


def _file(item: str) -> Path | None:
    """The file that an item is given by, if it is one."""
    try:
        return Path(item) if Path(item).is_file() else None
    except OSError:  # too long for a path
        return None


def _bytes(path: Path) -> bytes:
    try:
        if path.stat().st_size > LARGEST:
            raise UserError(f"{path} is larger than 256 MB", f"{path} 大于 256 MB")
        return path.read_bytes()
    except OSError as error:
        raise unreadable(path, error) from error


def _shown(path: Path, images: ImageSet) -> tuple[int, float]:
    """The place of the picture that a file shows, as it was cut and scaled, and how far they are apart."""
    try:
        seen = fit(decode(_bytes(path)).image, images.size).astype(np.int16)
    except UndecodableError as error:
        raise UserError(f"{path}: {error.text.en}", f"{path}：{error.text.zh}") from error
    best, least = -1, ALIKE
    for at in range(0, len(images.images), CHUNK):
        apart = np.abs(images.images[at : at + CHUNK] - seen).mean((1, 2, 3))
        if apart.min() < least:
            best, least = at + int(apart.argmin()), float(apart.min())
    return best, least


def _document(item: str, corpus: TokenSet) -> Found:
    digests = (*map(str, corpus.facts.get("earlier", ())), corpus.digest)
    number = int(item.removeprefix("#")) if re.fullmatch(r"#?\d{1,9}", item) else None
    path = _file(item)
    key = f"text:{item.lower()}" if path is None else opt_out.of_text(_bytes(path).strip())
    for place, (called, text) in enumerate(_texts(corpus)):
        mine = opt_out.of_text(text)
        if (called == number) if number is not None else (mine == key):
            return Found(corpus.folder, corpus.name, called, place, "", (mine,), digests)
    before = number in _taken_down(corpus) if number is not None else key in opt_out.listed()
    raise (_gone if before else _none)(item, corpus.name)


def _taken_down(corpus: TokenSet) -> list[int]:
    return sorted(map(int, corpus.facts.get("taken_down", ())))


def _numbers(corpus: TokenSet) -> Iterator[int]:
    """What each document is called by: its place when the corpus was made, those to train on first."""
    gone = set(_taken_down(corpus))
    return (number for number in itertools.count() if number not in gone)


def _texts(corpus: TokenSet) -> Iterator[tuple[int, bytes]]:
    """Documents by number, as bytes of UTF-8."""
    tokenizer, numbers = corpus.tokenizer(), _numbers(corpus)
    for split in (corpus.train, corpus.held_out):
        for ids in _documents(split):
            yield next(numbers), tokenizer.decode(ids.tolist()).encode()


def _documents(split: tokens.Split) -> Iterator[NDArray[np.int64]]:
    ends = [*split.documents[1:, 0].tolist(), len(split.tokens)]
    for start, end in zip(split.documents[:, 0].tolist(), ends, strict=True):
        yield split.tokens[start:end].astype(np.int64)


def _without_document(corpus: TokenSet, number: int, folder: Path) -> None:
    told = corpus.facts
    kept = {k: v for k, v in told.items() if k in ("source", "languages", "removed", "options")}
    with TokenWriter(
        folder, corpus.tokenizer(), name=corpus.name, tokenizer_name=str(told["tokenizer"].get("name", ""))
    ) as writer:
        numbers = _numbers(corpus)
        for split, held_out in ((corpus.train, False), (corpus.held_out, True)):
            bounds = np.append(split.documents[:, 1], split.bytes)
            for ids, size in zip(_documents(split), np.diff(bounds).tolist(), strict=True):
                if next(numbers) != number:
                    writer.add(ids, size, held_out=held_out)
        if not writer.counts["train"]["documents"]:
            raise UserError(
                f"{corpus.name} would have nothing left to train on: remove the set itself",
                f"{corpus.name} 将没有可用于训练的内容：请删除整个数据",
            )
        earlier = [*told.get("earlier", ()), corpus.digest]
        gone = sorted({*_taken_down(corpus), number})
        writer.finish(licence=corpus.licence, taken_down=gone, earlier=earlier, **kept)


def _beside(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.taken-down")


def _replaced(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}{REPLACED}")


def _scratch(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.pictures.part")


def _gone(item: str, data: str) -> UserError:
    return GoneError(f"{item[:200]} was taken down from {data} before", f"{item[:200]} 此前已从 {data} 下架")


def _none(item: str, data: str) -> UserError:
    return UserError(
        f"there is no {item[:200]} in {data}: give a number, a name in its source, a SHA-256 of its pixels or text, or a file",
        f"{data} 中没有 {item[:200]}：请给编号、来源中的名称、像素或文本的 SHA-256，或一个文件",
    )
