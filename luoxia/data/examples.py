"""What a run learns from, whatever it is: numbered examples, some of them held out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from luoxia.core.language import Text


@dataclass(frozen=True)
class Unit:
    """What examples are counted in where speed is told: ``name``, "images" or "tokens", and how many one example has."""

    name: str
    said: Text
    each: int = 1


IMAGES = Unit("images", Text("images/s", "张/秒"))


class Examples(Protocol):
    """A set that an order is made of. An example is known by its place; what it is, its loss looks up there.

    Pictures are carried by the batches besides: ``images`` (N, C, H, W) uint8. Where examples are none, it is
    (N, 0, 0, 0), which takes no memory. ``labels`` (N,) int64 or None; ``train`` and ``held_out`` are sorted places;
    ``licence`` one line a source; ``digest`` names the content.
    """

    @property
    def name(self) -> str: ...
    @property
    def images(self) -> NDArray[np.uint8]: ...
    @property
    def labels(self) -> NDArray[np.int64] | None: ...
    @property
    def train(self) -> NDArray[np.int64]: ...
    @property
    def held_out(self) -> NDArray[np.int64]: ...
    @property
    def licence(self) -> tuple[str, ...]: ...
    @property
    def digest(self) -> str: ...
    @property
    def unit(self) -> Unit: ...
    @property
    def counted(self) -> Text: ...  # what there is to train on, for people
    @property
    def facts(self) -> dict[str, Any]: ...  # what a run notes of it besides


def no_images(count: int) -> NDArray[np.uint8]:
    """(count, 0, 0, 0) uint8: the pictures of ``count`` examples that are none."""
    return np.empty((count, 0, 0, 0), np.uint8)
