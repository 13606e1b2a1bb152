"""A CLIP as two ONNX files, one for each tower, for programs that run without PyTorch.

    image.onnx    pixels (N, 3, H, W) float32 in [-1, 1] -> vectors (N, D) of length 1
    text.onnx     ids (N, T) int64, T the length that the network reads -> vectors (N, D) of length 1

Beside them ``tokenizer.json``, and ``clip.json`` with the size, the length, the ids of begin and end, and the scale by which
similarities are multiplied.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from luoxia.core.folder import write_atomically
from luoxia.models.captions import BEGIN
from luoxia.models.clip import CLIP
from luoxia.models.clip_tokenizer import CLIPTokenizer, ReadsTexts
from luoxia.weights.onnx_graph import graph


class _Image(nn.Module):
    def __init__(self, model: CLIP) -> None:
        super().__init__()
        self.model = model

    def forward(self, pixels: Tensor) -> Tensor:
        return self.model.encode_image(pixels)


class _Text(nn.Module):
    """As :meth:`CLIP.encode_text` does, at full length: a graph does not look at its numbers."""

    def __init__(self, model: CLIP) -> None:
        super().__init__()
        self.model = model

    def forward(self, ids: Tensor) -> Tensor:
        return F.normalize(self.model.text_out(self.model.text(ids)), dim=-1)


def export_onnx(model: CLIP, tokenizer: ReadsTexts, folder: Path) -> Path:
    """Write both towers and what goes with them; ``model`` is in float32 on the CPU and in evaluation mode."""
    c = model.config
    pixels = torch.zeros(2, 3, c.size, c.size)
    ids = torch.full((2, c.block_size), c.end)
    files = {
        "image.onnx": graph(_Image(model), {"pixels": pixels}, "vectors"),
        "text.onnx": graph(_Text(model), {"ids": ids}, "vectors"),
        "tokenizer.json": json.dumps(tokenizer.to_json(), ensure_ascii=False).encode(),
        "clip.json": json.dumps(
            {
                "size": c.size,
                "length": c.block_size,
                "begin": tokenizer.begin if isinstance(tokenizer, CLIPTokenizer) else BEGIN,
                "end": c.end,
                "scale": float(model.logit_scale.detach().exp()),
            },
            indent=1,
        ).encode(),
    }
    for name, data in files.items():
        with write_atomically(folder / name) as file:
            file.write(data)
    return folder
