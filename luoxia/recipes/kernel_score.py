"""How near a generator's samples are to held-out pictures, while it trains: the score that ranks its checkpoints."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from luoxia.core.language import Text
from luoxia.data.images import ImageSet
from luoxia.evaluate import features
from luoxia.evaluate.distribution import kernel_distance
from luoxia.evaluate.features import Extractor
from luoxia.weights import catalogue

SMALL = 16  # pixels a side up to which pixels themselves are the features: no network was trained on less
PICTURES = 256  # on each side; the estimate is unbiased, so few pictures cost precision alone


NETWORK = "efficientnet-lite0"


def extractor_for(size: int, device: torch.device | str = "cpu") -> Extractor:
    """What pictures of ``size`` pixels are compared by. Raises ``ModelNotHereError`` for a network not here."""
    return features.pixels() if size <= SMALL else features.extractor(NETWORK, device=device)


def missing(size: int) -> tuple[Text, ...]:
    """What to tell a user whose checkpoints cannot be scored; nothing when they can."""
    if size <= SMALL or catalogue.is_here(catalogue.find(NETWORK, "features")):
        return ()
    return (
        Text(
            f"checkpoints go unscored, and the newest is the model: `luoxia models get {NETWORK}` brings what scores them",
            f"检查点将不评分，以最新者为模型：`luoxia models get {NETWORK}` 可下载评分所需的网络",
        ),
    )


class KernelScore:
    """Kernel distance (Binkowski et al. 2018) of samples to held-out pictures; to training ones where none are held out.

    The features of the real pictures are computed once, at the first call.
    """

    def __init__(self, images: ImageSet, seed: int) -> None:
        self.seed = seed
        places = images.held_out if len(images.held_out) >= PICTURES // 2 else images.train
        chosen = np.random.Generator(np.random.PCG64(seed)).permutation(places)[:PICTURES]
        self._real = images.images[np.sort(chosen)]
        self._extractor: Extractor | None = None
        self._features = np.empty(0, np.float32)

    def __call__(self, draw: Callable[[torch.Generator], Tensor], device: torch.device) -> dict[str, float]:
        """``draw`` gives pictures (N, C, H, W) in [-1, 1]; it is called until there are enough.

        No score when the network is not on this machine: :func:`missing` says so at the beginning.
        """
        if missing(self._real.shape[-1]):
            return {}
        if self._extractor is None:
            self._extractor = extractor_for(self._real.shape[-1], device)
            self._features = self._extractor(self._real)
        noise = torch.Generator(device).manual_seed(self.seed)
        parts, have = [], 0
        while have < PICTURES:
            parts.append(to_bytes(draw(noise)))
            have += len(parts[-1])
        found = self._extractor(np.concatenate(parts)[:PICTURES])
        return {"kid": kernel_distance(self._features, found, seed=self.seed).mean}


def to_bytes(pictures: Tensor) -> np.ndarray:
    """Pictures (N, C, H, W) float in [-1, 1] as uint8 0 to 255."""
    values = pictures.float().clamp(-1, 1).add(1).mul(127.5).round().to(torch.uint8)
    return values.cpu().contiguous().numpy()
