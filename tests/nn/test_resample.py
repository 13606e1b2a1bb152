"""Resampling by two: the filter against PyTorch's own convolutions, and derivatives of every order."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch.autograd import gradcheck, gradgradcheck

from luoxia.nn.resample import downsample, kernel, smooth, upsample


def plain_smooth(x, gain=1.0):
    return F.conv2d(x, kernel(x, gain), padding=2, groups=x.shape[1])


def plain_upsample(x, gain=4.0):
    return F.conv_transpose2d(x, kernel(x, gain), stride=2, padding=1, groups=x.shape[1])


def plain_downsample(x, gain=1.0):
    return F.conv2d(x, kernel(x, gain), stride=2, padding=1, groups=x.shape[1])


PAIRS = [
    (lambda x: smooth(x, 2, 3.0), lambda x: plain_smooth(x, 3.0)),
    (lambda x: upsample(x, 2.5), lambda x: plain_upsample(x, 2.5)),
    (lambda x: downsample(x, 1.5), lambda x: plain_downsample(x, 1.5)),
]
NAMES = ["smooth", "upsample", "downsample"]


def pictures(*shape, dtype=torch.float64):
    return torch.randn(shape, generator=torch.Generator().manual_seed(1), dtype=dtype, requires_grad=True)


@pytest.mark.parametrize(("ours", "plain"), PAIRS, ids=NAMES)
@pytest.mark.parametrize("shape", [(2, 3, 8, 8), (1, 5, 6, 10)])
def test_values_and_slopes_are_those_of_the_plain_convolution(ours, plain, shape):
    x = pictures(*shape)
    y, expected = ours(x), plain(x)
    torch.testing.assert_close(y, expected)
    weights = torch.randn(y.shape, generator=torch.Generator().manual_seed(2), dtype=y.dtype)
    (slope,) = torch.autograd.grad((y.square() * weights).sum(), x)
    (expected_slope,) = torch.autograd.grad((expected.square() * weights).sum(), x)
    torch.testing.assert_close(slope, expected_slope)


@pytest.mark.parametrize(("ours", "plain"), PAIRS, ids=NAMES)
def test_first_and_second_derivatives_agree_with_differences(ours, plain):
    x = pictures(1, 2, 4, 4)
    assert gradcheck(lambda x: ours(x).square(), x)
    assert gradgradcheck(lambda x: ours(x).pow(3), x)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_flat_picture_stays_flat_inside(dtype):
    flat = torch.full((1, 2, 16, 16), 0.5, dtype=dtype)
    for picture in (upsample(flat), downsample(flat), smooth(flat, 2)):
        assert torch.equal(picture[..., 2:-2, 2:-2], torch.full_like(picture[..., 2:-2, 2:-2], 0.5))


def test_the_finest_pattern_is_taken_out_on_the_way_down():
    board = (torch.arange(16)[:, None] + torch.arange(16)) % 2 * 2.0 - 1
    small = downsample(board[None, None])
    assert small[..., 1:-1, 1:-1].abs().max() < 1e-6


def test_the_middle_of_a_picture_stays_where_it_is():
    ramp = torch.arange(16.0).expand(1, 1, 16, 16)
    torch.testing.assert_close(downsample(ramp)[0, 0, 4, 1:-1], torch.arange(1, 7) * 2 + 0.5)
    torch.testing.assert_close(upsample(ramp)[0, 0, 8, 2:-2], torch.arange(2, 30) / 2 - 0.25)
