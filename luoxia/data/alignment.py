"""Photographs into portraits of one framing, and why one is not taken.

The framing is that of CelebA-HQ and FFHQ (Karras et al., *Progressive Growing of GANs*, arXiv:1710.10196, appendix C):
with e0, e1 the eyes, m the middle of the mouth's corners, x' = e1 - e0 and y' = (e0 + e1)/2 - m,

    middle c = (e0 + e1)/2 - 0.1 y',    side s = max(4 |x'|, 3.6 |y'|),    axis x along x' - rotated(y').
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from luoxia.core.language import Text
from luoxia.data.faces import LEFT_EYE, MOUTH, RIGHT_EYE, Crop, Face, FaceFinder

OUTSIDE = 0.25  # of the square's area may lie beyond the picture: it is filled by reflection
SECOND = 0.25  # of the largest face's area: a second face this large belongs to the picture
SHARP = 3.0  # least grey levels of detail between one and two pixels of 128
ASIDE = 4.0  # the nearer cheek's width to the farther's, seen from the nose
CLEAR = 0.9  # least probability of the mesh: hands and masks lower it
LOOK = 128  # pixels at which sharpness is judged


@dataclass(frozen=True)
class Refused:
    """Why a picture gives no portrait."""

    kind: str  # "no face", "several", "distant", "outside", "aside", "hidden", "blurred"
    why: Text


@dataclass(frozen=True)
class Portrait:
    """``image`` is the aligned square; ``crop`` says where in the picture it lay, ``others`` how many more faces there are."""

    image: Image.Image
    face: Face
    crop: Crop
    others: int = 0


def portrait(image: Image.Image, size: int, find: FaceFinder, *, strict: bool = True) -> Portrait | Refused:
    """The face of ``image`` in ``size`` pixels. ``strict`` refuses what training should not see; otherwise the largest
    face will do, however it looks."""
    image = image.convert("RGB")
    faces = find(image)
    if not faces:
        return Refused("no face", Text("no face found", "未检测到人脸"))
    face, crop = faces[0], square(faces[0])
    if strict and (refused := _refused(image, faces, crop, size)):
        return refused
    made = Portrait(cut(image, crop, size), face, crop, len(faces) - 1)
    if strict and (detail := sharpness(cut(image, crop, LOOK))) < SHARP:
        return Refused(
            "blurred",
            Text(f"blurred (detail {detail:.1f} of {SHARP:g})", f"模糊（细节 {detail:.1f}，至少 {SHARP:g}）"),
        )
    return made


def square(face: Face) -> Crop:
    """Where FFHQ's framing of the face lies in its picture."""
    points = face.points[:, :2].astype(np.float64)
    left, right = points[list(LEFT_EYE)].mean(0), points[list(RIGHT_EYE)].mean(0)
    across, up = right - left, (left + right) / 2 - points[list(MOUTH)].mean(0)
    axis = across - np.array([up[1], -up[0]])  # up turned to the right: both say where right is
    side = max(4.0 * np.hypot(*across), 3.6 * np.hypot(*up))
    middle = (left + right) / 2 - 0.1 * up
    return Crop(float(middle[0]), float(middle[1]), float(side), float(np.arctan2(axis[1], axis[0])))


def cut(image: Image.Image, crop: Crop, size: int) -> Image.Image:
    """``crop`` of an RGB picture in ``size`` pixels; beyond the picture its reflection, blurred with distance."""
    shrink = int(crop.side / (4 * size))
    if shrink > 1:
        image = image.reduce(shrink)
        crop = Crop(crop.x / shrink, crop.y / shrink, crop.side / shrink, crop.turn)
    image, crop = _padded(image, crop)
    drawn = max(size, min(4 * size, 2 * round(crop.side)))
    coefficients = crop.affine(drawn).ravel().tolist()
    made = image.transform((drawn, drawn), Image.Transform.AFFINE, coefficients, Image.Resampling.BICUBIC)
    return made.resize((size, size), Image.Resampling.LANCZOS)


def _padded(image: Image.Image, crop: Crop) -> tuple[Image.Image, Crop]:
    corners = crop.affine(1) @ np.array([[0, 1, 0, 1], [0, 0, 1, 1], [1, 1, 1, 1]])
    low = np.ceil(np.maximum(0, -corners.min(1))).astype(int) + 2
    high = np.ceil(np.maximum(0, corners.max(1) - image.size)).astype(int) + 2
    if (low == 2).all() and (high == 2).all():
        return image, crop
    pixels = np.asarray(image)
    widths = ((low[1], high[1]), (low[0], high[0]))
    reflected = np.pad(pixels, (*widths, (0, 0)), mode="reflect" if min(image.size) > 1 else "edge")
    soft = np.asarray(Image.fromarray(reflected).filter(ImageFilter.GaussianBlur(0.02 * crop.side)))
    y, x = (np.arange(n) for n in reflected.shape[:2])
    away = np.maximum(
        np.maximum(low[1] - y, y - low[1] - image.height + 1)[:, None],
        np.maximum(low[0] - x, x - low[0] - image.width + 1)[None],
    )
    share = np.clip(away / (0.06 * crop.side), 0, 1)[..., None]
    mixed = reflected * (1 - share) + soft * share
    made = Image.fromarray(np.rint(mixed).astype(np.uint8))
    return made, Crop(crop.x + low[0], crop.y + low[1], crop.side, crop.turn)


def _refused(image: Image.Image, faces: list[Face], crop: Crop, size: int) -> Refused | None:
    face = faces[0]
    large = sum(other.box.area >= SECOND * face.box.area for other in faces)
    if large > 1:
        return Refused("several", Text(f"{large} faces: crop it to one", f"有 {large} 张人脸：请裁剪为一张"))
    if crop.side < size:
        return Refused(
            "distant",
            Text(
                f"the face fills {crop.side:.0f} of {size} pixels",
                f"人脸仅 {crop.side:.0f} 像素，需要 {size}",
            ),
        )
    if face.presence < CLEAR:
        return Refused(
            "hidden",
            Text(
                f"the face is covered ({face.presence:.0%} sure)", f"人脸被遮挡（置信 {face.presence:.0%}）"
            ),
        )
    if (turned := aside(face.points)) > ASIDE:
        return Refused("aside", Text(f"turned aside ({turned:.1f} to 1)", f"侧脸（{turned:.1f} 比 1）"))
    if (missing := outside(crop, image.size)) > OUTSIDE:
        return Refused(
            "outside",
            Text(f"{missing:.0%} of the portrait is beyond the picture", f"肖像的 {missing:.0%} 在图片之外"),
        )
    return None


def aside(points: NDArray[np.float32]) -> float:
    """How far the head is turned: the width of one cheek to the other's, 1 from the front."""
    nose, left, right = points[1, :2], points[234, :2], points[454, :2]
    a, b = np.hypot(*(nose - left)), np.hypot(*(right - nose))
    return float(max(a, b) / max(min(a, b), 1e-6))


def outside(crop: Crop, size: tuple[int, int]) -> float:
    """The share of the square that lies beyond a picture of ``size`` (width, height)."""
    steps = (np.arange(32) + 0.5) / 32
    x, y = np.meshgrid(steps, steps)
    at = crop.affine(1) @ np.stack([x.ravel(), y.ravel(), np.ones(x.size)])
    return float(((at < 0) | (at > np.array(size)[:, None])).any(0).mean())


def sharpness(image: Image.Image) -> float:
    """Detail in the middle half, in grey levels: standard deviation of what a blur of one pixel takes away."""
    grey = image.convert("L")
    w, h = grey.size
    middle = (w // 4, h // 4, w - w // 4, h - h // 4)
    fine = np.asarray(grey, np.float64) - np.asarray(grey.filter(ImageFilter.GaussianBlur(1.0)), np.float64)
    return float(fine[middle[1] : middle[3], middle[0] : middle[2]].std())
