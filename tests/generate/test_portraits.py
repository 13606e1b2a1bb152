"""Seeds, truncation, mixing and precision of what a StyleGAN draws."""

from pathlib import Path

import numpy as np
import pytest
import tiny_faces
import torch

from luoxia.core.errors import UserError
from luoxia.core.runtime import resolve
from luoxia.generate import directions
from luoxia.generate import portraits as portraits_module
from luoxia.generate.portraits import Portraits, numbers


@pytest.fixture
def portraits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Portraits:
    monkeypatch.setenv("LUOXIA_HOME", str(tmp_path))
    tiny_faces.keep()
    return Portraits.open("tiny", resolve("cpu", "float32"))


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Portraits:
    monkeypatch.setenv("LUOXIA_HOME", str(tmp_path))
    tiny_faces.keep("told", classes=3)
    return Portraits.open("told", resolve("cpu", "float32"))


def test_a_seed_is_that_of_the_published_programs(portraits: Portraits) -> None:
    assert np.allclose(portraits.latents([3, 85])[1], np.random.RandomState(85).randn(1, 8)[0])


def test_a_picture_depends_on_its_own_seed_alone(portraits: Portraits) -> None:
    """Drawn alone, in another place, and across the border of a batch."""
    many = portraits.pictures(portraits.styles(range(11)))
    assert many.shape == (11, 3, 16, 16)
    assert many.dtype == np.uint8
    for seed in (0, 7, 10):
        assert np.abs(many[seed].astype(int) - portraits.pictures(portraits.styles([seed]))[0]).max() <= 1


@pytest.mark.parametrize("radial", [False, True])
def test_a_stylegan3_draws_mixes_and_is_edited(
    radial: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LUOXIA_HOME", str(tmp_path))
    tiny_faces.keep("third", made=tiny_faces.third(radial=radial))
    portraits = Portraits.open("third", resolve("cpu", "float32"))
    ws = portraits.styles(range(9))
    many = portraits.pictures(ws)
    for seed in (0, 8):
        assert np.abs(many[seed].astype(int) - portraits.pictures(ws[seed : seed + 1])[0]).max() <= 1
    assert np.array_equal(portraits.pictures(ws[:2], noise_mode="random", seed=3), portraits.pictures(ws[:2]))
    assert np.median(many.std((1, 2, 3))) > 5
    made = portraits.mixed(ws[:1], ws[1:2], range(8))[0]
    assert np.array_equal(portraits.pictures(made), portraits.pictures(ws[1:2]))
    found = [*directions.sefa(portraits, 2), *directions.ganspace(portraits, 2)]
    assert [d.name for d in found] == ["sefa-1", "sefa-2", "pca-1", "pca-2"]
    assert all(d.vector.isfinite().all() for d in found)
    for one in found:
        moved = directions.edited(ws[:1], found, {one.name: 3.0})
        assert np.abs(portraits.pictures(moved).astype(int) - many[:1]).max() > 5


def test_large_pictures_are_drawn_one_by_one(portraits: Portraits, monkeypatch: pytest.MonkeyPatch) -> None:
    """Layers of a megapixel picture take a gigabyte."""
    sizes = []
    monkeypatch.setattr(portraits_module, "PIXELS", 2 * 16 * 16)
    raw = portraits.raw
    monkeypatch.setattr(portraits, "raw", lambda ws, *more: sizes.append(len(ws)) or raw(ws, *more))
    assert len(portraits.pictures(portraits.styles(range(5)))) == 5
    assert sizes == [2, 2, 1]


def test_no_psi_is_the_mean_picture(portraits: Portraits) -> None:
    mean = portraits.network.mapping.w_avg
    assert torch.allclose(portraits.styles([1, 2], psi=0.0), mean.expand(2, 6, -1))
    half = portraits.styles([1], psi=0.5)
    assert torch.allclose(half, (portraits.styles([1]) + mean) / 2, atol=1e-6)


def test_a_cutoff_leaves_the_rest(portraits: Portraits) -> None:
    ws = portraits.styles([1], psi=0.0, cutoff=2)
    assert torch.allclose(ws[:, 2:], portraits.styles([1])[:, 2:])
    assert torch.allclose(ws[:, :2], portraits.network.mapping.w_avg.expand(1, 2, -1))


def test_mixing_takes_the_columns_styles(portraits: Portraits) -> None:
    rows, columns = portraits.styles([1, 2]), portraits.styles([3, 4, 5])
    made = portraits.mixed(rows, columns, [0, 1, 5])
    assert made.shape == (2, 3, 6, 8)
    for r in range(2):
        for c in range(3):
            assert torch.equal(made[r, c, [0, 1, 5]], columns[c, [0, 1, 5]])
            assert torch.equal(made[r, c, [2, 3, 4]], rows[r, [2, 3, 4]])


def test_a_twin_shares_the_weights_and_has_noise_of_its_own(portraits: Portraits) -> None:
    twin = portraits.twin()
    ws = portraits.styles([3])
    before = portraits.pictures(ws)
    assert (twin.pictures(ws) == before).all()
    pairs = zip(portraits.network.parameters(), twin.network.parameters(), strict=True)
    assert all(a is b for a, b in pairs)
    kernels = [network.synthesis.b16.conv1._kept for network in (portraits.network, twin.network)]
    assert (
        kernels[0] is kernels[1]
    )  # as they are prepared for drawing: a copy of them is as large as the weights
    for name, noise in twin.network.named_buffers():
        if name.endswith("noise_const"):
            noise.neg_()
    assert (twin.pictures(ws) != before).any()
    assert (portraits.pictures(ws) == before).all()


def test_classes(told: Portraits, portraits: Portraits) -> None:
    asked = told.styles([1, 2], name="style 2")
    z = told.latents([1, 2])
    assert torch.equal(asked, told.network.mapping(z, torch.tensor([2, 2])))
    assert told.classes([4]).tolist() == told.classes([4, 5]).tolist()[:1]
    with pytest.raises(UserError, match="no class 'x'; it has style 0, style 1, style 2"):
        told.styles([1], name="x")
    with pytest.raises(UserError, match="leave --class out"):
        portraits.styles([1], name="x")


def test_bf16_stays_near(portraits: Portraits, tmp_path: Path) -> None:
    ws = portraits.styles(range(4))
    low = Portraits(portraits.told, resolve("cpu", "bfloat16")).raw(ws)
    high = portraits.raw(ws)
    assert (low - high).abs().mean() < 0.02 * high.std()
    assert not torch.equal(low, high)


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_seeds_out_of_range(portraits: Portraits, seed: int) -> None:
    with pytest.raises(UserError, match="out of range"):
        portraits.styles([seed])


def test_psi_out_of_range(portraits: Portraits) -> None:
    with pytest.raises(UserError, match="truncation is 3"):
        portraits.styles([1], psi=3)


@pytest.mark.parametrize(
    ("text", "found"), [("3", [3]), ("0-3", [0, 1, 2, 3]), ("3,8,21,3", [3, 8, 21, 3]), ("1, 4-5", [1, 4, 5])]
)
def test_numbers(text: str, found: list[int]) -> None:
    assert numbers(text, "--seeds") == found


@pytest.mark.parametrize("text", ["", "a", "3-", "-3", "5-2", "0-99999", "1,,2"])
def test_what_are_no_numbers(text: str) -> None:
    with pytest.raises(UserError, match="--seeds"):
        numbers(text, "--seeds")
