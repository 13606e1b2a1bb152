"""Inception-v3: the published table; no weights of it are at hand, so shapes and names stand for them."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor

from luoxia.core.errors import MalformedFileError
from luoxia.models.inception import Inception, InceptionA, InceptionE
from luoxia.weights.vision import load_inception


@pytest.fixture(scope="module")
def tensors() -> dict[str, Tensor]:
    """Random weights of every name, small enough that nothing overflows."""
    with torch.device("meta"):
        network = Inception()
    generator = torch.Generator().manual_seed(0)
    found: dict[str, Tensor] = {}
    for name, tensor in network.state_dict().items():
        if not tensor.is_floating_point():
            found[name] = torch.tensor(7)
        elif tensor.ndim > 1:
            fan = tensor[0].numel()
            found[name] = torch.randn(tensor.shape, generator=generator) * (2 / fan) ** 0.5
        else:
            found[name] = (
                torch.ones(tensor.shape) if "var" in name or "weight" in name else torch.zeros(tensor.shape)
            )
    return found


def test_published_number_of_parameters() -> None:
    """PyTorch's network has 27,161,264 with the auxiliary classifier of 3,326,696."""
    auxiliary = 768 * 128 + 2 * 128 + 128 * 768 * 25 + 2 * 768 + 768 * 1000 + 1000
    with torch.device("meta"):
        assert sum(p.numel() for p in Inception().parameters()) == 27_161_264 - auxiliary


def test_published_names() -> None:
    with torch.device("meta"):
        shapes = {name: tuple(tensor.shape) for name, tensor in Inception().state_dict().items()}
    assert len([name for name in shapes if name.endswith(".conv.weight")]) == 94
    for name, shape in {
        "Conv2d_1a_3x3.conv.weight": (32, 3, 3, 3),
        "Conv2d_4a_3x3.bn.running_var": (192,),
        "Mixed_5b.branch_pool.conv.weight": (32, 192, 1, 1),
        "Mixed_6a.branch3x3.conv.weight": (384, 288, 3, 3),
        "Mixed_6c.branch7x7dbl_4.conv.weight": (160, 160, 7, 1),
        "Mixed_6e.branch7x7_2.conv.weight": (192, 192, 1, 7),
        "Mixed_7a.branch7x7x3_4.conv.weight": (192, 192, 3, 3),
        "Mixed_7c.branch3x3dbl_3b.conv.weight": (384, 384, 3, 1),
        "Mixed_7c.branch3x3_1.conv.weight": (384, 2048, 1, 1),
        "fc.weight": (1000, 2048),
    }.items():
        assert shapes[name] == shape


def test_sizes_of_table_1() -> None:
    seen: dict[str, tuple[int, ...]] = {}
    with torch.device("meta"):
        network = Inception().eval()
        for name, module in network.named_children():
            module.register_forward_hook(
                lambda m, i, out, name=name: seen.update({name: tuple(out.shape[1:])})
            )
        assert network(torch.empty(1, 3, 299, 299)).shape == (1, 2048)
    assert seen["Conv2d_1a_3x3"] == (32, 149, 149)
    assert seen["Conv2d_2b_3x3"] == (64, 147, 147)
    assert seen["Conv2d_4a_3x3"] == (192, 71, 71)
    assert seen["Mixed_5b"] == (256, 35, 35)
    assert seen["Mixed_5d"] == (288, 35, 35)
    assert seen["Mixed_6a"] == seen["Mixed_6e"] == (768, 17, 17)
    assert seen["Mixed_7a"] == (1280, 8, 8)
    assert seen["Mixed_7c"] == (2048, 8, 8)


@pytest.mark.parametrize("kind", ["safetensors", "pth"])
def test_weights_come_from_either_kind_of_file(tensors: dict[str, Tensor], tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"inception.{kind}"
    given = tensors | {"AuxLogits.fc.weight": torch.zeros(1000, 768)}
    if kind == "pth":
        torch.save(given, path)
    else:
        save_file(given, path)
    network = load_inception(path)
    assert torch.equal(
        network.Mixed_6c.branch7x7dbl_4.conv.weight, tensors["Mixed_6c.branch7x7dbl_4.conv.weight"]
    )
    x = torch.rand(1, 3, 75, 75, generator=torch.Generator().manual_seed(1)) * 2 - 1
    features = network(x)
    assert features.isfinite().all()
    assert features.std() > 0
    torch.testing.assert_close(
        network.logits(x), features @ tensors["fc.weight"].T + tensors["fc.bias"], atol=1e-4, rtol=1e-4
    )


def test_the_graph_of_2015_pools_in_its_own_way(tensors: dict[str, Tensor], tmp_path: Path) -> None:
    path = tmp_path / "fid.pth"
    torch.save(tensors | {"fc.weight": torch.zeros(1008, 2048), "fc.bias": torch.zeros(1008)}, path)
    network = load_inception(path)
    assert (network.Mixed_7c.max_pool, network.Mixed_7b.max_pool) == (True, False)
    counted = [m.count_edge for m in network.modules() if hasattr(m, "count_edge")]
    assert counted == [False] * 9
    assert all(m.count_edge for m in Inception().modules() if hasattr(m, "count_edge"))


def test_what_the_edge_counts_for() -> None:
    """At a corner, 4 of 9 values lie in the picture: a constant map stays constant only when the padding is left out."""
    x = torch.ones(1, 8, 3, 3)
    for count_edge, corner in ((True, 4 / 9), (False, 1.0)):
        block = InceptionA(8, 4, count_edge).eval().requires_grad_(False)
        block.branch_pool.conv.weight.fill_(1 / 8)
        expected = corner / (1 + 1e-3) ** 0.5
        assert block(x)[0, -1, 0, 0].item() == pytest.approx(expected, rel=1e-5)


def test_last_block_pools_by_the_maximum_when_told() -> None:
    x = torch.rand(1, 16, 4, 4, generator=torch.Generator().manual_seed(2))
    for max_pool in (True, False):
        block = InceptionE(16, False, max_pool).eval().requires_grad_(False)
        pooled = F.max_pool2d(x, 3, 1, 1) if max_pool else F.avg_pool2d(x, 3, 1, 1, count_include_pad=False)
        torch.testing.assert_close(block(x)[:, -192:], block.branch_pool(pooled))


def test_another_network_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "resnet.safetensors"
    save_file({"fc.weight": torch.zeros(1000, 512)}, path)
    with pytest.raises(MalformedFileError, match="no Inception-v3"):
        load_inception(path)
