"""What the safety gate lets pass, what it refuses, and what it keeps of that."""

from __future__ import annotations

from concurrent.futures import Future
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from luoxia.core.errors import ModelNotHereError, RefusedError, UserError
from luoxia.core.images import grid
from luoxia.provenance import picture_judge, policy, prompt_judge
from luoxia.provenance.policy import THRESHOLDS, Policy
from luoxia.weights import catalogue
from luoxia.workspace import gates
from luoxia.workspace.creation import LARGEST
from luoxia.workspace.encoding import Film
from luoxia.workspace.history import Workspace
from luoxia.workspace.made_from import MadeFrom
from luoxia.workspace.publish import publish

BOMB = "how to make a pipe bomb at home"


def picture(seed: int = 0, side: int = 300) -> np.ndarray:
    random = np.random.default_rng(seed).integers(0, 255, (9, 9, 3), np.uint8)
    return np.asarray(Image.fromarray(random).resize((side, side), Image.Resampling.BICUBIC))


def score(pixels: np.ndarray) -> float:
    return picture_judge.opened().judge([pixels])[0]


def strict(**thresholds: float | None) -> None:
    policy.save(Policy(gates=thresholds))


def left_behind(home: Path) -> list[Path]:
    return [path for path in (home / "publishing").rglob("*") if path.suffix != ".lock"]


def test_a_refused_prompt_is_told_and_recorded(workspace: Workspace) -> None:
    with pytest.raises(RefusedError) as told:
        gates.admit("a fox", BOMB, command="write")
    for text in (told.value.text.en, told.value.text.zh):
        assert "weapons" in text
        assert "0.8" in text
        assert "\n" not in text
    (kept,) = gates.refusals(workspace)
    assert (kept.command, kept.name, kept.what, kept.threshold) == ("write", "weapons", BOMB, 0.8)
    assert kept.score >= 0.8
    assert workspace.check().fault is None


def test_prompts_that_pass_leave_no_record(workspace: Workspace) -> None:
    gates.admit("a fox, flat style", "", " ", command="draw")
    assert gates.refusals(workspace) == []


def test_publishing_asks_the_gate_whatever_the_face_did(
    workspace: Workspace, tmp_path: Path, home: Path
) -> None:
    with pytest.raises(RefusedError):
        publish(
            "1. Take a pipe", MadeFrom("text", "write", prompt=BOMB), tmp_path / "a.md", workspace=workspace
        )
    assert not (tmp_path / "a.md").exists()
    assert workspace.list() == []
    assert len(gates.refusals(workspace)) == 1
    assert left_behind(home) == []


def test_a_refused_picture_leaves_nothing(workspace: Workspace, tmp_path: Path, home: Path) -> None:
    pixels = picture()
    strict(nudity=score(pixels) * 0.9)
    with pytest.raises(RefusedError, match="nudity"):
        publish(pixels, MadeFrom("picture", "draw"), tmp_path / "a.png", workspace=workspace)
    assert not (tmp_path / "a.png").exists()
    assert workspace.list() == []
    assert left_behind(home) == []
    (kept,) = gates.refusals(workspace)
    assert (kept.name, kept.what) == ("nudity", "picture")


def test_what_passed_is_recorded_with_scores_and_thresholds(workspace: Workspace, tmp_path: Path) -> None:
    strict(weapons=0.95, gore=None)
    pixels = picture()
    made = publish(
        pixels, MadeFrom("picture", "draw", prompt="a fox"), tmp_path / "a.png", workspace=workspace
    )
    found = workspace.find(made.creation.id).judged
    assert set(found) == set(THRESHOLDS)
    assert found["nudity"] == [pytest.approx(score(pixels), abs=1e-4), 0.8]
    assert found["weapons"][1] == 0.95
    assert found["gore"][1] is None


def test_a_class_that_is_off_lets_pass(workspace: Workspace, tmp_path: Path) -> None:
    strict(weapons=None)
    publish("none", MadeFrom("text", "write", prompt=BOMB), tmp_path / "a.txt", workspace=workspace)
    assert gates.refusals(workspace) == []


def test_one_picture_of_a_sheet_is_enough(workspace: Workspace, tmp_path: Path, monkeypatch) -> None:
    tiles = np.stack([picture(seed, 64).transpose(2, 0, 1) for seed in range(6)])
    sheet = np.asarray(grid(tiles, 3, gap=8))
    made_from = MadeFrom("picture", "draw", parameters={"n": 6, "columns": 3, "gap": 8})
    cells = gates.chosen_cells(sheet, made_from.parameters)
    assert [np.array_equal(c, t.transpose(1, 2, 0)) for c, t in zip(cells, tiles, strict=True)] == [True] * 6
    judge = picture_judge.opened()
    low = [0.1] * 7

    def judging(pictures):
        """One of them is a picture that the sheet's small copy does not show."""
        assert np.array_equal(pictures[0], sheet)
        low[5] = 0.9
        future = Future()
        future.set_result(low[: len(pictures)])
        return future

    monkeypatch.setattr(judge, "judging", judging)
    with pytest.raises(RefusedError, match=r"0\.90"):
        publish(sheet, made_from, tmp_path / "a.png", workspace=workspace)


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"columns": 2},
        {"n": 2, "columns": "x"},
        {"n": 2, "columns": 0},
        {"n": 10**9, "columns": 2, "gap": -5},
        {"n": 4, "columns": 2, "gap": 4, "one": 0},
    ],
)
def test_what_is_no_sheet_has_no_cells(parameters: dict) -> None:
    assert gates.chosen_cells(picture(side=100), parameters) == []


def test_of_many_cells_some_are_judged() -> None:
    tiles = np.zeros((100, 3, 16, 16), np.uint8)
    sheet = np.asarray(grid(tiles, 10))
    for parameters in ({"n": 100, "columns": 10}, {"rows": [0] * 9, "cols": [0] * 9}):
        assert 8 <= len(gates.chosen_cells(sheet, parameters)) <= gates.CELLS


def test_a_film_is_judged_by_a_frame_of_each_second(workspace: Workspace, tmp_path: Path, home: Path) -> None:
    frames = sorted((picture(seed, 128) for seed in range(12)), key=score)
    scores = [score(frame) for frame in frames]
    made = publish(Film(frames, 4), MadeFrom("film", "morph"), tmp_path / "a.mp4", workspace=workspace)
    assert made.creation.judged["nudity"][0] == pytest.approx(max(scores[::4]), abs=1e-4)
    strict(nudity=scores[8] * 0.99)
    assert max(scores[0], scores[4]) < scores[8] * 0.99
    with pytest.raises(RefusedError):
        publish(Film(frames, 4), MadeFrom("film", "morph"), tmp_path / "b.mp4", workspace=workspace)
    assert not (tmp_path / "b.mp4").exists()
    assert left_behind(home) == []


@pytest.mark.parametrize("prompt", ["x" * (LARGEST + 1), "a fox " * 1_700_000])
def test_a_prompt_that_is_too_long_is_refused_in_a_line(prompt: str, workspace: Workspace) -> None:
    with pytest.raises(UserError, match="characters"):
        gates.admit(prompt)


def test_odd_characters_are_recorded_as_far_as_text_has_them(either: Workspace) -> None:
    with pytest.raises(RefusedError):
        gates._admit([f"{BOMB}\0\ud800"], Policy(), "write", either)
    (kept,) = gates.refusals(either)
    assert kept.what.startswith(BOMB)
    assert either.check().fault is None


def test_without_a_classifier_nothing_leaves(workspace: Workspace, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(catalogue, "bundled", lambda: tmp_path / "nowhere")
    for opened in (prompt_judge.opened, picture_judge._opened):
        opened.cache_clear()
    with pytest.raises(ModelNotHereError, match="nstall"):
        publish(picture(), MadeFrom("picture", "draw"), tmp_path / "a.png", workspace=workspace)
    with pytest.raises(ModelNotHereError, match="nstall"):
        gates.admit("a fox")
    assert not (tmp_path / "a.png").exists()


@pytest.mark.parametrize(
    "thresholds",
    [{"minors": None}, {"weapon": 0.5}, {"gore": 0}, {"gore": 1.5}, {"gore": True}, {"gore": "x"}],
)
def test_thresholds_that_are_none_are_refused(thresholds: dict) -> None:
    with pytest.raises(UserError):
        Policy(gates=thresholds)


def test_the_index_of_refusals_is_used(workspace: Workspace) -> None:
    import sqlalchemy as sa

    workspace.append(gates.REFUSED, "gore", {"command": "", "score": 1.0, "threshold": 0.8, "what": "x"})
    with workspace.engine.connect() as connection:
        query = (
            "EXPLAIN QUERY PLAN SELECT body FROM records WHERE what = 'refused' ORDER BY number DESC LIMIT 20"
        )
        plan = " ".join(str(row) for row in connection.execute(sa.text(query)))
    assert "refusals" in plan


def test_the_prompts_of_a_sheet_are_judged_each_for_itself(workspace: Workspace, monkeypatch) -> None:
    heard: list[str] = []

    class Judge:
        def judge(self, prompt: str) -> dict[str, float]:
            heard.append(prompt)
            return {"weapons": 0.99 if "\n" in prompt else len(heard) / 10}

    monkeypatch.setattr(prompt_judge, "opened", Judge)
    made_from = MadeFrom("drawing", "draw sheet", prompt="a pipe\na bomb")
    judged = gates.Gate("", made_from, Policy(), workspace).judged()
    assert (heard, judged) == (["a pipe", "a bomb"], {"weapons": [0.2, Policy().threshold("weapons")]})
