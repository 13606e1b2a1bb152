"""The vectors of all pictures at a place, kept on disk, and the nearest of them to a text or a picture.

An index lies under ``clip/`` in Luoxia's folder, by its place and the fingerprint of the CLIP that looked. It is used as it
is while the place does not change; when it does, pictures with the bytes of known ones are not looked at again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from luoxia.core.errors import UserError
from luoxia.core.folder import home, write_atomically
from luoxia.core.language import Text
from luoxia.core.progress import Progress, ProgressEvent
from luoxia.data import images as image_sets
from luoxia.data.decoding import SUFFIXES, UndecodableError, decode
from luoxia.data.images import ImageSet
from luoxia.data.items import Item
from luoxia.data.sources import Source, find
from luoxia.generate.sight import Sight

TOGETHER = 256  # pictures decoded before they are looked at
Found = tuple[int, float]  # a picture's place, and the cosine
Known = dict[bytes, NDArray[np.float32]]  # the vector of each picture by the SHA-256 of its bytes


@dataclass(frozen=True)
class PictureIndex:
    """``names`` of N pictures, ``vectors`` (N, D) of length 1, and ``unread``: names of files that are no pictures, with
    the reason of each."""

    place: str
    names: tuple[str, ...]
    vectors: NDArray[np.float32]
    unread: tuple[tuple[str, Text], ...] = ()

    def nearest(self, vector: NDArray[np.float32], n: int) -> list[Found]:
        """The ``n`` nearest, exactly, nearest first; of equals the first."""
        near = self.vectors @ vector
        return [(int(i), float(near[i])) for i in np.argsort(-near, kind="stable")[: max(0, n)]]

    def pictures(self, places: list[int], sight: Sight) -> NDArray[np.uint8]:
        """What the CLIP saw at ``places``, uint8 (n, 3, size, size)."""
        made = _set_of(self.place)
        if made is not None:
            shown = made.images[np.array(places)]
            return np.broadcast_to(shown, (len(shown), 3, *shown.shape[2:]))
        wanted = {self.names[i]: at for at, i in enumerate(places)}
        out = np.full((len(places), 3, sight.size, sight.size), 255, np.uint8)
        for item in find(self.place).items():
            name = _name(item)
            if name in wanted:
                out[wanted.pop(name)] = sight.pixels(decode(item.read(), wanted=sight.size).image)
            if not wanted:
                break
        return out


def index(place: str, sight: Sight, progress: Progress = lambda _: None) -> PictureIndex:
    """Of a folder, an archive or shards as :func:`luoxia.data.sources.find` finds them, or a set that is prepared or built
    in. Raises :class:`UserError` where no picture is."""
    made = _set_of(place)
    source = None if made is not None else find(place)
    state = made.digest if made is not None else source.fingerprint if source is not None else ""
    key = hashlib.sha256(f"{_whole(place)} {sight.fingerprint}".encode()).hexdigest()[:16]
    path = home() / "clip" / f"{key}.safetensors"
    kept = _read(path, place)
    if kept is not None and kept[1] == state:
        return _some(kept[0])
    if made is not None:
        names = tuple(_called(made, i) for i in range(len(made.images)))
        fresh = PictureIndex(place, names, _of_set(made, sight, progress))
        _write(path, fresh, state, [b"\0" * 32] * len(names))
    else:
        assert source is not None
        fresh, digests = _of_source(place, source, sight, {} if kept is None else kept[2], progress)
        _write(path, fresh, state, digests)
    return _some(fresh)


def _some(found: PictureIndex) -> PictureIndex:
    if found.names:
        return found
    broken = f"; {found.unread[0][0]}: {found.unread[0][1].en}" if found.unread else ""
    chinese = f"；{found.unread[0][0]}：{found.unread[0][1].zh}" if found.unread else ""
    raise UserError(
        f"there is no picture in {found.place} that can be read{broken}",
        f"{found.place} 中没有可读取的图片{chinese}",
    )


def _set_of(place: str) -> ImageSet | None:
    """The prepared or built-in set of that name; None where ``place`` is one of files."""
    path = Path(place)
    try:
        prepared = path.name.endswith(".data") or (path / "data.json").exists()
        there = path.exists() or "/" in place or ":" in place or "{" in place
    except OSError as error:  # too long for a path
        raise UserError(f"there is no {place[:100]}…", f"没有 {place[:100]}…") from error
    return image_sets.load(place) if prepared or not there else None


def _called(made: ImageSet, i: int) -> str:
    return f"{i}: {made.captions[i]}" if made.captions is not None else str(i)


def _of_set(made: ImageSet, sight: Sight, progress: Progress) -> NDArray[np.float32]:
    parts, total = [], len(made.images)
    for at in range(0, total, TOGETHER):
        parts.append(sight.of_pictures(made.images[at : at + TOGETHER]))
        progress(ProgressEvent("checking", min(at + TOGETHER, total), total))
    progress(ProgressEvent("done", total, total))
    return np.concatenate(parts)


def _of_source(
    place: str, source: Source, sight: Sight, known: Known, progress: Progress
) -> tuple[PictureIndex, list[bytes]]:
    names, digests, unread = list[str](), list[bytes](), list[tuple[str, Text]]()
    vectors = list[NDArray[np.float32]]()
    waiting, places = list[NDArray[np.uint8]](), list[int]()

    def look() -> None:
        if waiting:
            for at, vector in zip(places, sight.of_pictures(np.stack(waiting)), strict=True):
                vectors[at] = vector
        waiting.clear()
        places.clear()

    done = 0
    for item in _pictures(source):
        done += item.size
        try:
            data = item.read()
            digest = hashlib.sha256(data).digest()
            seen = known.get(digest)
            pixels = None if seen is not None else sight.pixels(decode(data, wanted=sight.size).image)
        except UndecodableError as error:
            unread.append((_name(item), error.text))
            continue
        names.append(_name(item))
        digests.append(digest)
        if pixels is None:
            assert seen is not None
            vectors.append(seen)
        else:
            vectors.append(np.empty(0, np.float32))
            waiting.append(pixels)
            places.append(len(vectors) - 1)
        if len(waiting) == TOGETHER:
            look()
        progress(ProgressEvent("checking", done, source.bytes))
    look()
    if names:
        progress(ProgressEvent("done", done, done))
    width = sight.network.config.n_out
    whole = np.stack(vectors) if vectors else np.empty((0, width), np.float32)
    return PictureIndex(place, tuple(names), whole, tuple(unread)), digests


def _pictures(source: Source) -> Iterator[Item]:
    for item in source.items():
        if Path(item.name).suffix.lower() in SUFFIXES:
            yield item


def _name(item: Item) -> str:
    return f"{item.archive}/{item.name}" if item.archive else item.name


def _whole(place: str) -> str:
    return str(Path(place).resolve()) if Path(place).exists() else place


def _write(path: Path, made: PictureIndex, state: str, digests: list[bytes]) -> None:
    told = {
        "names": json.dumps(made.names),
        "unread": json.dumps([[name, why.en, why.zh] for name, why in made.unread]),
        "state": state,
    }
    hashes = np.frombuffer(b"".join(digests), np.uint8).reshape(-1, 32)
    with write_atomically(path) as file:
        file.write(
            save({"vectors": np.ascontiguousarray(made.vectors), "digests": hashes.copy()}, metadata=told)
        )


def _read(path: Path, place: str) -> tuple[PictureIndex, str, Known] | None:
    """An index with the state of its place, and vectors by bytes; None where there is none or it is damaged."""
    try:
        with safe_open(path, framework="numpy") as file:
            told, vectors, digests = file.metadata(), file.get_tensor("vectors"), file.get_tensor("digests")
        names = tuple(json.loads(told["names"]))
        unread = tuple((name, Text(en, zh)) for name, en, zh in json.loads(told["unread"]))
        if not len(names) == len(vectors) == len(digests):
            return None
        known = {row.tobytes(): vector for row, vector in zip(digests, vectors, strict=True)}
        return PictureIndex(place, names, vectors, unread), told["state"], known
    except (OSError, SafetensorError, ValueError, KeyError, TypeError):
        return None
