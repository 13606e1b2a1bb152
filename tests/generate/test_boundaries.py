"""Boundaries: planted ones are found from labels of pictures that the generator never made."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tiny_faces
import torch

from luoxia.core.errors import UserError
from luoxia.core.runtime import resolve
from luoxia.data.images import ImageSet
from luoxia.generate import boundaries
from luoxia.generate.portraits import Portraits

SEEN = torch.randn(8, 8, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
# What is seen of a picture that tells each attribute; the second leans to the first.
TELL = np.array([[1.0, 0.5, 0, 0, 0, 0, 0, 0], [0.8, 0, 1.0, 0, 0, 0, 0, 0]])


def see(pictures: np.ndarray) -> np.ndarray:
    return np.asarray(pictures, np.float32).reshape(len(pictures), -1)


def labelled(n: int = 1500) -> tuple[ImageSet, dict[str, np.ndarray]]:
    """Pictures of eight normal numbers; half of the answers to the second question are not known."""
    draw = np.random.default_rng(3)
    pictures = draw.normal(size=(n, 8))
    images = ImageSet("numbers", pictures, None, (), None, np.arange(0, n, 5), (), "d")
    answers = (pictures @ TELL.T > 0).astype(float)
    answers[draw.random(n) < 0.5, 1] = np.nan
    return images, {
        "first": answers[:, 0],
        "second": answers[:, 1],
        "coin": draw.integers(0, 2, n).astype(float),
    }


@pytest.fixture
def portraits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Portraits:
    monkeypatch.setenv("LUOXIA_HOME", str(tmp_path))
    tiny_faces.keep()
    found = Portraits.open("tiny", resolve("cpu", "float32"))
    with torch.no_grad():
        z = torch.randn(2000, 8, generator=torch.Generator().manual_seed(0))
        w = found.network.mapping(z)[:, 0].double()
    middle = w.mean(0)
    monkeypatch.setattr(
        Portraits, "pictures", lambda _, ws, **__: ((ws[:, 0].double() - middle) @ SEEN).numpy()
    )
    return found


def test_the_normals_of_planted_boundaries_are_found(portraits: Portraits) -> None:
    told = boundaries.classifiers(*labelled(), see, named="numbers")
    assert [t.name for t in told] == ["first", "second"]  # a coin is told by nothing
    assert all(t.accuracy > 0.9 for t in told)
    found = boundaries.boundaries(portraits, told, see, count=2000)
    assert [d.how for d in found] == ["boundary", "boundary"]
    normals = SEEN.numpy() @ TELL.T  # of what is seen through w
    normals = normals / np.linalg.norm(normals, axis=0)
    for j, direction in enumerate(found):
        vector = direction.vector.double().numpy()
        free = normals[:, j] - normals[:, 1 - j] * (normals[:, j] @ normals[:, 1 - j])
        assert vector @ free / np.linalg.norm(vector) / np.linalg.norm(free) > 0.97
        assert direction.own > 0.3
        assert direction.others < 0.25 * direction.own


def test_a_step_is_a_standard_deviation_of_w(portraits: Portraits) -> None:
    found = boundaries.boundaries(
        portraits, boundaries.classifiers(*labelled(), see, named="numbers"), see, count=2000
    )
    with torch.no_grad():
        w = portraits.network.mapping(torch.randn(4000, 8, generator=torch.Generator().manual_seed(7)))[:, 0]
    for direction in found:
        length = direction.vector.norm()
        assert float((w @ direction.vector / length).std()) == pytest.approx(float(length), rel=0.1)


def test_an_attribute_that_samples_never_show_is_an_error(portraits: Portraits) -> None:
    told = boundaries.classifiers(*labelled(), see, named="numbers")
    far = [
        boundaries.Told(
            t.name, type(t.classifier)(**{**t.classifier.__dict__, "bias": torch.tensor([99.0, -99.0])}), 1.0
        )
        for t in told
    ]
    with pytest.raises(UserError, match="both ways"):
        boundaries.boundaries(portraits, far, see, count=200)


def test_other_models_have_none(portraits: Portraits) -> None:
    assert boundaries.of_avatars(portraits) == []
