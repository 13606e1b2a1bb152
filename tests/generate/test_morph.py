"""Ways and films."""

import numpy as np
import pytest
import torch

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


def test_frames_are_enlarged_one_by_one() -> None:
    pictures = np.zeros((2, 1, 8, 8), np.uint8)
    pictures[1, :, :, 4:] = 200
    made = list(morph.frames(pictures, 2))
    assert [frame.shape for frame in made] == [(16, 16, 3)] * 2
    assert made[0].max() == 0
    assert (made[1][:, 13:] == 200).all()
    assert np.array_equal(next(morph.frames(pictures[1:])), pictures[1].repeat(3, 0).transpose(1, 2, 0))
