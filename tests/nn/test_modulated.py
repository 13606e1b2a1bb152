"""Modulated convolution and the filter of resampling: their equations, their scale, and their second derivatives."""

from __future__ import annotations

import copy

import pytest
import torch
import torch.nn.functional as F

from luoxia.nn.modulated import Kept, demodulation, modulated_conv2d
from luoxia.nn.resample import smooth


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
    assert demodulation(weight.square().sum((2, 3)), styles).shape == (4, 48)


@pytest.mark.parametrize("up", [True, False])
def test_second_derivatives_of_the_convolution(up):
    x, weight, styles = (t.requires_grad_() for t in case(2, 2, 2, 3))
    assert torch.autograd.gradgradcheck(lambda *a: modulated_conv2d(*a, up=up), (x, weight, styles))


@pytest.mark.parametrize("up", [False, True])
def test_what_is_kept_of_a_kernel_follows_the_kernel(up):
    kept, weight = Kept(), torch.nn.Parameter(torch.randn(4, 3, 3, 3))
    x, styles = torch.randn(2, 3, 4, 4), torch.randn(2, 3)

    def seen(**how):
        return modulated_conv2d(x, weight, styles, up=up, **how)

    with torch.no_grad():
        before = seen(kept=kept)
        assert torch.equal(before, seen(kept=kept))
        assert kept(weight, x.dtype, up)[0] is kept(weight, x.dtype, up)[0]
        for change in (lambda: weight.mul_(2).add_(0.1), lambda: weight[0].zero_()):
            change()
            torch.testing.assert_close(seen(kept=kept), seen())
        assert kept(weight, torch.bfloat16, up)[0].dtype == torch.bfloat16
        assert copy.deepcopy(kept)._found is None
    seen(kept=kept).sum().backward()
    assert weight.grad is not None
    torch.optim.SGD([weight], 0.1).step()
    with torch.no_grad():
        torch.testing.assert_close(seen(kept=kept), seen())


def test_what_was_kept_while_drawing_serves_where_slopes_in_the_styles_are_asked_for():
    kept, weight = Kept(), torch.nn.Parameter(torch.randn(4, 3, 3, 3), requires_grad=False)
    x, styles = torch.randn(2, 3, 4, 4), torch.randn(2, 3, requires_grad=True)
    with torch.inference_mode():
        drawn = modulated_conv2d(x, weight, styles, kept=kept)
    again = modulated_conv2d(x, weight, styles, kept=kept)
    assert torch.equal(drawn, again)
    (slope,) = torch.autograd.grad(again.sum(), styles)
    (expected,) = torch.autograd.grad(modulated_conv2d(x, weight, styles).sum(), styles)
    torch.testing.assert_close(slope, expected)
