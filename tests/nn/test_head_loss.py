"""Cross entropy by rows of logits equals the one that has all of them."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from luoxia.nn import head_loss as module
from luoxia.nn.head_loss import UNTOLD, head_loss


@pytest.fixture
def sides(monkeypatch: pytest.MonkeyPatch) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    monkeypatch.setattr(module, "ROWS", 5)  # several of them, the last one short
    random = torch.Generator().manual_seed(1)
    hidden = torch.randn(13, 6, generator=random, dtype=torch.float64).requires_grad_()
    head = torch.randn(9, 6, generator=random, dtype=torch.float64).requires_grad_()
    return hidden, head, torch.randint(9, (13,), generator=random)


def test_value_and_gradients_are_those_of_all_logits_at_once(sides) -> None:
    hidden, head, targets = sides
    targets[[2, 7, 8]] = UNTOLD
    logits = hidden @ head.T
    wanted = F.cross_entropy(logits, targets, reduction="sum")
    found, hits = head_loss(hidden, head, targets)
    torch.testing.assert_close(found.double(), wanted.detach(), rtol=1e-6, atol=0)
    assert int(hits) == int((logits.argmax(-1) == targets).sum())
    grads = torch.autograd.grad(3 * wanted, (hidden, head))
    for a, b in zip(torch.autograd.grad(3 * found, (hidden, head)), grads, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-6)
    assert not grads[0][2].any()


def test_half_precision_learns_the_same_within_its_rounding(sides) -> None:
    hidden, head, targets = (
        s.detach().float().requires_grad_() if s.is_floating_point() else s for s in sides
    )
    with torch.autocast("cpu", torch.bfloat16):
        found, _ = head_loss(hidden, head, targets)
    wanted = F.cross_entropy(hidden @ head.T, targets, reduction="sum")
    assert found.dtype == torch.float32
    assert found.item() == pytest.approx(wanted.item(), rel=0.01)
    for a, b in zip(
        torch.autograd.grad(found, (hidden, head)), torch.autograd.grad(wanted, (hidden, head)), strict=True
    ):
        assert a.dtype == torch.float32
        assert float((a - b).norm() / b.norm()) < 0.02


def test_nothing_told_is_nothing_learned(sides) -> None:
    hidden, head, _ = sides
    found, hits = head_loss(hidden, head, torch.full((13,), UNTOLD))
    assert found.item() == int(hits) == 0
    assert not any(g.any() for g in torch.autograd.grad(found, (hidden, head)))


def test_logits_however_far_apart_stay_finite() -> None:
    hidden, head = torch.full((2, 1), 1e3), torch.tensor([[1.0], [-1.0]])
    found, _ = head_loss(hidden.requires_grad_(), head, torch.tensor([0, 1]))
    assert found.item() == pytest.approx(2e3)
    assert math.isfinite(float(torch.autograd.grad(found, hidden)[0].sum()))


def test_a_head_that_does_not_move_gets_no_gradient(sides) -> None:
    hidden, head, targets = sides
    found, _ = head_loss(hidden, head.detach(), targets)
    assert torch.autograd.grad(found, hidden)[0].any()
    with torch.no_grad():
        assert head_loss(hidden, head, targets)[0].item() == pytest.approx(found.item())
