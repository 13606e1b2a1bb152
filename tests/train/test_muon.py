"""Muon: what it makes of a gradient, and that what is no matrix moves by Adam."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from luoxia.train.muon import LIKE_ADAM, Muon, orthogonal


@pytest.mark.parametrize("shape", [(24, 24), (16, 48), (48, 16)])
def test_singular_values_come_near_one_and_the_directions_stay(shape) -> None:
    x = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    u, s, v = torch.linalg.svd(x, full_matrices=False)
    found = orthogonal(u @ torch.diag(s * torch.linspace(0.2, 5, len(s))) @ v)
    values = torch.linalg.svdvals(found)
    assert values.max() < 1.3
    assert values.min() > 0.5
    along = torch.diagonal(u.T @ found @ v.T)
    assert along.min() > 0.5  # each direction where it was, with its sign
    assert (u.T @ found @ v.T - torch.diag(along)).abs().max() < 0.1


def test_an_update_is_as_large_as_adams_and_decay_pulls_matrices_alone() -> None:
    matrix, gain = nn.Parameter(torch.ones(32, 64)), nn.Parameter(torch.ones(64))
    optimizer = Muon([matrix], [gain], 0.01, weight_decay=0.5)
    matrix.grad, gain.grad = torch.zeros(32, 64), torch.zeros(64)
    optimizer.step()
    torch.testing.assert_close(matrix.detach(), torch.full((32, 64), 1 - 0.005))
    assert torch.equal(gain.detach(), torch.ones(64))
    matrix, optimizer = nn.Parameter(torch.zeros(32, 64)), None
    optimizer = Muon([matrix], [], 0.01, weight_decay=0.0)
    matrix.grad = torch.randn(32, 64, generator=torch.Generator().manual_seed(1))
    optimizer.step()
    size = float(matrix.detach().square().mean().sqrt())
    # sqrt(min(m, n) / (m n)) is the root mean square of an orthogonal matrix
    assert size == pytest.approx(0.01 * LIKE_ADAM, rel=0.25)
    assert float((matrix.detach() * matrix.grad).sum()) < 0


def test_the_rest_moves_as_by_pytorchs_adam() -> None:
    weights = [nn.Parameter(torch.linspace(-1, 1, 7)) for _ in range(2)]
    mine = Muon([], weights[:1], 0.1, betas=(0.9, 0.95))
    theirs = torch.optim.Adam(weights[1:], 0.1, betas=(0.9, 0.95), eps=1e-8)
    for step in range(5):
        for weight, optimizer in zip(weights, (mine, theirs), strict=True):
            weight.grad = (weight.detach() - step).sin()
            optimizer.step()
    torch.testing.assert_close(weights[0], weights[1])
