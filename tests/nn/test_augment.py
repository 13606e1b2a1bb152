"""The augmentation: the identity at p = 0, known warps, fixed colours, and a controller that follows overfitting."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import ndimage

from luoxia.nn import augment
from luoxia.nn.augment import Augment, Gate, blits, blitted, colours, geometry, recoloured, warped

IDENTITY = torch.eye(3)[:2]


def smooth_pictures(n=2, size=32):
    generator = torch.Generator().manual_seed(0)
    coarse = torch.randn(n, 3, 6, 6, generator=generator)
    return torch.nn.functional.interpolate(coarse, (size, size), mode="bicubic")


def gate(count, p, seed=0):
    return Gate(count, p, torch.Generator().manual_seed(seed), torch.device("cpu"))


def test_no_augmentation_is_the_identity_to_the_bit():
    x = torch.randn(4, 3, 16, 16)
    assert Augment(p=0.0)(x, torch.Generator()) is x
    assert (geometry(gate(8, 0.0), 16) == IDENTITY).all()
    assert torch.equal(blitted(x, blits(gate(4, 0.0), 16)), x)
    torch.testing.assert_close(recoloured(x, colours(gate(4, 0.0))), x)


def test_the_wavelet_gives_a_picture_back():
    x = torch.randn(3, 3, 32, 32)
    torch.testing.assert_close(warped(x, IDENTITY.expand(3, 2, 3)), x, rtol=0, atol=2e-5)


@pytest.mark.parametrize("angle", [0.3, -1.1])
def test_a_turn_is_that_of_scipy(angle):
    x = smooth_pictures()
    matrix = torch.tensor(
        [[math.cos(angle), -math.sin(angle), 1.5], [math.sin(angle), math.cos(angle), -2.25]]
    )
    found = warped(x, matrix.expand(2, 2, 3)).numpy()
    rows_first = matrix[:, :2].flip(0, 1).numpy().astype(float)
    middle = np.full(2, 15.5)
    offset = middle + matrix[:, 2].flip(0).numpy() - rows_first @ middle
    for i in range(2):
        for channel in range(3):
            wanted = ndimage.affine_transform(
                x[i, channel].numpy(), rows_first, offset, order=3, mode="mirror"
            )
            inner = np.s_[9:-9, 9:-9]
            assert np.abs(found[i, channel][inner] - wanted[inner]).max() < 0.03


def test_blits_move_pixels_and_change_none():
    x = torch.arange(2 * 3 * 64.0).reshape(2, 3, 8, 8)
    for seed in range(20):
        y = blitted(x, blits(gate(2, 0.9, seed), 8))
        assert set(y[0].flatten().tolist()) <= set(x[0].flatten().tolist())
    mirror = torch.tensor([[-1.0, 0, 0], [0, 1, 0]]).expand(2, 2, 3)
    assert torch.equal(blitted(x, mirror), x.flip(-1))


def test_colours_turn_about_grey():
    """Hue and saturation leave grey alone; a luma flip turns it over; brightness shifts it."""
    grey = torch.linspace(-1, 1, 16).reshape(1, 1, 4, 4).expand(200, 3, 4, 4)
    found = recoloured(grey, colours(gate(200, 1.0)))
    spread = (found - found.mean(1, keepdim=True)).abs().amax((1, 2, 3))
    assert spread.max() < 1e-5
    slopes = found[:, 0].flatten(1).diff(dim=1).mean(1)
    assert 0.3 < (slopes < 0).float().mean() < 0.7
    one = recoloured(grey[:, :1], colours(gate(200, 1.0)))
    assert one.shape == (200, 1, 4, 4)


def test_each_picture_is_changed_with_its_probability():
    count = 4_000
    for p in (0.1, 0.5):
        values = gate(count, p).normal(1.0)
        assert abs(float((values != 0).double().mean()) - p) < 0.03
        turns = gate(count, p).whole(4)
        assert abs(float((turns != 0).double().mean()) - 0.75 * p) < 0.03


def test_gradients_reach_the_generator_through_it():
    x = smooth_pictures().requires_grad_()
    Augment(p=0.8)(x, torch.Generator().manual_seed(1)).square().sum().backward()
    assert x.grad is not None
    assert (x.grad.flatten(1).abs().sum(1) > 0).all()


def test_p_follows_overfitting_and_is_kept_with_the_run():
    watcher = Augment(target=0.6, images=1_000, every=2)
    for _ in range(10):
        watcher.watch(torch.ones(20))  # sure of every real picture
        watcher.adapt()
    assert float(watcher.p) == pytest.approx(200 / 1_000)
    again = Augment(target=0.6, images=1_000, every=2)
    again.load_state_dict(watcher.state_dict())
    for module in (watcher, again):
        for _ in range(6):
            module.watch(torch.tensor([1.0, -1.0] * 10))
            module.adapt()
    assert float(again.p) == float(watcher.p) == pytest.approx(80 / 1_000)
    for _ in range(1_000):
        watcher.watch(torch.ones(20))
        watcher.adapt()
    assert float(watcher.p) == pytest.approx(augment.MOST)
