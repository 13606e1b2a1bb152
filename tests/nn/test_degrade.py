"""Pictures made small as a decoder would draw them: means, blurs, and nothing that the generator did not draw."""

from __future__ import annotations

import torch

from luoxia.nn.degrade import Degrade, blurred, cropped


def drawn(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_without_strength_it_is_the_mean_of_pixels():
    pictures = torch.rand(3, 3, 32, 32, generator=drawn()) * 2 - 1
    small = Degrade(blur=0, patches=0, noise=0)(pictures, drawn())
    expected = pictures.view(3, 3, 8, 4, 8, 4).mean((3, 5))
    torch.testing.assert_close(small, expected)


def test_it_follows_the_generator_and_stays_in_range():
    pictures = torch.rand(4, 3, 64, 64, generator=drawn()) * 2 - 1
    degrade = Degrade()
    a, b, c = degrade(pictures, drawn(1)), degrade(pictures, drawn(1)), degrade(pictures, drawn(2))
    assert torch.equal(a, b)
    assert not torch.equal(a, c)
    assert a.abs().max() <= 1
    clean = Degrade(blur=0, patches=0, noise=0)(pictures, drawn())
    assert 0.005 < (a - clean).abs().mean() < 0.3


def test_a_blur_keeps_the_mean_and_has_its_sigma():
    x = torch.zeros(2, 1, 21, 21)
    x[:, :, 10, 10] = 1
    sigma = torch.tensor([0.8, 1e-9]).view(2, 1, 1, 1)
    out = blurred(x, sigma)
    torch.testing.assert_close(out.sum((1, 2, 3)), torch.ones(2))
    at = torch.arange(21.0) - 10
    spread = (out[0, 0].sum(0) * at**2).sum().sqrt()
    torch.testing.assert_close(spread, torch.tensor(0.8), atol=0.02, rtol=0)
    torch.testing.assert_close(out[1], x[1])


def test_a_share_goes_through_the_codes():
    pictures = torch.zeros(400, 1, 16, 16)
    degrade = Degrade(blur=0, patches=0, noise=0, through=lambda x: x + 0.5, share=0.3)
    small = degrade(pictures, drawn())
    through = (small == 0.5).all(3).all(2).all(1)
    assert ((small == 0).all(3).all(2).all(1) | through).all()
    assert abs(float(through.float().mean()) - 0.3) < 0.07


def test_squares_of_both_are_of_one_place():
    large = torch.arange(32.0).view(1, 1, 1, 32).expand(5, 1, 32, 32) + 100 * torch.arange(32.0).view(
        1, 1, 32, 1
    )
    small = large[..., ::4, ::4]
    a, b = cropped(large, small, 3, drawn())
    assert (a.shape, b.shape) == ((5, 1, 12, 12), (5, 1, 3, 3))
    assert torch.equal(a[..., ::4, ::4], b)
    assert len({float(x) for x in b[:, 0, 0, 0]}) > 1
    assert cropped(large, small, 8, drawn())[1] is small
