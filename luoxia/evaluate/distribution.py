"""How far samples are from data as distributions, on the features of one extractor."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from luoxia.core import seeds
from luoxia.core.errors import UserError
from luoxia.evaluate.features import Extractor, Images, Watch
from luoxia.evaluate.neighbours import BLOCK, Vectors, distances, matrix, nearest, pair


class KernelDistance(NamedTuple):
    """Mean and standard deviation over the subsets."""

    mean: float
    std: float


class Manifold(NamedTuple):
    """Shares in [0, 1], but density, which passes 1 where samples crowd about the middle of the data."""

    precision: float
    recall: float
    density: float
    coverage: float


@dataclass(frozen=True)
class DistributionReport:
    """Every number with what it depends on: the extractor, and how many pictures there were of each."""

    extractor: str
    n_real: int
    n_fake: int
    frechet: float
    kernel: KernelDistance
    manifold: Manifold
    k: int
    seed: int

    def as_dict(self) -> dict[str, Any]:
        """The report as plain JSON values."""
        return asdict(self) | {"kernel": self.kernel._asdict(), "manifold": self.manifold._asdict()}


def compare(
    real: Images,
    fake: Images,
    extractor: Extractor,
    *,
    k: int = 5,
    seed: int = 0,
    progress: Watch | None = None,
) -> DistributionReport:
    """All distances of this file between pictures, uint8 (N, C, H, W); ``progress`` hears of real, then fake."""
    a, b = extractor(real, progress), extractor(fake, progress)
    return DistributionReport(
        extractor=extractor.name,
        n_real=len(a),
        n_fake=len(b),
        frechet=frechet_distance(a, b),
        kernel=kernel_distance(a, b, seed=seed),
        manifold=precision_recall_density_coverage(a, b, k),
        k=k,
        seed=seed,
    )


def frechet_distance(a: Vectors, b: Vectors) -> float:
    r"""Fréchet distance of two Gaussians fitted to features (N, D) and (M, D): 0 when their moments agree.

    .. math:: |\mu_a - \mu_b|^2 + \mathrm{Tr}(C_a + C_b - 2 (C_a C_b)^{1/2})

    Heusel et al., *GANs Trained by a Two Time-Scale Update Rule*, NeurIPS 2017, eq. 6. With C = X^T X of centred and
    scaled features, the trace of the root is the sum of the singular values of X_a X_b^T: no root of a singular
    matrix is taken, so fewer features than dimensions are as exact as many. The estimate is too high for few samples
    by a bias that shrinks as 1/N; compare numbers of equal N only.
    """
    first, second = pair(a, b, least=2)
    root = torch.linalg.svdvals(_factor(first) @ _factor(second).T).sum()
    total = sum(v.var(0).sum() for v in (first, second))
    distance = (first.mean(0) - second.mean(0)).square().sum() + total - 2 * root
    return max(0.0, float(distance))  # rounding may leave a little less than nothing


def gaussian_frechet_distance(mu_a: Vectors, cov_a: Vectors, mu_b: Vectors, cov_b: Vectors) -> float:
    """The same distance from means (D,) and covariances (D, D), as published statistics of a data set give them."""
    first, second, one, two = (matrix(v) for v in (mu_a, mu_b, cov_a, cov_b))
    dim = first.numel()
    if any(mu.shape != (dim,) for mu in (first, second)) or any(c.shape != (dim, dim) for c in (one, two)):
        shapes = ", ".join(str(tuple(v.shape)) for v in (first, one, second, two))
        raise UserError(
            f"statistics of shapes {shapes} do not compare; give means (D,) and covariances (D, D)",
            f"形状为 {shapes} 的统计量无法比较；请给出均值 (D,) 和协方差 (D, D)",
        )
    # The eigenvalues of C_a C_b are those of the symmetric S C_b S with S the root of C_a.
    values, vectors = torch.linalg.eigh(one)
    root_a = vectors * values.clamp_min(0).sqrt() @ vectors.T
    root = torch.linalg.eigvalsh(root_a @ two @ root_a).clamp_min(0).sqrt().sum()
    distance = (first - second).square().sum() + one.trace() + two.trace() - 2 * root
    return max(0.0, float(distance))


def kernel_distance(
    a: Vectors, b: Vectors, *, subsets: int = 100, subset_size: int | None = None, seed: int = 0
) -> KernelDistance:
    r"""Squared maximum mean discrepancy under a cubic kernel: 0 in expectation when the distributions agree.

    .. math:: k(x, y) = (x \cdot y / D + 1)^3, \quad
              \frac{\sum_{i \ne j} k(a_i, a_j) + k(b_i, b_j)}{n (n - 1)} - \frac{2 \sum_{i, j} k(a_i, b_j)}{n^2}

    Binkowski et al., *Demystifying MMD GANs*, ICLR 2018, section 4 and appendix E: unbiased whatever the number of
    samples, so single estimates may fall below 0. Averaged over ``subsets`` random subsets of ``subset_size`` each,
    None for 1,000 or half of the smaller set.
    """
    first, second = pair(a, b, least=4)
    smaller = min(len(first), len(second))
    size = min(1000, smaller // 2) if subset_size is None else subset_size
    if not 2 <= size <= smaller or subsets < 1:
        raise UserError(
            f"{subsets} subsets of {size} out of {smaller} features cannot be drawn; subset_size goes from 2 to {smaller}",
            f"无法从 {smaller} 个特征中抽取 {subsets} 个大小为 {size} 的子集；subset_size 可取 2 到 {smaller}",
        )
    found = torch.empty(subsets, dtype=torch.float64)
    for i in range(subsets):
        draw = seeds.generator(seed, i)
        x = first[torch.from_numpy(draw.choice(len(first), size, replace=False))]
        y = second[torch.from_numpy(draw.choice(len(second), size, replace=False))]
        within = sum(k.sum() - k.diagonal().sum() for k in (_cubic(x, x), _cubic(y, y)))
        found[i] = within / (size * (size - 1)) - 2 * _cubic(x, y).mean()
    return KernelDistance(float(found.mean()), float(found.std(correction=0)))


def precision_recall_density_coverage(
    real: Vectors, fake: Vectors, k: int = 5, *, block: int = BLOCK
) -> Manifold:
    """Whether samples lie where data lie, and whether data are reached by samples.

    Around each point is the closed ball that reaches its ``k``-th nearest neighbour in its own set. Precision: the
    share of samples in some ball of the data; recall: the share of data in some ball of the samples (Kynkäänniemi et
    al., *Improved Precision and Recall Metric*, NeurIPS 2019, eq. 1 and 2). Density: balls of the data that hold a
    sample, by k; coverage: the share of data whose ball holds a sample (Naeem et al., *Reliable Fidelity and
    Diversity Metrics*, ICML 2020, section 3.2). Memory stays bounded by ``block`` distances.
    """
    data, samples = pair(real, fake, least=2)
    if not 1 <= k < min(len(data), len(samples)):
        raise UserError(
            f"k is {k}; with {len(data)} pictures and {len(samples)} samples it goes from 1 to {min(len(data), len(samples)) - 1}",
            f"k 为 {k}；有 {len(data)} 张图片和 {len(samples)} 个样本时，k 可取 1 到 {min(len(data), len(samples)) - 1}",
        )
    # The nearest neighbour in its own set is the point itself.
    radii = torch.from_numpy(nearest(data, data, k + 1, block=block)[0][:, -1])
    sample_radii = torch.from_numpy(nearest(samples, samples, k + 1, block=block)[0][:, -1])
    inside = held = 0
    reached = torch.zeros(len(data), dtype=torch.bool)
    recalled = torch.zeros(len(data), dtype=torch.bool)
    rows = 0
    for block_of in distances(samples, data, block):  # (n, data)
        balls = block_of <= radii
        inside += int(balls.any(1).sum())
        held += int(balls.sum())
        reached |= balls.any(0)
        recalled |= (block_of <= sample_radii[rows : rows + len(block_of), None]).any(0)
        rows += len(block_of)
    return Manifold(
        precision=inside / len(samples),
        recall=float(recalled.double().mean()),
        density=held / (k * len(samples)),
        coverage=float(reached.double().mean()),
    )


def _factor(features: Tensor) -> Tensor:
    """X with X^T X the covariance, and no more rows than columns."""
    centred = (features - features.mean(0)) / (len(features) - 1) ** 0.5
    if len(centred) <= centred.shape[1]:
        return centred
    return torch.linalg.qr(centred, mode="r").R


def _cubic(x: Tensor, y: Tensor) -> Tensor:
    k = x @ y.T / x.shape[1] + 1
    return k * k * k  # ten times as fast as a power
