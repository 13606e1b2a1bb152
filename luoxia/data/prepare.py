"""A user's pictures become a set that can be trained on: surveyed, split, and written with what was found.

Held out is what the source's own folders say (``train/`` beside ``test/`` or ``val/``), else a twentieth chosen by
content, so that a picture keeps its side when others come or go. Pictures that show the same are always on one side.
"""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from luoxia.core.errors import UserError
from luoxia.core.folder import home
from luoxia.core.language import Text
from luoxia.core.progress import Progress, bar
from luoxia.data import duplicates, prepared
from luoxia.data.faces import FaceFinder
from luoxia.data.findings import Examination
from luoxia.data.images import ImageSet
from luoxia.data.sources import Source, find
from luoxia.data.survey import Framing, LeftOut, Seen, Survey, first_size, keep, survey

LEAST = 8  # pictures: fewer are no set
SHARE = 20  # one in so many is held out
SIZES = (8, 1024)
PORTRAIT = 64  # pixels of a portrait unless the user says
VERSION = 2  # of how pictures are decoded and split: a newer one prepares again


def examine(
    place: str,
    scratch: Path,
    *,
    size: int | None = None,
    trim: bool = False,
    faces: bool = False,
    fetch: bool = False,
    threads: int = 2,
    progress: Progress = lambda _: None,
) -> Examination:
    """What there is at ``place``, looked at in ``size`` pixels (64 unless given). Nothing but ``scratch`` is written."""
    framing = _framing(size or 64, trim, faces)
    made = survey(find(place, fetch=fetch), framing, scratch, threads=threads, progress=progress)
    return Examination(made, duplicates.near(made.pictures), framing.cuts)


def prepare(
    place: str,
    folder: Path,
    *,
    size: int | None = None,
    trim: bool = False,
    faces: bool = False,
    licence: str = "",
    captioned: bool = False,
    fetch: bool = False,
    threads: int = 2,
    progress: Progress = lambda _: None,
) -> tuple[ImageSet, Examination]:
    """Write the pictures at ``place`` as the set ``folder``; with ``faces``, the portraits in them, aligned.

    Without ``size`` they must all be square and of one size; portraits are of 64 pixels then. ``captioned`` leaves out
    what has no caption; ``fetch`` downloads what a table names by address.
    """
    _free(folder)
    if faces:
        size = size or PORTRAIT
    source = find(place, fetch=fetch)
    framing = _framing(_checked(size) if size else _common(source), trim, faces)
    return _prepared(source, folder, framing, not size, licence, threads, progress, captioned)


def _framing(size: int, trim: bool, faces: bool) -> Framing:
    return Framing(size, trim, FaceFinder() if faces else None)


def cached(place: str, size: int | None) -> ImageSet:
    """The set that the pictures at ``place`` make, prepared at its first use and again when they change."""
    source = find(place)
    key = hashlib.sha256(f"{VERSION} {place} {source.fingerprint} {size}".encode()).hexdigest()[:12]
    folder = home() / "data" / f"{source.name}-{key}.data"
    if folder.exists():
        return prepared.read(folder)
    with bar(source.name) as progress:
        framing = Framing(_checked(size) if size else _common(source))
        return _prepared(source, folder, framing, not size, "", 2, progress)[0]


def _prepared(
    source: Source,
    folder: Path,
    framing: Framing,
    same_size: bool,
    licence: str,
    threads: int,
    progress: Progress,
    captioned: bool = False,
) -> tuple[ImageSet, Examination]:
    folder.parent.mkdir(parents=True, exist_ok=True)
    # Beside its place: as much as the set itself takes, which the system's own scratch may not hold.
    with tempfile.TemporaryDirectory(prefix=f"{folder.name}.", suffix=".part", dir=folder.parent) as scratch:
        made = survey(source, framing, Path(scratch), same_size=same_size, threads=threads, progress=progress)
        if captioned:
            made = _with_captions(made, Path(scratch))
        if len(made.seen) < LEAST:
            raise UserError(
                f"{made.name} holds {len(made.seen)} different pictures that can be used; training needs {LEAST} at least",
                f"{made.name} 中可用的不同图片只有 {len(made.seen)} 张；训练至少需要 {LEAST} 张",
            )
        found = Examination(made, duplicates.near(made.pictures), framing.cuts)
        images = prepared.write(folder, _image_set(made, found.near, licence))
    made.pictures = images.images
    return images, found


def _with_captions(made: Survey, scratch: Path) -> Survey:
    """The survey without pictures that nothing is said of; those are told as left out."""
    why = Text("nothing is said of it", "没有关于它的文字")
    bare = [s.name for s in made.seen if not s.captioned]
    if not bare:
        return made
    kept = keep(made, np.flatnonzero([s.captioned for s in made.seen]), scratch)
    kept.left_out += [LeftOut(name, "no caption", why) for name in bare]
    return kept


def _image_set(made: Survey, near: list[list[int]], licence: str) -> ImageSet:
    grey = all(s.grey for s in made.seen)
    pictures = made.pictures[:, :1] if grey else made.pictures
    classes, labels = labels_of(made.seen)
    captions = None
    if any(s.captioned for s in made.seen):  # one language stands for both where there is one alone
        captions = tuple(Text(s.caption or s.caption_zh, s.caption_zh or s.caption) for s in made.seen)
    held_out = split(made.seen, near)
    stated = licence or "no licence was stated"
    said = [] if captions is None else [prepared.as_bytes(captions)]
    digest = prepared.digest_of(pictures, held_out, *([] if labels is None else [labels]), *said)
    return ImageSet(
        made.name,
        pictures,
        labels,
        classes,
        captions,
        held_out,
        (f"{made.name}: {stated}",),
        digest,
        tuple(s.name for s in made.seen),
    )


def labels_of(seen: list[Seen]) -> tuple[tuple[str, ...], NDArray[np.int64] | None]:
    """Classes in order of their names, and each picture's place among them; none unless every picture has one."""
    names = {s.label for s in seen}
    if None in names or len(names) < 2:
        return (), None
    classes = sorted(map(str, names))
    place = {name: i for i, name in enumerate(classes)}
    return tuple(classes), np.array([place[str(s.label)] for s in seen], np.int64)


def split(seen: list[Seen], near: list[list[int]]) -> NDArray[np.int64]:
    """Places of the held-out pictures, (M,) sorted; at least one, and never all."""
    group = list(range(len(seen)))
    for members in near:
        for i in members:
            group[i] = members[0]
    if frozenset[str]().union(*(s.parts for s in seen)) == {"train", "held out"}:
        out = {group[i] for i, s in enumerate(seen) if "held out" in s.parts}
    else:
        key = dict[int, str]()
        for i, s in enumerate(seen):
            key[group[i]] = min(s.digest, key.get(group[i], s.digest))
        out = {g for g, digest in key.items() if int(digest[:8], 16) < 2**32 // SHARE}
        out = out or {min(key, key=lambda g: key[g])}
    chosen = np.array([g in out for g in group])
    if chosen.all():
        raise UserError(
            "all pictures show the same as a held-out one: nothing is left to train on",
            "所有图片都与留出图片相同：没有可用于训练的图片",
        )
    return np.flatnonzero(chosen).astype(np.int64)


def _common(source: Source) -> int:
    name, (width, height) = first_size(source)
    if width != height or not SIZES[0] <= width <= SIZES[1]:
        raise UserError(
            f"{name} is {width} x {height}: give --size, as in --size 64, to cut the middle square out and scale it",
            f"{name} 为 {width} x {height}：请给出 --size，如 --size 64，将裁取中间的正方形并缩放",
        )
    return width


def _checked(size: int) -> int:
    if not SIZES[0] <= size <= SIZES[1]:
        raise UserError(
            f"pictures of {size} pixels are not prepared; give --size {SIZES[0]} to {SIZES[1]}",
            f"不支持 {size} 像素的图片；请给 --size {SIZES[0]} 到 {SIZES[1]}",
        )
    return size


def _free(folder: Path) -> None:
    """A prepared set may be prepared again over itself; nothing else is written over."""
    if folder.exists() and not (folder / "data.json").is_file():
        raise UserError(
            f"{folder} is there already and is no prepared data: give another -o",
            f"{folder} 已存在且不是准备好的数据：请用 -o 另指定",
        )
