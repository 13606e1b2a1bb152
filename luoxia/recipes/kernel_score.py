"""How near a generator's samples are to held-out pictures, while it trains.

The kernel distance ranks its checkpoints; the other distances come from the same features and cost next to nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from luoxia.core.language import Text
from luoxia.core.pixels import to_bytes
from luoxia.data.images import ImageSet
from luoxia.evaluate import features
from luoxia.evaluate.distribution import frechet_distance, kernel_distance, precision_recall_density_coverage
from luoxia.evaluate.features import Extractor
from luoxia.train.randomness import generator
from luoxia.weights import catalogue

SMALL = 16  # pixels a side up to which pixels themselves are the features: no network was trained on less
PICTURES = 256  # on each side; the estimate is unbiased, so few pictures cost precision alone
NETWORK = "efficientnet-lite0"
PLACE = 0x4D  # of the latents among all that is drawn from a seed
NEIGHBOURS = 5  # that precision, recall, density and coverage look to


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


def drawn(draw: Callable[[int], Tensor], count: int) -> NDArray[np.uint8]:
    """``count`` pictures, uint8 (N, C, H, W): ``draw`` gives some in [-1, 1], told how many there are already."""
    parts, have = [], 0
    while have < count:
        parts.append(to_bytes(draw(have)))
        have += len(parts[-1])
    return np.concatenate(parts)[:count]


class KernelScore:
    """Kernel distance (Binkowski et al. 2018) of samples to held-out pictures, to training ones where too few are held
    out (``against`` says which), and the other distances of :mod:`luoxia.evaluate.distribution` beside it.

    The features of the real pictures are computed once, at the first call.
    """

    def __init__(self, images: ImageSet, seed: int) -> None:
        self.seed = seed
        enough = len(images.held_out) >= PICTURES // 2
        places = images.held_out if enough else images.train
        self.against = "held out" if enough else "training"
        chosen = np.random.Generator(np.random.PCG64(seed)).permutation(places)[:PICTURES]
        self._real = images.images[np.sort(chosen)]
        self._reference: tuple[Extractor, NDArray[np.float32]] | None = None

    def __call__(self, draw: Callable[[torch.Generator], Tensor], device: torch.device) -> dict[str, float]:
        """``draw`` gives pictures (N, C, H, W) in [-1, 1]; it is called until there are enough.

        No score when the network is not on this machine: :func:`missing` says so at the beginning.
        """
        if missing(self._real.shape[-1]):
            return {}
        if self._reference is None:
            extractor = extractor_for(self._real.shape[-1], device)
            self._reference = extractor, extractor(self._real)
        extractor, of_real = self._reference
        # Weights are drawn from the seed itself: the same numbers as latents would be the rows of the first layer.
        noise = generator(device, self.seed, PLACE)
        of_samples = extractor(drawn(lambda _: draw(noise), PICTURES))
        neighbours = min(NEIGHBOURS, len(of_real) - 1)
        return {
            "kid": kernel_distance(of_real, of_samples, seed=self.seed).mean,
            "frechet_distance": frechet_distance(of_real, of_samples),
            **precision_recall_density_coverage(of_real, of_samples, neighbours)._asdict(),
        }

    @property
    def facts(self) -> dict[str, Any]:
        """What the numbers depend on, for a run's ``recipe.json``."""
        small = self._real.shape[-1] <= SMALL
        return {
            "extractor": "pixels" if small else NETWORK,
            "against": self.against,
            "real": len(self._real),
            "samples": PICTURES,
        }
