"""A small set of pictures that no file is needed for."""

from __future__ import annotations

import numpy as np

from luoxia.data.images import ImageSet


def pictures(n: int = 48, size: int = 8, channels: int = 3, classes: int = 3) -> ImageSet:
    """Squares of a colour by class on noise."""
    random = np.random.default_rng(0)
    images = random.integers(0, 60, (n, channels, size, size)).astype(np.uint8)
    labels = np.arange(n) % classes
    for i, label in enumerate(labels):
        images[i, label % channels, 2:6, 2:6] += 180
    names = tuple(f"class {k}" for k in range(classes))
    return ImageSet(
        "squares", images, labels.astype(np.int64), names, None, np.arange(0, n, 8), ("made here",), "d"
    )
