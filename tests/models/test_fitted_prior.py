"""A prior that follows codes: standard normal at first, then theirs, class by class."""

import torch

from luoxia.models.fitted_prior import FittedPrior
from luoxia.models.stylegan import Mapping


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def of_class(k: int, count: int) -> torch.Tensor:
    return torch.eye(2)[torch.full((count,), k)]


def test_at_first_it_is_standard_normal() -> None:
    e = random(5, 4)
    torch.testing.assert_close(FittedPrior(4, 2)(e, of_class(1, 5)), e, rtol=0, atol=1e-3)
    torch.testing.assert_close(FittedPrior(4, 0)(e, None), e, rtol=0, atol=1e-3)


def test_it_takes_the_moments_of_each_class() -> None:
    prior = FittedPrior(3, 2)
    slope = torch.tensor([[0.5, 0.0, 0.0], [0.3, 0.2, 0.0], [0.0, -0.4, 0.1]])
    middle = torch.tensor([1.0, -2.0, 0.5])
    for i in range(600):
        prior.follow(middle + random(32, 3, seed=i) @ slope.T, of_class(1, 32))
    torch.testing.assert_close(prior.mean[1], middle, rtol=0, atol=0.03)
    torch.testing.assert_close(prior.covariance[1], slope @ slope.T, rtol=0, atol=0.03)
    assert torch.equal(prior.mean[0], torch.zeros(3))  # of which nothing was seen
    assert torch.equal(prior.covariance[0], torch.eye(3))
    drawn = prior(random(20_000, 3, seed=9), of_class(1, 20_000))
    torch.testing.assert_close(drawn.mean(0), middle, rtol=0, atol=0.04)
    torch.testing.assert_close(torch.cov(drawn.T), slope @ slope.T, rtol=0, atol=0.04)


def test_it_keeps_to_half_precision() -> None:
    prior = FittedPrior(16, 0)
    for i in range(200):  # codes of which three directions say all
        prior.follow(random(64, 3, seed=i) @ random(3, 16, seed=1000), None)
    prior.half().float()
    assert bool(prior(random(4, 16), None).isfinite().all())


def test_of_a_class_told_in_part_the_rest_stays_standard_normal() -> None:
    prior = FittedPrior(3, 2)
    prior.mean[0] = 4
    e = random(6, 3)
    half = prior(e, 0.5 * of_class(0, 6))
    torch.testing.assert_close(half, e + 2, rtol=0, atol=1e-3)
    torch.testing.assert_close(prior(e, 0 * of_class(0, 6)), e)


def test_the_mapping_draws_from_it_and_takes_codes_as_they_are() -> None:
    torch.manual_seed(0)
    mapping = Mapping(4, 2, 8, 3, layers=2, rate=1.0, fitted=True)
    assert mapping.prior is not None
    z, c = random(5, 4), torch.tensor([0, 1, 0, 1, 1])
    before = mapping(z, c)
    torch.testing.assert_close(mapping(z, c, encoded=True), before, rtol=0, atol=1e-2)
    mapping(z + 3, c, update_w_avg=True, encoded=True)
    assert (mapping.prior.mean > 0).all()
    mapping.prior.mean += 5
    torch.testing.assert_close(mapping(z, c, encoded=True), before, rtol=0, atol=1e-2)
    assert (mapping(z, c) - before).abs().max() > 0.1
