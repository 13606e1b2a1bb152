"""Pictures at any size by an upscaler: applied until they are large enough, then reduced."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from luoxia.core.errors import UserError
from luoxia.core.pixels import to_bytes
from luoxia.core.runtime import Runtime
from luoxia.generate.drawing_order import SIZES
from luoxia.models.upscaler import Upscaler

LARGEST = SIZES[1]


@torch.inference_mode()
def enlarged(
    upscaler: Upscaler | None, pictures: NDArray[np.uint8], size: int, runtime: Runtime
) -> NDArray[np.uint8]:
    """uint8 (N, C, S, S) as uint8 (N, C, ``size``, ``size``), one at a time, so that none depends on the others; at their
    own size they stay as they are.

    Smaller sizes and those between two applications come by an antialiased filter, and so do all where there is no
    upscaler. Raises :class:`UserError` for a size out of range.
    """
    if pictures.shape[-1] == size:
        return pictures
    if not 1 <= size <= LARGEST:
        raise UserError(
            f"size is {size}; pictures are enlarged to {LARGEST} pixels at most",
            f"size 为 {size}；图片最多放大到 {LARGEST} 像素",
        )
    made = [_one(upscaler, picture, size, runtime) for picture in pictures]
    return np.stack(made) if made else np.empty((0, *pictures.shape[1:2], size, size), np.uint8)


def _one(
    upscaler: Upscaler | None, picture: NDArray[np.uint8], size: int, runtime: Runtime
) -> NDArray[np.uint8]:
    x = torch.from_numpy(np.ascontiguousarray(picture))[None].to(runtime.device).float() / 127.5 - 1
    while upscaler is not None and x.shape[-1] < size:
        with torch.autocast(runtime.device.type, runtime.dtype, enabled=runtime.dtype != torch.float32):
            x = upscaler(x.contiguous(memory_format=torch.channels_last)).clamp(-1, 1)
    if x.shape[-1] != size:
        x = F.interpolate(x, (size, size), mode="bicubic", antialias=True, align_corners=False)
    return to_bytes(x)[0]
