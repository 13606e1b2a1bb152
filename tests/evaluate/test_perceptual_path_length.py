"""Path length against the generator of which it is known exactly, and the real distance's own scale."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from luoxia.core.errors import UserError
from luoxia.evaluate.perceptual_path_length import perceptual_path_length


def squared(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    return (a - b).flatten(1).square().sum(1)


def pairs(n: int, dim: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    noise = torch.Generator().manual_seed(2)
    start, end = (torch.randn(n, dim, generator=noise, dtype=torch.float64) for _ in range(2))
    return start, end


def test_a_linear_generator_under_a_quadratic_distance() -> None:
    """|A w(t + e) - A w(t)|^2 / e^2 = |A (w_2 - w_1)|^2, wherever t is and whatever e."""
    matrix = torch.randn(12, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    start, end = pairs(50)
    expected = ((end - start) @ matrix.T).square().sum(1).numpy()
    places = torch.rand(50, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    for t, epsilon in ((None, 1e-4), (places, 1e-4), (places, 0.1)):
        found = perceptual_path_length(
            lambda w: (w @ matrix.T).reshape(-1, 3, 2, 2), start, end, squared, t=t, epsilon=epsilon
        )
        np.testing.assert_allclose(found.values, expected, rtol=1e-6)
        # Of 50 values the quantiles of 1 and 99 % lie between the first two and the last two: all are kept.
        assert found.mean == pytest.approx(expected.mean(), rel=1e-6)


def test_where_on_the_way_it_is_measured() -> None:
    """G(w) = w^2 along one axis changes by 2 w: nothing at the end w = 0, and 4 E t^2 = 4/3 between 0 and 1."""
    start, end = torch.zeros(300, 1, dtype=torch.float64), torch.ones(300, 1, dtype=torch.float64)
    square = lambda w: w.square().reshape(-1, 1, 1, 1)  # noqa: E731
    assert perceptual_path_length(square, start, end, squared).mean == pytest.approx(1e-8, rel=1e-3)
    even = (torch.arange(300, dtype=torch.float64) + 0.5) / 300
    found = perceptual_path_length(square, start, end, squared, t=even)
    np.testing.assert_allclose(found.values, 4 * even.numpy() ** 2, rtol=0.1, atol=1e-6)
    low, high = np.quantile(found.values, [0.01, 0.99], method="nearest")
    assert found.mean == pytest.approx(4 / 3, rel=0.03)
    assert low < found.mean < high


def test_outliers_at_both_ends_do_not_count() -> None:
    start, end = torch.zeros(500, 1), torch.ones(500, 1)
    end[:3], end[3:6] = 1e3, 0.0
    found = perceptual_path_length(lambda w: w.reshape(-1, 1, 1, 1), start, end, squared)
    assert found.mean == pytest.approx(1, rel=1e-3)
    assert found.values.mean() > 1e3


def test_nothing_runs_in_half_precision() -> None:
    kinds = []

    def decode(w: torch.Tensor) -> torch.Tensor:
        kinds.append((w @ w.T).dtype)
        return w.reshape(-1, 1, 1, 3)

    start, end = (v.float() for v in pairs(20))
    with torch.autocast("cpu", torch.bfloat16):
        perceptual_path_length(decode, start, end, squared)
    assert set(kinds) == {torch.float32}


def test_latents_that_do_not_pair() -> None:
    with pytest.raises(UserError, match="no pairs"):
        perceptual_path_length(lambda w: w, torch.zeros(3, 2), torch.zeros(2, 2), squared)
