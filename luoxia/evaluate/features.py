"""What pictures are compared by: networks, or the pixels themselves, that turn pictures into vectors.

Distances between vectors of different extractors do not compare, so each extractor has a name and each report
carries it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from luoxia.core.errors import UserError
from luoxia.models import efficientnet
from luoxia.models import inception as inception_v3
from luoxia.weights import catalogue
from luoxia.weights.vision import load_efficientnet, load_inception

Images = np.ndarray | Tensor  # uint8 (N, C, H, W), C 1 or 3
Watch = Callable[[int, int], None]  # hears how many of how many pictures are done

BATCH = 8  # pictures; the maps of more of them leave the cache, and a CPU takes twice as long


class Extractor:
    """Pictures to vectors.

    ``name`` goes into every report. ``dim`` is the length of a vector, None where it depends on the pictures.
    """

    def __init__(
        self,
        name: str,
        dim: int | None,
        features: Callable[[Tensor], Tensor],
        *,
        batch_size: int = BATCH,
        device: torch.device | str = "cpu",
    ) -> None:
        """``features`` takes uint8 (B, C, H, W) on ``device`` and gives floats (B, dim)."""
        self.name, self.dim, self.batch_size = name, dim, batch_size
        self._features, self._device = features, torch.device(device)

    def __call__(self, images: Images, progress: Watch | None = None) -> np.ndarray:
        """Vectors of pictures, float32 (N, dim).

        Args:
            images: uint8 (N, C, H, W), grey or RGB, values 0 to 255; taken in batches of ``batch_size``.
            progress: hears (pictures done, pictures in all) after each batch.

        Raises :class:`UserError` for pictures of another form, or none.
        """
        batches = checked_images(images).split(self.batch_size)
        total, done, found = sum(map(len, batches)), 0, []
        with torch.inference_mode():
            for batch in batches:
                found.append(self._features(batch.to(self._device)).float().cpu())
                done += len(batch)
                if progress is not None:
                    progress(done, total)
        return torch.cat(found).numpy()


def extractor(
    name: str = "efficientnet-lite0", *, batch_size: int = BATCH, device: torch.device | str = "cpu"
) -> Extractor:
    """A network of the catalogue that sees, with the weights on this machine.

    Pictures are resized to 224 by 224 by an antialiased bicubic filter; 1,280 features. Raises
    ``UnknownModelError``, or ``ModelNotHereError`` that says how to get it.
    """
    entry = catalogue.find(name, "features")
    network = efficientnet.fused(load_efficientnet(catalogue.verified(entry))).to(device)

    def features(images: Tensor) -> Tensor:
        x = efficientnet.normalise(resized(images, efficientnet.RESOLUTION))
        return network(x.contiguous(memory_format=torch.channels_last))

    return Extractor(entry.id, network.config.features, features, batch_size=batch_size, device=device)


def inception(path: str | Path, *, batch_size: int = BATCH, device: torch.device | str = "cpu") -> Extractor:
    """Inception-v3 with weights that the user has, in a safetensors or PyTorch file of torchvision's names.

    2,048 features at 299 by 299. The name tells the two published networks apart: ``inception-v3`` of PyTorch, with
    1,000 classes, and ``inception-v3-2015``, the port of the TensorFlow graph with 1,008, whose distances are those of
    papers as far as the resizing agrees. Raises ``MalformedFileError``.
    """
    network = load_inception(Path(path)).to(device)
    name = "inception-v3-2015" if network.fc.out_features == 1008 else "inception-v3"

    def features(images: Tensor) -> Tensor:
        return network((resized(images, inception_v3.RESOLUTION) - 127.5) / 127.5)

    return Extractor(name, inception_v3.FEATURES, features, batch_size=batch_size, device=device)


def pixels() -> Extractor:
    """The pixels themselves, flattened, in [0, 1]: for pictures as small as 8 by 8, which no network was trained on."""
    return Extractor("pixels", None, lambda images: images.flatten(1) / 255, batch_size=1024)


def resized(images: Tensor, size: int) -> Tensor:
    """uint8 (B, C, H, W) as float32 RGB (B, 3, size, size), 0 to 255, by an antialiased bicubic filter.

    Grey becomes three equal channels. Antialiasing matters: without it distances measure the resizer (Parmar, Zhang
    and Zhu, *On Aliased Resizing and Surprising Subtleties in GAN Evaluation*, CVPR 2022).
    """
    scaled = F.interpolate(images.float(), (size, size), mode="bicubic", antialias=True, align_corners=False)
    return scaled.clamp(0, 255).expand(-1, 3, -1, -1)


def checked_images(images: Images) -> Tensor:
    """The pictures as a uint8 tensor (N, C, H, W); :class:`UserError` when they are anything else."""
    given = (
        torch.from_numpy(np.require(images, requirements=["C", "W"]))
        if isinstance(images, np.ndarray)
        else images
    )
    if given.dtype != torch.uint8 or given.ndim != 4 or given.shape[1] not in (1, 3) or not given.numel():
        shape, dtype = tuple(given.shape), str(given.dtype).removeprefix("torch.")
        raise UserError(
            f"pictures of shape {shape} and type {dtype} cannot be evaluated; give uint8 (N, C, H, W) with 1 or 3 "
            "channels and at least one picture",
            f"无法评测形状为 {shape}、类型为 {dtype} 的图片；请给 uint8 (N, C, H, W)，通道数为 1 或 3，且至少一张",
        )
    return given
