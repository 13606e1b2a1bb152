"""Modulated convolution and the filter of resampling: their equations, their scale, and their second derivatives."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from luoxia.nn.modulated import demodulation, modulated_conv2d
from luoxia.nn.resample import downsample, smooth, upsample


def case(batch=3, inner=4, outer=5, size=6, kernel=3, dtype=torch.float64):
    generator = torch.Generator().manual_seed(0)

    def normal(*shape):
        return torch.randn(*shape, generator=generator, dtype=dtype)

    return normal(batch, inner, size, size), normal(outer, inner, kernel, kernel), normal(batch, inner)


@pytest.mark.parametrize("demodulate", [True, False])
@pytest.mark.parametrize("up", [True, False])
def test_each_picture_has_its_own_kernel(up, demodulate):
    """Against equations 1 to 3 of arXiv:1912.04958 written out picture by picture."""
    x, weight, styles = case()
    found = modulated_conv2d(x, weight, styles, demodulate=demodulate, up=up, gain=1.5)
    for i in range(len(x)):
        kernel = weight * styles[i][None, :, None, None]
        if demodulate:
            kernel = kernel / (kernel.square().sum((1, 2, 3), keepdim=True) + 1e-8).sqrt()
        if up:
            wanted = smooth(F.conv_transpose2d(x[i : i + 1], kernel.transpose(0, 1), stride=2), 1, 4.0)
        else:
            wanted = F.conv2d(x[i : i + 1], kernel, padding=1)
        torch.testing.assert_close(found[i : i + 1], 1.5 * wanted)


@pytest.mark.parametrize("demodulate", [True, False])
def test_a_picture_alone_is_as_in_a_batch(demodulate):
    x, weight, styles = case()
    with torch.no_grad():  # where the style goes into the kernel
        alone = [
            modulated_conv2d(x[i : i + 1], weight, styles[i : i + 1], demodulate=demodulate) for i in range(3)
        ]
        together = modulated_conv2d(x, weight, styles, demodulate=demodulate)
    torch.testing.assert_close(torch.cat(alone), together)


def test_demodulation_gives_unit_variance():
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(4, 64, 32, 32, generator=generator)
    weight, styles = (
        torch.randn(48, 64, 3, 3, generator=generator),
        3 * torch.rand(4, 64, generator=generator) + 0.1,
    )
    y = modulated_conv2d(x, weight, styles)[..., 1:-1, 1:-1]
    torch.testing.assert_close(y.var((2, 3)).mean(), torch.tensor(1.0), rtol=0.02, atol=0)
    assert demodulation(weight, styles).shape == (4, 48)


@pytest.mark.parametrize("up", [True, False])
def test_second_derivatives_of_the_convolution(up):
    x, weight, styles = (t.requires_grad_() for t in case(2, 2, 2, 3))
    assert torch.autograd.gradgradcheck(lambda *a: modulated_conv2d(*a, up=up), (x, weight, styles))


@pytest.mark.parametrize("resample", [upsample, downsample, lambda x: smooth(x, 2)])
def test_second_derivatives_of_the_filter(resample):
    x = torch.randn(1, 2, 4, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(lambda x: resample(x).square(), (x,))


def test_resampling_keeps_an_even_picture_and_its_middle():
    even = torch.full((1, 2, 16, 16), 0.7)
    for resampled, size in ((upsample(even), 32), (downsample(even), 8)):
        assert resampled.shape[-1] == size
        torch.testing.assert_close(
            resampled[..., 2:-2, 2:-2], torch.full_like(resampled[..., 2:-2, 2:-2], 0.7)
        )
    ramp = torch.arange(16.0).expand(1, 1, 16, 16)
    torch.testing.assert_close(downsample(ramp)[0, 0, 4, 1:-1], torch.arange(1, 7) * 2 + 0.5)
    doubled = upsample(ramp)[0, 0, 8, 2:-2]
    torch.testing.assert_close(doubled, torch.arange(2, 30) / 2 - 0.25)


def test_nothing_finer_than_the_new_grid_is_left():
    checks = ((torch.arange(16)[:, None] + torch.arange(16)) % 2).float()[None, None] * 2 - 1
    assert downsample(checks)[..., 1:-1, 1:-1].abs().max() < 1e-6
