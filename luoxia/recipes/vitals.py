"""What the training doctor wants to know of each family, measured at checkpoints without moving anything."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from luoxia.data.batches import Batch
from luoxia.data.images import ImageSet
from luoxia.train.engine import to_tensor

SEEN = 128  # pictures of each kind


@contextmanager
def at_rest(module: nn.Module) -> Iterator[nn.Module]:
    """``module`` in evaluation, as it was afterwards."""
    was = module.training
    module.eval()
    try:
        yield module
    finally:
        module.train(was)


Tell = Callable[[Tensor], Tensor]  # of classes (B,), what the networks are told of them


def as_it_is(classes: Tensor) -> Tensor:
    return classes


class GameVitals:
    """``r_v`` of a discriminator, and the ``diversity`` of what a generator makes.

    r_v as in arXiv:2006.06676, equation 1; diversity is the mean distance between two made pictures over that between
    two real ones, in pixels. ``tell`` is how the networks are told a class.
    """

    def __init__(self, images: ImageSet, seed: int, tell: Tell = as_it_is) -> None:
        draw = np.random.Generator(np.random.PCG64(seed))
        self.images, self.tell = images, tell
        self.train = np.sort(draw.permutation(images.train)[:SEEN])
        self.held_out = np.sort(draw.permutation(images.held_out)[:SEEN])

    @torch.no_grad()
    def __call__(
        self, discriminator: nn.Module, made: Tensor, asked: NDArray[np.int64] | None
    ) -> dict[str, float]:
        """``made`` (N, C, H, W) in [-1, 1], of the classes ``asked`` where there are any."""
        device = made.device
        with at_rest(discriminator) as discriminate:
            real, classes = self._pictures(self.train, device)
            of_train = discriminate(real, classes).double().mean()
            labels = None if asked is None else self.tell(torch.from_numpy(asked).to(device))
            of_made = discriminate(made, labels).double().mean()
            found = {"diversity": spread(made) / max(spread(real), 1e-9)}
            if len(self.held_out) >= SEEN // 4:
                of_new = discriminate(*self._pictures(self.held_out, device)).double().mean()
                gap = float(of_train - of_made)
                if gap > 1e-3:  # a discriminator that tells nothing apart has learned nothing by heart
                    found["r_v"] = float(of_train - of_new) / gap
        return found

    def _pictures(self, places: NDArray[np.int64], device: torch.device) -> tuple[Tensor, Tensor | None]:
        pictures, labels = to_tensor(Batch.of(self.images, places), device)
        return pictures, None if labels is None else self.tell(labels)


def spread(pictures: Tensor) -> float:
    """The mean distance between two of ``pictures`` (N, C, H, W)."""
    flat = pictures.flatten(1).double()
    return float(torch.pdist(flat).mean())
