"""A takedown marks what descends from the item, and nothing that was trained after it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from workspace_made import creation

from luoxia.cli.main import main
from luoxia.data import opt_out, prepared, takedown
from luoxia.data.images import ImageSet
from luoxia.workspace.history import Workspace
from luoxia.workspace.made_from import DatasetUsed, ModelUsed
from luoxia.workspace.takedown import descent, marks, take_down


def stored(folder: Path) -> ImageSet:
    pictures = np.random.default_rng(0).integers(0, 255, (12, 3, 8, 8), np.uint8)
    made = ImageSet("birds", pictures, None, (), None, np.array([0]), ("Ann, MIT",), "0" * 64)
    return prepared.write(folder, made)


def made_by(workspace: Workspace, name: str, digest: str, at: int) -> str:
    model = ModelUsed(name, name[0] * 64, "", "draws", "", (DatasetUsed("birds.data", "MIT", "Ann", digest),))
    one = creation(name, at=at, of={"models": (model,)})
    workspace.record(one)
    return one.id


def test_descendants_are_marked_and_later_models_are_not(either: Workspace, tmp_path: Path) -> None:
    folder = tmp_path / "birds.data"
    images = stored(folder)
    old = made_by(either, "old", images.digest, 0)
    found = takedown.find("3", folder)
    assert (descent(either, found).models, descent(either, found).outputs) == (("old",), (old,))
    assert take_down(either, found, "asked").outputs == (old,)
    new = made_by(either, "new", prepared.read(folder).digest, 1)
    later = made_by(either, "old", images.digest, 2)  # the old weights go on drawing
    said = marks(either, [old, new, later])
    assert sorted(said) == sorted([old, later])
    assert [(m.data, m.item, m.reason) for m in said[old]] == [("birds", "3", "asked")]
    take_down(either, takedown.find("5", folder))
    said = marks(either, [old, new])
    assert [m.item for m in said[old]] == ["3", "5"]
    assert [m.item for m in said[new]] == ["5"]
    assert either.check().fault is None


def test_a_kill_before_the_set_is_rewritten_is_made_good_by_the_same_command(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "birds.data"
    old = made_by(workspace, "old", stored(folder).digest, 0)
    with monkeypatch.context() as patched:
        patched.setattr(takedown, "remove", lambda _: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            take_down(workspace, takedown.find("3", folder))
    assert len(prepared.read(folder).images) == 12
    take_down(workspace, takedown.find("3", folder))
    assert len(prepared.read(folder).images) == 11
    assert len(marks(workspace, [old])[old]) == 1
    assert opt_out.place().read_text().count("\n") == 1


def test_the_command_tells_first_and_acts_with_yes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "birds.data"
    with Workspace() as workspace:
        old = made_by(workspace, "old", stored(folder).digest, 0)
    assert main(["takedown", "3", "--data", str(folder)]) == 0
    assert len(prepared.read(folder).images) == 12
    assert old in capsys.readouterr().out
    assert main(["takedown", "3", "--data", str(folder), "--reason", "asked", "--yes"]) == 0
    assert "trained anew" in capsys.readouterr().err
    assert len(prepared.read(folder).images) == 11
    assert main(["show", old]) == 0
    assert "birds 3" in capsys.readouterr().out
    assert main(["lineage", old]) == 0
    assert "taken down since" in capsys.readouterr().err
    assert main(["takedown", "3", "--data", str(folder), "--yes"]) == 2
