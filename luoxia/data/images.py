"""A set of pictures of one size, and where sets come from."""

from __future__ import annotations

import difflib
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from luoxia.core.errors import UserError
from luoxia.core.language import Text
from luoxia.data.examples import IMAGES, Unit


@dataclass(frozen=True)
class ImageSet:
    """Pictures with what is known of them.

    ``images`` (N, C, H, W) uint8, in memory or a read-only map; ``labels`` (N,) int64 into ``classes``; ``held_out``
    (M,) sorted places of pictures that no training sees; ``licence`` one line a source; ``digest`` names the content.
    ``items`` are the pictures' names in their source. ``taken_down`` are numbers of pictures that are no more in it, sorted,
    and ``earlier`` the digests that the set had before.
    """

    name: str
    images: NDArray[np.uint8]
    labels: NDArray[np.int64] | None
    classes: tuple[str, ...]
    captions: tuple[Text, ...] | None
    held_out: NDArray[np.int64]
    licence: tuple[str, ...]
    digest: str
    items: tuple[str, ...] | None = None
    taken_down: tuple[int, ...] = ()
    earlier: tuple[str, ...] = ()

    @property
    def numbers(self) -> NDArray[np.int64]:
        """What each picture is called by, (N,): its place when the set was made."""
        every = np.arange(len(self.images) + len(self.taken_down))
        return np.setdiff1d(every, np.array(self.taken_down, np.int64), assume_unique=True)

    @property
    def size(self) -> int:
        return self.images.shape[-1]

    @property
    def channels(self) -> int:
        return self.images.shape[1]

    def told(self, conditional: bool, model: str) -> int:
        """How many classes a ``model`` ("VAE") is told, 0 unless it is ``conditional``; then there must be some."""
        if conditional and self.labels is None:
            raise UserError(
                f"{self.name} has no labels; a conditional {model} needs one folder per class",
                f"{self.name} 没有标签；条件 {model} 需要每类一个文件夹",
            )
        return len(self.classes) if conditional else 0

    @property
    def train(self) -> NDArray[np.int64]:
        """Places of the pictures that are not held out, (N - M,) sorted."""
        return np.setdiff1d(np.arange(len(self.images)), self.held_out, assume_unique=True)

    @property
    def unit(self) -> Unit:
        return IMAGES

    @property
    def counted(self) -> Text:
        """How many there are to train on, for people."""
        n, size = len(self.train), self.size
        return Text(f"{n} images of {size} px", f"{n} 张 {size} 像素图片")

    @property
    def facts(self) -> dict[str, Any]:
        """What a run notes of it besides its digest and licences."""
        return {"images": len(self.images), "classes": list(self.classes)}


def digits() -> ImageSet:
    """1,797 handwritten digits of 8 x 8 in 17 grey levels (Alpaydin and Kaynak 1998), as scikit-learn carries them."""
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise UserError(
            'the digits come with scikit-learn; install it with: pip install "luoxia[train]"',
            '手写数字由 scikit-learn 提供；请安装：pip install "luoxia[train]"',
        ) from error
    bunch: Any = load_digits()
    images = np.rint(bunch.images * (255 / 16)).astype(np.uint8)[:, None]
    order = np.random.Generator(np.random.PCG64(0)).permutation(len(images))
    return ImageSet(
        "digits",
        images,
        bunch.target.astype(np.int64),
        tuple(map(str, range(10))),
        None,
        np.sort(order[: len(images) // 10]),
        ("Optical Recognition of Handwritten Digits, E. Alpaydin and C. Kaynak, UCI, CC BY 4.0",),
        hashlib.sha256(images.tobytes()).hexdigest(),
    )


BUILT_IN = ("avatars", "digits", "icons", "icons-all")


def load(name_or_path: str | Path, *, size: int | None = None) -> ImageSet:
    """A built-in set by name, a prepared folder, or pictures wherever :func:`luoxia.data.sources.find` finds them.

    ``size`` is for avatars and icons, which are drawn in any, and for pictures, which are cut and scaled.
    """
    from luoxia.data import avatars, icons, prepare, prepared  # they build on this file

    name = str(name_or_path)
    if name == "avatars":
        return avatars.avatars(size or 64)
    if name in ("icons", "icons-all"):
        return icons.icons(size or 64, everything=name == "icons-all")
    if name == "digits":
        return _of_size(digits(), size)
    path = Path(name)
    if (path / "data.json").exists() or path.name.endswith(".data"):
        return _of_size(prepared.read(path), size)
    if path.exists() or ":" in name or "{" in name:
        return prepare.cached(name, size)
    near = difflib.get_close_matches(name, BUILT_IN, 3, 0.4) or list(BUILT_IN)
    raise UserError(
        f"there is no data {name!r}; give {', '.join(near)}, a prepared .data folder, or pictures",
        f"没有数据 {name!r}；请给 {'、'.join(near)}、准备好的 .data 文件夹或图片",
    )


def _of_size(images: ImageSet, size: int | None) -> ImageSet:
    if size not in (None, images.size):
        raise UserError(
            f"{images.name} has pictures of {images.size} pixels, not {size}: leave --size out",
            f"{images.name} 的图片为 {images.size} 像素，而非 {size}：请勿给出 --size",
        )
    return images
