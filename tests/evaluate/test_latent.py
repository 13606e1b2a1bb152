"""Ways between latents, traversals, and active units against what they mean."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from luoxia.core.errors import UserError
from luoxia.evaluate.latent import active_units, interpolation, lerp, slerp, traversal


@pytest.fixture
def ends() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(3, 5, generator=generator), torch.randn(3, 5, generator=generator)


def as_pictures(z: Tensor) -> Tensor:
    """Each latent as a picture one pixel high."""
    return z.round().clamp(0, 255).byte()[:, None, None, :]


@pytest.mark.parametrize("way", [lerp, slerp])
def test_ways_begin_and_end_at_their_ends(way, ends: tuple[Tensor, Tensor]) -> None:
    found = way(*ends, 7)
    assert found.shape == (3, 7, 5)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found[:, 0], ends[0])
    torch.testing.assert_close(found[:, -1], ends[1])


def test_lerp_is_straight_and_even(ends: tuple[Tensor, Tensor]) -> None:
    steps = lerp(*ends, 5).diff(dim=1)
    torch.testing.assert_close(steps, ((ends[1] - ends[0]) / 4)[:, None].expand(-1, 4, -1))


def test_slerp_turns_evenly_at_full_length(ends: tuple[Tensor, Tensor]) -> None:
    a, b = (torch.nn.functional.normalize(e.double(), dim=1) * 3 for e in ends)
    found = slerp(a, b, 6)
    torch.testing.assert_close(found.norm(dim=2), torch.full((3, 6), 3.0, dtype=torch.float64))
    angles = ((found[:, 1:] * found[:, :-1]).sum(2) / 9).arccos()
    torch.testing.assert_close(angles, ((a * b).sum(1) / 9).arccos()[:, None].expand(-1, 5) / 5)


def test_slerp_of_a_quarter_turn() -> None:
    found = slerp(torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]]), 3)[0, 1]
    torch.testing.assert_close(found, torch.tensor([0.5**0.5, 0.5**0.5]))


def test_slerp_goes_straight_where_there_is_no_arc() -> None:
    a = torch.tensor([[1.0, 2.0], [1.0, 2.0], [0.0, 0.0], [1.0, 2.0]])
    b = torch.tensor([[2.0, 4.0], [-1.0, -2.0], [3.0, 1.0], [1.0, 2.0]])
    torch.testing.assert_close(slerp(a, b, 5), lerp(a, b, 5))


def test_interpolation_is_row_by_row() -> None:
    start, end = torch.tensor([[0.0, 100.0], [200.0, 0.0]]), torch.tensor([[100.0, 100.0], [0.0, 0.0]])
    found = interpolation(as_pictures, start, end, 3)
    assert found[:, 0, 0].tolist() == [[0, 100], [50, 100], [100, 100], [200, 0], [100, 0], [0, 0]]
    round_way = interpolation(
        as_pictures, torch.tensor([[100.0, 0.0]]), torch.tensor([[0.0, 100.0]]), 3, spherical=True
    )
    assert round_way[1, 0, 0].tolist() == [71, 71]


def test_traversal_changes_one_dimension_at_a_time() -> None:
    z = torch.tensor([10.0, 20.0, 30.0])
    found = traversal(as_pictures, z, dims=[2, 0], values=[1, 2])
    assert found[:, 0, 0].tolist() == [[10, 20, 1], [10, 20, 2], [1, 20, 30], [2, 20, 30]]
    assert len(traversal(as_pictures, z)) == 3 * 7
    assert z.tolist() == [10.0, 20.0, 30.0]


def test_decoders_may_give_arrays_and_build_no_graph() -> None:
    weight = torch.ones(2, requires_grad=True)

    def decode(z: Tensor) -> np.ndarray:
        return as_pictures(z * weight).numpy()

    assert traversal(decode, torch.zeros(2), [0], [5.0]).tolist() == [[[[5, 0]]]]


def test_active_units() -> None:
    generator = torch.Generator().manual_seed(0)
    mu = torch.randn(5000, 4, generator=generator) * torch.tensor([1.0, 0.11, 0.09, 0.0]) + 5
    assert active_units(mu).tolist() == [True, True, False, False]
    assert active_units(mu, threshold=0.5).sum() == 1
    two = torch.tensor([[0.0, 0.0], [0.14, 0.15]])  # variances 0.0098 and 0.01125 with N - 1
    assert active_units(two).tolist() == [False, True]


def test_what_makes_no_sense_is_refused(ends: tuple[Tensor, Tensor]) -> None:
    for way in (lerp, slerp):
        with pytest.raises(UserError, match="steps"):
            way(*ends, 1)
        with pytest.raises(UserError, match="steps"):
            way(ends[0], ends[1][:2], 3)
    for z, dims, values in (
        (ends[0], None, [0.0]),
        (ends[0][0], [5], [0.0]),
        (ends[0][0], [], [0.0]),
        (ends[0][0], [0], []),
    ):
        with pytest.raises(UserError, match="traversed"):
            traversal(as_pictures, z, dims, values)
    with pytest.raises(UserError, match="two pictures"):
        active_units(torch.zeros(1, 3))
