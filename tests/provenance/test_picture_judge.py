"""The picture gate's network and what it is given, beside the published ones."""

from __future__ import annotations

import io
import threading

import numpy as np
import pytest
import torch
from PIL import Image

from luoxia.core.errors import FetchError
from luoxia.models.thin_resnet import Bottleneck, ThinResNet
from luoxia.provenance import picture_judge
from luoxia.weights import catalogue


def painted(seed: int, width: int, height: int) -> np.ndarray:
    """Soft colours of skin, the same on every machine but for rounding."""
    random = np.random.default_rng(seed)
    small = (np.array([205, 150, 120]) + random.normal(0, 28, (7, 7, 3))).clip(0, 255).astype(np.uint8)
    return np.asarray(Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC))


@pytest.mark.parametrize(
    ("seed", "width", "height", "wanted"),
    [(1, 320, 200, 0.00403), (5, 320, 200, 0.0036), (11, 320, 200, 0.0044), (3, 64, 64, 0.00069), (5, 700, 900, 0.00316)],
)  # fmt: skip
def test_scores_are_those_of_the_published_file_run_by_onnxruntime(seed, width, height, wanted) -> None:
    (score,) = picture_judge.opened().judge([painted(seed, width, height)])
    assert score == pytest.approx(wanted, abs=1e-4)


def test_the_way_in_is_the_makers_one() -> None:
    """256 pixels, JPEG, the middle 224, blue first, less the means: order and values on a picture of one colour."""
    pixels = np.full((300, 400, 3), (200, 100, 50), np.uint8)
    found = picture_judge.prepared(Image.fromarray(pixels))
    assert found.shape == (3, 224, 224)
    assert np.abs(found - np.array([50 - 104, 100 - 117, 200 - 123])[:, None, None]).max() <= 2
    grain = np.random.default_rng(0).integers(0, 255, (256, 256, 3), np.uint8)
    through = io.BytesIO()
    Image.fromarray(grain).save(through, "JPEG")
    middle = np.asarray(Image.open(through), np.float32)[16:240, 16:240, ::-1] - (104, 117, 123)
    assert np.array_equal(
        picture_judge.prepared(Image.fromarray(grain)), middle.transpose(2, 0, 1).astype(np.float32)
    )


def test_what_transparency_hides_is_judged_too() -> None:
    hidden = painted(1, 128, 128)
    glass = np.dstack([hidden, np.zeros(hidden.shape[:2], np.uint8)])
    white = np.full_like(hidden, 255)
    judge = picture_judge.opened()
    alone, blank, both = judge.judge([hidden, white, glass])
    assert both == pytest.approx(max(alone, blank), abs=1e-6)
    solid = np.dstack([hidden, np.full(hidden.shape[:2], 255, np.uint8)])
    assert judge.judge([solid])[0] == pytest.approx(alone, abs=1e-6)


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 1, 4), (1, 3000, 1), (4000, 2, 3), (3000, 3000, 3)])
def test_pictures_of_any_size_have_a_score(shape) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, shape, np.uint8)
    (score,) = picture_judge.opened().judge([pixels])
    assert 0 <= score <= 1


def test_each_picture_of_a_batch_has_the_score_it_has_alone() -> None:
    pictures = [painted(seed, 90, 90) for seed in range(10)]
    judge = picture_judge.opened()
    assert judge.judge(pictures) == pytest.approx([judge.judge([p])[0] for p in pictures], abs=1e-5)


def test_threads_of_others_stay_as_many_as_they_were() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    picture_judge._opened.cache_clear()
    try:
        judge = picture_judge.opened()
        found: list[int] = []
        other = threading.Thread(target=lambda: found.append(torch.get_num_threads()))
        other.start()
        other.join()
        assert found == [2]
        assert torch.get_num_threads() == 2
        assert judge._thread.submit(torch.get_num_threads).result() == 1
    finally:
        torch.set_num_threads(before)


def test_a_bottleneck_is_its_equation() -> None:
    torch.manual_seed(0)
    block, x = Bottleneck(8, 4, 2).eval(), torch.randn(2, 8, 6, 6)
    with torch.no_grad():
        inner = torch.relu(block.look(torch.relu(block.narrow(x))))
        assert torch.equal(block(x), torch.relu(block.beside(x) + block.widen(inner)))
        assert block(x).shape == (2, 16, 3, 3)
    assert sum(p.numel() for p in ThinResNet().parameters()) == 5_891_266


def test_a_file_that_was_changed_is_told_by_its_hash(tmp_path, monkeypatch) -> None:
    entry = catalogue.find("picture-gate")
    data = bytearray(catalogue.path_of(entry).read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / entry.id).mkdir()
    (tmp_path / entry.id / entry.filename).write_bytes(data)
    monkeypatch.setattr(catalogue, "bundled", lambda: tmp_path)
    picture_judge._opened.cache_clear()
    try:
        with pytest.raises(FetchError, match=entry.sha256):
            picture_judge.opened()
    finally:
        picture_judge._opened.cache_clear()
