"""The drawings that icons are made of: each with its maker and concept, rasterised once, and what was measured of it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from luoxia.data import icon_looks, icon_names, icon_packages, svg
from luoxia.data.icon_extra_names import EXTRA
from luoxia.data.icon_looks import Look
from luoxia.data.icon_names import Concept
from luoxia.data.icon_packages import Maker

CHUNK = 64  # drawings that a process rasterises at a time
HELD_OUT = 20  # one drawing in so many is held out
ALIKE = re.compile(r"-?\d+$")  # bird-1 and bird-2 are two drawings of a bird


@dataclass(frozen=True)
class Drawing:
    """``icon`` of ``maker``, which shows the concept ``key``. ``held_out``: no training sees it."""

    maker: str
    icon: str
    key: str
    held_out: bool


@dataclass(frozen=True)
class Stock:
    """``atlas`` is a file of (N, side, side, 4) uint8, the drawings on nothing; ``looks`` what was measured of each."""

    drawings: tuple[Drawing, ...]
    looks: tuple[Look, ...]
    concepts: dict[str, Concept]
    atlas: Path
    side: int
    licence: tuple[str, ...]

    def pictures(self) -> NDArray[np.uint8]:
        shape = (len(self.drawings), self.side, self.side, 4)
        return np.memmap(self.atlas, np.uint8, "r", shape=shape)


def held_out(maker: str, icon: str) -> bool:
    """Whether a drawing is on the held-out side, by its name alone."""
    return int(hashlib.sha256(f"{maker}:{icon}".encode()).hexdigest()[:8], 16) < 2**32 // HELD_OUT


def take(makers: tuple[Maker, ...], atlas: Path, side: int, watch: Callable[[int, int], None]) -> Stock:
    """Read the packages of ``makers`` and rasterise what has a name, in ``side`` pixels, into the file ``atlas``."""
    listed = opened(makers)
    drawings, documents = listed.drawings, listed.documents
    looks, kept = list[Look](), list[Drawing]()
    chunks = [(documents[i : i + CHUNK], side) for i in range(0, len(documents), CHUNK)]
    with atlas.open("wb") as file, at_once(len(chunks)) as each:
        for n, (pixels, measured) in enumerate(each(_rasterised, chunks)):
            for drawing, picture, look in zip(drawings[CHUNK * n :], pixels, measured, strict=False):
                if look is not None:
                    kept.append(drawing)
                    looks.append(look)
                    file.write(picture.tobytes())
            watch(min(CHUNK * (n + 1), len(documents)), len(documents))
    return Stock(tuple(kept), tuple(looks), listed.concepts, atlas, side, listed.licence)


@dataclass(frozen=True)
class Listed:
    """What the packages hold: drawings with their SVG documents, in order; ``licence`` has a line for each maker, and
    one for the names."""

    drawings: list[Drawing]
    documents: list[str]
    concepts: dict[str, Concept]
    licence: tuple[str, ...]


def opened(makers: tuple[Maker, ...]) -> Listed:
    """The packages of ``makers``, read."""
    concepts, places = icon_names.concepts()
    drawings, documents, licence = list[Drawing](), list[str](), list[str]()
    for maker in makers:
        found = icon_packages.files(maker.entry, ("icons.json", "info.json"))
        licence.append(icon_packages.attribution(maker.prefix, maker.version, found["info.json"]))
        named = _extra(maker, concepts) if maker.prefix in EXTRA else places
        for drawing, document in _named(maker, found["icons.json"], named):
            drawings.append(drawing)
            documents.append(document)
    licence.append(f"names by emojibase, Miles Johnson, MIT, emojibase-data {icon_packages.NAMES_VERSION}")
    return Listed(drawings, documents, concepts, tuple(licence))


@contextmanager
def at_once(
    parts: int, begin: Callable[..., None] | None = None, given: tuple[Any, ...] = ()
) -> Iterator[Callable[..., Iterator[Any]]]:
    """A ``map`` over that many parts: with processes, each of which does ``begin(*given)``, unless there are few."""
    if parts < 4:
        if begin is not None:
            begin(*given)
        yield map
        return
    with ProcessPoolExecutor(mp_context=get_context("spawn"), initializer=begin, initargs=given) as pool:
        yield pool.map


def _extra(maker: Maker, concepts: dict[str, Concept]) -> dict[str, str]:
    """Keys by the names of a set's drawings; concepts that are no emoji are added to ``concepts``."""
    known = {concept.en: key for key, concept in concepts.items()}
    places = dict[str, str]()
    for icon, (en, zh) in EXTRA[maker.prefix].items():
        if en not in known:
            made = icon_names.named(en, zh)
            concepts[made.key] = made
            known[en] = made.key
        places[icon.replace("-", "")] = known[en]
    return places


def _named(maker: Maker, icons: dict[str, Any], places: dict[str, str]) -> Iterator[tuple[Drawing, str]]:
    """The set's drawings of known concepts, with their documents, in the order of their names."""
    for icon in sorted(icons["icons"]):
        if "skin-tone" in icon or icon.isdigit():
            continue
        name = icon.replace("-", "")
        key = places.get(name)
        if key is None and maker.prefix not in EXTRA:
            key = places.get(ALIKE.sub("", icon).replace("-", ""))
        if key is not None:
            yield Drawing(maker.prefix, icon, key, held_out(maker.prefix, icon)), _document(icons, icon)


def _document(icons: dict[str, Any], icon: str) -> str:
    facts = icons["icons"][icon]
    left, top = facts.get("left", 0), facts.get("top", 0)
    width = facts.get("width", icons.get("width", 16))
    height = facts.get("height", icons.get("height", 16))
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{left} {top} {width} {height}">'
    return f"{head}{facts['body']}</svg>"


def _rasterised(task: tuple[list[str], int]) -> tuple[list[NDArray[np.uint8]], list[Look | None]]:
    documents, side = task
    pictures = [svg.transparent(document, side) for document in documents]
    return pictures, [icon_looks.measured(picture) for picture in pictures]
