"""Inception-v3: the classifier that the published Fréchet distances were measured with.

Christian Szegedy, Vincent Vanhoucke, Sergey Ioffe, Jonathon Shlens and Zbigniew Wojna, *Rethinking the Inception
Architecture for Computer Vision*, CVPR 2016, arXiv:1512.00567, figures 5 to 7 and table 1. Parameters bear the names
that published PyTorch weights use, so a state dict fits as it is. The auxiliary classifier serves training alone and
is left out.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

FEATURES = 2048
RESOLUTION = 299


class BasicConv2d(nn.Module):
    """Convolution without bias, batch normalisation, ReLU."""

    def __init__(
        self,
        n_in: int,
        n_out: int,
        kernel: int | tuple[int, int] = 1,
        *,
        stride: int = 1,
        padding: int | tuple[int, int] = 0,
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(n_in, n_out, kernel, stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(n_out, eps=1e-3)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.bn(self.conv(x)))


def _across(n_in: int, n_out: int) -> BasicConv2d:
    return BasicConv2d(n_in, n_out, (1, 7), padding=(0, 3))


def _down(n_in: int, n_out: int) -> BasicConv2d:
    return BasicConv2d(n_in, n_out, (7, 1), padding=(3, 0))


class InceptionA(nn.Module):
    """Figure 5: 1x1, 5x5, two 3x3, and pooling, side by side at 35 x 35."""

    def __init__(self, n_in: int, pool_features: int, count_edge: bool) -> None:
        super().__init__()
        self.branch1x1 = BasicConv2d(n_in, 64)
        self.branch5x5_1 = BasicConv2d(n_in, 48)
        self.branch5x5_2 = BasicConv2d(48, 64, 5, padding=2)
        self.branch3x3dbl_1 = BasicConv2d(n_in, 64)
        self.branch3x3dbl_2 = BasicConv2d(64, 96, 3, padding=1)
        self.branch3x3dbl_3 = BasicConv2d(96, 96, 3, padding=1)
        self.branch_pool = BasicConv2d(n_in, pool_features)
        self.count_edge = count_edge

    def forward(self, x: Tensor) -> Tensor:
        five = self.branch5x5_2(self.branch5x5_1(x))
        three = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        pooled = self.branch_pool(F.avg_pool2d(x, 3, 1, 1, count_include_pad=self.count_edge))
        return torch.cat((self.branch1x1(x), five, three, pooled), 1)


class InceptionB(nn.Module):
    """Halves 35 x 35 to 17 x 17."""

    def __init__(self, n_in: int) -> None:
        super().__init__()
        self.branch3x3 = BasicConv2d(n_in, 384, 3, stride=2)
        self.branch3x3dbl_1 = BasicConv2d(n_in, 64)
        self.branch3x3dbl_2 = BasicConv2d(64, 96, 3, padding=1)
        self.branch3x3dbl_3 = BasicConv2d(96, 96, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        three = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        return torch.cat((self.branch3x3(x), three, F.max_pool2d(x, 3, 2)), 1)


class InceptionC(nn.Module):
    """Figure 6: 7x7 convolutions as 1x7 and 7x1 ones, at 17 x 17."""

    def __init__(self, n_in: int, narrow: int, count_edge: bool) -> None:
        super().__init__()
        self.branch1x1 = BasicConv2d(n_in, 192)
        self.branch7x7_1 = BasicConv2d(n_in, narrow)
        self.branch7x7_2 = _across(narrow, narrow)
        self.branch7x7_3 = _down(narrow, 192)
        self.branch7x7dbl_1 = BasicConv2d(n_in, narrow)
        self.branch7x7dbl_2 = _down(narrow, narrow)
        self.branch7x7dbl_3 = _across(narrow, narrow)
        self.branch7x7dbl_4 = _down(narrow, narrow)
        self.branch7x7dbl_5 = _across(narrow, 192)
        self.branch_pool = BasicConv2d(n_in, 192)
        self.count_edge = count_edge

    def forward(self, x: Tensor) -> Tensor:
        seven = self.branch7x7_3(self.branch7x7_2(self.branch7x7_1(x)))
        twice = self.branch7x7dbl_3(self.branch7x7dbl_2(self.branch7x7dbl_1(x)))
        twice = self.branch7x7dbl_5(self.branch7x7dbl_4(twice))
        pooled = self.branch_pool(F.avg_pool2d(x, 3, 1, 1, count_include_pad=self.count_edge))
        return torch.cat((self.branch1x1(x), seven, twice, pooled), 1)


class InceptionD(nn.Module):
    """Halves 17 x 17 to 8 x 8."""

    def __init__(self, n_in: int) -> None:
        super().__init__()
        self.branch3x3_1 = BasicConv2d(n_in, 192)
        self.branch3x3_2 = BasicConv2d(192, 320, 3, stride=2)
        self.branch7x7x3_1 = BasicConv2d(n_in, 192)
        self.branch7x7x3_2 = _across(192, 192)
        self.branch7x7x3_3 = _down(192, 192)
        self.branch7x7x3_4 = BasicConv2d(192, 192, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        three = self.branch3x3_2(self.branch3x3_1(x))
        seven = self.branch7x7x3_4(self.branch7x7x3_3(self.branch7x7x3_2(self.branch7x7x3_1(x))))
        return torch.cat((three, seven, F.max_pool2d(x, 3, 2)), 1)


class InceptionE(nn.Module):
    """Figure 7: branches that end in 1x3 beside 3x1, at 8 x 8."""

    def __init__(self, n_in: int, count_edge: bool, max_pool: bool) -> None:
        super().__init__()
        self.branch1x1 = BasicConv2d(n_in, 320)
        self.branch3x3_1 = BasicConv2d(n_in, 384)
        self.branch3x3_2a = BasicConv2d(384, 384, (1, 3), padding=(0, 1))
        self.branch3x3_2b = BasicConv2d(384, 384, (3, 1), padding=(1, 0))
        self.branch3x3dbl_1 = BasicConv2d(n_in, 448)
        self.branch3x3dbl_2 = BasicConv2d(448, 384, 3, padding=1)
        self.branch3x3dbl_3a = BasicConv2d(384, 384, (1, 3), padding=(0, 1))
        self.branch3x3dbl_3b = BasicConv2d(384, 384, (3, 1), padding=(1, 0))
        self.branch_pool = BasicConv2d(n_in, 192)
        self.count_edge, self.max_pool = count_edge, max_pool

    def forward(self, x: Tensor) -> Tensor:
        three = self.branch3x3_1(x)
        twice = self.branch3x3dbl_2(self.branch3x3dbl_1(x))
        if self.max_pool:
            pooled = F.max_pool2d(x, 3, 1, 1)
        else:
            pooled = F.avg_pool2d(x, 3, 1, 1, count_include_pad=self.count_edge)
        branches = (
            self.branch1x1(x),
            *(self.branch3x3_2a(three), self.branch3x3_2b(three)),
            *(self.branch3x3dbl_3a(twice), self.branch3x3dbl_3b(twice)),
            self.branch_pool(pooled),
        )
        return torch.cat(branches, 1)


class Inception(nn.Module):
    """Inception-v3. ``forward`` gives the 2,048 pooled features.

    ``classes`` 1000 is the network of the PyTorch weights. 1008 is that of the TensorFlow graph of 2015 which
    published Fréchet distances use: its average pooling does not count the padding, and its last block pools by the
    maximum.
    """

    def __init__(self, classes: int = 1000) -> None:
        super().__init__()
        tensorflow = classes == 1008
        self.Conv2d_1a_3x3 = BasicConv2d(3, 32, 3, stride=2)
        self.Conv2d_2a_3x3 = BasicConv2d(32, 32, 3)
        self.Conv2d_2b_3x3 = BasicConv2d(32, 64, 3, padding=1)
        self.Conv2d_3b_1x1 = BasicConv2d(64, 80)
        self.Conv2d_4a_3x3 = BasicConv2d(80, 192, 3)
        self.Mixed_5b = InceptionA(192, 32, not tensorflow)
        self.Mixed_5c = InceptionA(256, 64, not tensorflow)
        self.Mixed_5d = InceptionA(288, 64, not tensorflow)
        self.Mixed_6a = InceptionB(288)
        self.Mixed_6b = InceptionC(768, 128, not tensorflow)
        self.Mixed_6c = InceptionC(768, 160, not tensorflow)
        self.Mixed_6d = InceptionC(768, 160, not tensorflow)
        self.Mixed_6e = InceptionC(768, 192, not tensorflow)
        self.Mixed_7a = InceptionD(768)
        self.Mixed_7b = InceptionE(1280, not tensorflow, False)
        self.Mixed_7c = InceptionE(2048, not tensorflow, tensorflow)
        self.fc = nn.Linear(FEATURES, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Features of pictures (B, 3, 299, 299), RGB, in [-1, 1]: (B, 2048), averaged over space, not negative."""
        x = self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(x)))
        x = self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(F.max_pool2d(x, 3, 2)))
        x = self.Mixed_5d(self.Mixed_5c(self.Mixed_5b(F.max_pool2d(x, 3, 2))))
        x = self.Mixed_6c(self.Mixed_6b(self.Mixed_6a(x)))
        x = self.Mixed_6e(self.Mixed_6d(x))
        x = self.Mixed_7c(self.Mixed_7b(self.Mixed_7a(x)))
        return x.mean((2, 3))

    def logits(self, x: Tensor) -> Tensor:
        """Unnormalised log-probabilities of the classes, (B, classes)."""
        return self.fc(self(x))
