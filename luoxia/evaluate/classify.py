"""Whether conditional samples are what was asked for: a linear classifier that learned the labels from real pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from luoxia.core.errors import UserError
from luoxia.evaluate.neighbours import Vectors, matrix

Labels = Sequence[Any] | np.ndarray | Tensor  # (N,) integers or words

STEPS = 200


@dataclass(frozen=True)
class LinearClassifier:
    """Softmax regression on standardised features.

    ``classes`` (K,) labels in ascending order; ``mean`` and ``scale`` (D,) of the training features; ``weight``
    (K, D) and ``bias`` (K,), float64. ``extractor`` names the features.
    """

    extractor: str
    classes: np.ndarray
    mean: Tensor
    scale: Tensor
    weight: Tensor
    bias: Tensor

    def logits(self, features: Vectors) -> Tensor:
        """Unnormalised log-probabilities (N, K) of features (N, D)."""
        x = _matrix(features)
        if x.shape[1] != len(self.mean):
            raise UserError(
                f"features have {x.shape[1]} dimensions, the classifier learned {len(self.mean)} of {self.extractor}",
                f"特征为 {x.shape[1]} 维，而分类器学习的是 {self.extractor} 的 {len(self.mean)} 维",
            )
        return (x - self.mean) / self.scale @ self.weight.T + self.bias

    def predict(self, features: Vectors) -> np.ndarray:
        """The most probable label of each row, (N,)."""
        return self.classes[self.logits(features).argmax(1).numpy()]

    def accuracy(self, features: Vectors, labels: Labels) -> float:
        """The share of rows whose predicted label is the given one; on held-out pictures, what agreement can reach."""
        return self.agreement(features, labels)

    def agreement(self, samples: Vectors, asked: Labels) -> float:
        """The share of samples in which the classifier sees the label that was asked of the generator.

        Read it beside the accuracy on held-out pictures. A label that no training picture had counts as missed.
        """
        wanted, found = _labels(asked), self.predict(samples)
        if len(wanted) != len(found):
            raise UserError(
                f"there are {len(found)} pictures and {len(wanted)} labels; give one label for each",
                f"有 {len(found)} 张图片和 {len(wanted)} 个标签；每张图片应有一个标签",
            )
        return float(np.mean([a == b for a, b in zip(found.tolist(), wanted.tolist(), strict=True)]))


def train_classifier(
    features: Vectors, labels: Labels, *, extractor: str, decay: float = 1e-3
) -> LinearClassifier:
    r"""Fit a linear classifier to labelled features of real pictures.

    .. math:: \min_{W, b} \frac{1}{N} \sum_i -\ln \mathrm{softmax}(W x_i + b)_{y_i} + \frac{\lambda}{2} |W|^2

    which is convex; minimised by L-BFGS in float64 from 0, so nothing is drawn and the result is the same each time.

    Args:
        features: (N, D) of the extractor named ``extractor``.
        labels: (N,), at least two different ones.
        decay: lambda.
    """
    x, names = _matrix(features), _labels(labels)
    classes, indices = np.unique(names, return_inverse=True)
    if len(names) != len(x) or len(classes) < 2 or not decay > 0:
        raise UserError(
            f"{len(x)} pictures with {len(names)} labels of {len(classes)} kinds and decay {decay} cannot be learned "
            "from; give one label for each picture, at least two kinds, and a decay above 0",
            f"无法学习：{len(x)} 张图片、{len(names)} 个标签、{len(classes)} 个类别、decay 为 {decay}；"
            "每张图片应有一个标签，至少两个类别，且 decay 大于 0",
        )
    mean, scale = x.mean(0), x.std(0, correction=0)
    scale = scale.where(scale > 1e-8 * (mean.abs() + 1), 1.0)  # a feature that never changes says nothing
    x, y = (x - mean) / scale, torch.from_numpy(indices)
    weight = torch.zeros(len(classes), x.shape[1], dtype=torch.float64, requires_grad=True)
    bias = torch.zeros(len(classes), dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS(
        [weight, bias],
        max_iter=STEPS,
        tolerance_grad=1e-8,
        tolerance_change=1e-12,
        line_search_fn="strong_wolfe",
    )

    def loss() -> Tensor:
        optimizer.zero_grad()
        value = F.cross_entropy(x @ weight.T + bias, y) + decay / 2 * weight.square().sum()
        value.backward()
        return value

    optimizer.step(loss)  # switches gradients on by itself
    return LinearClassifier(extractor, classes, mean, scale, weight.detach(), bias.detach())


def _matrix(features: Vectors) -> Tensor:
    x = matrix(features)
    if x.ndim != 2 or not x.numel() or not bool(x.isfinite().all()):
        raise UserError(
            f"features of shape {tuple(x.shape)} cannot be classified; give finite (N, D)",
            f"无法对形状为 {tuple(x.shape)} 的特征分类；请给有限数值 (N, D)",
        )
    return x


def _labels(labels: Labels) -> np.ndarray:
    return labels.cpu().numpy() if isinstance(labels, Tensor) else np.asarray(labels)
