"""EfficientNet-Lite0: a small convolutional classifier of ImageNet, used here for the features it sees with.

Mingxing Tan and Quoc V. Le, *EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks*, ICML 2019,
arXiv:1905.11946; table 1 without squeeze-and-excitation, with ReLU6 instead of swish, and with the stem and the head
at their full width, which is what its authors call Lite0. Blocks are the inverted residuals of MobileNetV2
(arXiv:1801.04381, figure 3).
"""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

MEAN, SCALE = 127.0, 128.0  # pixel values of 0 to 255 enter the network as (x - MEAN) / SCALE
RESOLUTION = 224


@dataclass(frozen=True)
class Stage:
    """``blocks`` inverted residuals; the first one has the ``stride`` and changes the width."""

    blocks: int
    kernel: int
    stride: int
    expansion: int
    width: int


@dataclass(frozen=True)
class EfficientNetConfig:
    """The table of an EfficientNet; the defaults are Lite0."""

    stem: int = 32
    stages: tuple[Stage, ...] = (
        Stage(1, 3, 1, 1, 16),
        Stage(2, 3, 2, 6, 24),
        Stage(2, 5, 2, 6, 40),
        Stage(3, 3, 2, 6, 80),
        Stage(3, 5, 1, 6, 112),
        Stage(4, 5, 2, 6, 192),
        Stage(1, 3, 1, 6, 320),
    )
    features: int = 1280
    classes: int = 1000


class ConvNorm(nn.Module):
    """Convolution without bias, batch normalisation, and ReLU6 unless the layer is a linear bottleneck.

    The padding is TensorFlow's "SAME": ceil(size / stride) outputs, and where the total is odd the surplus goes to the
    right and to the bottom.
    """

    def __init__(
        self,
        n_in: int,
        n_out: int,
        kernel: int = 1,
        stride: int = 1,
        groups: int = 1,
        *,
        linear: bool = False,
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(n_in, n_out, kernel, stride, groups=groups, bias=False)
        self.norm: nn.Module = nn.BatchNorm2d(n_out, eps=1e-3, momentum=0.01)
        self.kernel, self.stride, self.linear = kernel, stride, linear

    def forward(self, x: Tensor) -> Tensor:
        height, width = (self._padding(size) for size in x.shape[2:])
        padding = (height // 2, width // 2)
        if height % 2 or width % 2:  # a copy, which even padding goes without
            x = F.pad(x, (width // 2, width - width // 2, height // 2, height - height // 2))
            padding = (0, 0)
        conv = self.conv
        x = self.norm(F.conv2d(x, conv.weight, conv.bias, self.stride, padding, 1, conv.groups))
        return x if self.linear else F.relu6(x, inplace=True)

    def _padding(self, size: int) -> int:
        outputs = -(-size // self.stride)
        return max(0, (outputs - 1) * self.stride + self.kernel - size)


class InvertedResidual(nn.Module):
    """Widen by 1x1, look around by a depthwise convolution, narrow by 1x1; added to the input where shapes allow."""

    def __init__(self, n_in: int, n_out: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = n_in * expansion
        self.expand = ConvNorm(n_in, wide) if expansion > 1 else nn.Identity()
        self.depthwise = ConvNorm(wide, wide, kernel, stride, groups=wide)
        self.project = ConvNorm(wide, n_out, linear=True)
        self.residual = stride == 1 and n_in == n_out

    def forward(self, x: Tensor) -> Tensor:
        y = self.project(self.depthwise(self.expand(x)))
        return x + y if self.residual else y


class EfficientNet(nn.Module):
    """The network; ``forward`` gives features, :meth:`logits` classes, :meth:`stages` the maps in between."""

    def __init__(self, config: EfficientNetConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or EfficientNetConfig()
        self.stem = ConvNorm(3, config.stem, 3, 2)
        width, blocks, ends = config.stem, [], []
        for stage in config.stages:
            for i in range(stage.blocks):
                stride = stage.stride if i == 0 else 1
                blocks.append(InvertedResidual(width, stage.width, stage.kernel, stride, stage.expansion))
                width = stage.width
            ends.append(len(blocks))
        self.blocks = nn.ModuleList(blocks)
        self.ends = tuple(ends)
        self.head = ConvNorm(width, config.features)
        self.classifier = nn.Linear(config.features, config.classes)

    def forward(self, x: Tensor) -> Tensor:
        """Features of pictures.

        Args:
            x: (B, 3, H, W) float, RGB, :func:`normalise`; trained at 224 by 224, any size from 32 is taken.

        Returns:
            (B, 1280), the head's maps averaged over space, each in [0, 6].
        """
        return self.stages(x)["head"].mean((2, 3))

    def logits(self, x: Tensor) -> Tensor:
        """Unnormalised log-probabilities of the 1,000 classes of ImageNet in their usual order, (B, 1000)."""
        return self.classifier(self(x))

    def stages(self, x: Tensor, last: str = "head") -> dict[str, Tensor]:
        """The maps that a perceptual distance compares, by name, each half as high and wide as the last or equal; up to
        the map ``last``, one of "stage1" to "stage7" or "head".

        At 224: ``stem`` (B, 32, 112, 112), ``stage1`` (B, 16, 112, 112), ``stage2`` (B, 24, 56, 56), ``stage3``
        (B, 40, 28, 28), ``stage4`` (B, 80, 14, 14), ``stage5`` (B, 112, 14, 14), ``stage6`` (B, 192, 7, 7), ``stage7``
        (B, 320, 7, 7), ``head`` (B, 1280, 7, 7).
        """
        maps = {"stem": self.stem(x)}
        h = maps["stem"]
        for i, block in enumerate(self.blocks, start=1):
            h = block(h)
            if i in self.ends:
                maps[name := f"stage{self.ends.index(i) + 1}"] = h
                if name == last:
                    return maps
        maps["head"] = self.head(h)
        return maps


def fused(network: EfficientNet) -> EfficientNet:
    """A copy for evaluation alone whose convolutions hold their normalisation; the same but for rounding.

    Weights lie with their channels last; given pictures that do too, features take a CPU a quarter of the time.
    """
    copied = copy.deepcopy(network).eval()
    for layer in copied.modules():
        if isinstance(layer, ConvNorm) and isinstance(layer.norm, nn.BatchNorm2d):
            layer.conv = fuse_conv_bn_eval(layer.conv, layer.norm)
            layer.conv.weight.data = layer.conv.weight.data.contiguous(memory_format=torch.channels_last)
            layer.norm = nn.Identity()
    return copied.requires_grad_(False)


def normalise(images: Tensor) -> Tensor:
    """Pixel values of 0 to 255, of any dtype, as the network was trained on them: float32 in about [-1, 1]."""
    return (images.to(torch.float32) - MEAN) / SCALE
