"""Batches of a run: the same ones for a step whatever came before, on however many processes and threads."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from luoxia.core.errors import UserError
from luoxia.data.examples import Examples
from luoxia.data.order import Order, uniform


@dataclass(frozen=True)
class Batch:
    """``images`` (B, C, H, W) uint8, (B, 0, 0, 0) of examples that are no pictures; ``labels`` (B,) int64 or None;
    ``index`` (B,) their places in the set."""

    images: NDArray[np.uint8]
    labels: NDArray[np.int64] | None
    index: NDArray[np.int64]

    @classmethod
    def of(cls, images: Examples, index: NDArray[np.int64]) -> Batch:
        """The examples of ``images`` at ``index`` (B,), as they are."""
        labels = None if images.labels is None else images.labels[index]
        return cls(np.ascontiguousarray(images.images[index]), labels, index)


class Batches:
    """Batches of ``batch_size`` for process ``rank`` of ``world``, which see disjoint parts of one order.

    ``mirror`` turns every other picture left to right; ``augment`` in [0, 1] shifts pictures by up to that share of
    an eighth of their side and changes their contrast and brightness by up to that share of a fifth. Both depend on
    (seed, position) alone. ``workers`` threads prepare batches ahead.
    """

    def __init__(
        self,
        images: Examples,
        batch_size: int,
        *,
        seed: int,
        rank: int = 0,
        world: int = 1,
        mirror: bool = False,
        augment: float = 0.0,
        split: str = "train",
        workers: int = 0,
    ) -> None:
        indices = images.train if split == "train" else images.held_out
        if len(indices) == 0:
            raise UserError(f"{images.name} has nothing to train on", f"{images.name} 中没有可用于训练的内容")
        if (mirror or augment) and not images.images.size:
            raise UserError(
                f"{images.name} has no pictures to mirror or augment: leave mirror and augment out",
                f"{images.name} 不含可镜像或增强的图片：请勿设置 mirror 与 augment",
            )
        self.images, self.batch_size, self.seed = images, batch_size, seed
        self.rank, self.world, self.mirror, self.augment, self.workers = rank, world, mirror, augment, workers
        self.order = Order(indices, seed)

    def at(self, step: int) -> Batch:
        """The batch of this process at ``step``."""
        first = (step * self.world + self.rank) * self.batch_size
        index = self.order.at(first, self.batch_size)
        positions = np.arange(first, first + self.batch_size)
        pictures = self.images.images[index]
        if self.mirror:
            turned = uniform(self.seed, positions, 0) < 0.5
            pictures[turned] = pictures[turned, :, :, ::-1]
        if self.augment:
            pictures = self._augmented(pictures, positions)
        labels = None if self.images.labels is None else self.images.labels[index]
        return Batch(np.ascontiguousarray(pictures), labels, index)

    def stream(self, start: int) -> Generator[Batch, None, None]:
        """Batches from step ``start`` on, without end."""
        step = start
        if not self.workers:
            while True:
                yield self.at(step)
                step += 1
        ahead: deque[Future[Batch]] = deque()
        with ThreadPoolExecutor(self.workers, thread_name_prefix="luoxia-data") as pool:
            try:
                while True:
                    while len(ahead) <= 2 * self.workers:
                        ahead.append(pool.submit(self.at, step))
                        step += 1
                    yield ahead.popleft().result()
            finally:
                for waiting in ahead:
                    waiting.cancel()

    def _augmented(self, pictures: NDArray[np.uint8], positions: NDArray[np.int64]) -> NDArray[np.uint8]:
        size = pictures.shape[-1]
        reach = max(1, round(self.augment * size / 8))
        across, down, contrast, light = (uniform(self.seed, positions, k) for k in (1, 2, 3, 4))
        padded = np.pad(pictures, ((0, 0), (0, 0), (reach, reach), (reach, reach)), mode="reflect")
        rows = (down * (2 * reach + 1)).astype(int)[:, None] + np.arange(size)
        columns = (across * (2 * reach + 1)).astype(int)[:, None] + np.arange(size)
        n = np.arange(len(pictures))
        shifted = padded[n[:, None, None], :, rows[:, :, None], columns[:, None, :]].transpose(0, 3, 1, 2)
        factor = 1 + (contrast - 0.5) * 0.4 * self.augment
        offset = (light - 0.5) * 0.4 * self.augment * 127.5
        values = (shifted - 127.5) * factor[:, None, None, None] + 127.5 + offset[:, None, None, None]
        return values.round().clip(0, 255).astype(np.uint8)
