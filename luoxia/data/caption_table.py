"""The captions of a set as numbers: each distinct text once, and which two of them a picture has."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from luoxia.core.errors import UserError
from luoxia.data.images import ImageSet

LANGUAGES = ("en", "zh")


@dataclass(frozen=True)
class CaptionTable:
    """``texts``, U of them, sorted and distinct; ``of`` (N, 2) int64, the places of a picture's English and Chinese
    caption among them. Where both are one text, so are the places."""

    texts: tuple[str, ...]
    of: NDArray[np.int64]

    @classmethod
    def of_set(cls, images: ImageSet, model: str) -> CaptionTable:
        """Raises :class:`UserError` for a set without captions, naming the ``model`` ("CLIP") that learns from them."""
        if images.captions is None:
            raise UserError(
                f"{images.name} has no captions; {model} learns from pictures that have: put a .txt beside each, or give "
                "--data icons",
                f"{images.name} 没有描述文字；{model} 须由带描述的图片学习：请在每张图片旁放同名 .txt，或用 --data icons",
            )
        pairs = [
            [getattr(caption, language).strip() for language in LANGUAGES] for caption in images.captions
        ]
        texts = sorted({text for pair in pairs for text in pair})
        place = {text: i for i, text in enumerate(texts)}
        return cls(tuple(texts), np.array([[place[text] for text in pair] for pair in pairs], np.int64))

    @property
    def without(self) -> int:
        """How many pictures have no caption in either language."""
        blank = [i for i, text in enumerate(self.texts) if not text]
        return int(np.isin(self.of, blank).all(1).sum())

    def texts_of(self, places: NDArray[np.int64]) -> list[str]:
        """The distinct captions of the pictures at ``places``, in both languages."""
        return [self.texts[i] for i in np.unique(self.of[places])]
