"""A residual network of 50 layers at half width: 3, 4, 6 and 3 bottlenecks, two classes.

He, Zhang, Ren and Sun, *Deep Residual Learning for Image Recognition*, CVPR 2016, with half the channels in each bottleneck.
Normalisation is part of the convolutions: with running mean m, variance v, scale g and shift b, a convolution w, c becomes
w g / sqrt(v + e), (c - m) g / sqrt(v + e) + b, which is the same function.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

STAGES = ((3, 32), (4, 64), (6, 128), (3, 256))  # bottlenecks, and their width
WIDER = 4  # what leaves a bottleneck has so many times its width
SIDE, CLASSES = 224, 2


class Bottleneck(nn.Module):
    """relu(x' + conv_1 relu(conv_3 relu(conv_1 x))), with x' = x, or a convolution of it where the shape changes."""

    def __init__(self, before: int, width: int, stride: int) -> None:
        super().__init__()
        after = width * WIDER
        changes = stride > 1 or before != after
        self.beside = nn.Conv2d(before, after, 1, stride) if changes else nn.Identity()
        self.narrow = nn.Conv2d(before, width, 1, stride)
        self.look = nn.Conv2d(width, width, 3, padding=1)
        self.widen = nn.Conv2d(width, after, 1)

    def forward(self, x: Tensor) -> Tensor:
        inner = F.relu(self.look(F.relu(self.narrow(x))))
        return F.relu(self.beside(x) + self.widen(inner))


class ThinResNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 64, 7, 2, padding=3)
        blocks, before = [], 64
        for stage, (count, width) in enumerate(STAGES):
            for i in range(count):
                blocks.append(Bottleneck(before, width, 2 if stage and not i else 1))
                before = width * WIDER
        self.blocks = nn.Sequential(*blocks)
        self.classifier = nn.Linear(before, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        """Pictures, float (B, 3, 224, 224), to logits (B, 2)."""
        x = F.relu(self.stem(x))
        x = F.max_pool2d(
            F.pad(x, (0, 1, 0, 1)), 3, 2
        )  # zeros at the far edges alone; all else is at least as much
        return self.classifier(self.blocks(x).mean((2, 3)))
