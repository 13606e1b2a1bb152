"""Ways and films."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from luoxia.core.errors import UserError
from luoxia.generate import morph

KEYS = torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])
LOOP = torch.cat([KEYS, KEYS[:1]])


@pytest.mark.parametrize("way", morph.WAYS)
def test_a_way_passes_its_keys(way: str) -> None:
    points = morph.path(KEYS, 9, way)
    assert points.shape == (9, 2)
    assert torch.allclose(points[[0, 4, 8]], KEYS, atol=1e-6)


@pytest.mark.parametrize("way", morph.WAYS)
def test_a_loop_has_no_seam(way: str) -> None:
    """The step over the end is as long as its neighbours, and no frame is shown twice."""
    points = morph.path(LOOP, 60, way)
    steps = (torch.cat([points[1:], points[:1]]) - points).norm(dim=1)
    assert steps.min() > 0
    assert abs(steps[-1] - steps[-2]) < 0.35 * steps.mean()
    assert torch.allclose(points[[0, 20, 40]], KEYS, atol=1e-6)


def test_slerp_keeps_the_length() -> None:
    assert torch.allclose(morph.path(KEYS, 17, "slerp").norm(dim=1), torch.ones(17), atol=1e-5)


def test_a_spline_does_not_bend_at_a_key() -> None:
    """Its direction before and after a key is the same; that of straight lines is not."""

    def turn(way: str) -> float:
        points = morph.path(LOOP, 300, way)
        a, b = points[100] - points[99], points[101] - points[100]
        return float(torch.nn.functional.cosine_similarity(a, b, 0))

    assert turn("spline") > 0.998
    assert turn("linear") < 0.9


def test_what_is_no_way() -> None:
    with pytest.raises(UserError, match="there is no way 'jump'"):
        morph.path(KEYS, 9, "jump")
    with pytest.raises(UserError, match="two seeds"):
        morph.path(KEYS[:1], 9)


@pytest.fixture
def frames() -> np.ndarray:
    """A square that moves right, on a colour that fades."""
    made = np.zeros((10, 3, 16, 16), np.uint8)
    for i in range(10):
        made[i, 0] = 20 * i
        made[i, 1, 4:12, i : i + 6] = 200
    return made


@pytest.mark.parametrize("suffix", [".gif", ".webp"])
def test_pictures_that_move(frames: np.ndarray, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    morph.write(frames, path, fps=20, scale=2)
    with Image.open(path) as film:
        assert (film.size, film.n_frames, film.info["loop"]) == ((32, 32), 10, 0)
        film.seek(7)
        shown = np.asarray(film.convert("RGB"), int)[::2, ::2].transpose(2, 0, 1)
        assert np.abs(shown - frames[7]).mean() < 20
        assert film.info["duration"] == 50


def test_a_film(frames: np.ndarray, tmp_path: Path) -> None:
    av = pytest.importorskip("av")
    path = tmp_path / "a.mp4"
    morph.write(frames.repeat(4, 2).repeat(4, 3), path, fps=25)
    with av.open(str(path)) as film:
        stream = film.streams.video[0]
        shown = [frame.to_ndarray(format="rgb24") for frame in film.decode(stream)]
        assert (stream.codec_context.name, float(stream.average_rate)) == ("h264", 25)
    assert np.shape(shown) == (10, 64, 64, 3)
    assert np.abs(shown[7].astype(int).transpose(2, 0, 1)[:, ::4, ::4] - frames[7]).mean() < 25


def test_a_name_that_is_no_films(frames: np.ndarray, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"\.mp4, \.gif, \.webp"):
        morph.write(frames, tmp_path / "a.avi")
    assert not list(tmp_path.iterdir())
