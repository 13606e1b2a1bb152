"""Differentiable augmentation of a fixed strength."""

import torch

from luoxia.nn.diffaugment import DiffAugment, holed, recoloured, shifted


def at(*values: float) -> torch.Tensor:
    return torch.tensor(values).view(-1, 1, 1, 1)


def test_colours() -> None:
    x = torch.rand(2, 3, 8, 8)
    assert torch.allclose(recoloured(x, at(0, 0), at(1, 1), at(1, 1)), x, atol=1e-6)
    assert torch.allclose(recoloured(x, at(0.3, 0), at(1, 1), at(1, 1))[0], x[0] + 0.3, atol=1e-6)
    grey = recoloured(x, at(0, 0), at(0, 0), at(1, 1))
    assert torch.allclose(grey, x.mean(1, keepdim=True).expand_as(x), atol=1e-6)
    flat = recoloured(x, at(0, 0), at(1, 1), at(0, 0))
    assert torch.allclose(flat, x.mean((1, 2, 3), keepdim=True).expand_as(x), atol=1e-6)


def test_shifts() -> None:
    x = torch.rand(2, 3, 8, 8)
    moved = shifted(x, at(2, -1), at(0, 3))
    assert torch.equal(moved[0, :, 2:], x[0, :, :-2])
    assert not moved[0, :, :2].any()
    assert torch.equal(moved[1, :, :-1, 3:], x[1, :, 1:, :-3])
    assert not moved[1, :, -1].any()
    assert not moved[1, :, :, :3].any()


def test_holes() -> None:
    x = torch.ones(2, 1, 8, 8)
    made = holed(x, at(4, 0), at(4, 8), 4)
    assert made[0].sum() == 64 - 16
    assert not made[0, 0, 2:6, 2:6].any()
    assert made[1].sum() == 64 - 4  # a corner of it


def test_it_is_the_draw_that_decides() -> None:
    x = torch.rand(4, 3, 16, 16)
    light = DiffAugment()
    once, again = (light(x, torch.Generator().manual_seed(3)) for _ in range(2))
    assert torch.equal(once, again)
    assert not torch.equal(once, light(x, torch.Generator().manual_seed(4)))


def test_gradients_pass() -> None:
    x = torch.rand(2, 3, 8, 8, dtype=torch.double, requires_grad=True)
    DiffAugment()(x, torch.Generator().manual_seed(1)).square().sum().backward()
    assert x.grad.isfinite().all()
    assert x.grad.abs().sum() > 0
