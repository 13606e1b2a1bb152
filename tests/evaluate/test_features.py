"""Pictures to vectors: resizing, batches, channels, names, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from luoxia.core.errors import ModelNotHereError, UnknownModelError, UserError
from luoxia.evaluate import features
from luoxia.evaluate.features import Extractor, checked_images, extractor, pixels, resized
from luoxia.weights import catalogue

PICTURES = np.random.default_rng(0).integers(0, 256, (7, 3, 20, 30), dtype=np.uint8)


@pytest.mark.parametrize("size", [8, 20, 224])
def test_resizing_is_pillows_bicubic(size: int) -> None:
    """Pillow filters with antialiasing in floats too, channel by channel."""
    found = resized(torch.from_numpy(PICTURES[:2]), size)
    for picture, ours in zip(PICTURES[:2], found, strict=True):
        for channel, own in zip(picture, ours, strict=True):
            image = Image.fromarray(channel.astype(np.float32), mode=None)
            theirs = np.asarray(image.resize((size, size), Image.Resampling.BICUBIC)).clip(0, 255)
            np.testing.assert_allclose(own.numpy(), theirs, atol=0.02)


def test_shrinking_is_antialiased() -> None:
    """Stripes one pixel wide become the grey between them; a resizer without antialiasing keeps black or white."""
    stripes = torch.zeros(1, 1, 256, 256, dtype=torch.uint8)
    stripes[..., ::2] = 255
    small = resized(stripes, 32)[..., 2:-2]
    assert small.shape[:2] == (1, 3)
    torch.testing.assert_close(small, torch.full_like(small, 127.5), atol=1, rtol=0)


def test_batches_change_nothing_and_progress_is_told() -> None:
    heard: list[tuple[int, int]] = []
    seen: list[torch.Tensor] = []

    def mean(batch: torch.Tensor) -> torch.Tensor:
        seen.append(batch)
        return batch.double().mean((2, 3))

    make = Extractor("mean", 3, mean, batch_size=3)
    found = make(PICTURES, lambda done, total: heard.append((done, total)))
    assert heard == [(3, 7), (6, 7), (7, 7)]
    assert [len(batch) for batch in seen] == [3, 3, 1]
    assert (found.dtype, found.shape) == (np.float32, (7, 3))
    np.testing.assert_allclose(found, PICTURES.mean((2, 3)), rtol=1e-6)
    np.testing.assert_array_equal(make(torch.from_numpy(PICTURES)), found)


def test_pixels() -> None:
    found = pixels()(PICTURES)
    np.testing.assert_allclose(found, PICTURES.reshape(7, -1) / 255, rtol=1e-6)
    assert (pixels().name, pixels().dim) == ("pixels", None)


def test_grey_counts_as_three_equal_channels() -> None:
    grey = torch.from_numpy(PICTURES[:2, :1])
    assert torch.equal(resized(grey, 16), resized(grey.repeat(1, 3, 1, 1), 16))


@pytest.mark.parametrize(
    "images",
    [
        PICTURES.astype(np.float32),
        PICTURES[0],
        PICTURES[:0],
        PICTURES[:, :2],
        PICTURES.transpose(0, 2, 3, 1),
        np.zeros((1, 4, 8, 8), np.uint8),
        np.zeros((1, 3, 0, 8), np.uint8),
    ],
    ids=["floats", "one", "none", "two channels", "channels last", "alpha", "empty"],
)
def test_other_forms_are_refused(images: np.ndarray) -> None:
    for given in (images, torch.from_numpy(images)):
        with pytest.raises(UserError, match=r"uint8 \(N, C, H, W\)"):
            checked_images(given)


def test_views_and_strides_are_read_right() -> None:
    turned = PICTURES[:, ::-1, :, ::-1]  # torch has no negative strides
    np.testing.assert_array_equal(checked_images(turned).numpy(), turned)
    sealed = np.frombuffer(PICTURES.tobytes(), np.uint8).reshape(
        PICTURES.shape
    )  # and warns of read-only memory
    np.testing.assert_array_equal(checked_images(sealed).numpy(), PICTURES)


def test_weights_that_are_not_here_say_how_to_get_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LUOXIA_HOME", str(tmp_path))
    with pytest.raises(ModelNotHereError, match="luoxia models get efficientnet-lite0"):
        extractor()
    with pytest.raises(UnknownModelError, match="efficientnet-lite0"):
        extractor("smollm2-135m-instruct")


@pytest.mark.parametrize(("classes", "name"), [(1000, "inception-v3"), (1008, "inception-v3-2015")])
def test_inception_by_name_and_range(
    monkeypatch: pytest.MonkeyPatch, classes: int, name: str, tmp_path: Path
) -> None:
    seen: list[torch.Tensor] = []

    class Network(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = torch.nn.Linear(1, classes)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            seen.append(x)
            return torch.zeros(len(x), 2048)

    read: list[Path] = []
    monkeypatch.setattr(features, "load_inception", lambda path: (read.append(path), Network())[1])
    make = features.inception(str(tmp_path / "any.pth"))
    assert read == [tmp_path / "any.pth"]
    assert (make.name, make.dim) == (name, 2048)
    make(np.stack([np.zeros((3, 8, 8), np.uint8), np.full((3, 8, 8), 255, np.uint8)]))
    assert seen[0].shape == (2, 3, 299, 299)
    torch.testing.assert_close(seen[0][0], torch.full((3, 299, 299), -1.0))
    torch.testing.assert_close(seen[0][1], torch.full((3, 299, 299), 1.0))


@pytest.mark.model
def test_what_efficientnet_sees() -> None:
    """The same picture at another size lies far nearer than another picture, and nothing depends on the batch."""
    entry = catalogue.find("efficientnet-lite0")
    if not catalogue.is_here(entry):
        pytest.skip(f"{entry.id} is not on this machine; get it with: luoxia models get {entry.id}")
    from sklearn.datasets import load_sample_images

    china, flower = (
        torch.from_numpy(image.copy()).permute(2, 0, 1)[None] for image in load_sample_images().images
    )
    small = resized(china, 160).round().byte()
    make = extractor(batch_size=2)
    assert (make.name, make.dim) == ("efficientnet-lite0", 1280)
    large, other = resized(china, 224).round().byte(), resized(flower, 224).round().byte()
    a, b = make(torch.cat((large, other)))
    (again,) = make(large)
    (at_160,) = make(small)
    np.testing.assert_allclose(a, again, atol=1e-4)
    assert np.linalg.norm(a - at_160) < 0.5 * np.linalg.norm(a - b)
