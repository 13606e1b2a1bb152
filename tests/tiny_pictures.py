"""A small set of pictures that no file is needed for."""

from __future__ import annotations

import numpy as np

from luoxia.core.language import Text
from luoxia.data.images import ImageSet

COLOURS = (("red", "红色"), ("green", "绿色"), ("blue", "蓝色"))


def pictures(n: int = 48, size: int = 8, channels: int = 3, classes: int = 3) -> ImageSet:
    """Squares of a colour by class on noise, with captions that say so."""
    random = np.random.default_rng(0)
    images = random.integers(0, 60, (n, channels, size, size)).astype(np.uint8)
    labels = np.arange(n) % classes
    for i, label in enumerate(labels):
        images[i, label % channels, 2:6, 2:6] += 180
    names = tuple(f"class {k}" for k in range(classes))
    captions = tuple(
        Text(f"a {en} square of class {label}", f"第 {label} 类的{zh}方块")
        for label in labels
        for en, zh in [COLOURS[label % channels]]
    )
    return ImageSet(
        "squares", images, labels.astype(np.int64), names, captions, np.arange(0, n, 8), ("made here",), "d"
    )
