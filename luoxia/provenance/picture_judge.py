"""Judges pictures by Yahoo's Open NSFW, a thin ResNet-50 of 2016 that tells pornography from other photographs.

As its makers did it: the picture at 256 by 256 pixels, bilinearly and whatever its shape; through JPEG and back; the 224 in
the middle; blue, green, red; less the means of what it learned from. What is transparent is judged on white, and once more
without its transparency, since whoever opens the file may take that away.

It runs in one thread of its own: two threads of PyTorch on cores that are busy cost many times what one does, and the
number of threads of whoever publishes stays theirs.
"""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.Image import Resampling

from luoxia.core.errors import MalformedFileError

if TYPE_CHECKING:
    from luoxia.models.thin_resnet import ThinResNet

Pixels = NDArray[np.uint8]
RESIZED, SIDE = 256, 224
MEANS = (104.0, 117.0, 123.0)  # blue, green, red
JPEG_QUALITY = 75
AT_ONCE = 8  # pictures, 50 MB of memory


class PictureJudge:
    def __init__(self, network: ThinResNet) -> None:
        import torch

        self._network = network
        before = torch.get_num_threads()
        # Only once a thread has asked for its number does the one it sets stay; setting it also decides for threads to
        # come, which is put right at once.
        self._thread = ThreadPoolExecutor(
            1, "picture-gate", lambda: (torch.get_num_threads(), torch.set_num_threads(1))
        )
        self._thread.submit(torch.get_num_threads).result()
        torch.set_num_threads(before)

    def judging(self, pictures: Sequence[Pixels]) -> Future[list[float]]:
        """The probability, 0 to 1, that each of the pictures, uint8 (H, W, 1, 3 or 4), is pornography: it comes while
        whoever asked does something else. The pictures must stay as they are until then."""
        return self._thread.submit(self._judge, pictures)

    def judge(self, pictures: Sequence[Pixels]) -> list[float]:
        """The same, waited for."""
        return self.judging(pictures).result()

    def _judge(self, pictures: Sequence[Pixels]) -> list[float]:
        import torch

        seen = [views(picture) for picture in pictures]
        batch = np.stack([prepared(view) for those in seen for view in those])
        scores: list[float] = []
        with torch.inference_mode():
            for i in range(0, len(batch), AT_ONCE):
                logits = self._network(torch.from_numpy(batch[i : i + AT_ONCE]))
                scores += torch.softmax(logits, 1)[:, 1].tolist()
        told = iter(scores)
        return [max(next(told) for _ in those) for those in seen]


def views(pixels: Pixels) -> list[Image.Image]:
    """The picture as RGB; one with transparency on white, and without it."""
    if pixels.shape[2] == 1:
        return [Image.fromarray(pixels[..., 0]).convert("RGB")]
    if pixels.shape[2] == 3:
        return [Image.fromarray(pixels)]
    if (pixels[..., 3] == 255).all():
        return [Image.fromarray(np.ascontiguousarray(pixels[..., :3]))]
    picture = Image.fromarray(pixels)
    white = Image.new("RGBA", picture.size, "white")
    bare = Image.fromarray(np.ascontiguousarray(pixels[..., :3]))
    return [Image.alpha_composite(white, picture).convert("RGB"), bare]


def prepared(picture: Image.Image) -> NDArray[np.float32]:
    """What the network takes of an RGB picture: (3, 224, 224)."""
    through = io.BytesIO()
    small = picture.resize((RESIZED, RESIZED), Resampling.BILINEAR)
    small.save(through, "JPEG", quality=JPEG_QUALITY)
    edge = (RESIZED - SIDE) // 2
    pixels = np.asarray(Image.open(through), np.float32)[edge : edge + SIDE, edge : edge + SIDE, ::-1]
    return np.ascontiguousarray((pixels - np.array(MEANS, np.float32)).transpose(2, 0, 1))


def opened() -> PictureJudge:
    """The judge that comes with Luoxia, read once a process.

    Raises :class:`luoxia.core.errors.UserError` where its file is not what it was.
    """
    return _opened(os.getpid())  # a process that was forked has no thread of its own yet


@cache
def _opened(_process: int) -> PictureJudge:
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    from luoxia.models.thin_resnet import ThinResNet
    from luoxia.weights import catalogue
    from luoxia.weights.state_dict import fill

    path = catalogue.verified(catalogue.find("picture-gate"))
    try:
        told = load_file(path)
    except (OSError, SafetensorError) as error:
        raise MalformedFileError(f"{path} cannot be read: {error}", f"无法读取 {path}：{error}") from error
    with torch.device("meta"):
        network = ThinResNet()
    return PictureJudge(fill(network, told, path))
