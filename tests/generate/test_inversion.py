"""A picture that a model made is found again; files of styles; what cannot be."""

from pathlib import Path

import numpy as np
import pytest
import tiny_faces
import torch
from plain_distance import Plain

from luoxia.core.errors import MalformedFileError, UserError
from luoxia.core.runtime import resolve
from luoxia.generate import inversion
from luoxia.generate.portraits import Portraits


@pytest.fixture
def portraits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Portraits:
    monkeypatch.setenv("LUOXIA_HOME", str(tmp_path))
    monkeypatch.setattr(inversion, "Perceptual", Plain)
    tiny_faces.keep()
    return Portraits.open("tiny", resolve("cpu", "float32"))


@pytest.fixture
def target(portraits: Portraits) -> np.ndarray:
    return portraits.pictures(portraits.styles([4], psi=0.7))[0]


def error(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.square(a.astype(float) - b).mean())


@pytest.mark.parametrize(("space", "least"), [("w", 3), ("w+", 6)])
def test_a_picture_of_the_models_own_is_found(
    portraits: Portraits, target: np.ndarray, space: str, least: float
) -> None:
    told = []
    found = inversion.invert(portraits, target, space=space, steps=150, watch=lambda *n: told.append(n))
    assert found.way.shape == (inversion.SHOWN, 3, 16, 16)
    assert error(found.way[-1], target) < error(found.way[0], target) / least
    assert told[0] == (0, 150)
    assert told[-1] == (150, 150)
    assert (found.ws == found.ws[0]).all() == (space == "w")


def test_a_picture_of_a_stylegan3_is_found(portraits: Portraits, tmp_path: Path) -> None:
    tiny_faces.keep("third", made=tiny_faces.third())
    third = Portraits.open("third", resolve("cpu", "float32"))
    target = third.pictures(third.styles([4], psi=0.7))[0]
    found = inversion.invert(third, target, space="w", steps=20)
    assert error(found.way[-1], target) < error(found.way[0], target) / 2
    inversion.write(found, tmp_path / "third.w")
    _, tensors = inversion.open_style(tmp_path / "third.w")
    assert set(tensors) == {"ws"}
    assert np.array_equal(third.pictures(inversion.ready(third, tensors, tmp_path)), found.way[-1:])


def test_the_model_itself_is_left_as_it_was(portraits: Portraits, target: np.ndarray) -> None:
    before = {k: v.clone() for k, v in portraits.network.state_dict().items()}
    inversion.invert(portraits, target, steps=10, tune=3)
    assert all(torch.equal(v, before[k]) for k, v in portraits.network.state_dict().items())


def test_tuning_comes_nearer(portraits: Portraits) -> None:
    """To noise, which no style makes."""
    noise = np.random.default_rng(0).integers(0, 256, (3, 16, 16)).astype(np.uint8)
    plain, tuned = (inversion.invert(portraits, noise, steps=60, tune=n) for n in (0, 120))
    assert tuned.psnr > plain.psnr + 0.3
    assert tuned.tuned
    assert not plain.tuned


def test_pictures_of_the_way_are_shown_and_a_listener_can_end_it(
    portraits: Portraits, target: np.ndarray
) -> None:
    shown: list[np.ndarray] = []
    found = inversion.invert(portraits, target, steps=100, show=shown.append)
    assert len(shown) == 1 + 100 // 2
    assert (shown[-1] == found.way[-1]).all()
    assert error(shown[-1], target) < error(shown[0], target)

    class EnoughError(Exception): ...

    def stop(done: int, _total: int) -> None:
        if done == 5:
            raise EnoughError

    with pytest.raises(EnoughError):
        inversion.invert(portraits, target, steps=100, watch=stop)


def test_each_stage_comes_nearer_and_its_first_is_the_search_in_w(portraits: Portraits) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (3, 16, 16)).astype(np.uint8)
    told = []
    in_w, wide, tuned = inversion.stages(
        portraits, noise, steps=(40, 40, 60), watch=lambda *n: told.append(n)
    )
    alone = inversion.invert(portraits, noise, space="w", steps=40)
    assert in_w.psnr == pytest.approx(alone.psnr, abs=1e-6)
    assert np.array_equal(in_w.picture, alone.way[-1])
    assert in_w.psnr < wide.psnr < tuned.psnr
    assert in_w.distance > tuned.distance
    for outcome in (in_w, wide, tuned):  # a byte's rounding aside
        assert outcome.psnr == pytest.approx(10 * np.log10(255**2 / error(outcome.picture, noise)), abs=0.05)
    assert told == [(i + 1, 140) for i in range(140)]


def test_noise_stays_white(portraits: Portraits, target: np.ndarray) -> None:
    found = inversion.invert(portraits, target, steps=60)
    for noise in found.noise.values():
        assert abs(float(noise.mean())) < 1e-3
        assert float(noise.square().mean()) == pytest.approx(1, abs=1e-2)
        if noise.shape[-1] == 16:
            assert abs(float((noise * noise.roll(1, 0)).mean())) < 0.15


def test_a_style_is_kept_and_drawn_again(portraits: Portraits, target: np.ndarray, tmp_path: Path) -> None:
    found = inversion.invert(portraits, target, steps=30, tune=5)
    inversion.write(found, tmp_path / "me.w")
    name, tensors = inversion.open_style(tmp_path / "me.w")
    assert name == "tiny"
    ws = inversion.ready(portraits, tensors, tmp_path / "me.w")
    assert (
        np.abs(portraits.pictures(ws)[0].astype(int) - found.way[-1]).max() <= 6
    )  # weights in half precision


def test_files_that_hold_no_style(portraits: Portraits, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no"):
        inversion.open_style(tmp_path / "nothing.w")
    (tmp_path / "x.w").write_bytes(b"no style")
    with pytest.raises(MalformedFileError, match="was not written by"):
        inversion.open_style(tmp_path / "x.w")
    with pytest.raises(MalformedFileError, match="not one of tiny"):
        inversion.ready(portraits, {"ws": torch.zeros(2, 2)}, tmp_path / "x.w")
    with pytest.raises(MalformedFileError, match=r"noise\.b99"):
        inversion.ready(portraits, {"ws": torch.zeros(6, 8), "noise.b99": torch.zeros(1)}, tmp_path / "x.w")


@pytest.mark.parametrize("wrong", [{"space": "z"}, {"steps": 1}, {"tune": -1}])
def test_what_cannot_be(portraits: Portraits, target: np.ndarray, wrong: dict) -> None:
    with pytest.raises(UserError):
        inversion.invert(portraits, target, **wrong)
