"""Ways through latent space, and films of them."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from luoxia.core.errors import UserError
from luoxia.generate.portraits import Portraits, checked_psi

WAYS, SPACES = ("linear", "slerp", "spline"), ("w", "z")
SUFFIXES = (".mp4", ".gif", ".webp")


def path(keys: Tensor, frames: int, way: str = "spline") -> Tensor:
    """``frames`` points, evenly in time, on the way through ``keys`` (K, D): (frames, D).

    When the last key is the first, the way is a loop: its last frame stands one step before its first. "spline" is
    Catmull and Rom's, which passes every key without a stop or a bend; "linear" and "slerp" turn at each.
    """
    check_way(len(keys), frames, way)
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


def through(keys: Tensor, frames: int, way: str, *, loop: bool) -> Tensor:
    """ws (frames, num_ws, w_dim) on the way through the styles ``keys`` (K, num_ws, w_dim); back to the first in a loop."""
    keys = torch.cat([keys, keys[: int(loop)]])
    return path(keys.flatten(1), frames, way).reshape(frames, *keys.shape[1:])


@torch.inference_mode()
def through_seeds(
    portraits: Portraits,
    seeds: Sequence[int],
    frames: int,
    way: str = "spline",
    space: str = "w",
    *,
    psi: float = 0.7,
    name: str | None = None,
) -> Tensor:
    """The same through the faces of seeds, all of the class ``name`` or the first, in ``space`` "w" or "z"."""
    check_space(space)
    name = name or portraits.first_class
    if space == "w":
        ws = portraits.styles(seeds, psi=psi, name=name)
        return path(ws[:, 0].clone(), frames, way)[:, None].repeat(1, ws.shape[1], 1)
    z = path(portraits.latents(seeds), frames, way)
    return portraits.network.mapping(z, portraits.classes(range(frames), name), checked_psi(psi))


def check_way(keys: int, frames: int, way: str) -> None:
    """So many frames on that way through so many keys."""
    if way not in WAYS:
        raise UserError(
            f"there is no way {way!r}; there is {', '.join(WAYS)}", f"没有插值 {way!r}；有 {'、'.join(WAYS)}"
        )
    if keys < 2 or frames < 2:
        raise UserError("a way needs two seeds and two frames at least", "插值至少需要两个种子和两帧")


def check_space(space: str) -> None:
    if space not in SPACES:
        raise UserError(f"there is no space {space!r}; there is w and z", f"没有空间 {space!r}；有 w 与 z")


def frame_count(seconds: float, fps: float) -> int:
    return max(2, round(seconds * fps))


def told_styles(ws: Tensor) -> str:
    """Styles (K, num_ws, w_dim) in a record: base64 of halves, little-endian."""
    return base64.b64encode(ws.cpu().numpy().astype("<f2").tobytes()).decode()


def styles_told(text: str, portraits: Portraits) -> Tensor:
    """What :func:`told_styles` wrote, (K, num_ws, w_dim) float32. Raises :class:`UserError` for styles of other models."""
    shape = portraits.config.num_ws, portraits.config.w_dim
    try:
        halves = np.frombuffer(base64.b64decode(text, validate=True), "<f2").reshape(-1, *shape)
    except ValueError as error:
        raise UserError(
            f"these are no styles of {portraits.told.name}", f"这些不是 {portraits.told.name} 的样式"
        ) from error
    return torch.from_numpy(halves.astype(np.float32)).to(portraits.runtime.device)


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
