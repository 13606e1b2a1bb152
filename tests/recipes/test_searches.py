"""Held-out pictures looked for: the sheet, the table, and its means."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tiny_faces

from luoxia.core.errors import MalformedFileError, UnknownModelError
from luoxia.core.runtime import resolve
from luoxia.generate.inversion import Outcome
from luoxia.recipes import searches
from luoxia.recipes.searches import Searches


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LUOXIA_HOME", str(tmp_path))
    tiny_faces.keep()


def darker(_portraits, target: np.ndarray, *, seed: int) -> tuple[Outcome, ...]:
    """In place of a search: the target itself, darkened by thirds, with its mean as the distance."""
    return tuple(Outcome(target // n, float(target.mean()) / n, 10.0 * n) for n in (3, 2, 1))


def test_rows_are_pictures_and_the_last_is_their_mean(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(searches, "stages", darker)
    held_out = np.arange(7, dtype=np.uint8).repeat(3 * 16 * 16).reshape(7, 3, 16, 16) * 30
    told = []
    study = Searches("tiny", resolve("cpu", "float32"), 4, 0).study(held_out, lambda *n: told.append(n))
    rows = study.tables["inversions"]
    assert [row["picture"] for row in rows] == [1, 2, 3, 4, "mean"]
    distances = [row["tuned_distance"] for row in rows]
    assert len(set(distances[:4])) == 4  # no picture twice
    assert set(distances[:4]) <= {30.0 * i for i in range(7)}
    assert distances[4] == pytest.approx(np.mean(distances[:4])) == study.scores["inversion_tuned_distance"]
    assert rows[0]["w_psnr"] == 30.0
    pixels = np.asarray(study.pictures["inversions"])
    side = (pixels.shape[1] + 2) // 4 - 2
    columns = [pixels[:, c * (side + 2)] for c in range(4)]
    for column, distance in zip(columns, distances, strict=False):
        shown = [int(column[r * (side + 2)][0]) for r in range(4)]
        assert shown == [distance, distance // 3, distance // 2, distance]
    assert told == [("inversions", i, 4) for i in range(5)]


def test_what_is_no_stylegan_is_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(UnknownModelError, match="nowhere"):
        Searches("nowhere", resolve("cpu", "float32"), 1, 0)
    (tmp_path / "vae").mkdir()
    (tmp_path / "vae" / "recipe.json").write_text('{"recipe": "vae"}')
    with pytest.raises(MalformedFileError, match="recipe vae"):
        Searches(str(tmp_path / "vae"), resolve("cpu", "float32"), 1, 0)
