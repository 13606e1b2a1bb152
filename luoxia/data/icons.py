"""Icons with captions: coloured drawings of several makers, and scenes composed of them by a data engine.

Every drawing is there once, alone and in the middle; the rest are scenes (:mod:`luoxia.data.icon_scenes`): drawings
alone, in another colour, on grounds, counted, in pairs, wearing things, each with its caption in English and Chinese.
Everything follows from the packages, the seed and the place in the set. Held out are one drawing in twenty, and the
drawings that a kept-back style and object would need. ``icons-all`` has the makers besides whose art is kept from
generators, and the combinations kept back from training: it is for whoever judges.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from luoxia.core.errors import UserError
from luoxia.core.folder import home
from luoxia.core.progress import Progress, ProgressEvent, bar
from luoxia.data import icon_packages, icon_stock, prepared, takedown
from luoxia.data.icon_combinations import kept_back
from luoxia.data.icon_layout import Scene
from luoxia.data.icon_packages import MAKERS, Maker
from luoxia.data.icon_painting import Painter, fine
from luoxia.data.icon_scenes import Planner
from luoxia.data.icon_stock import Stock
from luoxia.data.images import ImageSet

VERSION, SEED, SIZES = 2, 0, (16, 256)
MOST, ROOM = 120_000, 2_400_000_000  # pictures, and bytes that they take, at most
CHUNK = 500


def count(size: int) -> int:
    """How many pictures the set has at ``size`` pixels: 120,000 up to 81 pixels, then what 2.4 GB hold."""
    return min(MOST, ROOM // (3 * size * size))


def icons(size: int = 64, *, everything: bool = False) -> ImageSet:
    """The set at ``size`` pixels, drawn at its first use and kept under ``data/`` in Luoxia's folder."""
    if not SIZES[0] <= size <= SIZES[1]:
        raise UserError(
            f"icons of {size} pixels cannot be drawn; give a size from {SIZES[0]} to {SIZES[1]}",
            f"无法绘制 {size} 像素的图标；请给 {SIZES[0]} 到 {SIZES[1]} 的尺寸",
        )
    folder = home() / "data" / f"{name_of(everything)}-{size}-v{VERSION}.data"
    if folder.exists():
        return prepared.read(folder)
    icon_packages.require()
    with bar(name_of(everything), counts=True) as progress:
        return draw(folder, size, count(size), everything=everything, progress=progress)


def name_of(everything: bool) -> str:
    return "icons-all" if everything else "icons"


@dataclass(frozen=True)
class Share:
    """What one maker gives: how many drawings of how many concepts, and how many of those are held out."""

    style: str
    source: str
    drawings: int
    concepts: int
    held_out: int


def contents(*, everything: bool = False, makers: tuple[Maker, ...] = MAKERS) -> tuple[Share, ...]:
    """Exactly what goes into the set, for a model's card: a line a maker, with source and licence as it states them."""
    makers = tuple(maker for maker in makers if maker.shown or everything)
    listed = icon_stock.opened(makers)
    shares = list[Share]()
    for maker, source in zip(makers, listed.licence, strict=False):
        mine = [d for d in listed.drawings if d.maker == maker.prefix]
        families = {d: listed.concepts[d.key].family for d in mine}
        out = [d for d in mine if d.held_out or kept_back("style", maker.style, families[d])]
        shares.append(Share(maker.style, source, len(mine), len({d.key for d in mine}), len(out)))
    return tuple(shares)


def draw(
    folder: Path,
    size: int,
    pictures: int,
    *,
    everything: bool = False,
    makers: tuple[Maker, ...] = MAKERS,
    progress: Progress = lambda _: None,
) -> ImageSet:
    """Draw a set of ``pictures`` of ``size`` pixels into ``folder``, or one picture a drawing where those are more."""
    _need_skia()
    folder.parent.mkdir(parents=True, exist_ok=True)
    makers = tuple(maker for maker in makers if maker.shown or everything)
    with tempfile.TemporaryDirectory(prefix=f"{folder.name}.", suffix=".part", dir=folder.parent) as scratch:
        watch = lambda done, total: progress(ProgressEvent("checking", done, total))  # noqa: E731
        stock = icon_stock.take(makers, Path(scratch) / "atlas", fine(size), watch)
        work = Work(stock, size, max(pictures, len(stock.drawings)), SEED, everything)
        made = _painted(work, Path(scratch) / "pictures", progress)
        return takedown.honoured(_image_set(f"{name_of(everything)}-{size}", work, *made), folder)


@dataclass(frozen=True)
class Work:
    """What a process needs to draw any part of a set."""

    stock: Stock
    size: int
    pictures: int
    seed: int
    everything: bool

    def planner(self) -> Planner:
        return Planner(self.stock, self.seed, self.everything)

    def scene(self, planner: Planner, index: int) -> Scene:
        """What picture ``index`` shows: first every drawing, then scenes."""
        n = len(self.stock.drawings)
        return planner.base(index) if index < n else planner.composed(index - n)


def _painted(work: Work, path: Path, progress: Progress) -> tuple[NDArray[np.uint8], list[Scene]]:
    scenes = list[Scene]()
    starts = range(0, work.pictures, CHUNK)
    with path.open("wb") as file, icon_stock.at_once(len(starts), _begin, (work,)) as each:
        for pixels, some in each(_part, starts):
            file.write(pixels.tobytes())
            scenes += some
            progress(ProgressEvent("making", len(scenes), work.pictures))
    progress(ProgressEvent("done", work.pictures, work.pictures))
    shape = (work.pictures, 3, work.size, work.size)
    return np.memmap(path, np.uint8, "r", shape=shape), scenes


_STATE: dict[str, tuple[Work, Planner, Painter]] = {}  # of a process that draws


def _begin(work: Work) -> None:
    _STATE["mine"] = (work, work.planner(), Painter(work.stock, work.size))


def _part(start: int) -> tuple[NDArray[np.uint8], list[Scene]]:
    work, planner, painter = _STATE["mine"]
    scenes = [work.scene(planner, i) for i in range(start, min(start + CHUNK, work.pictures))]
    return np.stack([painter.paint(scene) for scene in scenes]), scenes


def _image_set(name: str, work: Work, images: NDArray[np.uint8], scenes: list[Scene]) -> ImageSet:
    planner, drawings = work.planner(), work.stock.drawings
    styles = list(dict.fromkeys(maker.style for maker in MAKERS))
    of = {maker.prefix: styles.index(maker.style) for maker in MAKERS}
    labels = np.array([of[drawings[scene.items[0].drawing].maker] for scene in scenes], np.int64)
    captions = tuple(scene.caption for scene in scenes)
    held_out = np.array([i for i in range(len(drawings)) if planner.of.held_out(i)], np.int64)
    return ImageSet(
        name,
        images,
        labels,
        tuple(styles),
        captions,
        held_out,
        work.stock.licence,
        prepared.digest_of(images, labels, held_out, prepared.as_bytes(captions)),
    )


def _need_skia() -> None:
    try:
        import skia  # noqa: F401
    except ImportError as error:
        raise UserError(
            'icons are drawn with skia-python; install it with: pip install "luoxia[train]"',
            '图标由 skia-python 绘制；请安装：pip install "luoxia[train]"',
        ) from error
