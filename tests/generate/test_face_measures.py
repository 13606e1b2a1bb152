"""What is measured on a face follows what is done to its picture."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from luoxia.data.alignment import Portrait, portrait
from luoxia.data.faces import LEFT_EYE, RIGHT_EYE, FaceFinder
from luoxia.generate.face_measures import NAMES, expressions

SIZE = 128


@pytest.fixture(scope="module")
def find() -> FaceFinder:
    return FaceFinder()


@pytest.fixture(scope="module")
def face(find: FaceFinder) -> Image.Image:
    made = portrait(Image.open(Path(__file__).parents[1] / "data" / "portrait.jpg"), SIZE, find)
    assert isinstance(made, Portrait)
    return made.image


def measured(find: FaceFinder, *pictures: Image.Image) -> dict[str, np.ndarray]:
    return expressions(find)(np.stack([np.asarray(p).transpose(2, 0, 1) for p in pictures]))


def test_glasses_are_told_by_their_bridge(find: FaceFinder, face: Image.Image) -> None:
    points = find(face)[0].points[:, :2]
    left, right = points[list(LEFT_EYE)].mean(0), points[list(RIGHT_EYE)].mean(0)
    across = right - left
    worn = face.copy()
    draw = ImageDraw.Draw(worn)
    for eye in (left, right):
        r = 0.36 * across[0]
        draw.ellipse([*(eye - r), *(eye + r)], outline="black", width=2)
    draw.line([*(left + 0.36 * across), *(left + 0.64 * across)], fill="black", width=2)
    found = measured(find, face, worn)
    assert found["glasses"][1] > 3 * found["glasses"][0]
    assert found["smile"][1] == pytest.approx(found["smile"][0], rel=0.1)


def test_a_mirrored_face_is_turned_the_other_way(find: FaceFinder, face: Image.Image) -> None:
    found = measured(find, face, face.transpose(Image.Transpose.FLIP_LEFT_RIGHT))
    assert found["turn"][1] == pytest.approx(-found["turn"][0], abs=0.03)
    for name in ("smile", "glasses", "light"):
        assert found[name][1] == pytest.approx(found[name][0], rel=0.12, abs=0.01)


def test_where_there_is_no_face_there_are_no_numbers(find: FaceFinder) -> None:
    found = measured(find, Image.new("RGB", (SIZE, SIZE), "grey"))
    assert all(np.isnan(found[name][0]) for name in NAMES)
    assert found["light"][0] == pytest.approx(128 / 255)
