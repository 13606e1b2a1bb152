"""What a picture may be a copy of: an index of training pictures, 64 bytes each, that goes along with a model.

A picture is looked at in 64 pixels a side, twice: its grey levels and its outlines (the lengths of the colour gradient), each
in 16 x 16 means, centred and of length one, so that brightness and contrast, and of outlines the colours too, count little.
Each look is projected on its 32 main directions over the training set and kept as bytes. A query comes as it is, mirrored,
and moved by up to two pixels each way, unrounded. How near is near differs from set to set, and within one: flat drawings
have many neighbours. So the measure is

    s = d_1 / d_k,    k = 20,

the distance to the nearest item by that to the k-th (after Carlini et al., *Extracting Training Data from Diffusion Models*,
arXiv:2301.13188, section 4.2, who divide by a mean), in either look, and its bound is what one in a thousand pictures goes
below that no training saw and that show no training picture again. Needs no model and no network.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d, interpolate, pad

from luoxia.core.language import Text
from luoxia.core.shapes import fits
from luoxia.data.attribution import sources_of
from luoxia.data.images import ImageSet
from luoxia.weights import originals as files

LARGEST, MOST = 1 << 27, 1 << 21  # bytes of a file, items in it
SIDE, CELLS, KEPT = 64, 16, 32  # pixels, means a side, directions of each look
LOOKS, WIDTH = 2, CELLS * CELLS
K = 20
NEAREST, FARTHEST = 1e-3, 0.2  # what a bound may be; few unseen pictures are no ground for a wider one
FALSE = 0.001  # of pictures that no training saw, how many may be flagged
SHOWN_AGAIN = 8.0  # grey levels, mean: an unseen picture that is so near shows a training picture again
SAMPLED, UNSEEN = 20_000, 2_000
MOVES = tuple(
    (x, y) for y in range(-2, 3) for x in range(-2, 3)
)  # of a query, in pixels; then the same mirrored
COARSE = [
    i + m * len(MOVES)
    for m in (0, 1)
    for i, move in enumerate(MOVES)
    if move == (0, 0) or (abs(move[0]) + abs(move[1]) == 2 and 0 not in move)
]
CANDIDATES = 200
FAINT = 0.15  # of a gradient: less is noise, and what JPEG leaves of a flat ground
QUIET = 0.05  # of a look's length: what a blank picture's noise is divided by
LUMA = (0.299, 0.587, 0.114)


@dataclass(frozen=True)
class Near:
    """The nearest item to a picture: ``item`` its place in the data set, ``source`` the line of whoever made it, ``score`` s
    by its bound, so that below 1 is near."""

    item: int
    source: str
    score: float

    @property
    def near(self) -> bool:
        return self.score < 1


@dataclass(frozen=True)
class Originals:
    """``codes`` (N, 64) int8 of N items, ``items`` (N,) int32 their places in the set, ``sources`` (N,) int32 into ``told``'s
    "sources"; ``mean`` (2, 256), ``basis`` (2, 256, 32) and ``scale`` (2, 32) float32 make codes; ``bounds`` (2,) float32."""

    codes: NDArray[np.int8]
    items: NDArray[np.int32]
    sources: NDArray[np.int32]
    mean: NDArray[np.float32]
    basis: NDArray[np.float32]
    scale: NDArray[np.float32]
    bounds: NDArray[np.float32]
    told: dict[str, Any]

    def nearest(self, pictures: NDArray[np.uint8]) -> list[Near]:
        """For each of ``pictures`` (M, C, H, W), C 1 or 3, the item that it comes nearest to."""
        found = []
        for at in range(0, len(pictures), 16):
            scores, places = self.scores(pictures[at : at + 16])
            by_bound = scores / self.bounds
            best = by_bound.argmin(1)
            for i, look in enumerate(best):
                place = int(places[i, look])
                source = self.told["sources"][int(self.sources[place])]
                found.append(Near(int(self.items[place]), source, float(by_bound[i, look])))
        return found

    def scores(self, pictures: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """s (M, 2) and the place of the nearest code (M, 2), for each look."""
        seen = _looks_of_all_positions(_canonical(pictures))  # (P, M, LOOKS, WIDTH)
        scores, places = [], []
        for look in range(LOOKS):
            d, at = self._nearest(self._projected(seen[:, :, look], look), look)
            scores.append(d[:, 0] / np.maximum(d[:, -1], 1e-6))
            places.append(at)
        return np.stack(scores, 1), np.stack(places, 1)

    def _nearest(self, seen: Tensor, look: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Distances (M, K), the nearest first, and the place of the nearest (M,), of ``seen`` (P, M, KEPT) in all positions:
        candidates by a few of them, then all positions on these."""
        codes = torch.from_numpy(self.codes[:, look * KEPT : (look + 1) * KEPT]).float()
        lengths = codes.square().sum(1)
        least = torch.full((seen.shape[1], len(codes)), torch.inf)
        for some in seen[COARSE]:
            squared = torch.addmm(lengths, some, codes.T, alpha=-2).add_(some.square().sum(1)[:, None])
            torch.minimum(least, squared, out=least)
        few = least.topk(min(CANDIDATES, len(codes)), 1, largest=False).indices  # (M, c)
        d = torch.cdist(seen.transpose(0, 1), codes[few]).amin(1)  # (M, c)
        best = d.topk(min(K, d.shape[1]), 1, largest=False)
        return best.values.numpy(), few.gather(1, best.indices[:, :1])[:, 0].numpy()

    def _projected(self, seen: Tensor, look: int) -> Tensor:
        mean, basis, scale = (torch.from_numpy(part[look]) for part in (self.mean, self.basis, self.scale))
        return (seen - mean) @ basis * scale

    def write(self, folder: Path) -> None:
        """As ``originals.safetensors`` in ``folder``."""
        files.write(folder / files.PICTURES, {name: getattr(self, name) for name in SHAPES}, self.told)


SHAPES: dict[str, tuple[type[np.generic], tuple[int | None, ...]]] = {
    "codes": (np.int8, (None, LOOKS * KEPT)),
    "items": (np.int32, (None,)),
    "sources": (np.int32, (None,)),
    "mean": (np.float32, (LOOKS, WIDTH)),
    "basis": (np.float32, (LOOKS, WIDTH, KEPT)),
    "scale": (np.float32, (LOOKS, KEPT)),
    "bounds": (np.float32, (LOOKS,)),
}


def read(folder: Path) -> Originals | None:
    """The index in ``folder``, None where there is none. Raises :class:`MalformedFileError` for what is no whole one."""
    what = Text("index of training pictures", "训练图片索引")
    return files.read(folder / files.PICTURES, SHAPES, LARGEST, _whole, what)


def _whole(arrays: files.Arrays, told: dict[str, Any]) -> Originals:
    arrays = {name: _checked(name, array) for name, array in arrays.items()}
    n, known = len(arrays["codes"]), told["sources"]
    counts = len(arrays["items"]) == len(arrays["sources"]) == n and K <= n <= MOST
    if not counts or not isinstance(known, list) or not all(isinstance(line, str) for line in known):
        raise ValueError("its parts do not fit together")
    if arrays["sources"].min() < 0 or arrays["sources"].max() >= len(known):
        raise ValueError("an item is of no source")
    if arrays["bounds"].min() <= 0:
        raise ValueError("its bounds are none")
    return Originals(**arrays, told=told)


def _checked(name: str, array: NDArray[Any]) -> NDArray[Any]:
    kind, shape = SHAPES[name]
    if (
        array.dtype != kind
        or not fits(array.shape, shape)
        or (array.dtype == np.float32 and not np.isfinite(array).all())
    ):
        raise ValueError(f"{name} is {array.dtype} {array.shape}")
    return array


def build(images: ImageSet) -> Originals | None:
    """The index of what a training sees of ``images``; None for a set too small to tell near from far."""
    train = images.train
    unseen = images.held_out
    if len(train) < 2 * K or len(unseen) == 0:
        return None
    random = np.random.Generator(np.random.PCG64(0))
    some = np.sort(random.choice(train, min(SAMPLED, len(train)), replace=False))
    mean, basis, scale = _directions(images.images[some])
    sources, lines = sources_of(images)
    made = Originals(
        np.empty((0, LOOKS * KEPT), np.int8), images.numbers[train].astype(np.int32), sources[train], mean, basis, scale,
        np.full(LOOKS, FARTHEST, np.float32), {"data": images.name, "digest": images.digest, "sources": lines},
    )  # fmt: skip
    codes = [_coded(made, images.images[train[i : i + 1024]]) for i in range(0, len(train), 1024)]
    whole = replace(made, codes=np.concatenate(codes))
    few = np.sort(random.choice(unseen, min(UNSEEN, len(unseen)), replace=False))
    return _bounded(whole, images, few)


def _coded(made: Originals, pictures: NDArray[np.uint8]) -> NDArray[np.int8]:
    seen = _looks(_canonical(pictures))
    both = torch.cat([made._projected(seen[:, look], look) for look in range(LOOKS)], 1)
    return both.round().clamp(-127, 127).to(torch.int8).numpy()


def _bounded(made: Originals, images: ImageSet, unseen: NDArray[np.int64]) -> Originals:
    """With bounds that ``FALSE`` of the pictures at ``unseen`` go below, those aside that show a training picture again."""
    scores, again = [], 0
    for at in range(0, len(unseen), 64):
        pictures = images.images[unseen[at : at + 64]]
        s, places = made.scores(pictures)
        twins = images.images[images.train[places]].astype(np.float32)  # (M, 2, C, H, W)
        apart = [np.abs(twins - one[:, None]).mean((2, 3, 4)) for one in (pictures, pictures[..., ::-1])]
        new = np.minimum(*apart).min(1) >= SHOWN_AGAIN
        again += int((~new).sum())
        scores.append(s[new])
    left = np.concatenate(scores)
    if not len(left):
        return made  # nothing was unseen, and the bounds stay at their widest
    bounds = np.quantile(left, FALSE / LOOKS, axis=0).astype(np.float32)
    told = made.told | {"unseen": len(unseen), "shown_again": again, "false": FALSE}
    return replace(made, bounds=bounds.clip(NEAREST, FARTHEST), told=told)


def _directions(pictures: NDArray[np.uint8]) -> tuple[NDArray[np.float32], ...]:
    """Mean, main directions and scales of each look over some pictures; scales give codes the width of a byte, and weaker
    directions, which rounding would lose, more of it."""
    seen = torch.cat([_looks(_canonical(pictures[i : i + 1024])) for i in range(0, len(pictures), 1024)])
    means, bases, scales = [], [], []
    for look in range(LOOKS):
        part = seen[:, look].double()
        mean = part.mean(0)
        centred = part - mean
        _, vectors = torch.linalg.eigh(centred.T @ centred / len(part))
        basis = vectors.flip(1)[:, :KEPT]
        along = centred @ basis
        scale = along.std(0).clamp(min=1e-6) ** -0.5
        reach = (along * scale).abs().flatten().kthvalue(int(0.999 * along.numel())).values
        means.append(mean.float().numpy())
        bases.append(basis.float().numpy())
        scales.append((scale * 127 / reach).float().numpy())
    return np.stack(means), np.stack(bases), np.stack(scales)


def _canonical(pictures: NDArray[np.uint8]) -> Tensor:
    """uint8 (M, C, H, W) as float32 (M, 3, SIDE, SIDE) in [0, 1]."""
    pixels = torch.from_numpy(np.ascontiguousarray(pictures)).float() / 255
    pixels = pixels.expand(-1, 3, -1, -1)
    if min(pixels.shape[-2:]) >= SIDE:
        return adaptive_avg_pool2d(pixels, SIDE)
    return interpolate(pixels, (SIDE, SIDE), mode="bilinear", antialias=True)


def _looks_of_all_positions(pixels: Tensor) -> Tensor:
    """(M, 3, SIDE, SIDE) moved by each of ``MOVES``, and mirrored so: (P, M, LOOKS, WIDTH)."""
    m, wide = len(pixels), pad(pixels, (2, 2, 2, 2), mode="replicate")
    moved = [wide[..., 2 + y : 2 + y + SIDE, 2 + x : 2 + x + SIDE] for x, y in MOVES]
    return torch.cat([_looks(torch.cat(way)) for way in (moved, [one.flip(-1) for one in moved])]).unflatten(
        0, (-1, m)
    )


def _looks(pixels: Tensor) -> Tensor:
    """(M, 3, SIDE, SIDE) -> (M, LOOKS, WIDTH)."""
    grey = (pixels * pixels.new_tensor(LUMA)[:, None, None]).sum(1)
    half = adaptive_avg_pool2d(pixels, SIDE // 2)
    along, down = (half.diff(dim=d).abs().sum(1) for d in (-1, -2))
    lengths = (along[:, :-1].square() + down[..., :-1].square()).sqrt()
    outlines = (lengths - FAINT).clamp(min=0).unsqueeze(1)
    both = torch.stack([adaptive_avg_pool2d(grey[:, None], CELLS), adaptive_avg_pool2d(outlines, CELLS)], 1)
    flat = both.flatten(2)
    flat = flat - flat.mean(2, keepdim=True)
    return flat / (flat.norm(dim=2, keepdim=True) + QUIET)
