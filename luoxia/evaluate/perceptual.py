"""A distance between pictures as a network sees them, differentiable in the pictures.

The form is LPIPS' (Zhang et al., *The Unreasonable Effectiveness of Deep Features as a Perceptual Metric*,
arXiv:1801.03924, equation 1) over maps of EfficientNet-Lite0, all channels of one weight: its values compare with
themselves alone.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from luoxia.models import efficientnet
from luoxia.weights import catalogue
from luoxia.weights.vision import load_efficientnet

SIDE = 128  # pixels that the network looks at
STAGES = ("stage1", "stage2", "stage3", "stage5")


class Perceptual:
    """sum over stages of the mean squared difference of maps whose channels are scaled to unit length at each place.

    The network looks at pictures of ``side`` pixels. Distances at other sides or of other stages do not compare.
    """

    def __init__(self, device: torch.device, stages: Sequence[str] = STAGES, side: int = SIDE) -> None:
        path = catalogue.verified(catalogue.find("efficientnet-lite0", "features"))
        self._network = efficientnet.fused(load_efficientnet(path)).to(device)
        self._stages, self._side = stages, side

    def maps(self, pictures: Tensor) -> list[Tensor]:
        """Of pictures (B, C, H, W) about [-1, 1], C 1 or 3."""
        x = pictures.float().clamp(-1.5, 1.5).expand(-1, 3, -1, -1) * 127.5 + 127.5
        if x.shape[2:] != (self._side, self._side):
            x = F.interpolate(
                x, (self._side, self._side), mode="bilinear", antialias=True, align_corners=False
            )
        x = efficientnet.normalise(x).contiguous(memory_format=torch.channels_last)
        found = self._network.stages(x, "head" if "head" in self._stages else max(self._stages))
        return [F.normalize(found[name], dim=1) for name in self._stages]

    def distance(self, pictures: Tensor, maps: list[Tensor]) -> Tensor:
        """To pictures whose ``maps`` are known, (B,)."""
        pairs = zip(self.maps(pictures), maps, strict=True)
        return torch.stack([(a - b).square().sum(1).mean((1, 2)) for a, b in pairs]).sum(0)
