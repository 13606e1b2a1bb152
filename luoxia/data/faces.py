"""Faces in a picture: where they are, and 468 points on each.

The two networks are those of MediaPipe (Google, Apache-2.0), run by LiteRT: BlazeFace finds faces and six points on each
(Bazarevsky et al., *BlazeFace*, arXiv:1907.05047), and the face mesh places its points in a crop that stands upright
(Kartynnik et al., *Real-time Facial Surface Geometry*, arXiv:1907.06724).
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from luoxia.core.errors import UserError
from luoxia.weights import catalogue

SIDE = 192  # pixels that both networks look at
SCORE, PRESENCE = 0.5, 0.5  # least probabilities of a face, of the detector and of the mesh
OVERLAP = 0.3  # intersection over union beyond which two boxes are one face
FURTHER = 1.6  # times the picture's side: how far off the second look is
MARGIN = 1.5  # of a crop for the mesh to the box of the face
POINTS = 468

# Points of the mesh, by the side on which the picture shows them.
LEFT_EYE, RIGHT_EYE = (33, 160, 158, 133, 153, 144), (362, 385, 387, 263, 373, 380)
MOUTH = (61, 291)

_SPEAKING = threading.Lock()  # one thread at a time turns standard error away


class Box(NamedTuple):
    """In pixels of the picture; it may reach out of it."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def area(self) -> float:
        return (self.right - self.left) * (self.bottom - self.top)


@dataclass(frozen=True)
class Face:
    """One face. ``points`` (468, 3) are x and y in pixels of the picture and depth in the same unit, smaller nearer.

    ``score`` and ``presence`` in [0, 1] are the detector's and the mesh's probabilities that there is a face.
    """

    box: Box
    score: float
    presence: float
    points: NDArray[np.float32]


class Crop(NamedTuple):
    """A square that may lie askew: its middle, its side and its turn, in pixels and radians."""

    x: float
    y: float
    side: float
    turn: float

    def affine(self, size: int) -> NDArray[np.float64]:
        """(2, 3): pixels of the crop drawn in ``size`` pixels to those of the picture."""
        cos, sin, step = np.cos(self.turn), np.sin(self.turn), self.side / size
        turn = np.array([[cos, -sin], [sin, cos]]) * step
        return np.column_stack([turn, np.array([self.x, self.y]) - turn @ [size / 2, size / 2]])


class FaceFinder:
    """Finds faces; one may serve several threads."""

    def __init__(self) -> None:
        self._paths = [
            str(catalogue.verified(catalogue.find(id, "faces"))) for id in ("face-detector", "face-landmarks")
        ]
        self._own = threading.local()
        self._networks()  # so that what is missing is said here

    def __call__(self, image: Image.Image) -> list[Face]:
        """The faces in an RGB ``image``, largest first."""
        detector, mesh = self._networks()
        found = []
        # A face that fills the picture is too large for the detector until the picture is seen from further off.
        for box, score, eyes in _detect(detector, image, 1.0) or _detect(detector, image, FURTHER):
            crop = _around(box, eyes)
            presence, points = _mesh(mesh, image, crop)
            if presence >= PRESENCE:  # once more, around the face itself
                presence, points = _mesh(mesh, image, _around_points(points))
            if presence >= PRESENCE:
                found.append(Face(box, score, presence, points))
        return sorted(found, key=lambda face: -face.box.area)

    def _networks(self) -> tuple[Any, Any]:
        if not hasattr(self._own, "networks"):
            self._own.networks = tuple(_interpreter(path) for path in self._paths)
        return self._own.networks


def _interpreter(path: str) -> Any:
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError as error:
        raise UserError(
            "faces are found with ai-edge-litert, which is not installed: `pip install 'luoxia[faces]'`",
            "人脸检测需要 ai-edge-litert，尚未安装：`pip install 'luoxia[faces]'`",
        ) from error
    with _quiet():
        network = Interpreter(model_path=path, num_threads=1)
        network.allocate_tensors()
    return network


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """The runtime tells standard error, past Python, by what it multiplies; failures are exceptions all the same."""
    with _SPEAKING, open(os.devnull, "wb") as nowhere:
        sys.stderr.flush()
        kept = os.dup(2)
        try:
            os.dup2(nowhere.fileno(), 2)
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)


def _run(network: Any, pixels: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    network.set_tensor(network.get_input_details()[0]["index"], pixels[None])
    network.invoke()
    return [network.get_tensor(out["index"])[0] for out in network.get_output_details()]


def _detect(network: Any, image: Image.Image, wide: float) -> list[tuple[Box, float, NDArray[np.float64]]]:
    """Boxes, their scores and the two eyes (2, 2), best first, in a view ``wide`` times the picture's longer side."""
    width, height = image.size
    whole = Crop(width / 2, height / 2, wide * max(width, height), 0.0)
    pixels = _drawn(image, whole, SIDE) / np.float32(127.5) - 1
    raw, logits = sorted(_run(network, pixels), key=lambda out: -out.shape[-1])
    scores = 1 / (1 + np.exp(-logits[:, 0].clip(-80, 80).astype(np.float64)))
    likely = np.flatnonzero(scores >= SCORE)
    anchors = _anchors(len(scores))[likely]
    values = raw[likely].astype(np.float64).reshape(-1, 8, 2) / SIDE  # middle, size, six points
    values[:, 0] += anchors
    values[:, 2:] += anchors[:, None]
    corner = (np.array([width, height]) - whole.side) / 2
    scaled = values * whole.side
    scaled[:, 0] += corner
    scaled[:, 2:] += corner
    return [
        (Box(*(m - s / 2), *(m + s / 2)), score, eyes)
        for m, s, eyes, score in _merged(scaled, scores[likely])
    ]


def _anchors(count: int) -> NDArray[np.float64]:
    """Middles of the cells that predictions are relative to, (N, 2) in [0, 1]."""
    side = round(count**0.5)
    middles = (np.arange(side) + 0.5) / side
    return np.stack(np.meshgrid(middles, middles), -1).reshape(-1, 2)


def _merged(values: NDArray[np.float64], scores: NDArray[np.float64]):
    """Predictions of one face as their mean, weighted by score: middle, size, eyes, best score."""
    left = np.argsort(-scores)
    while left.size:
        boxes = np.concatenate(
            [values[left, 0] - values[left, 1] / 2, values[left, 0] + values[left, 1] / 2], 1
        )
        same = _overlap(boxes[0], boxes) >= OVERLAP
        same[0] = True
        some = left[same]
        mean = np.average(values[some], axis=0, weights=scores[some])
        yield mean[0], mean[1], mean[2:4], float(scores[some[0]])
        left = left[~same]


def _overlap(box: NDArray[np.float64], boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Intersection over union of one (4,) with many (N, 4)."""
    sides = np.minimum(box[2:], boxes[:, 2:]) - np.maximum(box[:2], boxes[:, :2])
    both = sides.clip(0).prod(1)
    area = lambda b: (b[..., 2] - b[..., 0]) * (b[..., 3] - b[..., 1])  # noqa: E731
    return both / np.maximum(area(box) + area(boxes) - both, 1e-9)


def _around(box: Box, eyes: NDArray[np.float64]) -> Crop:
    """The crop that the mesh expects: the eyes level, half as large again as the box."""
    across = eyes[1] - eyes[0]
    side = MARGIN * max(box.right - box.left, box.bottom - box.top)
    return Crop(
        (box.left + box.right) / 2, (box.top + box.bottom) / 2, side, float(np.arctan2(across[1], across[0]))
    )


def _around_points(points: NDArray[np.float32]) -> Crop:
    """The crop around a face whose points are known."""
    plane = points[:, :2].astype(np.float64)
    left, right = plane[list(LEFT_EYE)].mean(0), plane[list(RIGHT_EYE)].mean(0)
    turn = float(np.arctan2(*(right - left)[::-1]))
    cos, sin = np.cos(turn), np.sin(turn)
    level = plane @ np.array([[cos, -sin], [sin, cos]])
    low, high = level.min(0), level.max(0)
    x, y = np.array([[cos, -sin], [sin, cos]]) @ ((low + high) / 2)
    return Crop(float(x), float(y), MARGIN * float((high - low).max()), turn)


def _mesh(network: Any, image: Image.Image, crop: Crop) -> tuple[float, NDArray[np.float32]]:
    """Probability of a face in ``crop`` and its points in pixels of the picture."""
    points, logit = sorted(
        _run(network, _drawn(image, crop, SIDE) / np.float32(255)), key=lambda out: -out.size
    )
    points = points.reshape(POINTS, 3).astype(np.float64)
    affine = crop.affine(SIDE)
    plane = points[:, :2] @ affine[:, :2].T + affine[:, 2]
    depth = points[:, 2:] * (crop.side / SIDE)
    return float(1 / (1 + np.exp(-float(logit.reshape(()))))), np.hstack([plane, depth]).astype(np.float32)


def _drawn(image: Image.Image, crop: Crop, size: int) -> NDArray[np.float32]:
    """``crop`` of the picture in ``size`` pixels, black where it leaves it: (size, size, 3), 0 to 255."""
    shrink = int(crop.side / size)
    if shrink > 1:
        image = image.reduce(shrink)
        crop = Crop(crop.x / shrink, crop.y / shrink, crop.side / shrink, crop.turn)
    coefficients = crop.affine(size).ravel().tolist()
    drawn = image.transform((size, size), Image.Transform.AFFINE, coefficients, Image.Resampling.BILINEAR)
    return np.asarray(drawn, np.float32)
