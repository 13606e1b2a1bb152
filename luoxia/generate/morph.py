"""Ways through latent space, and films of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from luoxia.core.errors import UserError
from luoxia.core.folder import write_atomically

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


def write(pictures: NDArray[np.uint8], to: Path, *, fps: int = 30, scale: int = 1) -> None:
    """Frames (N, C, H, W) as a film at ``to``: .mp4 (H.264), .gif or .webp, by its suffix; the last two run in loops."""
    suffix = to.suffix.lower()
    if suffix not in SUFFIXES:
        raise UserError(
            f"{to} is no film: name it {', '.join(SUFFIXES)}",
            f"{to} 不是影片：请以 {'、'.join(SUFFIXES)} 结尾",
        )
    frames = [_enlarged(picture, scale) for picture in pictures]
    if suffix == ".mp4":
        _write_mp4(frames, to, fps)
        return
    with write_atomically(to) as file:
        options = {"save_all": True, "append_images": frames[1:], "duration": 1000 / fps, "loop": 0}
        if suffix == ".webp":
            frames[0].save(file, "WEBP", quality=85, method=4, **options)
        else:  # times are hundredths of a second there; one palette for all frames, or they flicker
            palette = _palette(frames)
            dithered = [f.quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG) for f in frames]
            options |= {"append_images": dithered[1:], "duration": max(20, round(100 / fps) * 10)}
            dithered[0].save(file, "GIF", **options)


def _enlarged(picture: NDArray[np.uint8], scale: int) -> Image.Image:
    rgb = np.broadcast_to(picture, (3, *picture.shape[1:])).transpose(1, 2, 0)
    image = Image.fromarray(np.ascontiguousarray(rgb))
    if scale == 1:
        return image
    return image.resize((image.width * scale, image.height * scale), Image.Resampling.LANCZOS)


def _palette(frames: list[Image.Image]) -> Image.Image:
    some = frames[:: max(1, len(frames) // 12)]
    sheet = Image.new("RGB", (some[0].width * len(some), some[0].height))
    for i, frame in enumerate(some):
        sheet.paste(frame, (i * frame.width, 0))
    return sheet.quantize(256, Image.Quantize.MEDIANCUT)


def _write_mp4(frames: list[Image.Image], to: Path, fps: int) -> None:
    try:
        import av
    except ImportError as error:
        raise UserError(
            "films in .mp4 are written with PyAV, which is not installed: `pip install 'luoxia[faces]'`; .gif and .webp "
            "need nothing",
            "写 .mp4 需要 PyAV，尚未安装：`pip install 'luoxia[faces]'`；.gif 与 .webp 无需安装",
        ) from error
    with (
        write_atomically(to) as file,
        av.open(file, "w", format="mp4", options={"movflags": "faststart"}) as film,
    ):
        stream = film.add_stream("libx264", rate=fps, options={"crf": "16", "preset": "medium"})
        stream.width, stream.height, stream.pix_fmt = frames[0].width, frames[0].height, "yuv420p"
        for frame in frames:
            film.mux(stream.encode(av.VideoFrame.from_image(frame)))
        film.mux(stream.encode())
