"""The upscaler: it begins as a smooth filter, enlarges by its scale, and its size is small."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from luoxia.core.errors import UserError
from luoxia.core.runtime import Runtime
from luoxia.generate.enlarging import enlarged
from luoxia.models.upscaler import Upscaler, UpscalerConfig, smooth

CPU = Runtime(torch.device("cpu"), torch.float32, 1, "test")


def made(**changes) -> Upscaler:
    torch.manual_seed(0)
    model = Upscaler(UpscalerConfig(**{"width": 8, "blocks": 1} | changes)).eval()
    for parameter in model.parameters():
        parameter.data.add_(0.02 * torch.randn_like(parameter))
    return model


@pytest.mark.parametrize("scale", [2, 4])
def test_it_enlarges_and_adds_to_a_smooth_picture(scale):
    x = torch.rand(2, 3, 8, 12) * 2 - 1
    fresh = Upscaler(UpscalerConfig(scale=scale, width=8, blocks=1))
    assert torch.equal(fresh(x), smooth(x, scale))
    model = made(scale=scale)
    assert model(x).shape == (2, 3, 8 * scale, 12 * scale)
    model(x).square().mean().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().sum() > 0, name


def test_each_place_draws_its_own_pixels():
    model = made()
    x = torch.zeros(1, 3, 16, 16)
    other = x.clone()
    other[..., 2, 3] = 1
    change = (model(x) - model(other)).abs().sum(1)[0]
    y, across = divmod(int(change.argmax()), 64)
    assert (y // 4, across // 4) == (2, 3)


def test_half_precision_weighs_a_megabyte():
    count = sum(p.numel() for p in Upscaler().parameters())
    assert 2 * count < 1_000_000
    config = UpscalerConfig(scale=2)
    assert UpscalerConfig(**json.loads(json.dumps(config.to_json()))) == config


@pytest.mark.parametrize("size", [8, 16, 32, 50, 128, 200])
def test_any_size_comes_of_it_and_no_picture_depends_on_another(size):
    model = made()
    pictures = np.random.default_rng(0).integers(0, 256, (3, 3, 16, 16)).astype(np.uint8)
    large = enlarged(model, pictures, size, CPU)
    assert large.shape == (3, 3, size, size)
    assert large.dtype == np.uint8
    assert np.array_equal(large[1:2], enlarged(model, pictures[1:2], size, CPU))
    if size == 16:
        assert np.array_equal(large, pictures)


def test_sizes_out_of_reach_are_refused():
    for size in (0, 5000):
        with pytest.raises(UserError, match=str(size)):
            enlarged(made(), np.zeros((1, 3, 16, 16), np.uint8), size, CPU)
    with pytest.raises(ValueError, match="scale is 3"):
        UpscalerConfig(scale=3)
