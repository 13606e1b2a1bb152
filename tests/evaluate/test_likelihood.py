"""Bits and bounds against closed forms, and the baselines against distributions of known entropy."""

from __future__ import annotations

import builtins
import math

import numpy as np
import pytest
import torch
from scipy import stats

from luoxia.core.errors import UserError
from luoxia.evaluate.likelihood import (
    bits_per_dim,
    gaussian_mixture,
    importance_weighted_bound,
    independent_pixels,
    levels_of,
)


def test_a_uniform_model_of_bytes_costs_eight_bits() -> None:
    dims = 3 * 32 * 32
    nll = torch.tensor([dims * math.log(256), 0.0])
    torch.testing.assert_close(bits_per_dim(nll, dims), torch.tensor([8.0, 0.0]))
    with pytest.raises(UserError, match="dims is 0"):
        bits_per_dim(nll, 0)


def linear_gaussian(k: int, seed: int, posterior: bool) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """z ~ N(0, 1), x | z ~ N(z, 1): the evidence is N(0, 2), the posterior N(x / 2, 1 / 2); q is that or the prior."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.tensor([-1.0, 0.3, 2.0], dtype=torch.float64)
    noise = torch.randn(k, 3, generator=generator, dtype=torch.float64)
    normal = torch.distributions.Normal
    q = normal(x / 2, 0.5**0.5) if posterior else normal(torch.zeros(3, dtype=torch.float64), 1.0)
    z = q.mean + q.stddev * noise
    evidence = normal(torch.tensor(0.0, dtype=torch.float64), 2**0.5).log_prob(x)
    return normal(0.0, 1.0).log_prob(z) + normal(z, 1.0).log_prob(x), q.log_prob(z), evidence


def test_the_bound_is_exact_under_the_true_posterior() -> None:
    for k in (1, 7):
        log_p, log_q, evidence = linear_gaussian(k, 0, posterior=True)
        torch.testing.assert_close(importance_weighted_bound(log_p, log_q), evidence)


def test_the_bound_tightens_with_draws() -> None:
    means = []
    for k in (1, 4, 16, 4096):
        runs = [linear_gaussian(k, seed, posterior=False) for seed in range(400 if k < 100 else 40)]
        means.append(torch.stack([importance_weighted_bound(p, q) for p, q, _ in runs]).mean(0))
    evidence = runs[0][2]
    # One draw from the prior gives E ln p(x|z) = -ln(2 pi) / 2 - (x^2 + 1) / 2.
    x2 = torch.tensor([1.0, 0.09, 4.0], dtype=torch.float64)
    torch.testing.assert_close(means[0], -0.5 * math.log(2 * math.pi) - (x2 + 1) / 2, atol=0.35, rtol=0)
    assert (means[0] < means[1]).all()
    assert (means[1] < means[2]).all()
    torch.testing.assert_close(means[3], evidence, atol=0.02, rtol=0)


def test_the_bound_does_not_overflow() -> None:
    log_p = torch.tensor([[-5000.0], [-5000.0 + math.log(3)]])
    torch.testing.assert_close(
        importance_weighted_bound(log_p, torch.zeros(2, 1)), torch.tensor([-5000.0 + math.log(2)])
    )
    with pytest.raises(UserError, match=r"\(K, B\)"):
        importance_weighted_bound(torch.zeros(3), torch.zeros(3))


def test_independent_pixels_by_hand() -> None:
    """Pixel 0 was 0, 0, 1 and pixel 1 always 1, of 2 levels: 3/5, 2/5 and 1/5, 4/5 after Laplace's rule."""
    train = np.array([[0, 1], [0, 1], [1, 1]], np.uint8).reshape(3, 1, 1, 2)
    held_out = np.array([[0, 1], [1, 0]], np.uint8).reshape(2, 1, 1, 2)
    bits = -(math.log2(3 / 5) + math.log2(4 / 5) + math.log2(2 / 5) + math.log2(1 / 5)) / 4
    assert independent_pixels(train, held_out, levels=2) == pytest.approx(bits, rel=1e-12)


def test_independent_pixels_reach_the_entropy(draw: np.random.Generator) -> None:
    """Pixels with distributions of their own: the mean entropy, and a little for counting."""
    weights = draw.dirichlet(np.ones(17), size=8)
    levels = np.arange(17) * 15 + 7  # values as a picture may hold them

    def sample(n: int) -> np.ndarray:
        return (
            np.stack([draw.choice(levels, n, p=w) for w in weights], 1).astype(np.uint8).reshape(n, 2, 2, 2)
        )

    train, held_out = sample(4000), sample(4000)
    entropy = float(np.mean([stats.entropy(w, base=2) for w in weights]))
    assert levels_of(train).tolist() == levels.tolist()
    found = independent_pixels(train, held_out, levels=levels_of(train))
    assert found == pytest.approx(entropy, abs=0.02)
    # Levels that are never used cost a little each: with 256 of them the same pictures look dearer.
    assert found < independent_pixels(torch.from_numpy(train), held_out) < found + 0.1


def test_levels_that_are_not_there_are_refused() -> None:
    train = np.zeros((4, 1, 1, 1), np.uint8)
    with pytest.raises(UserError, match="levels_of"):
        independent_pixels(train, train + 17, levels=17)
    for levels in (0, 257, [], [-1, 3]):
        with pytest.raises(UserError, match="levels is"):
            independent_pixels(train, train, levels=levels)
    with pytest.raises(UserError, match="uint8"):
        independent_pixels(train.astype(np.float32), train)
    with pytest.raises(UserError, match="do not compare"):
        independent_pixels(train, np.zeros((4, 1, 2, 1), np.uint8))


def test_one_gaussian_of_wide_pixels_costs_its_entropy(draw: np.random.Generator) -> None:
    """Rounded normal pixels of deviation 20 hold log2(20 sqrt(2 pi e)) bits each; the mixture comes close from above."""
    train, held_out = (
        np.clip(np.floor(draw.normal(128, 20, (4000, 1, 2, 2))), 0, 255).astype(np.uint8) for _ in range(2)
    )
    expected = math.log2(20 * math.sqrt(2 * math.pi * math.e))
    assert gaussian_mixture(train, held_out, components=1) == pytest.approx(expected, abs=0.02)


def test_levels_are_units_of_the_density(draw: np.random.Generator) -> None:
    """The same pictures with 16 levels spread over 0 to 255: the same bits, when the levels are named."""
    index = draw.integers(0, 16, (600, 1, 2, 2))
    narrow, wide = index.astype(np.uint8), (index * 17).astype(np.uint8)
    found = gaussian_mixture(narrow[:400], narrow[400:], components=2, levels=16)
    again = gaussian_mixture(wide[:400], wide[400:], components=2, levels=levels_of(wide))
    assert again == pytest.approx(found, rel=1e-12)
    assert 4 <= found < 4.4  # uniform over 16 levels holds 4 bits


def test_the_mixture_learns_what_independent_pixels_cannot(draw: np.random.Generator) -> None:
    """Two pixels that are always equal hold one pixel's entropy between them."""
    value = draw.integers(0, 64, (1500, 1, 1, 1))
    pictures = np.concatenate((value, value), 3).astype(np.uint8)
    train, held_out = pictures[:1000], pictures[1000:]
    mixture = gaussian_mixture(train, held_out, components=20, seed=1, levels=64)
    assert mixture < independent_pixels(train, held_out, levels=64) - 1
    assert mixture > 3.0  # below the entropy it would be no bound
    assert mixture == gaussian_mixture(train, held_out, components=20, seed=1, levels=64)
    assert mixture < gaussian_mixture(train, held_out, components=20, seed=1, levels=64, covariance="diag")


def test_a_pixel_that_never_changes_costs_a_quarter_of_a_bit() -> None:
    """Uniform noise under the Gaussian of its moments: log2(2 pi e / 12) / 2."""
    same = np.full((3000, 1, 2, 2), 200, np.uint8)
    expected = math.log2(2 * math.pi * math.e / 12) / 2
    assert gaussian_mixture(same, same, components=1) == pytest.approx(expected, abs=0.01)


def test_full_matrices_only_where_there_is_enough_to_fit_them(draw: np.random.Generator) -> None:
    pictures = draw.integers(0, 64, (300, 1, 4, 4)).cumsum(3).astype(np.uint8)
    train, held_out = pictures[:200], pictures[200:]
    for components, kind in ((6, "full"), (7, "diag")):  # 16 dimensions: 192 pictures are enough for 6
        chosen = gaussian_mixture(train, held_out, components=components)
        assert chosen == gaussian_mixture(train, held_out, components=components, covariance=kind)
        assert chosen != gaussian_mixture(
            train, held_out, components=components, covariance="diag" if kind == "full" else "full"
        )


def test_the_mixture_says_what_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    pictures = np.zeros((3, 1, 1, 1), np.uint8)
    with pytest.raises(UserError, match="1 to 3"):
        gaussian_mixture(pictures, pictures)
    real = builtins.__import__

    def missing(name: str, *rest: object) -> object:
        if name.startswith("sklearn"):
            raise ImportError(name)
        return real(name, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(UserError, match=r"luoxia\[train\]"):
        gaussian_mixture(pictures, pictures, components=1)
