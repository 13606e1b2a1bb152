"""Losses of the discrete autoencoder: a density that is one, and closed forms."""

from __future__ import annotations

import math

import pytest
import torch

from luoxia.nn.pixel_map import map_pixels, unmap_pixels
from luoxia.nn.quantise import Quantised
from luoxia.objectives.dvae import L1L2, DVAELoss, LogitLaplace, logit_laplace
from luoxia.objectives.phase import Draw


@pytest.mark.parametrize(("mu", "scale"), [(0.0, 1.0), (1.5, 0.4), (-3.0, 0.7), (0.3, 0.05)])
def test_logit_laplace_integrates_to_one(mu, scale):
    # On the logit's axis, where the substitution dy = y (1 - y) dl keeps the tails within reach.
    logit = torch.linspace(-14, 14, 200_001, dtype=torch.float64)
    y = logit.sigmoid()
    density = logit_laplace(y, torch.tensor(mu).double(), torch.tensor(scale).double().log()).exp()
    whole = torch.trapezoid(density * y * (1 - y), logit)
    assert float(whole) == pytest.approx(1, abs=2e-4)


def test_logit_laplace_is_the_density_of_a_squashed_laplacian():
    base = torch.distributions.Laplace(torch.tensor(0.7), torch.tensor(0.3))
    squashed = torch.distributions.TransformedDistribution(base, [torch.distributions.SigmoidTransform()])
    y = torch.tensor([0.1, 0.4, 0.6, 0.77, 0.9])
    found = logit_laplace(y, torch.tensor(0.7), torch.tensor(0.3).log())
    torch.testing.assert_close(found, squashed.log_prob(y))


def test_the_margin_maps_and_unmaps():
    x = torch.linspace(-1, 1, 11)
    y = map_pixels(x)
    assert float(y[0]) == pytest.approx(0.1)
    assert float(y[-1]) == pytest.approx(0.9)
    torch.testing.assert_close(unmap_pixels(y), x)
    assert unmap_pixels(torch.tensor([0.0, 1.0])).tolist() == [-1, 1]


def test_the_likelihood_reads_mean_and_scale_from_halves_of_the_channels():
    x = torch.rand(2, 3, 4, 4) * 2 - 1
    mu, log_scale = torch.randn(2, 3, 4, 4), torch.randn(2, 3, 4, 4)
    found = LogitLaplace()(torch.cat([mu, log_scale], 1), x)
    torch.testing.assert_close(found, -logit_laplace(map_pixels(x), mu, log_scale).mean())
    narrow = LogitLaplace()(torch.cat([torch.logit(map_pixels(x)), torch.full_like(mu, -1e3)], 1), x)
    assert narrow.isfinite()


def test_l1_and_l2_add():
    assert float(L1L2()(torch.tensor([0.5, -1.0]), torch.tensor([0.0, 1.0]))) == pytest.approx(
        1.25 + (0.25 + 4) / 2
    )


def drawn(images: torch.Tensor) -> Draw:
    return Draw(images, None, torch.Generator().manual_seed(0))


def test_the_loss_is_the_sum_of_its_terms_and_notes_each():
    made = torch.full((2, 3, 4, 4), 0.5, requires_grad=True)
    images = torch.zeros(2, 3, 4, 4)
    quantised = Quantised(torch.zeros(2, 1, 1).long(), torch.zeros(2, 1, 1, 1), torch.tensor(0.125))
    loss = DVAELoss(
        lambda x, g: (made, quantised),
        L1L2(),
        lambda output: output,
        lambda a, b: (a - b).square().mean((1, 2, 3)),
        weight=2.0,
    )(drawn(images))
    assert float(loss.value.detach()) == pytest.approx(0.75 + 0.125 + 2 * 0.25)
    assert float(loss.notes["psnr"]) == pytest.approx(10 * math.log10(4 / 0.25))
    assert not any(note.requires_grad for note in loss.notes.values())
