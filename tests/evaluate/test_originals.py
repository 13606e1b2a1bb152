"""Copies of training pictures are found whatever was done to them; others are not."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import load_file, save_file

from luoxia.core.errors import MalformedFileError
from luoxia.data.images import ImageSet
from luoxia.evaluate import originals
from luoxia.weights import originals as files

SOURCES = ("Reeds by Ann, MIT", "Herons by Bo, CC BY 4.0")


def soft(n: int, seed: int, size: int = 64) -> np.ndarray:
    """Pictures of soft colours, (n, 3, size, size)."""
    random = np.random.default_rng(seed)
    small = random.integers(0, 255, (n, 7, 7, 3), np.uint8)
    large = [np.asarray(Image.fromarray(one).resize((size, size), Image.Resampling.BICUBIC)) for one in small]
    return np.stack(large).transpose(0, 3, 1, 2)


@pytest.fixture(scope="module")
def images() -> ImageSet:
    pictures = soft(260, 0)
    labels = np.arange(260) % 2
    return ImageSet(
        "birds", pictures, labels, ("reeds", "herons"), None, np.arange(0, 260, 4), SOURCES, "d" * 64,
        taken_down=(3,),
    )  # fmt: skip


@pytest.fixture(scope="module")
def index(images: ImageSet) -> originals.Originals:
    made = originals.build(images)
    assert made is not None
    return made


def jpeg(pixels: np.ndarray, quality: int = 60) -> np.ndarray:
    data = io.BytesIO()
    Image.fromarray(pixels.transpose(1, 2, 0)).save(data, "JPEG", quality=quality)
    return np.asarray(Image.open(data)).transpose(2, 0, 1)


CHANGES = {
    "same": lambda p: p,
    "jpeg": lambda p: np.stack([jpeg(one) for one in p]),
    "moved": lambda p: np.pad(p, ((0, 0), (0, 0), (2, 2), (2, 2)), "edge")[..., 4:68, :64],
    "mirrored": lambda p: p[..., ::-1],
    "recoloured": lambda p: p[:, [1, 2, 0]],
    "lighter": lambda p: (p * 0.8 + 40).astype(np.uint8),
    "four times as large": lambda p: p.repeat(4, 2).repeat(4, 3),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_copy_is_found_with_its_source(images, index, change: str) -> None:
    places = images.train[:32]
    found = index.nearest(CHANGES[change](images.images[places]))
    assert sum(one.near for one in found) >= 31
    for place, one in zip(places, found, strict=True):
        if one.near:
            assert one.item == images.numbers[place]  # what it was called by before something was taken down
            assert one.source == SOURCES[place % 2]


def test_other_pictures_are_not(index) -> None:
    assert sum(one.near for one in index.nearest(soft(300, 1))) <= 3


def test_grey_pictures_and_one_picture_are_looked_up(images, index) -> None:
    assert len(index.nearest(images.images[:1, :1])) == 1


def test_what_is_written_is_what_is_read(images, index, tmp_path: Path) -> None:
    index.write(tmp_path)
    again = originals.read(tmp_path)
    assert again is not None
    asked = images.images[images.train[:20]]
    assert again.nearest(asked) == index.nearest(asked)
    assert again.told == index.told
    assert (tmp_path / files.PICTURES).stat().st_size < 80 * len(images.train) + 120_000


def test_a_small_set_has_no_index(images) -> None:
    few = ImageSet("few", images.images[:20], None, (), None, np.array([0]), SOURCES, "d")
    assert originals.build(few) is None


def test_where_every_unseen_picture_shows_a_training_picture_only_near_ones_are_flagged(images) -> None:
    pictures = np.array(images.images)
    pictures[images.held_out] = pictures[images.train[: len(images.held_out)]]
    made = originals.build(replace(images, images=pictures))
    assert made is not None
    others = soft(16, 1)
    assert not any(one.near for one in made.nearest(others))
    assert all(one.near for one in made.nearest(pictures[images.train[:16]]))


def test_what_is_no_whole_index_is_refused(index, tmp_path: Path) -> None:
    assert originals.read(tmp_path) is None
    index.write(tmp_path)
    path = tmp_path / files.PICTURES
    whole, parts = path.read_bytes(), load_file(path)
    told = {"told": '{"format": 1, "data": "birds", "sources": ["a", "b"]}'}
    nan = parts["mean"].copy()
    nan[0, 0] = np.nan
    for change in (
        {"codes": parts["codes"][:, :8]},
        {"items": parts["items"][:-1]},
        {"mean": nan},
        {"sources": parts["sources"] + 2},
        {"bounds": parts["bounds"].astype(np.float64)},
        {"bounds": -parts["bounds"]},
    ):
        save_file({k: np.ascontiguousarray(v) for k, v in (parts | change).items()}, path, told)
        with pytest.raises(MalformedFileError):
            originals.read(tmp_path)
    save_file(parts, path, {"told": "1"})
    with pytest.raises(MalformedFileError):
        originals.read(tmp_path)
    for bad in (whole[:-9], b"\xff" * 40, b""):
        path.write_bytes(bad)
        with pytest.raises(MalformedFileError):
            originals.read(tmp_path)
