"""Pictures as networks give them, and as files hold them."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


def to_bytes(pictures: Tensor) -> NDArray[np.uint8]:
    """Pictures (..., H, W) float in [-1, 1], cut there, as uint8 0 to 255."""
    values = pictures.float().clamp(-1, 1).add(1).mul(127.5).round().to(torch.uint8)
    return values.cpu().contiguous().numpy()
