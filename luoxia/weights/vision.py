"""Published weights of the networks that see: EfficientNet-Lite0 and Inception-v3."""

from __future__ import annotations

import re
from pathlib import Path

import torch

from luoxia.core.errors import MalformedFileError
from luoxia.models.efficientnet import EfficientNet
from luoxia.models.inception import FEATURES, Inception
from luoxia.weights.state_dict import fill, read_state_dict

# The published EfficientNet's names to ours, outside the blocks and within one.
_OUTSIDE = {
    "_conv_stem": "stem.conv",
    "_bn0": "stem.norm",
    "_conv_head": "head.conv",
    "_bn1": "head.norm",
    "_fc": "classifier",
}
_WITHIN = {
    "_expand_conv": "expand.conv",
    "_bn0": "expand.norm",
    "_depthwise_conv": "depthwise.conv",
    "_bn1": "depthwise.norm",
    "_project_conv": "project.conv",
    "_bn2": "project.norm",
}
_NAME = re.compile(r"(?:_blocks\.(\d{1,3})\.)?(\w+)\.(\w+)", re.ASCII)


def load_efficientnet(path: Path) -> EfficientNet:
    """EfficientNet-Lite0 with the weights in ``path``, in evaluation mode; :class:`MalformedFileError` otherwise."""
    with torch.device("meta"):
        network = EfficientNet()
    return fill(network, {_ours(name): tensor for name, tensor in read_state_dict(path).items()}, path)


def load_inception(path: Path) -> Inception:
    """Inception-v3 with the weights in ``path``, in evaluation mode.

    Both published forms are read, and told apart by their classes: 1,000 in PyTorch's own, 1,008 in the port of the
    TensorFlow graph. An auxiliary classifier is left aside. Raises :class:`MalformedFileError` for anything else.
    """
    tensors = read_state_dict(path)
    head = tensors.get("fc.weight")
    classes = 0 if head is None or head.ndim != 2 or head.shape[1] != FEATURES else head.shape[0]
    if classes not in (1000, 1008):
        raise MalformedFileError(
            f"{path} holds no Inception-v3: fc.weight should be (1000, {FEATURES}) or (1008, {FEATURES})",
            f"{path} 不是 Inception-v3：fc.weight 应为 (1000, {FEATURES}) 或 (1008, {FEATURES})",
        )
    with torch.device("meta"):
        network = Inception(classes)
    kept = {name: tensor for name, tensor in tensors.items() if not name.startswith("AuxLogits.")}
    return fill(network, kept, path)


def _ours(name: str) -> str:
    """Our name for a published one; a name that is not known stays and is refused as one with no place."""
    match = _NAME.fullmatch(name)
    if match is None:
        return name
    block, place, leaf = match.groups()
    if block is None:
        return f"{_OUTSIDE[place]}.{leaf}" if place in _OUTSIDE else name
    return f"blocks.{block}.{_WITHIN[place]}.{leaf}" if place in _WITHIN else name
