"""Directions in W that change one thing about a picture, and how far each changes that and nothing else.

Four kinds: SeFa's, the eigenvectors of A^T A where A stacks the layers' affine maps (Shen and Zhou, arXiv:2007.06600);
GANSpace's, the principal components of w (Härkönen et al., arXiv:2004.02546); those of attributes that real
pictures are labelled with (:mod:`luoxia.generate.boundaries`); and those of attributes that are measured on pictures. For
the last, attributes y are regressed on w, y = B^T (w - mean) + e, and the direction of attribute j is the
shortest move, in the metric of W's covariance S, that changes it by one standard deviation and the others not at all:

    d_j = S B (B^T S B)^-1 e_j.
"""

from __future__ import annotations

import contextlib
import difflib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from luoxia.core.errors import MalformedFileError, UserError
from luoxia.core.folder import write_atomically
from luoxia.data.faces import FaceFinder
from luoxia.generate.face_measures import Measure, expressions, statistics
from luoxia.generate.portraits import Portraits
from luoxia.models.stylegan import Dense
from luoxia.train.randomness import generator

SEEN, ASKED = 2_000, 64  # pictures that attributes are learned from, and on which strength is measured
RIDGE = 1e-2  # of the mean variance of w, added to the regression
MOST = 10.0  # steps of one direction
LEAST = 0.1  # standard deviations that a step is to move its own attribute by
PLACE = 0xD1  # of the latents among all that is drawn from a seed: weights are drawn from the seed itself
UNSUPERVISED = 6  # directions of SeFa and of GANSpace each
Watch = Callable[[int, int], None]


@dataclass(frozen=True)
class Direction:
    """``vector`` (w_dim,): one step of it is one standard deviation. ``how`` is "attribute", "boundary", "sefa" or
    "ganspace".

    ``own`` is what a step moves its own attribute by, in standard deviations, and ``others`` the most that it moves
    another; both None for directions that have no attribute."""

    name: str
    vector: Tensor
    how: str
    own: float | None = None
    others: float | None = None


def attributes(
    portraits: Portraits,
    measure: Measure,
    *,
    seed: int = 0,
    count: int = SEEN,
    watch: Watch = lambda *_: None,
) -> list[Direction]:
    """The directions of what ``measure`` finds in ``count`` pictures; a value that is not finite leaves a picture out."""
    random = generator(portraits.runtime.device, seed, PLACE)
    w = drawn(portraits, count, random)
    found: dict[str, NDArray[np.float64]] = {}
    total = count
    for start in range(0, count, ASKED):  # measuring takes longer than drawing: both are told of
        some = measure(portraits.pictures(repeated(portraits, w[start : start + ASKED])))
        found = {name: np.concatenate([found.get(name, values[:0]), values]) for name, values in some.items()}
        total = count + 2 * ASKED * len(found)
        watch(min(start + ASKED, count), total)
    names = list(found)
    y = np.stack([found[name] for name in names], 1)
    whole = np.isfinite(y).all(1)
    if whole.sum() < max(50, 4 * len(names)):
        raise UserError(
            f"attributes could be measured on {whole.sum()} of {count} pictures alone: too few",
            f"{count} 张图片中仅有 {whole.sum()} 张可测量属性：太少",
        )
    y, w = y[whole], w[torch.from_numpy(whole)].double()
    spread = y.std(0)
    if (spread == 0).any():
        dull = ", ".join(n for n, s in zip(names, spread, strict=True) if s == 0)
        raise UserError(f"{dull} is the same in all pictures", f"{dull} 在所有图片中都相同")
    target = torch.from_numpy((y - y.mean(0)) / spread)
    moved = w - w.mean(0)
    covariance = moved.T @ moved / len(w)
    ridge = covariance + RIDGE * covariance.diagonal().mean() * torch.eye(len(covariance), dtype=torch.double)
    slopes = torch.linalg.solve(ridge, moved.T @ target / len(w))  # (D, K)
    reach = covariance @ slopes
    vectors = (reach @ torch.linalg.pinv(slopes.T @ reach, rtol=1e-4)).T.float()  # (K, D)
    done = count

    def counted(pictures: NDArray[np.uint8]) -> dict[str, NDArray[np.float64]]:
        nonlocal done
        values = measure(pictures)
        done += len(pictures)
        watch(done, total)
        return values

    return measured(portraits, names, vectors, counted, spread, random)


def measured(
    portraits: Portraits,
    names: list[str],
    vectors: Tensor,
    measure: Measure,
    spread: NDArray[np.float64],
    random: torch.Generator,
    how: str = "attribute",
) -> list[Direction]:
    """Directions from ``vectors`` (K, w_dim), with what a step to both sides does on fresh pictures, by ``spread`` (K,)."""
    w = (
        0.7 * (drawn(portraits, ASKED, random) - portraits.network.mapping.w_avg)
        + portraits.network.mapping.w_avg
    )
    made = []
    for j, name in enumerate(names):
        vector = vectors[j].to(w.device)
        high, low = (measure(portraits.pictures(repeated(portraits, w + s * vector))) for s in (1, -1))
        change = [float(np.nanmean(high[n] - low[n])) / 2 / spread[k] for k, n in enumerate(names)]
        others = max((abs(c) for k, c in enumerate(change) if k != j), default=0.0)
        made.append(Direction(name, vectors[j], how, change[j], others))
    return made


def sefa(portraits: Portraits, count: int = UNSUPERVISED) -> list[Direction]:
    """Closed-form factors of the affine maps, scaled to one standard deviation of w along them."""
    affines = [
        module.weight * module.gain
        for name, module in portraits.network.synthesis.named_modules()
        if isinstance(module, Dense) and name.endswith("affine")
    ]
    # Rows of nothing stay so: a StyleGAN3 may never have learned to turn its input.
    stacked = torch.cat([a / a.norm(dim=1, keepdim=True).clamp_min(1e-12) for a in affines]).double()
    _, vectors = torch.linalg.eigh(stacked.T @ stacked)
    w = drawn(portraits, SEEN, generator(portraits.runtime.device, 0, PLACE)).double()
    best = vectors.flip(1)[:, :count].T
    return [
        Direction(f"sefa-{i}", (v * (w @ v).std()).float().cpu(), "sefa")
        for i, v in enumerate(_signed(best), 1)
    ]


def ganspace(portraits: Portraits, count: int = UNSUPERVISED) -> list[Direction]:
    """Principal components of w, each as long as its standard deviation."""
    w = drawn(portraits, SEEN, generator(portraits.runtime.device, 0, PLACE)).double()
    _, sizes, rows = torch.linalg.svd(w - w.mean(0), full_matrices=False)
    scaled = _signed(rows[:count]) * (sizes[:count, None] / (len(w) - 1) ** 0.5)
    return [Direction(f"pca-{i}", v.float().cpu(), "ganspace") for i, v in enumerate(scaled, 1)]


def _signed(vectors: Tensor) -> Tensor:
    """With the largest entry positive: a decomposition leaves the sign open."""
    largest = vectors.gather(1, vectors.abs().argmax(1, keepdim=True))
    return vectors * largest.sign()


def learn(portraits: Portraits, *, seed: int = 0, watch: Watch = lambda *_: None) -> list[Direction]:
    """All kinds. Expressions are among the attributes where faces are found in most of the model's pictures; boundaries
    where the model learned from pictures whose attributes are known."""
    from luoxia.generate import boundaries  # builds on this file

    measure: Measure = statistics
    if portraits.config.channels == 3:
        with contextlib.suppress(UserError):  # without LiteRT the pixels' attributes are what there is
            finder = FaceFinder()
            some = portraits.pictures(
                repeated(
                    portraits,
                    drawn(portraits, 32, generator(portraits.runtime.device, seed, PLACE)),
                )
            )
            if np.isfinite(expressions(finder)(some)["smile"]).mean() > 0.5:
                measure = expressions(finder)
    found = attributes(portraits, measure, seed=seed, watch=watch) if portraits.config.channels == 3 else []
    named = [*boundaries.of_avatars(portraits, seed=seed), *found]
    return [*(d for d in named if moves(d)), *sefa(portraits), *ganspace(portraits)]


def moves(direction: Direction) -> bool:
    """Whether a step is to be seen: what a model has not learned to draw cannot be changed."""
    return direction.own is None or direction.own >= LEAST


def write(directions: list[Direction], to: Path) -> None:
    """As safetensors, a tensor a direction, with their facts."""
    facts = {d.name: {"how": d.how, "own": d.own, "others": d.others} for d in directions}
    with write_atomically(to) as file:
        file.write(save({d.name: d.vector.clone() for d in directions}, {"directions": json.dumps(facts)}))


def read(path: Path) -> list[Direction]:
    """What :func:`write` wrote."""
    try:
        with safe_open(path, "pt") as file:
            facts = json.loads((file.metadata() or {})["directions"])
            return [Direction(name, file.get_tensor(name), **told) for name, told in facts.items()]
    except (SafetensorError, ValueError, KeyError, TypeError, OSError) as error:
        raise MalformedFileError(
            f"{path} holds no directions: {error}", f"{path} 中没有方向：{error}"
        ) from error


def edited(ws: Tensor, directions: list[Direction], changes: dict[str, float]) -> Tensor:
    """ws (N, num_ws, w_dim) moved by so many steps of each named direction."""
    known = {d.name: d for d in directions}
    for name, steps in changes.items():
        if name not in known:
            near = difflib.get_close_matches(name, known, 3, 0.4) or list(known)
            raise UserError(
                f"there is no direction {name!r}; there is {', '.join(near)}",
                f"没有方向 {name!r}；有 {'、'.join(near)}",
            )
        if not abs(steps) <= MOST:
            raise UserError(
                f"{name}={steps:g} is too far: give {-MOST:g} to {MOST:g} steps",
                f"{name}={steps:g} 过大：请给 {-MOST:g} 到 {MOST:g}",
            )
        ws = ws + steps * known[name].vector.to(ws.device)
    return ws


@torch.inference_mode()
def drawn(portraits: Portraits, count: int, random: torch.Generator) -> Tensor:
    """w (count, w_dim)."""
    config = portraits.config
    z = torch.randn(count, config.z_dim, generator=random, device=random.device)
    c = torch.arange(count, device=random.device) % config.classes if config.classes else None
    return portraits.network.mapping(z, c)[:, 0].clone()


def repeated(portraits: Portraits, w: Tensor) -> Tensor:
    return w[:, None].repeat(1, portraits.config.num_ws, 1)
