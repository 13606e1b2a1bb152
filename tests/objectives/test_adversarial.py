"""The games at their optima, and penalties against derivatives known in closed form."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from luoxia.objectives.adversarial import (
    GAMES,
    R1,
    DiscriminatorLoss,
    GeneratorLoss,
    GradientPenalty,
    clip_weights,
    gradient,
)
from luoxia.objectives.phase import Draw, Phase


def draw_of(images: torch.Tensor, seed: int = 0) -> Draw:
    return Draw(images, None, torch.Generator().manual_seed(seed))


def test_at_the_optimum_the_losses_are_those_of_theory():
    half = torch.zeros(6)  # logits of D = 1/2
    assert float(GAMES["non-saturating"].discriminator(half, half)) == pytest.approx(2 * math.log(2))
    assert float(GAMES["non-saturating"].generator(half)) == pytest.approx(math.log(2))
    assert float(GAMES["minimax"].discriminator(half, half)) == pytest.approx(2 * math.log(2))
    assert float(GAMES["minimax"].generator(half)) == pytest.approx(-math.log(2))
    assert float(GAMES["hinge"].discriminator(half, half)) == pytest.approx(2.0)
    assert float(GAMES["least-squares"].discriminator(half + 0.5, half + 0.5)) == pytest.approx(0.25)
    assert float(GAMES["wasserstein"].discriminator(half, half)) == 0.0


@pytest.mark.parametrize("name", ["non-saturating", "minimax"])
def test_the_losses_are_written_as_in_the_paper(name):
    real, fake = torch.randn(50, generator=torch.Generator().manual_seed(0)), torch.linspace(-3, 3, 50)
    d_real, d_fake = real.sigmoid(), fake.sigmoid()
    expected = -d_real.log().mean() - (1 - d_fake).log().mean()
    torch.testing.assert_close(GAMES[name].discriminator(real, fake), expected)
    expected = -d_fake.log().mean() if name == "non-saturating" else (1 - d_fake).log().mean()
    torch.testing.assert_close(GAMES[name].generator(fake), expected)


def test_a_sure_discriminator_leaves_the_non_saturating_generator_a_gradient():
    slopes = {}
    for name in ("non-saturating", "minimax"):
        logit = torch.tensor([-20.0], requires_grad=True)
        GAMES[name].generator(logit).backward()
        slopes[name] = abs(float(logit.grad))  # type: ignore[arg-type]
    assert slopes["non-saturating"] == pytest.approx(1.0, abs=1e-6)
    assert slopes["minimax"] < 1e-6


class Linear(nn.Module):
    """D(x) = <w, x>: its gradient is w everywhere."""

    def __init__(self, w: torch.Tensor) -> None:
        super().__init__()
        self.w = nn.Parameter(w)

    def forward(self, x: torch.Tensor, _: object = None) -> torch.Tensor:
        return x.flatten(1) @ self.w


def test_penalties_of_a_linear_critic_are_known():
    w = torch.tensor([3.0, 0.0, 4.0, 0.0])
    critic, images = Linear(w), torch.randn(7, 1, 2, 2, generator=torch.Generator().manual_seed(0))
    assert GradientPenalty(critic, 10.0)(draw_of(images), -images).item() == pytest.approx(10 * 16.0)
    assert R1(critic, gamma=2.0)(draw_of(images)).value.item() == pytest.approx(25.0)
    assert R1(critic, gamma=2.0, interval=16)(draw_of(images)).value.item() == pytest.approx(25.0 * 16)


def test_the_gradient_is_that_of_the_images():
    def square(x: torch.Tensor, _: object) -> torch.Tensor:
        return (x**2).flatten(1).sum(1)

    x = torch.randn(3, 1, 2, 2, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(gradient(square, x, None), 2 * x.flatten(1))


def test_the_penalties_can_be_differentiated_twice():
    images = torch.randn(2, 1, 2, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))

    def critic_of(w: torch.Tensor):
        return lambda x, _: torch.tanh(x.flatten(1) @ w).sum(1)

    def penalty(w: torch.Tensor) -> torch.Tensor:
        return GradientPenalty(critic_of(w), 10.0)(draw_of(images), images.flip(0))

    def r1(w: torch.Tensor) -> torch.Tensor:
        return R1(critic_of(w), 1.0)(draw_of(images)).value

    w = torch.randn(4, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(2)).requires_grad_(
        True
    )
    for function in (penalty, r1):
        assert torch.autograd.gradcheck(function, (w,), atol=1e-4)
        assert torch.autograd.gradgradcheck(function, (w,), atol=1e-3)


def test_interpolates_lie_between_real_and_fake():
    seen = []

    def spy(x: torch.Tensor, _: object) -> torch.Tensor:
        seen.append(x.detach())
        return x.flatten(1).sum(1)

    real, fake = torch.zeros(64, 1, 2, 2), torch.ones(64, 1, 2, 2)
    GradientPenalty(spy)(draw_of(real), fake)
    (between,) = seen
    assert between.min() >= 0
    assert between.max() <= 1
    assert torch.equal(
        between.flatten(1).amin(1), between.flatten(1).amax(1)
    )  # one place for a whole picture
    assert between[:, 0, 0, 0].std() > 0.2


def test_each_loss_moves_the_right_network():
    images = torch.randn(8, 1, 2, 2, generator=torch.Generator().manual_seed(0))
    generator, critic = nn.Linear(3, 4), Linear(torch.ones(4))

    def generate(z: torch.Tensor, _: object) -> torch.Tensor:
        return generator(z).view(-1, 1, 2, 2)

    game = GAMES["non-saturating"]
    DiscriminatorLoss(game, generate, critic, 3)(draw_of(images)).value.backward()
    assert generator.weight.grad is None
    assert critic.w.grad is not None
    critic.w.grad = None
    GeneratorLoss(game, generate, critic, 3)(draw_of(images)).value.backward()
    assert generator.weight.grad is not None


def test_clipping_bounds_every_weight():
    module = nn.Linear(4, 4)
    clip_weights(module, 0.01)()
    assert max(float(p.detach().abs().max()) for p in module.parameters()) <= 0.01


def test_a_phase_has_an_interval():
    module = nn.Linear(1, 1)
    with pytest.raises(ValueError, match="interval"):
        Phase("p", module, torch.optim.SGD(module.parameters(), 0.1), lambda d: None, interval=0)  # type: ignore
