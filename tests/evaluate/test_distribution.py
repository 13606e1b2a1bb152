"""Distances of distributions against closed forms, SciPy, and the reference package of precision and recall."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest
import torch
from scipy import linalg

from luoxia.core.errors import UserError
from luoxia.evaluate.distribution import (
    compare,
    frechet_distance,
    gaussian_frechet_distance,
    kernel_distance,
    precision_recall_density_coverage,
)
from luoxia.evaluate.features import pixels


def correlated(draw: np.random.Generator, n: int, dim: int, shift: float = 0.0) -> np.ndarray:
    return draw.normal(size=(n, dim)) @ draw.normal(size=(dim, dim)) / dim**0.5 + shift


def with_moments(draw: np.random.Generator, n: int, mean: np.ndarray, cov: np.ndarray) -> np.ndarray:
    """Points whose sample mean and covariance are exactly these."""
    x = draw.normal(size=(n, len(mean)))
    x -= x.mean(0)
    x = np.linalg.solve(np.linalg.cholesky(np.cov(x, rowvar=False)), x.T).T
    return x @ np.linalg.cholesky(cov).T + mean


def by_sqrtm(a: np.ndarray, b: np.ndarray) -> float:
    one, two = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    root = linalg.sqrtm(one @ two).real
    difference = a.mean(0) - b.mean(0)
    return float(difference @ difference + np.trace(one + two - 2 * root))


def test_frechet_closed_form_of_diagonal_gaussians(draw: np.random.Generator) -> None:
    s, t = np.array([1.0, 2.0, 0.5]), np.array([3.0, 1.0, 0.5])
    a = with_moments(draw, 200, np.zeros(3), np.diag(s**2))
    b = with_moments(draw, 300, np.array([1.0, -2.0, 0.0]), np.diag(t**2))
    expected = 5.0 + ((s - t) ** 2).sum()
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-10)
    assert frechet_distance(b, a) == pytest.approx(expected, rel=1e-10)


def test_frechet_of_rotated_gaussians(draw: np.random.Generator) -> None:
    """Covariances that do not commute: the closed form of two by two, Tr sqrt(M) = sqrt(Tr M + 2 sqrt(det M))."""
    one, two = np.array([[2.0, 0.6], [0.6, 1.0]]), np.array([[1.0, -0.3], [-0.3, 3.0]])
    a, b = with_moments(draw, 50, np.zeros(2), one), with_moments(draw, 60, np.zeros(2), two)
    product = one @ two
    root = (np.trace(product) + 2 * np.linalg.det(product) ** 0.5) ** 0.5
    assert frechet_distance(a, b) == pytest.approx(np.trace(one + two) - 2 * root, rel=1e-9)


def test_frechet_against_scipy(draw: np.random.Generator) -> None:
    a, b = correlated(draw, 400, 24), correlated(draw, 300, 24, 0.3)
    assert frechet_distance(a, b) == pytest.approx(by_sqrtm(a, b), rel=1e-8)
    assert frechet_distance(torch.from_numpy(a).float(), b) == pytest.approx(by_sqrtm(a, b), rel=1e-5)


def test_frechet_with_fewer_pictures_than_dimensions(draw: np.random.Generator) -> None:
    """In a subspace, the distance is that of the coordinates in it."""
    a, b = correlated(draw, 40, 6), correlated(draw, 30, 6, 0.5)
    basis = np.linalg.qr(draw.normal(size=(300, 6)))[0]
    assert frechet_distance(a @ basis.T, b @ basis.T) == pytest.approx(by_sqrtm(a, b), rel=1e-8)
    few, many = a @ basis.T, np.repeat(b, 12, 0) @ basis.T  # fewer rows than columns on one side only
    assert frechet_distance(few, many) == pytest.approx(by_sqrtm(a, np.repeat(b, 12, 0)), rel=1e-8)


def test_frechet_of_a_set_with_itself_is_nothing(draw: np.random.Generator) -> None:
    for n in (20, 500):
        a = correlated(draw, n, 50) * 100
        assert frechet_distance(a, a[::-1]) == pytest.approx(0, abs=1e-6)
        assert frechet_distance(a, a + 3) == pytest.approx(9 * 50, rel=1e-9)


def test_statistics_give_the_same(draw: np.random.Generator) -> None:
    a, b = correlated(draw, 100, 12), correlated(draw, 90, 12, 1.0)
    statistics = (a.mean(0), np.cov(a, rowvar=False), b.mean(0), np.cov(b, rowvar=False))
    assert gaussian_frechet_distance(*statistics) == pytest.approx(frechet_distance(a, b), rel=1e-9)
    with pytest.raises(UserError, match="means"):
        gaussian_frechet_distance(a.mean(0), np.eye(3), b.mean(0), np.eye(12))


def mmd(a: np.ndarray, b: np.ndarray) -> float:
    """The unbiased estimate, pair by pair."""
    k = lambda x, y: (float(x @ y) / len(x) + 1) ** 3  # noqa: E731
    within = [np.mean([k(s[i], s[j]) for i, j in itertools.permutations(range(len(s)), 2)]) for s in (a, b)]
    return sum(within) - 2 * np.mean([k(x, y) for x in a for y in b])


def test_kernel_distance_pair_by_pair(draw: np.random.Generator) -> None:
    a, b = correlated(draw, 9, 5), correlated(draw, 9, 5, 0.4)
    found = kernel_distance(a, b, subsets=3, subset_size=9)
    assert found.mean == pytest.approx(mmd(a, b), rel=1e-10)
    assert found.std == pytest.approx(0, abs=1e-12)  # each subset is the whole


def test_kernel_distance_of_known_moments(draw: np.random.Generator) -> None:
    """In one dimension E k = 1 + 3 m^2 + 3 s^2 + t^2 with raw moments m, s, t; for N(0, 1) and N(1, 1) it differs so:
    3 (0 - 1)^2 + 3 (1 - 2)^2 + (0 - 4)^2 = 22."""
    a, b = draw.normal(size=(20_000, 1)), draw.normal(size=(20_000, 1)) + 1
    found = kernel_distance(a, b, subsets=20, subset_size=1000)
    assert found.mean == pytest.approx(22, abs=1.5)
    assert 0 < found.std < 5


def test_kernel_distance_is_unbiased(draw: np.random.Generator) -> None:
    a, b = draw.normal(size=(4000, 8)), draw.normal(size=(4000, 8))
    found = kernel_distance(a, b, subsets=100, subset_size=50)
    assert abs(found.mean) < 4 * found.std / 100**0.5
    assert found.mean < 0.02 < found.std * 10  # a biased estimate would lie near 2 E k(x, x) / 50 = 0.35


def test_kernel_distance_depends_on_the_seed_alone(draw: np.random.Generator) -> None:
    a, b = draw.normal(size=(60, 4)), draw.normal(size=(50, 4))
    assert kernel_distance(a, b, seed=3) == kernel_distance(a, b, seed=3)
    assert kernel_distance(a, b, seed=3) != kernel_distance(a, b, seed=4)
    assert kernel_distance(a, b) == kernel_distance(a, b, subsets=100, subset_size=25)


@pytest.mark.parametrize("k", [1, 5])
@pytest.mark.parametrize("shift", [0.0, 1.5])
def test_manifold_against_the_reference(draw: np.random.Generator, k: int, shift: float) -> None:
    from prdc import compute_prdc

    real, fake = draw.normal(size=(150, 6)), draw.normal(size=(120, 6)) * 0.8 + shift
    expected = compute_prdc(real_features=real, fake_features=fake, nearest_k=k)
    found = precision_recall_density_coverage(real, fake, k)
    assert found._asdict() == pytest.approx(expected, abs=1e-12)
    assert 0 < found.recall < 1


def test_manifold_in_blocks_is_the_same(draw: np.random.Generator) -> None:
    real, fake = draw.normal(size=(90, 4)), draw.normal(size=(70, 4))
    whole = precision_recall_density_coverage(real, fake, 3)
    for block in (1, 90, 650):
        assert precision_recall_density_coverage(real, fake, 3, block=block) == whole


def test_manifold_by_hand() -> None:
    """Data at 0, 1, 2, 10 with k = 1 have balls of radius 1, 1, 1, 8; samples at 1.5, 1.6, 30 balls of 0.1, 0.1, 28.4."""
    found = precision_recall_density_coverage(
        np.array([[0.0], [1.0], [2.0], [10.0]]), np.array([[1.5], [1.6], [30.0]]), k=1
    )
    assert found.precision == pytest.approx(2 / 3)
    assert found.recall == pytest.approx(2 / 4)  # 2 and 10 lie within 28.4 of 30
    assert found.density == pytest.approx((2 + 2) / 3)
    assert found.coverage == pytest.approx(2 / 4)


def test_manifold_of_equal_points(draw: np.random.Generator) -> None:
    """Balls without extent still hold their centre, whatever rounding does to a distance of nothing."""
    same = np.repeat(draw.normal(size=(1, 700)) * 1000, 20, 0)
    assert precision_recall_density_coverage(same, same, 5)[:2] == (1.0, 1.0)
    assert precision_recall_density_coverage(same, same + 1, 5) == (0.0, 0.0, 0.0, 0.0)


@pytest.mark.parametrize(
    ("a", "b", "words"),
    [
        (np.zeros((5, 3)), np.zeros((5, 4)), "do not compare"),
        (np.zeros((5, 3)), np.zeros(5), "do not compare"),
        (np.zeros((1, 3)), np.zeros((5, 3)), "at least"),
        (np.zeros((5, 3)), np.full((5, 3), np.nan), "finite"),
    ],
)
def test_what_does_not_compare_is_refused(a: np.ndarray, b: np.ndarray, words: str) -> None:
    for measure in (frechet_distance, kernel_distance, precision_recall_density_coverage):
        with pytest.raises(UserError, match=words):
            measure(a, b)


def test_options_out_of_range_are_refused() -> None:
    a = np.zeros((6, 2))
    for k in (0, 6):
        with pytest.raises(UserError, match="k is"):
            precision_recall_density_coverage(a, a, k)
    for options in ({"subset_size": 7}, {"subset_size": 1}, {"subsets": 0}):
        with pytest.raises(UserError, match="cannot be drawn"):
            kernel_distance(a, a, **options)


def test_a_report_names_its_extractor(draw: np.random.Generator) -> None:
    real = draw.integers(0, 256, (40, 1, 4, 4), dtype=np.uint8)
    fake = draw.integers(0, 256, (30, 1, 4, 4), dtype=np.uint8)
    heard: list[tuple[int, int]] = []
    report = compare(real, fake, pixels(), k=3, seed=1, progress=lambda *state: heard.append(state))
    a, b = pixels()(real), pixels()(fake)
    assert (report.extractor, report.n_real, report.n_fake, report.k, report.seed) == ("pixels", 40, 30, 3, 1)
    assert report.frechet == frechet_distance(a, b)
    assert report.kernel == kernel_distance(a, b, seed=1)
    assert report.manifold == precision_recall_density_coverage(a, b, 3)
    assert heard == [(40, 40), (30, 30)]
    plain = json.loads(json.dumps(report.as_dict()))
    assert plain["extractor"] == "pixels"
    assert plain["manifold"]["recall"] == report.manifold.recall
    assert plain["kernel"] == {"mean": report.kernel.mean, "std": report.kernel.std}
