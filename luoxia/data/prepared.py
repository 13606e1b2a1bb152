"""A set of pictures on disk, ready to be read without decoding: ``NAME.data/``.

    data.json       format, name, classes, licences, digest, and which pictures are held out
    images.npy      (N, C, H, W) uint8, mapped into memory when it is read
    labels.npy      (N,) int64, where there are classes
    captions.json   a pair of texts for each picture, English and Chinese, where there are any
    items.json      the pictures' names in their source, where they had any

Plain arrays and JSON: nothing in it is executed. The folder is written beside its place and renamed.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from luoxia.core.errors import MalformedFileError
from luoxia.core.folder import put_in_place, settle
from luoxia.core.language import Text
from luoxia.data.images import ImageSet

FORMAT = 1


def write(folder: Path, images: ImageSet) -> ImageSet:
    """Store ``images`` as ``folder`` and return the set that lies there."""
    unfinished = folder.with_name(f"{folder.name}.{secrets.token_hex(4)}.part")
    unfinished.mkdir(parents=True)
    try:
        _array(unfinished / "images.npy", images.images)
        if images.labels is not None:
            _array(unfinished / "labels.npy", images.labels)
        if images.captions is not None:
            _json(unfinished / "captions.json", [[c.en, c.zh] for c in images.captions])
        facts = {
            "format": FORMAT,
            "name": images.name,
            "classes": list(images.classes),
            "licence": list(images.licence),
            "digest": images.digest,
            "held_out": images.held_out.tolist(),
            **({"taken_down": images.taken_down, "earlier": images.earlier} if images.taken_down else {}),
        }
        if images.items is not None:
            _json(unfinished / "items.json", list(images.items))
        _json(unfinished / "data.json", facts)
        _settle_as(folder, unfinished)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
    return read(folder)


def _settle_as(folder: Path, unfinished: Path) -> None:
    """Put ``unfinished`` in the place of ``folder``, unless another process has put the same there meanwhile."""
    while True:
        if folder.exists():
            if _same(folder, unfinished):
                return shutil.rmtree(unfinished)
            aside = unfinished.with_name(f"{unfinished.name}.old")
            os.replace(folder, aside)
            put_in_place(unfinished, folder)
            return shutil.rmtree(aside)
        try:
            return put_in_place(unfinished, folder)
        except OSError:
            if not folder.exists():
                raise


def _same(one: Path, other: Path) -> bool:
    """Whether both hold the same set: its facts name the pictures by digest, and stand beside the captions."""
    for name in ("data.json", "captions.json"):
        texts = [path.read_bytes() if path.is_file() else None for path in (one / name, other / name)]
        if texts[0] != texts[1]:
            return False
    return True


def read(folder: Path) -> ImageSet:
    """The set in ``folder``, its pictures mapped. Raises :class:`MalformedFileError` for anything else."""
    try:
        facts = json.loads((folder / "data.json").read_text(encoding="utf-8"))
        if facts["format"] != FORMAT:
            raise MalformedFileError(
                f"{folder} was prepared by another version of Luoxia: prepare it again",
                f"{folder} 由另一版本的落霞准备：请重新准备",
            )
        images = np.load(folder / "images.npy", mmap_mode="r", allow_pickle=False)
        labels = captions = None
        if (folder / "labels.npy").exists():
            labels = np.load(folder / "labels.npy", allow_pickle=False)
        if (folder / "captions.json").exists():
            pairs = json.loads((folder / "captions.json").read_text(encoding="utf-8"))
            captions = tuple(Text(en, zh) for en, zh in pairs)
        items = None
        if (folder / "items.json").exists():
            items = tuple(map(str, json.loads((folder / "items.json").read_text(encoding="utf-8"))))
        taken_down = tuple(map(int, facts.get("taken_down", ())))
        earlier = tuple(map(str, facts.get("earlier", ())))
        held_out = np.array(facts["held_out"], np.int64)
        classes, licence = tuple(map(str, facts["classes"])), tuple(map(str, facts["licence"]))
        name, digest = str(facts["name"]), str(facts["digest"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        if isinstance(error, MalformedFileError):
            raise
        raise MalformedFileError(
            f"{folder} is not a prepared data folder: {error}", f"{folder} 不是准备好的数据文件夹：{error}"
        ) from error
    counts = tuple(len(part) for part in (captions, items) if part is not None)
    _check(folder, images, labels, classes, held_out, counts)
    if any(b <= a for a, b in zip((-1, *taken_down), taken_down, strict=False)):
        raise MalformedFileError(
            f"{folder} is not a prepared data folder: what was taken down is out of order",
            f"{folder} 不是准备好的数据文件夹：下架记录次序有误",
        )
    return ImageSet(
        name, images, labels, classes, captions, held_out, licence, digest, items, taken_down, earlier
    )


def digest_of(*arrays: NDArray[Any]) -> str:
    """SHA-256 of what the arrays hold."""
    sha = hashlib.sha256()
    for array in arrays:
        sha.update(f"{array.dtype.str}{array.shape}".encode())
        sha.update(np.ascontiguousarray(array).data)
    return sha.hexdigest()


def as_bytes(captions: tuple[Text, ...]) -> NDArray[np.uint8]:
    """Captions as an array of bytes, for a digest."""
    return np.frombuffer(json.dumps([[c.en, c.zh] for c in captions]).encode(), np.uint8)


def _check(
    folder: Path,
    images: NDArray[Any],
    labels: NDArray[Any] | None,
    classes: tuple[str, ...],
    held_out: NDArray[np.int64],
    counts: tuple[int, ...],
) -> None:
    n = len(images) if images.ndim else 0
    whole = images.dtype == np.uint8 and images.ndim == 4 and n > 0 and images.shape[2] == images.shape[3]
    if labels is not None:
        fitting = labels.dtype == np.int64 and labels.shape == (n,)
        whole = whole and fitting and bool(((labels >= 0) & (labels < len(classes))).all())
    whole = whole and all(count == n for count in counts)
    whole = whole and bool(((held_out >= 0) & (held_out < n)).all()) and bool((np.diff(held_out) > 0).all())
    if not whole:
        raise MalformedFileError(
            f"{folder} is not a prepared data folder: its arrays do not fit together",
            f"{folder} 不是准备好的数据文件夹：其中的数组互不相符",
        )


def _array(path: Path, array: NDArray[Any]) -> None:
    with path.open("xb") as file:
        np.save(file, array, allow_pickle=False)
        settle(file)


def _json(path: Path, value: Any) -> None:
    with path.open("xb") as file:
        file.write(json.dumps(value, ensure_ascii=False).encode())
        settle(file)
