"""Ways through latent space, and films of them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from luoxia.core.errors import UserError

WAYS = ("linear", "slerp", "spline")
SUFFIXES = (".mp4", ".gif", ".webp")


def path(keys: Tensor, frames: int, way: str = "spline") -> Tensor:
    """``frames`` points, evenly in time, on the way through ``keys`` (K, D): (frames, D).

    When the last key is the first, the way is a loop: its last frame stands one step before its first. "spline" is
    Catmull and Rom's, which passes every key without a stop or a bend; "linear" and "slerp" turn at each.
    """
    if way not in WAYS:
        raise UserError(
            f"there is no way {way!r}; there is {', '.join(WAYS)}", f"没有插值 {way!r}；有 {'、'.join(WAYS)}"
        )
    if len(keys) < 2 or frames < 2:
        raise UserError("a way needs two seeds and two frames at least", "插值至少需要两个种子和两帧")
    loop = bool((keys[0] == keys[-1]).all()) and len(keys) > 2
    legs = len(keys) - 1
    at = torch.arange(frames, dtype=torch.float64) * (legs / (frames if loop else frames - 1))
    leg = at.long().clamp(max=legs - 1)
    t = (at - leg)[:, None].to(keys.dtype)
    a, b = keys[leg], keys[leg + 1]
    if way == "linear":
        return a.lerp(b, t)
    if way == "slerp":
        return torch.cat([_on_arc(a[i], b[i], float(t[i])) for i in range(frames)])
    before = keys[(leg - 1) % legs] if loop else keys[(leg - 1).clamp(min=0)]
    after = keys[(leg + 1) % legs + 1] if loop else keys[(leg + 2).clamp(max=legs)]
    return 0.5 * (
        2 * a
        + (b - before) * t
        + (2 * before - 5 * a + 4 * b - after) * t**2
        + (3 * a - before - 3 * b + after) * t**3
    )


def _on_arc(a: Tensor, b: Tensor, t: float) -> Tensor:
    """One point of the arc, (1, D)."""
    if t <= 0:
        return a[None]
    cosine = torch.clamp((a @ b) / (a.norm() * b.norm()).clamp_min(1e-12), -1, 1).double()
    omega = torch.arccos(cosine)
    if omega < 1e-4 or omega > torch.pi - 1e-4:
        return a.lerp(b, t)[None]
    return ((((1 - t) * omega).sin() * a + (t * omega).sin() * b) / omega.sin()).to(a.dtype)[None]


def frames(pictures: NDArray[np.uint8], scale: int = 1) -> Iterator[NDArray[np.uint8]]:
    """Pictures (N, C, H, W) one by one as uint8 (H, W, 3), each side ``scale`` times as long."""
    for picture in pictures:
        rgb = np.ascontiguousarray(np.broadcast_to(picture, (3, *picture.shape[1:])).transpose(1, 2, 0))
        if scale == 1:
            yield rgb
            continue
        image = Image.fromarray(rgb)
        yield np.asarray(image.resize((image.width * scale, image.height * scale), Image.Resampling.LANCZOS))
