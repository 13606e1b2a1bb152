"""The game of patches: terms that begin when they should, as strong as they should."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from luoxia.objectives.patch_game import Adversary, Clock, PatchLoss
from luoxia.objectives.phase import Draw


def drawn(images: torch.Tensor) -> Draw:
    return Draw(images, None, torch.Generator().manual_seed(0))


def adversary(**changes) -> Adversary:
    clock = Clock()
    clock.step += changes.pop("at", 0)
    return Adversary(
        lambda x: x.flatten(1).sum(1), clock, **{"weight": 0.5, "begins": 10, "grows": 4} | changes
    )


def test_the_adversary_begins_late_and_grows():
    assert [adversary(at=at).strength() for at in (0, 9, 10, 11, 13, 99)] == [0, 0, 0.125, 0.25, 0.5, 0.5]
    made = torch.ones(2, 1, 2, 2)
    assert float(adversary(at=50)(made, torch.zeros(()))) == -0.5 * 4


def test_an_adaptive_adversary_pulls_as_hard_as_the_rest():
    weight = nn.Parameter(torch.tensor(2.0))
    made = weight * torch.ones(1, 1, 2, 2)
    rest = 30 * weight
    value = adversary(at=50, last=lambda: weight, weight=1.0)(made, rest)
    (slope,) = torch.autograd.grad(value, weight)
    assert float(slope) == pytest.approx(-30, rel=1e-3)


def test_patches_are_judged_by_the_hinge():
    images = torch.tensor([[3.0], [0.5]])
    loss = PatchLoss(lambda draw: (draw.images, -draw.images), lambda x: x)(drawn(images))
    assert float(loss.value) == pytest.approx((0 + 0.5) / 2 + (0 + 0.5) / 2)
    assert float(loss.notes["logit_fake"]) == pytest.approx(-1.75)
