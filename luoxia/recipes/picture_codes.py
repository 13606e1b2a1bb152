"""A set's pictures as a dVAE's codes: computed once, and kept for every training that asks for them again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import platformdirs
import torch
from numpy.typing import NDArray

from luoxia.core.errors import UserError
from luoxia.core.folder import write_atomically
from luoxia.core.language import Text
from luoxia.core.progress import counter
from luoxia.data.images import ImageSet
from luoxia.models.dvae import DiscreteVAE

AT_ONCE = 256


def codes_of(images: ImageSet, dvae: DiscreteVAE, fingerprint: str, *, mirrored: bool) -> NDArray[np.int32]:
    """(A, N, n): codes of every picture, and, with ``mirrored``, of its mirror image too. Kept in the user's cache
    under the dVAE's ``fingerprint`` and the set's digest."""
    config = dvae.config
    if (images.size, images.channels) != (config.size, config.channels):
        raise UserError(
            f"{images.name} has pictures of {images.size} pixels and {images.channels} channels, the dVAE takes "
            f"{config.size} and {config.channels}",
            f"{images.name} 的图片为 {images.size} 像素、{images.channels} 通道，dVAE 接受 {config.size} 与 {config.channels}",
        )
    ways = [False, True] if mirrored else [False]
    return np.stack([_kept(images, dvae, fingerprint, mirror) for mirror in ways])


def _kept(images: ImageSet, dvae: DiscreteVAE, fingerprint: str, mirror: bool) -> NDArray[np.int32]:
    path = _place(f"{fingerprint[:20]}-{images.digest[:20]}{'-mirrored' if mirror else ''}.npy")
    try:
        found = np.load(path, allow_pickle=False)
        if found.shape == (len(images.images), dvae.config.side**2) and found.dtype == np.int32:
            return found
    except (OSError, ValueError):
        pass  # not there, or not whole: it is made again
    made = _made(images, dvae, mirror)
    with write_atomically(path) as file:
        np.save(file, made, allow_pickle=False)
    return made


def _place(name: str) -> Path:
    return platformdirs.user_cache_path("luoxia", appauthor=False) / "codes" / name


@torch.inference_mode()
def _made(images: ImageSet, dvae: DiscreteVAE, mirror: bool) -> NDArray[np.int32]:
    total, parts = len(images.images), []
    device = next(dvae.parameters()).device
    dvae.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    fast = (
        device.type != "cpu" or torch.cpu._is_avx512_bf16_supported()
    )  # three times as fast, and nearly the same codes
    with (
        counter(str(Text("pictures as codes", "图片编码"))) as watch,
        torch.autocast(device.type, torch.bfloat16, enabled=fast),
    ):
        for at in range(0, total, AT_ONCE):
            x = torch.from_numpy(np.array(images.images[at : at + AT_ONCE])).to(device)
            x = x.float().div_(127.5).sub_(1).contiguous(memory_format=torch.channels_last)
            parts.append(dvae.encode_ids(x.flip(3) if mirror else x).to(torch.int32).cpu().numpy())
            watch(min(at + AT_ONCE, total), total)
    return np.concatenate(parts)
