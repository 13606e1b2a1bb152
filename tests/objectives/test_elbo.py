"""The variational bound against closed forms and ``torch.distributions``."""

from __future__ import annotations

import math

import pytest
import torch
from torch.distributions import Bernoulli as TorchBernoulli
from torch.distributions import Normal
from torch.distributions import kl_divergence as torch_kl

from luoxia.objectives.elbo import ELBO, importance_weighted_bound, kl_divergence
from luoxia.objectives.likelihood import Bernoulli, DiscretisedLogistic, Gaussian
from luoxia.objectives.phase import Draw


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def draw_of(images: torch.Tensor) -> Draw:
    return Draw(images, None, generator())


def test_kl_is_that_of_torch_distributions():
    mu, logvar = torch.randn(5, 7, generator=generator()), torch.randn(5, 7, generator=generator(1))
    expected = torch_kl(Normal(mu, (logvar / 2).exp()), Normal(0.0, 1.0))
    torch.testing.assert_close(kl_divergence(mu, logvar), expected, atol=1e-5, rtol=1e-5)


def test_bernoulli_and_gaussian_are_those_of_torch_distributions():
    x = torch.rand(3, 2, 4, 4, generator=generator()) * 2 - 1
    out = torch.randn(3, 2, 4, 4, generator=generator(1))
    binary = (x > 0).float() * 2 - 1
    expected = TorchBernoulli(logits=out).log_prob((binary + 1) / 2).flatten(1).sum(1)
    torch.testing.assert_close(Bernoulli().log_prob(binary, out), expected)
    wide = torch.randn(3, 4, 4, 4, generator=generator(2))
    mu, log_sigma = wide.chunk(2, 1)
    expected = Normal(mu, log_sigma.exp()).log_prob(x).flatten(1).sum(1)
    torch.testing.assert_close(Gaussian().log_prob(x, wide), expected, atol=1e-4, rtol=1e-5)


@pytest.mark.parametrize("levels", [2, 17, 256])
@pytest.mark.parametrize(
    ("mu", "log_scale"), [(0.0, -1.0), (0.9, -4.0), (-1.3, 0.5), (0.1, -6.5), (3.0, -6.9)]
)
def test_the_masses_of_all_grey_levels_sum_to_one(levels, mu, log_scale):
    x = torch.linspace(-1, 1, levels, dtype=torch.float64).view(levels, 1, 1, 1)
    out = torch.tensor([mu, log_scale], dtype=torch.float64).view(1, 2, 1, 1).expand(levels, -1, -1, -1)
    total = DiscretisedLogistic(levels).log_prob(x, out).exp().sum()
    assert float(total) == pytest.approx(1.0, abs=1e-9)


def test_the_logistic_has_finite_gradients_far_from_its_mean():
    out = torch.tensor([[50.0], [-9.0]]).view(1, 2, 1, 1).requires_grad_(True)
    DiscretisedLogistic().log_prob(torch.full((1, 1, 1, 1), -0.3), out).sum().backward()
    assert out.grad is not None
    assert torch.isfinite(out.grad).all()
    assert out.grad[0, 0] < 0  # a smaller mean would be better


# A linear Gaussian model, whose likelihood is known: p(z) = N(0, 1), p(x|z) = N(w z, sigma^2).
W, SIGMA = 0.7, 0.5


def decode(z: torch.Tensor, _: object) -> torch.Tensor:
    mean = (z * W).view(-1, 1, 1, 1)
    return torch.cat([mean, torch.full_like(mean, math.log(SIGMA))], 1)


def posterior(x: torch.Tensor, _: object) -> tuple[torch.Tensor, torch.Tensor]:
    variance = 1 / (1 + W**2 / SIGMA**2)
    return x.view(-1, 1) * W / SIGMA**2 * variance, torch.full((len(x), 1), math.log(variance))


def test_with_the_true_posterior_the_bound_is_the_likelihood():
    x = torch.tensor([-0.8, 0.1, 0.9]).view(3, 1, 1, 1)
    exact = Normal(0.0, math.sqrt(W**2 + SIGMA**2)).log_prob(x.flatten())
    for samples in (1, 8):
        bound = importance_weighted_bound(
            x, None, posterior, decode, Gaussian(), samples=samples, generator=generator()
        )
        torch.testing.assert_close(bound, exact, atol=1e-5, rtol=1e-5)


def test_the_bound_tightens_with_samples_and_stays_below():
    x = torch.linspace(-1, 1, 400).view(-1, 1, 1, 1)
    exact = Normal(0.0, math.sqrt(W**2 + SIGMA**2)).log_prob(x.flatten()).mean()

    def prior(x: torch.Tensor, _: object) -> tuple[torch.Tensor, torch.Tensor]:
        return torch.zeros(len(x), 1), torch.zeros(len(x), 1)

    bounds = [
        importance_weighted_bound(x, None, prior, decode, Gaussian(), samples=k, generator=generator()).mean()
        for k in (1, 5, 50)
    ]
    assert bounds[0] < bounds[1] < bounds[2] < exact + 0.01


def test_the_loss_is_minus_the_bound_per_dimension():
    x = torch.linspace(-1, 1, 100_000).view(-1, 1, 1, 1)
    loss = ELBO(posterior, decode, Gaussian())(draw_of(x))
    exact = Normal(0.0, math.sqrt(W**2 + SIGMA**2)).log_prob(x.flatten()).mean()
    assert float(loss.value) == pytest.approx(-float(exact), abs=0.02)
    assert float(loss.notes["bits_per_dim"]) == pytest.approx(float(loss.value) / math.log(2), abs=1e-5)


def test_beta_weighs_the_kl_and_free_bits_keep_it_from_being_paid_below():
    x = torch.linspace(-1, 1, 64).view(-1, 1, 1, 1)
    plain, double = (ELBO(posterior, decode, Gaussian(), beta)(draw_of(x)) for beta in (1.0, 2.0))
    kl = plain.notes["kl"]
    torch.testing.assert_close(double.value - plain.value, kl)
    free = ELBO(posterior, decode, Gaussian(), free_bits=float(kl) + 1.0)(draw_of(x))
    assert float(free.value - plain.value) == pytest.approx(1.0, abs=1e-5)
