"""Faces are found, aligned and refused. The portrait is synthetic, by faker-js, CC0."""

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter, ImageOps

from luoxia.data import alignment, faces
from luoxia.data.alignment import Portrait, Refused, portrait
from luoxia.data.faces import Crop, FaceFinder
from luoxia.data.prepare import prepare
from luoxia.weights import catalogue

PICTURE = Path(__file__).with_name("portrait.jpg")


@pytest.fixture(scope="module")
def find() -> FaceFinder:
    return FaceFinder()


@pytest.fixture
def picture() -> Image.Image:
    return Image.open(PICTURE).convert("RGB")


def eyes(face: faces.Face) -> np.ndarray:
    points = face.points[:, :2]
    return np.stack([points[list(faces.LEFT_EYE)].mean(0), points[list(faces.RIGHT_EYE)].mean(0)])


def test_a_face_is_found_where_it_is(find: FaceFinder, picture: Image.Image) -> None:
    (face,) = find(picture)
    assert face.score > 0.7
    assert face.presence > 0.99
    assert face.points.shape == (faces.POINTS, 3)
    left, right = eyes(face)
    assert left[0] < right[0]
    assert face.box.left < left[0] < face.box.right
    assert face.box.top < left[1] < face.points[list(faces.MOUTH), 1].mean() < face.box.bottom


def test_finding_faces_says_nothing_on_its_own_account(capfd: pytest.CaptureFixture) -> None:
    FaceFinder()
    assert capfd.readouterr().err == ""
    print("and standard error speaks again", file=sys.stderr)
    assert "again" in capfd.readouterr().err


def test_points_follow_the_picture(find: FaceFinder, picture: Image.Image) -> None:
    """Shrunk, moved onto a larger ground and turned by 25 degrees, the same face has the same points there."""
    small = picture.resize((128, 128), Image.Resampling.LANCZOS)
    ground = Image.new("RGB", (400, 300), "grey")
    ground.paste(small, (190, 80))
    turned = ground.rotate(25, Image.Resampling.BICUBIC, center=(254, 144), fillcolor="grey")
    (face,), (moved,) = find(picture), find(turned)
    angle = np.deg2rad(-25)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    expected = (face.points[:, :2] / 2 + [190, 80] - [254, 144]) @ turn.T + [254, 144]
    assert np.abs(moved.points[:, :2] - expected).mean() < 1.5


def test_several_faces_are_found_and_the_largest_comes_first(find: FaceFinder, picture: Image.Image) -> None:
    ground = Image.new("RGB", (520, 300), "grey")
    ground.paste(picture.resize((160, 160)), (10, 70))
    ground.paste(picture, (220, 20))
    large, small = find(ground)
    assert large.box.area > small.box.area
    assert large.box.left > 220 > small.box.right
    made = portrait(ground, 64, find, strict=False)
    assert isinstance(made, Portrait)
    assert made.others == 1
    assert made.crop.x > 220


def test_a_face_that_fills_the_picture_is_found_from_further_off(
    find: FaceFinder, picture: Image.Image
) -> None:
    box = find(picture)[0].box
    (face,) = find(picture.crop((round(box.left), round(box.top), round(box.right), round(box.bottom))))
    assert face.presence > 0.9


@pytest.mark.parametrize("turn", [-20, 0, 35])
def test_portraits_have_one_framing(find: FaceFinder, picture: Image.Image, turn: int) -> None:
    """FFHQ's: eyes level, their distance and the way to the mouth the same, however the photograph was turned."""
    turned = picture.rotate(turn, Image.Resampling.BICUBIC)
    made = portrait(turned, 256, find, strict=False)
    assert isinstance(made, Portrait)
    left, right = eyes(find(made.image)[0])
    assert abs(np.rad2deg(np.arctan2(*(right - left)[::-1]))) < 3
    middle = (left + right) / 2
    assert abs(middle[0] - 128) < 8
    assert 0.42 < middle[1] / 256 < 0.52


def test_the_square_is_the_published_one() -> None:
    """Eyes at (40, 50) and (60, 50), mouth at (50, 75): s = max(4 * 20, 3.6 * 25), c = (50, 52.5)."""
    points = np.zeros((faces.POINTS, 3), np.float32)
    points[list(faces.LEFT_EYE), :2], points[list(faces.RIGHT_EYE), :2] = (40, 50), (60, 50)
    points[list(faces.MOUTH), :2] = (50, 75)
    crop = alignment.square(faces.Face(faces.Box(0, 0, 0, 0), 1, 1, points))
    assert np.allclose(crop, (50, 52.5, 90, 0))


def test_a_crop_inside_the_picture_is_that_part_of_it() -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (6, 6, 3), dtype=np.uint8).repeat(16, 0).repeat(16, 1)
    cut = alignment.cut(Image.fromarray(pixels), Crop(48, 48, 64, 0), 64)
    assert np.abs(np.asarray(cut, int) - pixels[16:80, 16:80]).mean() < 3


def test_beyond_the_picture_is_its_reflection() -> None:
    slope = np.broadcast_to(np.arange(64, dtype=np.uint8)[:, None, None] * 3, (64, 64, 3))
    cut = np.asarray(alignment.cut(Image.fromarray(np.ascontiguousarray(slope)), Crop(32, 0, 64, 0), 64), int)
    assert abs(cut[32 - 10, 32, 0] - cut[32 + 10, 32, 0]) < 8
    assert alignment.outside(Crop(32, 0, 64, 0), (64, 64)) == 0.5
    assert alignment.outside(Crop(32, 32, 64, 0), (64, 64)) == 0


def refusal(image: Image.Image, find: FaceFinder, size: int = 64) -> str:
    made = portrait(image, size, find)
    return made.kind if isinstance(made, Refused) else ""


def test_what_training_should_not_see_is_refused(find: FaceFinder, picture: Image.Image) -> None:
    assert not refusal(picture, find)
    assert refusal(Image.new("RGB", (1, 1)), find) == "no face"
    assert refusal(Image.effect_noise((200, 200), 60).convert("RGB"), find) == "no face"
    two = Image.new("RGB", (512, 256))
    two.paste(picture, (0, 0))
    two.paste(picture, (256, 0))
    assert refusal(two, find) == "several"
    assert refusal(picture, find, 256) == "distant"
    assert refusal(picture.filter(ImageFilter.GaussianBlur(2.5)), find) == "blurred"
    box = find(picture)[0].box
    cut = picture.crop((round(box.left), round(box.top - 10), round(box.right), round(box.bottom)))
    assert refusal(cut, find) == "outside"


def test_a_drawn_ball_is_no_face(find: FaceFinder) -> None:
    ball = Image.new("RGB", (128, 128), "white")
    ImageDraw.Draw(ball).ellipse((20, 20, 108, 108), fill="orange")
    assert refusal(ball, find) == "no face"


def test_a_folder_of_photographs_becomes_portraits(tmp_path: Path, picture: Image.Image) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    for i in range(9):  # one person under nine lights, else all would count as one picture
        light = Image.new(
            "RGB", picture.size, tuple(int(v) for v in np.random.default_rng(i).integers(0, 256, 3))
        )
        lit = Image.blend(picture if i % 2 else ImageOps.mirror(picture), light, 0.3)
        lit.crop((i, i, 256 - i, 256 - i)).save(photos / f"me-{i}.jpg")
    Image.effect_noise((200, 200), 60).save(photos / "noise.png")
    images, found = prepare(str(photos), tmp_path / "faces.data", faces=True)
    assert images.images.shape == (9, 3, 64, 64)
    assert [(out.name, out.kind) for out in found.survey.left_out] == [("noise.png", "no face")]
    page = found.page("en")
    assert "without a face" in page
    assert "noise.png: no face found" in page


def test_the_networks_come_along_and_are_checked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    entry = catalogue.find("face-landmarks", "faces")
    assert entry.comes_along
    assert catalogue.is_here(entry)
    assert not list(catalogue.verified(entry).parent.glob("*.verified"))
    (tmp_path / entry.id).mkdir()
    (tmp_path / entry.id / entry.filename).write_bytes(b"x")
    monkeypatch.setattr(catalogue, "bundled", lambda: tmp_path)
    with pytest.raises(catalogue.FetchError, match="Install Luoxia again"):
        catalogue.verified(entry)
