"""Adaptive discriminator augmentation (Karras et al. 2020, arXiv:2006.06676, section 2 and appendix B).

What the discriminator sees, real or made, is turned, moved, scaled and coloured with a probability p so small that the
generator learns nothing of it, and p follows how far the discriminator overfits.
"""

from __future__ import annotations

import math
from functools import cache

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn

# Daubechies' least asymmetric wavelet of six vanishing moments, sym6: orthogonal to itself at even shifts, so that
# doubling and halving a picture with it gives the picture back.
SYM6 = (
    0.015404109327027373,
    0.0034907120842174702,
    -0.11799011114819057,
    -0.048311742585633,
    0.4910559419267466,
    0.787641141030194,
    0.3379294217276218,
    -0.07263752278646252,
    -0.021060292512300564,
    0.04472490177066578,
    0.0017677118642428036,
    -0.007800708325034148,
)
EDGE = len(SYM6) - 2  # values at each end of a doubled line that the filter has not filled
MOST = 0.8  # p beyond which transformations leak into what is generated (section 2.2 there)


class Augment(nn.Module):
    """Pictures (B, C, H, W) in, pictures out, each transformation applied with probability ``p``; p = 0 is the identity.

    ``target`` is the share by which the discriminator's signs on real pictures exceed chance, r_t = E[sign D(x)]; p
    moves towards it at every ``every``-th call of :meth:`adapt`, so fast that it could cross [0, 1] in ``images``
    pictures. ``target`` 0 keeps p where it is.
    """

    p: Tensor
    signs: Tensor
    seen: Tensor
    calls: Tensor

    def __init__(self, *, target: float = 0.6, images: int = 500_000, every: int = 4, p: float = 0.0) -> None:
        super().__init__()
        self.target, self.images, self.every = target, images, every
        self.register_buffer("p", torch.tensor(p))
        self.register_buffer("signs", torch.zeros(()))
        self.register_buffer("seen", torch.zeros(()))
        self.register_buffer("calls", torch.zeros((), dtype=torch.int64))

    def forward(self, pictures: Tensor, generator: torch.Generator) -> Tensor:
        p = float(self.p)
        if p == 0:
            return pictures
        x = pictures.float()
        draw = Gate(len(x), p, generator, x.device)
        x = blitted(x, blits(draw, x.shape[-1]))
        matrix = geometry(draw, x.shape[-1])
        moved = (matrix != torch.eye(3, device=x.device)[:2]).flatten(1).any(1).nonzero()[:, 0]
        if len(moved):
            x = x.index_copy(0, moved, warped(x[moved], matrix[moved]))
        return recoloured(x, colours(draw))

    @torch.no_grad()
    def watch(self, logits: Tensor) -> None:
        """Note the discriminator's ``logits`` (B,) on real pictures."""
        self.signs += logits.sign().sum()
        self.seen += len(logits)

    @torch.no_grad()
    def adapt(self) -> None:
        """After a step of the discriminator: move p by what was noted since it last moved, over all processes."""
        self.calls += 1
        if not self.target or int(self.calls) % self.every:
            return
        noted = torch.stack([self.signs, self.seen])
        if dist.is_available() and dist.is_initialized():
            dist.all_reduce(noted)
        overfitting = noted[0] / noted[1] - self.target
        self.p.copy_((self.p + overfitting.sign() * noted[1] / self.images).clamp(0, MOST))
        self.signs.zero_()
        self.seen.zero_()


class Gate:
    """Random parameters of ``count`` pictures, each neutral with probability 1 - p."""

    def __init__(self, count: int, p: float, generator: torch.Generator, device: torch.device) -> None:
        self.count, self.p, self.generator, self.device = count, p, generator, device

    def uniform(self, low: float, high: float, p: float | None = None) -> Tensor:
        return self._gated(low + (high - low) * self._rand(), p)

    def normal(self, scale: float) -> Tensor:
        return self._gated(scale * torch.randn(self.count, generator=self.generator, device=self.device))

    def whole(self, choices: int) -> Tensor:
        return self._gated((choices * self._rand()).floor())

    def _rand(self) -> Tensor:
        return torch.rand(self.count, generator=self.generator, device=self.device)

    def _gated(self, values: Tensor, p: float | None = None) -> Tensor:
        return torch.where(self._rand() < (self.p if p is None else p), values, 0.0)


def blits(draw: Gate, size: int) -> Tensor:
    """Mirror, quarter turns and whole shifts: where each pixel of the output looks, about the centre (B, 2, 3)."""
    flip = draw.whole(2)
    matrix = _scale(1 - 2 * flip, torch.ones_like(flip))
    matrix = _turn(draw.whole(4) * (math.pi / 2)) @ matrix
    down, across = ((draw.uniform(-0.125, 0.125) * size).round() for _ in range(2))
    return torch.linalg.inv(_shift(across, down) @ matrix)[:, :2]


def geometry(draw: Gate, size: int) -> Tensor:
    """Scale, turn, stretch, turn and shift: where each pixel of the output looks, about the centre in pixels
    (B, 2, 3) (appendix B.2 there)."""
    scale = torch.exp2(draw.normal(0.2))
    matrix = _scale(scale, scale)
    either = 1 - math.sqrt(1 - draw.p)  # so that one of both turns happens with probability p
    matrix = _turn(draw.uniform(-math.pi, math.pi, either)) @ matrix
    stretch = torch.exp2(draw.normal(0.2))
    matrix = _scale(stretch, 1 / stretch) @ matrix
    matrix = _turn(draw.uniform(-math.pi, math.pi, either)) @ matrix
    matrix = _shift(draw.normal(0.125) * size, draw.normal(0.125) * size) @ matrix
    return torch.linalg.inv(matrix)[:, :2]


def colours(draw: Gate) -> Tensor:
    """Brightness, contrast, luma flip, hue and saturation as one map of (r, g, b, 1): (B, 3, 4) (appendix B.3 there)."""
    axis = torch.full((3,), 1 / math.sqrt(3), device=draw.device)
    luma, unit = torch.outer(axis, axis), torch.eye(3, device=draw.device)

    def scaled(matrix: Tensor, factor: Tensor) -> Tensor:
        return matrix * factor[:, None, None]

    brightness, contrast = draw.normal(0.2), torch.exp2(draw.normal(0.5))
    flip, angle = draw.whole(2), draw.uniform(-math.pi, math.pi)
    saturation = torch.exp2(draw.normal(1.0))
    matrix = (unit - scaled(2 * luma, flip)) @ scaled(unit, contrast)
    x, y, z = axis.tolist()
    cross = torch.tensor([[0, -z, y], [z, 0, -x], [-y, x, 0]], device=draw.device)
    # Rodrigues: a turn about the axis of grey.
    turn = scaled(unit, angle.cos()) + scaled(cross, angle.sin()) + scaled(luma, 1 - angle.cos())
    saturate = luma + scaled(unit - luma, saturation)
    shift = matrix @ brightness[:, None, None].expand(-1, 3, 1)
    return saturate @ turn @ torch.cat([matrix, shift], 2)


def recoloured(x: Tensor, matrix: Tensor) -> Tensor:
    """``matrix`` (B, 3, 4) of :func:`colours` applied to (B, 3, H, W); grey pictures take the mean of its rows."""
    if x.shape[1] == 1:
        scale, shift = matrix[:, :, :3].sum(2).mean(1), matrix[:, :, 3].mean(1)
        return x * scale[:, None, None, None] + shift[:, None, None, None]
    return torch.einsum("bij,bjhw->bihw", matrix[:, :, :3], x) + matrix[:, :, 3, None, None]


def blitted(x: Tensor, matrix: Tensor) -> Tensor:
    """(B, C, H, W) looked up through ``matrix`` of :func:`blits`, mirrored beyond its edges: no pixel changes its value."""
    size = x.shape[-1]
    looked = _looked(size, 1.0, matrix, (size - 1) / 2)
    return F.grid_sample(
        x, looked * (2 / size), mode="nearest", padding_mode="reflection", align_corners=False
    )


def warped(x: Tensor, matrix: Tensor) -> Tensor:
    """(B, C, H, W) looked up through ``matrix`` (B, 2, 3), at twice the resolution, mirrored beyond its edges."""
    size = x.shape[-1]
    double, halve, middle = _wavelet(size)
    double, halve = double.to(x), halve.to(x)
    fine = double @ x @ double.T
    looked = _looked(halve.shape[1], 2.0, matrix, middle) + middle + 2 * _margin(size) - EDGE
    seen = F.grid_sample(
        fine,
        (2 * looked + 1) / len(double) - 1,
        mode="bilinear",
        padding_mode="reflection",
        align_corners=False,
    )
    return halve @ seen @ halve.T


def _margin(size: int) -> int:
    return size // 4 + EDGE // 2 + 1


@cache
def _wavelet(size: int) -> tuple[Tensor, Tensor, float]:
    """One direction of :func:`warped` as matrices, which are faster than thin convolutions: a line of ``size`` values
    mirrored on both sides and doubled (fine, size), a doubled line without its sides halved again (size, 2 size +
    EDGE), and where the middle of the picture lies in the latter."""
    taps = torch.tensor(SYM6)[None, None]
    lines, margin = torch.eye(size)[:, None], _margin(size)
    wide = F.pad(lines, [margin] * 2, mode="reflect" if margin < size else "replicate")
    double = F.conv_transpose1d(wide, taps, stride=2)[
        :, 0, EDGE:-EDGE
    ].T  # without what the filter has not filled
    halve = F.conv1d(torch.eye(2 * size + EDGE)[:, None], taps, stride=2)[:, 0].T
    return double.contiguous(), halve.contiguous(), (size - 1) + _centre()


def _looked(count: int, scale: float, matrix: Tensor, middle: float) -> Tensor:
    """``matrix`` about ``middle`` on a square of ``count`` points a side, ``scale`` to a pixel, seen from there:
    (B, count, count, 2) in points."""
    place = torch.arange(count, device=matrix.device, dtype=matrix.dtype) - middle
    rows, columns = torch.meshgrid(place, place, indexing="ij")
    points = torch.stack([columns, rows, torch.full_like(rows, scale)], -1).flatten(0, 1)  # (n, 3)
    return (points @ matrix.transpose(1, 2)).unflatten(1, (count, count))


def _centre() -> float:
    """Where the filter's weight lies."""
    return sum(i * tap for i, tap in enumerate(SYM6)) / sum(SYM6)


def _scale(x: Tensor, y: Tensor) -> Tensor:
    return _matrix(x, torch.zeros_like(x), torch.zeros_like(x), torch.zeros_like(x), y, torch.zeros_like(x))


def _turn(angle: Tensor) -> Tensor:
    zero = torch.zeros_like(angle)
    return _matrix(angle.cos(), -angle.sin(), zero, angle.sin(), angle.cos(), zero)


def _shift(x: Tensor, y: Tensor) -> Tensor:
    one, zero = torch.ones_like(x), torch.zeros_like(x)
    return _matrix(one, zero, x, zero, one, y)


def _matrix(*six: Tensor) -> Tensor:
    zero, one = torch.zeros_like(six[0]), torch.ones_like(six[0])
    return torch.stack([*six, zero, zero, one], 1).unflatten(1, (3, 3))
