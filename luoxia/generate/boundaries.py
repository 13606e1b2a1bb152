"""Directions of attributes that pictures are labelled with: the normals of boundaries in W.

As in Shen et al., *Interpreting the Latent Space of GANs for Semantic Face Editing*, arXiv:1907.10786 and
arXiv:2005.09635: a classifier that learned the labels from real pictures tells what a generator's samples show, a linear
classifier of their w finds the boundary between yes and no, and the way straight across it is the direction. Of several
attributes each normal is freed from its part along the others (conditional manipulation, section 3.3 there).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from luoxia.core.errors import UserError
from luoxia.data.avatar_labels import labels
from luoxia.data.images import ImageSet, load
from luoxia.evaluate.classify import LinearClassifier, train_classifier
from luoxia.evaluate.features import extractor
from luoxia.generate.directions import SEEN, Direction, drawn, measured, repeated
from luoxia.generate.portraits import Portraits
from luoxia.train.randomness import generator

REAL = 2_000  # labelled pictures that classifiers learn from
FEW = 25  # pictures or samples of either kind, below which nothing is learned
SURE = 0.7  # balanced accuracy on held-out pictures, below which labels of samples would mean nothing
DECAY, FLAT = 0.01, 1e-3  # of classifiers, whose features are as many as pictures, and of boundaries in W
PLACE = 0xB0  # of the latents among all that is drawn from a seed
See = Callable[[NDArray[np.uint8]], NDArray[np.float32]]  # pictures to features (N, D)
Watch = Callable[[int, int], None]


@dataclass(frozen=True)
class Told:
    """A classifier of one attribute, and the mean of its shares of right answers for yes and for no, held out."""

    name: str
    classifier: LinearClassifier
    accuracy: float


def classifiers(
    images: ImageSet, known: Mapping[str, NDArray[np.float64]], see: See, *, named: str, seed: int = 0
) -> list[Told]:
    """Those of the attributes that features of the extractor ``named`` tell; ``known`` (N,) are 1, 0 or not a number."""
    draw = np.random.Generator(np.random.PCG64(seed))
    train = np.sort(draw.permutation(images.train)[:REAL])
    x, held_out = see(images.images[train]), see(images.images[images.held_out])
    found = []
    for name, values in known.items():
        y, new = values[train], values[images.held_out]
        sure, of_new = np.isfinite(y), np.isfinite(new)
        if min((y == 0).sum(), (y == 1).sum()) < FEW or min((new == 0).sum(), (new == 1).sum()) < 2:
            continue
        told = train_classifier(x[sure], y[sure] > 0.5, extractor=named, decay=DECAY)
        right = told.predict(held_out[of_new]) == (new[of_new] > 0.5)
        yes = new[of_new] == 1
        accuracy = (right[yes].mean() + right[~yes].mean()) / 2
        if accuracy >= SURE:
            found.append(Told(name, told, float(accuracy)))
    return found


def boundaries(
    portraits: Portraits,
    told: list[Told],
    see: See,
    *,
    seed: int = 0,
    count: int = SEEN,
    watch: Watch = lambda *_: None,
) -> list[Direction]:
    """The directions of attributes that ``count`` samples show both ways; one step is a standard deviation of w along it.

    Of a conditional model w and the answers are taken about the means of their class: what is asked is what differs
    within a class. Raises :class:`UserError` where there is none.
    """
    random = generator(portraits.runtime.device, seed, PLACE)
    w = drawn(portraits, count, random)
    features = see(portraits.pictures(repeated(portraits, w), watch=watch))
    centred = _within(w.double().cpu(), portraits.config.classes)
    names, normals = [], list[Tensor]()
    answers = {t.name: _answers(t.classifier, features) for t in told}
    for name, logits in answers.items():
        yes = logits > 0
        if min(yes.sum(), (~yes).sum()) >= FEW:
            names.append(name)
            normals.append(_normal(centred, yes))
    if not names:
        raise UserError(
            "no attribute is to be seen both ways in the model's pictures: it may need more training",
            "模型的图片中没有任何属性同时呈现有与无两种情况：可能需要更多训练",
        )
    vectors = _freed(torch.stack(normals))
    vectors = vectors * (centred @ vectors.T).std(0)[:, None]
    by_name = {t.name: t.classifier for t in told}

    def measure(pictures: NDArray[np.uint8]) -> dict[str, NDArray[np.float64]]:
        seen = see(pictures)
        return {name: _answers(by_name[name], seen) for name in names}

    spread = np.array([answers[name].std() for name in names])
    return measured(portraits, names, vectors.float(), measure, spread, random, how="boundary")


def of_avatars(portraits: Portraits, *, seed: int = 0, watch: Watch = lambda *_: None) -> list[Direction]:
    """Of a model that learned from the built-in avatars, whose captions say what was drawn; none of any other.

    None either where the set or the network that sees is not here, or nothing is to be told of the model's pictures."""
    if portraits.told.source != "trained on avatars":
        return []
    with contextlib.suppress(UserError):
        images = load("avatars", size=portraits.config.size)
        see = extractor(device=portraits.runtime.device)
        if images.digest == portraits.told.facts.get("digest"):
            told = classifiers(images, labels(images), see, named=see.name, seed=seed)
            return boundaries(portraits, told, see, seed=seed, watch=watch)
    return []


def _answers(classifier: LinearClassifier, features: NDArray[np.float32]) -> NDArray[np.float64]:
    """Log-odds of yes, (N,)."""
    logits = classifier.logits(features)
    return (logits[:, 1] - logits[:, 0]).numpy()


def _within(w: Tensor, classes: int) -> Tensor:
    """w (N, D), whose classes take turns, about the mean of each class."""
    if not classes:
        return w - w.mean(0)
    c = torch.arange(len(w)) % classes
    means = torch.stack([w[c == k].mean(0) for k in range(classes)])
    return w - means[c]


def _normal(w: Tensor, yes: NDArray[np.bool_]) -> Tensor:
    """The unit normal (D,) of the boundary between samples with the attribute and those without, towards yes."""
    found = train_classifier(w, yes, extractor="w", decay=FLAT)
    normal = (found.weight[1] - found.weight[0]) / found.scale
    return normal / normal.norm()


def _freed(normals: Tensor) -> Tensor:
    """Unit vectors (K, D), each the part of its normal that is at right angles to all others."""
    # Row j of the pseudo-inverse's transpose is at right angles to all normals but its own.
    freed = torch.linalg.pinv(normals).T
    return freed / freed.norm(dim=1, keepdim=True)
