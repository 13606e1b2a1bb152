"""A CLIP at work: pictures and texts, as they come, to vectors of its space."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL.Image import Image

from luoxia.core.errors import UserError
from luoxia.data.decoding import fit
from luoxia.weights.clip_folder import CLIPFolder

AT_ONCE = 32  # pictures or texts in one pass; those of more leave the cache
LONGEST = 2_000  # characters of a text


class Sight:
    """The CLIP of ``folder`` on ``device``: everything is float32, vectors have length 1."""

    def __init__(self, folder: CLIPFolder, device: torch.device | str = "cpu") -> None:
        self.name, self.fingerprint, self.tokenizer = folder.name, folder.fingerprint, folder.tokenizer
        self.network = folder.network().to(device)
        self.size, self._device = self.network.config.size, torch.device(device)

    @property
    def scale(self) -> float:
        """What similarities are multiplied by where they become probabilities."""
        return float(self.network.logit_scale.exp())

    def pixels(self, image: Image) -> NDArray[np.uint8]:
        """What is looked at of a picture: the square in its middle, uint8 (3, size, size)."""
        return fit(image, self.size)

    @torch.inference_mode()
    def of_pictures(self, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        """uint8 (N, 1 or 3, H, W), scaled where H and W are not the size that the network sees -> (N, D)."""
        parts = []
        for at in range(0, len(pictures), AT_ONCE):
            part = np.require(pictures[at : at + AT_ONCE], requirements=["C", "W"])
            x = torch.from_numpy(part).to(self._device).float()
            if x.shape[2:] != (self.size, self.size):
                x = F.interpolate(x, (self.size, self.size), mode="bicubic", antialias=True).clamp(0, 255)
            parts.append(self.network.encode_image(x / 127.5 - 1).cpu())
        return torch.cat(parts).numpy()

    @torch.inference_mode()
    def of_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(N, D). Raises :class:`UserError` for a text that is empty, or longer than any description."""
        for text in texts:
            _check(text)
        ids = torch.from_numpy(self.tokenizer.encode(list(texts), self.network.config.block_size))
        parts = [self.network.encode_text(part.to(self._device)).cpu() for part in ids.split(AT_ONCE)]
        return torch.cat(parts).numpy()

    def is_cut(self, text: str) -> bool:
        """Whether the end of ``text`` is left out, because the network reads no more."""
        length = self.network.config.block_size
        longer = self.tokenizer.encode([text], length + 1)[0]
        return bool((longer[:length] == self.network.config.end).sum() == 0)

    def probabilities(self, pictures: NDArray[np.float32], texts: NDArray[np.float32]) -> NDArray[np.float64]:
        """Of which of the texts describes each picture, given that one does: (N, M), rows of sum 1."""
        return torch.softmax(self.scale * torch.from_numpy(pictures @ texts.T).double(), 1).numpy()


def _check(text: str) -> None:
    if not text.strip():
        raise UserError("the text is empty; say what you look for", "文字为空；请写下要找的内容")
    if len(text) > LONGEST:
        raise UserError(
            f"the text has {len(text):,} characters; {LONGEST:,} at most, and a few words do best",
            f"文字有 {len(text):,} 个字符；至多 {LONGEST:,} 个，几个词效果最好",
        )
