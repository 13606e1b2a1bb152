"""One walk over a source: every picture decoded, fitted and set down, and what was seen of each."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray
from PIL.Image import Image

from luoxia.core.errors import UserError
from luoxia.core.language import Text
from luoxia.core.progress import Progress, ProgressEvent
from luoxia.data import opt_out, strips
from luoxia.data.alignment import Refused, portrait
from luoxia.data.decoding import SUFFIXES, UndecodableError, decode, fit
from luoxia.data.faces import FaceFinder
from luoxia.data.items import Item
from luoxia.data.sources import TEXTS, Source
from luoxia.data.strips import Box
from luoxia.data.tables import TABLES
from luoxia.data.texts import Texts, stem

LEAST = 8  # pixels of a side: less is no picture
LOOK = 256  # pixels at which strips are looked for
PHOTOGRAPH = 1024  # pixels of a photograph at least in which a face is looked for
PARTS = {  # names of folders that say what a picture is for
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("test", "val", "valid", "validation", "held-out", "held_out", "heldout"), "held out"),
}


@dataclass(frozen=True)
class Seen:
    """A picture that was kept. ``size`` (width, height), upright, and ``mode`` are the file's; ``strip`` is what its
    strips leave of it; ``parts`` are "train" and "held out" as the folders of it and of its copies say."""

    name: str
    size: tuple[int, int]
    mode: str
    fixes: tuple[str, ...]
    strip: Box | None
    grey: bool
    digest: str
    label: str | None = None
    parts: frozenset[str] = frozenset()
    caption: str = ""
    caption_zh: str = ""

    @property
    def captioned(self) -> bool:
        return bool(self.caption or self.caption_zh)


@dataclass(frozen=True)
class LeftOut:
    """A file that was not kept; ``kind`` is "broken", "small", "copy", "table", "no caption", "taken down", or what a
    portrait was refused for, ``twin`` the kept picture it repeats, ``look`` (3, H, W) uint8 what a refused picture looks like."""

    name: str
    kind: str
    why: Text
    twin: int = -1
    look: NDArray[np.uint8] | None = None


@dataclass(frozen=True)
class Framing:
    """What becomes of a decoded picture: the middle square in ``size`` pixels. ``trim`` cuts strips off first; with
    ``faces`` it is the portrait of the only face, strips cut off."""

    size: int
    trim: bool = False
    faces: FaceFinder | None = None

    @property
    def wanted(self) -> int:
        """Pixels of a side at which a picture has to be decoded: a face may be a small part of it."""
        return max(self.size, LOOK) if self.faces is None else max(8 * self.size, PHOTOGRAPH)

    @property
    def cuts(self) -> bool:
        """Whether strips are cut off."""
        return self.trim or self.faces is not None

    def __call__(self, image: Image, strip: Box | None) -> NDArray[np.uint8] | Refused:
        """uint8 (3, size, size), or why there is no portrait."""
        if strip is not None and self.cuts:
            image = image.crop(strip)
        if self.faces is not None:
            found = portrait(image, self.size, self.faces)
            if isinstance(found, Refused):
                return found
            image = found.image
        return fit(image, self.size)


@dataclass
class Survey:
    """``pictures`` (N, 3, size, size) uint8 belong to ``seen``; ``others`` counts files that are no pictures; ``absent``
    are names in tables that no file has."""

    name: str
    pictures: NDArray[np.uint8]
    seen: list[Seen]
    left_out: list[LeftOut] = field(default_factory=list)
    others: int = 0
    absent: list[str] = field(default_factory=list)


def survey(
    source: Source,
    framing: Framing,
    scratch: Path,
    *,
    same_size: bool = False,
    threads: int = 2,
    progress: Progress = lambda _: None,
) -> Survey:
    """Walk over ``source``; the pictures lie in a file in ``scratch``, which the caller removes.

    ``same_size`` takes pictures of the framing's size alone and raises for any other. The outcome does not depend on
    ``threads``.
    """
    size = framing.size
    path, texts = scratch / "pictures", Texts()
    made, first_with = Survey(source.name, np.empty(0, np.uint8), []), dict[str, int]()
    keys: list[tuple[str, str]] = []
    names: list[tuple[str, str]] = []
    copies: list[tuple[int, str]] = []  # (place of the twin, key)
    with path.open("wb") as file:
        for item, found in _decoded(source, framing, threads, progress, texts, made):
            if isinstance(found, LeftOut):
                made.left_out.append(found)
                continue
            seen, pixels = found
            if same_size and seen.size != (size, size):
                raise _sizes_differ(size, seen.name, seen.size)
            twin = first_with.setdefault(seen.digest, len(made.seen))
            if twin < len(made.seen):
                why = Text(
                    f"the same picture as {made.seen[twin].name}", f"与 {made.seen[twin].name} 为同一图片"
                )
                made.left_out.append(LeftOut(seen.name, "copy", why, twin))
                copies.append((twin, stem(item.name)))
                continue
            made.seen.append(seen)
            keys.append((item.archive, stem(item.name)))
            names.append((item.archive, item.name))
            file.write(pixels.data)
    if not made.seen:
        raise _nothing(made)
    made.pictures = np.memmap(path, np.uint8, "r", shape=(len(made.seen), 3, size, size))
    made.seen = _named(made.seen, keys, [texts.of(*name) for name in names], copies)
    made.absent = texts.absent()
    return made


def keep(made: Survey, places: NDArray[np.int64], scratch: Path) -> Survey:
    """The survey of the pictures at ``places`` (M,) alone, sorted; those are copied to a file of their own."""
    path = scratch / "kept"
    with path.open("wb") as file:
        for i in places:
            file.write(made.pictures[i].tobytes())
    pictures = np.memmap(path, np.uint8, "r", shape=(len(places), *made.pictures.shape[1:]))
    place = {int(i): n for n, i in enumerate(places)}
    left = [replace(one, twin=place.get(one.twin, -1)) for one in made.left_out]
    return Survey(made.name, pictures, [made.seen[i] for i in places], left, made.others, made.absent)


def first_size(source: Source) -> tuple[str, tuple[int, int]]:
    """Name and size (width, height) of the first picture that can be decoded."""
    made = Survey(source.name, np.empty(0, np.uint8), [])
    for item in source.items():
        if PurePosixPath(item.name).suffix.lower() in SUFFIXES:
            try:
                return item.name, decode(item.read()).size
            except UndecodableError as error:
                made.left_out.append(LeftOut(item.name, "broken", error.text))
    raise _nothing(made)


def _decoded(
    source: Source,
    framing: Framing,
    threads: int,
    progress: Progress,
    texts: Texts,
    made: Survey,
) -> Iterator[tuple[Item, LeftOut | tuple[Seen, NDArray[np.uint8]]]]:
    """Pictures in the order of the source, decoded ahead by ``threads``; texts go to ``texts`` on the way."""
    ahead: deque[tuple[Item, Future[LeftOut | tuple[Seen, NDArray[np.uint8]]]]] = deque()
    done = 0
    with ThreadPoolExecutor(threads, thread_name_prefix="luoxia-decode") as pool:
        try:
            for item in source.items():
                done += item.size
                suffix = PurePosixPath(item.name).suffix.lower()
                if suffix in TEXTS | TABLES:
                    why = texts.note(item)
                    if why is not None:
                        made.left_out.append(LeftOut(item.name, "table", why))
                elif suffix in SUFFIXES:
                    ahead.append((item, pool.submit(_one, item, _bytes(item), framing, source.name)))
                else:
                    made.others += 1
                if len(ahead) > 4 * threads:
                    progress(ProgressEvent("checking", done, source.bytes))
                    first, future = ahead.popleft()
                    yield first, future.result()
            while ahead:
                first, future = ahead.popleft()
                yield first, future.result()
            progress(ProgressEvent("done", done, source.bytes or done))
        finally:
            for _, future in ahead:
                future.cancel()


def _bytes(item: Item) -> bytes | UndecodableError:
    try:
        return item.read()
    except UndecodableError as error:
        return error


def _one(
    item: Item, data: bytes | UndecodableError, framing: Framing, source: str
) -> LeftOut | tuple[Seen, NDArray[np.uint8]]:
    name = f"{item.archive}:{item.name}" if item.archive else item.name
    try:
        if isinstance(data, UndecodableError):
            raise data
        picture = decode(data, wanted=framing.wanted)
    except UndecodableError as error:
        return LeftOut(name, "broken", error.text)
    least = max(LEAST, -(-framing.size // 2))
    if min(picture.size) < least:
        width, height = picture.size
        return LeftOut(
            name,
            "small",
            Text(f"{width} x {height}, less than {least} pixels", f"{width} x {height}，不足 {least} 像素"),
        )
    strip = _strip(picture.image)
    pixels = framing(picture.image, strip)
    if isinstance(pixels, Refused):
        return LeftOut(name, pixels.kind, pixels.why, look=fit(picture.image, framing.size))
    grey = bool((pixels[0] == pixels[1]).all() and (pixels[1] == pixels[2]).all())
    digest = hashlib.sha256(pixels.tobytes()).hexdigest()
    out = opt_out.listed()
    if out and not out.isdisjoint((f"pixels:{digest}", opt_out.of_name(source, name))):
        return LeftOut(name, "taken down", opt_out.WHY)
    return Seen(name, picture.size, picture.mode, picture.fixes, strip, grey, digest), pixels


def _strip(image) -> Box | None:
    """Looked for in a smaller copy; a pixel of margin makes up for its coarseness."""
    shrink = max(1.0, max(image.size) / LOOK)
    small = image.convert("RGB")
    if shrink > 1:
        small = small.resize((round(image.width / shrink), round(image.height / shrink)))
    box = strips.find(np.asarray(small))
    if box is None or shrink == 1:
        return box
    width, height = image.size
    margin = round(shrink)
    return Box(
        round(box.left * shrink) + margin * (box.left > 0),
        round(box.top * shrink) + margin * (box.top > 0),
        min(width, round(box.right * shrink) - margin * (box.right < small.width)),
        min(height, round(box.bottom * shrink) - margin * (box.bottom < small.height)),
    )


def _named(
    seen: list[Seen],
    keys: list[tuple[str, str]],
    texts: list[dict[str, str]],
    copies: list[tuple[int, str]],
) -> list[Seen]:
    """Labels, parts and captions, from the folders that pictures lie in and the texts beside them."""
    folders = [PurePosixPath(stem).parent.parts for _, stem in keys]
    around = 0  # folders that all lie in, and that say nothing
    while (
        len(folders[0]) > around
        and all(f[: around + 1] == folders[0][: around + 1] for f in folders)
        and folders[0][around].lower() not in PARTS
    ):
        around += 1
    parts = [_parts(folder[around:]) for folder in folders]
    labels = [folder[around + len(part) :][:1] for folder, part in zip(folders, parts, strict=True)]
    for twin, key in copies:
        parts[twin] |= _parts(PurePosixPath(key).parent.parts[around:])
    return [
        replace(
            s,
            label=beside.get("label") or next(iter(label), None),
            parts=part,
            caption=beside.get("caption", ""),
            caption_zh=beside.get("caption_zh", ""),
        )
        for s, label, part, beside in zip(seen, labels, parts, texts, strict=True)
    ]


def _parts(folder: tuple[str, ...]) -> frozenset[str]:
    """What the outermost of the folders says that a picture is for, where it does."""
    return frozenset(PARTS[name.lower()] for name in folder[:1] if name.lower() in PARTS)


def _sizes_differ(size: int, name: str, other: tuple[int, int]) -> UserError:
    width, height = other
    return UserError(
        f"the pictures are not all {size} x {size} ({name} is {width} x {height}): give --size, as in --size 64",
        f"图片尺寸不都是 {size} x {size}（{name} 为 {width} x {height}）：请给出 --size，如 --size 64",
    )


def _nothing(made: Survey) -> UserError:
    if made.left_out:
        first = made.left_out[0]
        return UserError(
            f"{made.name} holds no picture that can be used: {first.name}, for one, {first.why.en}",
            f"{made.name} 中没有可用的图片：例如 {first.name}，{first.why.zh}",
        )
    return UserError(
        f"{made.name} holds no pictures; known are {' '.join(sorted(SUFFIXES))}",
        f"{made.name} 中没有图片；可用格式有 {' '.join(sorted(SUFFIXES))}",
    )
