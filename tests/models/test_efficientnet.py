"""EfficientNet-Lite0: its published table, its weights, and what it sees with them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from luoxia.models.efficientnet import (
    ConvNorm,
    EfficientNet,
    EfficientNetConfig,
    InvertedResidual,
    Stage,
    fused,
    normalise,
)
from luoxia.weights import catalogue
from luoxia.weights.vision import load_efficientnet

TINY = EfficientNetConfig(
    stem=4, stages=(Stage(1, 3, 1, 1, 4), Stage(2, 5, 2, 3, 6), Stage(1, 3, 2, 2, 8)), features=16, classes=5
)


@pytest.fixture(scope="module")
def seeing() -> EfficientNet:
    entry = catalogue.find("efficientnet-lite0")
    if not catalogue.is_here(entry):
        pytest.skip(f"{entry.id} is not on this machine; get it with: luoxia models get {entry.id}")
    return load_efficientnet(catalogue.verified(entry))


def random_network(config: EfficientNetConfig = TINY) -> EfficientNet:
    generator = torch.Generator().manual_seed(0)
    network = EfficientNet(config).eval().requires_grad_(False)
    for name, tensor in network.state_dict().items():
        if tensor.is_floating_point():
            drawn = torch.randn(tensor.shape, generator=generator)
            tensor.copy_(drawn.abs() + 0.5 if name.endswith("running_var") else drawn * 0.3)
    return network


def test_lite0_has_the_published_number_of_parameters() -> None:
    with torch.device("meta"):
        network = EfficientNet()
    assert sum(p.numel() for p in network.parameters()) == 4_652_008


def test_stages_have_the_published_shapes() -> None:
    with torch.device("meta"):
        maps = EfficientNet().eval().stages(torch.empty(2, 3, 224, 224))
    sizes = [(name, *x.shape[1:3]) for name, x in maps.items()]
    assert sizes == [
        ("stem", 32, 112),
        ("stage1", 16, 112),
        ("stage2", 24, 56),
        ("stage3", 40, 28),
        ("stage4", 80, 14),
        ("stage5", 112, 14),
        ("stage6", 192, 7),
        ("stage7", 320, 7),
        ("head", 1280, 7),
    ]


@pytest.mark.parametrize("size", [7, 8])
@pytest.mark.parametrize(("kernel", "stride"), [(3, 1), (3, 2), (5, 1), (5, 2), (1, 1)])
def test_padding_is_tensorflows_same(size: int, kernel: int, stride: int) -> None:
    """Output o sees inputs from o * stride - floor(total / 2), and zeros outside the picture."""
    layer = ConvNorm(1, 1, kernel, stride, linear=True).eval().requires_grad_(False)
    layer.norm.eps = 0.0
    x = torch.randn(1, 1, size, size, generator=torch.Generator().manual_seed(1))
    outputs = -(-size // stride)
    total = max(0, (outputs - 1) * stride + kernel - size)
    expected = torch.zeros(outputs, outputs)
    for row in range(outputs):
        for column in range(outputs):
            for i in range(kernel):
                for j in range(kernel):
                    r, c = row * stride - total // 2 + i, column * stride - total // 2 + j
                    if 0 <= r < size and 0 <= c < size:
                        expected[row, column] += layer.conv.weight[0, 0, i, j] * x[0, 0, r, c]
    torch.testing.assert_close(layer(x)[0, 0], expected)


def test_block_against_the_formula() -> None:
    block = random_network().blocks[2]
    assert isinstance(block, InvertedResidual)
    x = torch.randn(2, 6, 9, 9, generator=torch.Generator().manual_seed(2))

    def norm(h: Tensor, layer: ConvNorm) -> Tensor:
        n = layer.norm
        mean, var = n.running_mean[:, None, None], n.running_var[:, None, None]
        return (h - mean) / (var + 1e-3).sqrt() * n.weight[:, None, None] + n.bias[:, None, None]

    wide = norm(torch.einsum("oi,bihw->bohw", block.expand.conv.weight[:, :, 0, 0], x), block.expand)
    around = F.conv2d(wide.clamp(0, 6), block.depthwise.conv.weight, padding=2, groups=18)
    narrow = torch.einsum(
        "oi,bihw->bohw",
        block.project.conv.weight[:, :, 0, 0],
        norm(around, block.depthwise).clamp(0, 6),
    )
    torch.testing.assert_close(block(x), x + norm(narrow, block.project), atol=1e-5, rtol=1e-5)


def test_residual_only_where_shapes_allow() -> None:
    assert [block.residual for block in random_network().blocks] == [True, False, True, False]


def test_features_are_the_mean_of_the_head_and_feed_the_classifier() -> None:
    network = random_network()
    x = torch.randn(3, 3, 33, 40, generator=torch.Generator().manual_seed(3))
    features = network(x)
    torch.testing.assert_close(features, network.stages(x)["head"].flatten(2).mean(2))
    assert features.shape == (3, 16)
    expected = features @ network.classifier.weight.T + network.classifier.bias
    torch.testing.assert_close(network.logits(x), expected)


def test_a_picture_does_not_depend_on_its_batch() -> None:
    network = random_network()
    x = torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(4))
    torch.testing.assert_close(network(x)[2:3], network(x[2:3]), atol=1e-6, rtol=1e-5)


def test_fused_is_the_same_network() -> None:
    network = random_network()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    quick = fused(network)
    x = torch.randn(2, 3, 45, 38, generator=torch.Generator().manual_seed(7))
    torch.testing.assert_close(quick.logits(x), network.logits(x), atol=1e-4, rtol=1e-4)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in quick.modules())
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


def test_maps_of_stages_are_not_overwritten() -> None:
    """Activations work in place, each on what its own convolution made."""
    network = random_network()
    x = torch.randn(1, 3, 32, 32, generator=torch.Generator().manual_seed(8))
    kept = x.clone()
    maps = network.stages(x)
    assert torch.equal(x, kept)
    torch.testing.assert_close(maps["stem"], network.stem(x))
    torch.testing.assert_close(maps["stage1"], network.blocks[0](network.stem(x)))


def test_every_parameter_gets_a_finite_gradient() -> None:
    network = random_network().train().requires_grad_(True)
    network.logits(
        torch.randn(4, 3, 64, 64, generator=torch.Generator().manual_seed(5))
    ).square().sum().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().sum() > 0 or name.endswith("norm.bias"), name


def test_normalise() -> None:
    values = torch.tensor([0, 127, 255], dtype=torch.uint8)
    assert normalise(values).tolist() == [-127 / 128, 0.0, 1.0]


@pytest.mark.model
@pytest.mark.parametrize(("picture", "classes"), [("china.jpg", {698}), ("flower.jpg", {985})])
def test_recognises_photographs(seeing: EfficientNet, picture: str, classes: set[int]) -> None:
    """698 is palace, 985 daisy, in ImageNet's order."""
    from sklearn.datasets import load_sample_image

    image = torch.from_numpy(load_sample_image(picture).copy()).permute(2, 0, 1)[None]
    side = min(image.shape[2:])
    top, left = (image.shape[2] - side) // 2, (image.shape[3] - side) // 2
    square = image[:, :, top : top + side, left : left + side].float()
    x = F.interpolate(square, (224, 224), mode="bicubic", antialias=True).clamp(0, 255)
    assert int(seeing.logits(normalise(x)).argmax()) in classes


@pytest.mark.model
def test_published_weights_are_frozen_and_in_evaluation_mode(seeing: EfficientNet) -> None:
    assert not seeing.training
    assert not any(p.requires_grad or p.is_meta for p in seeing.parameters())
    assert not any(b.is_meta for b in seeing.buffers())
    features = seeing(torch.zeros(1, 3, 224, 224))
    assert features.shape == (1, 1280)
    assert features.min() >= 0
    assert features.max() <= 6


def published_names(network: nn.Module) -> dict[str, Tensor]:
    """Our tensors under the names of the published file."""
    tensors: dict[str, Tensor] = {}
    for name, tensor in network.state_dict().items():
        for ours, theirs in (
            ("stem.conv", "_conv_stem"),
            ("stem.norm", "_bn0"),
            ("head.conv", "_conv_head"),
            ("head.norm", "_bn1"),
            ("classifier", "_fc"),
            ("blocks.", "_blocks."),
            (".expand.conv", "._expand_conv"),
            (".expand.norm", "._bn0"),
            (".depthwise.conv", "._depthwise_conv"),
            (".depthwise.norm", "._bn1"),
            (".project.conv", "._project_conv"),
            (".project.norm", "._bn2"),
        ):
            name = name.replace(ours, theirs)
        tensors[name] = tensor
    return tensors


def test_reads_the_published_names(tmp_path: Path) -> None:
    network = random_network(EfficientNetConfig())
    path = tmp_path / "lite0.pth"
    torch.save(published_names(network), path)
    x = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(6))
    before = torch.get_rng_state()
    loaded = load_efficientnet(path)
    assert np.array_equal(before, torch.get_rng_state())  # loading disturbs no training beside it
    assert torch.equal(loaded.logits(x), network.logits(x))


def test_stages_up_to_one_are_those_of_the_whole():
    network = EfficientNet().eval()
    x = torch.rand(1, 3, 64, 64)
    whole, some = network.stages(x), network.stages(x, "stage3")
    assert list(some) == ["stem", "stage1", "stage2", "stage3"]
    assert all(torch.equal(some[name], whole[name]) for name in some)
