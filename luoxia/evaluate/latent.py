"""What a latent space holds: the way between two points, one dimension at a time, and which dimensions are used.

A decoder here is any callable from latents, float (B, D), to pictures, uint8 (B, C, H, W).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from luoxia.core.errors import UserError
from luoxia.evaluate.features import Images, checked_images

Decoder = Callable[[Tensor], Images]

PARALLEL = 1e-4  # radians: nearer to 0 or pi the arc is not determined by its ends


def lerp(start: Tensor, end: Tensor, steps: int) -> Tensor:
    """The straight way (1 - t) a + t b at ``steps`` even t from 0 to 1: (R, D) and (R, D) to (R, steps, D)."""
    t = _even(start, end, steps)
    return (1 - t) * start[:, None] + t * end[:, None]


def slerp(start: Tensor, end: Tensor, steps: int) -> Tensor:
    r"""The way along the arc, on which draws from a normal prior keep their typical length.

    .. math:: \frac{\sin((1 - t) \omega)}{\sin \omega} a + \frac{\sin(t \omega)}{\sin \omega} b, \quad
              \cos \omega = \frac{a \cdot b}{|a| |b|}

    Shoemake, *Animating Rotation with Quaternion Curves*, SIGGRAPH 1985; for latents White, *Sampling Generative
    Networks*, arXiv:1609.04468, section 2.1. Rows that point the same way, opposite ways, or nowhere go straight.
    (R, D) and (R, D) to (R, steps, D).
    """
    t = _even(start, end, steps)
    a, b = start.double(), end.double()
    lengths = a.norm(dim=1) * b.norm(dim=1)
    cosine = ((a * b).sum(1) / lengths.clamp_min(torch.finfo(torch.float64).tiny)).clamp(-1, 1)
    omega = torch.arccos(cosine)[:, None, None]
    straight = (omega < PARALLEL) | (omega > torch.pi - PARALLEL) | (lengths == 0)[:, None, None]
    sine = omega.sin().where(~straight, 1)
    t = t.double()
    arc = ((1 - t) * omega).sin() / sine * a[:, None] + (t * omega).sin() / sine * b[:, None]
    return arc.to(start.dtype).where(~straight, lerp(start, end, steps))


def interpolation(
    decode: Decoder, start: Tensor, end: Tensor, steps: int = 9, *, spherical: bool = False
) -> Tensor:
    """Pictures on the way from each row of ``start`` (R, D) to that of ``end``: uint8 (R * steps, C, H, W).

    Row after row, for ``grid(pictures, columns=steps)``.
    """
    way = slerp(start, end, steps) if spherical else lerp(start, end, steps)
    return _decoded(decode, way.flatten(0, 1))


def traversal(
    decode: Decoder,
    z: Tensor,
    dims: Sequence[int] | None = None,
    values: Sequence[float] = (-3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0),
) -> Tensor:
    """One dimension after the other of ``z`` (D,) set to each of ``values``: uint8 (dims * values, C, H, W).

    A row for each dimension, for ``grid(pictures, columns=len(values))``; ``dims`` None for all of them.
    """
    chosen = list(range(z.numel())) if dims is None else list(dims)
    if z.ndim != 1 or not chosen or not len(values) or not all(0 <= d < z.numel() for d in chosen):
        raise UserError(
            f"dimensions {chosen[:8]} of a latent of shape {tuple(z.shape)} cannot be traversed; give z (D,), at least "
            "one value, and dimensions from 0 to D - 1",
            f"无法遍历形状为 {tuple(z.shape)} 的潜变量的第 {chosen[:8]} 维；请给 z (D,)、至少一个值，以及 0 到 D - 1 的维度",
        )
    rows = z.repeat(len(chosen), len(values), 1)
    for row, d in enumerate(chosen):
        rows[row, :, d] = torch.as_tensor(values, dtype=z.dtype, device=z.device)
    return _decoded(decode, rows.flatten(0, 1))


def active_units(mu: Tensor, threshold: float = 0.01) -> Tensor:
    """Which latent dimensions the encoder uses, bool (D,), from posterior means ``mu`` (N, D); their sum is the count.

    A unit is active when Var_x(E_q(u|x)[u]) > ``threshold`` (Burda, Grosse and Salakhutdinov, ICLR 2016, section 5.2).
    """
    if mu.ndim != 2 or len(mu) < 2:
        raise UserError(
            f"mu has the shape {tuple(mu.shape)}; give the means (N, D) of at least two pictures",
            f"mu 的形状为 {tuple(mu.shape)}；请给至少两张图片的均值 (N, D)",
        )
    return mu.double().var(0) > threshold


def _even(start: Tensor, end: Tensor, steps: int) -> Tensor:
    if start.shape != end.shape or start.ndim != 2 or steps < 2:
        shapes = f"{tuple(start.shape)}, {tuple(end.shape)}"
        raise UserError(
            f"{steps} steps between latents of shapes {shapes} are no way; give two (R, D) and at least 2 steps",
            f"形状为 {shapes} 的潜变量之间无法取 {steps} 步；请给两个 (R, D)，且至少 2 步",
        )
    return torch.linspace(0, 1, steps, dtype=start.dtype, device=start.device)[None, :, None]


def _decoded(decode: Decoder, z: Tensor) -> Tensor:
    with torch.inference_mode():
        images = decode(z)
    if isinstance(images, np.ndarray):
        images = torch.from_numpy(images)
    return checked_images(images).cpu()
