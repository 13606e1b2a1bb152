"""A CLIP as two ONNX files, one for each tower, for programs that run without PyTorch.

    image.onnx    pixels (N, 3, H, W) float32 in [-1, 1] -> vectors (N, D) of length 1
    text.onnx     ids (N, T) int64, T the length that the network reads -> vectors (N, D) of length 1

Beside them ``tokenizer.json``, and ``clip.json`` with the size, the length, the ids of begin and end, and the scale by which
similarities are multiplied.
"""

from __future__ import annotations

import io
import json
import warnings
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from luoxia.core.errors import UserError
from luoxia.core.folder import write_atomically
from luoxia.models.captions import BEGIN
from luoxia.models.clip import CLIP
from luoxia.models.clip_tokenizer import CLIPTokenizer, ReadsTexts

OPSET = 17  # with layer normalisation as one operation


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
        "image.onnx": _graph(_Image(model), pixels, "pixels"),
        "text.onnx": _graph(_Text(model), ids, "ids"),
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


def _graph(module: nn.Module, example: Tensor, name: str) -> bytes:
    """By PyTorch's older exporter, which needs no package but onnx."""
    try:
        import_module("onnx")
    except ImportError as error:
        raise UserError(
            'ONNX is written with the package onnx; install it with: pip install "luoxia[onnx]"',
            '导出 ONNX 需要 onnx 软件包；请安装：pip install "luoxia[onnx]"',
        ) from error
    file: Any = io.BytesIO()
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # of the exporter's age, and of shapes that are fixed on purpose
        torch.onnx.export(
            module.eval(),
            (example,),
            file,
            input_names=[name],
            output_names=["vectors"],
            dynamic_axes={name: {0: "n"}, "vectors": {0: "n"}},
            opset_version=OPSET,
            dynamo=False,
        )
    return file.getvalue()
