"""A network as the bytes of an ONNX file."""

from __future__ import annotations

import io
import warnings
from importlib import import_module
from typing import Any

import torch
from torch import Tensor, nn

from luoxia.core.errors import UserError

OPSET = 17  # with layer normalisation as one operation


def graph(module: nn.Module, inputs: dict[str, Tensor], output: str) -> bytes:
    """``module`` of ``inputs``, examples by name in the order it takes them, to ``output``; the first axis of each may
    have any length. By PyTorch's older exporter, which needs no package but onnx.

    Raises :class:`UserError` where that is not installed.
    """
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
            tuple(inputs.values()),
            file,
            input_names=list(inputs),
            output_names=[output],
            dynamic_axes={name: {0: "n"} for name in (*inputs, output)},
            opset_version=OPSET,
            dynamo=False,
        )
    return file.getvalue()
