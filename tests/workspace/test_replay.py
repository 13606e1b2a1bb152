from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_drawing
import tiny_faces
import tiny_verse
from safetensors.numpy import load_file, save_file

from luoxia.core.errors import UserError
from luoxia.provenance import policy
from luoxia.provenance.policy import Policy
from luoxia.weights import catalogue
from luoxia.workspace import content, makers
from luoxia.workspace.asked import Drawn, Faces, Poems, Writing, parameters
from luoxia.workspace.creation import Creation, now
from luoxia.workspace.history import Workspace
from luoxia.workspace.made_from import MadeFrom, Parent
from luoxia.workspace.models_used import models_of
from luoxia.workspace.replay import replay

pytestmark = pytest.mark.usefixtures("one_thread")


def _recorded(workspace: Workspace, made_from: MadeFrom, made: content.Content) -> Creation:
    """As it comes back from the database, so that its parameters have been JSON."""
    told = Creation(workspace.new_id(), now(), made_from, content.digest(made), sketch=content.sketch(made))
    workspace.record(told)
    return workspace.find(told.id)


def _face(**asked: Any) -> MadeFrom:
    told = parameters(Faces("tiny", (3, 8, 21), columns=2, threads=1, **asked))
    return MadeFrom("picture", "face", models_of("face", "tiny"), parameters=told)


def test_portraits_are_those_of_the_command_line(workspace: Workspace, home: Path) -> None:
    policy.save(Policy("off", reason="compared to the pixel"))
    from PIL import Image

    from luoxia.cli.main import main

    tiny_faces.keep("tiny")
    made_from = _face(truncation=0.5)
    again = makers.face(made_from)
    out = home.parent / "grid.png"
    asked = [
        "--seeds",
        "3,8,21",
        "--truncation",
        "0.5",
        "--columns",
        "2",
        "--threads",
        "1",
        "--model",
        "tiny",
    ]
    assert main(["face", *asked, "-o", str(out)]) == 0
    assert np.array_equal(np.asarray(Image.open(out)), again)
    found = replay(_recorded(workspace, made_from, again))
    assert (found.outcome, found.reasons, found.distance) == ("identical", (), 0)


def test_other_weights_are_told_with_the_distance(workspace: Workspace) -> None:
    weights = tiny_faces.keep("tiny") / "model.safetensors"
    made_from = _face()
    told = _recorded(workspace, made_from, makers.face(made_from))
    tensors = load_file(weights)
    for much, outcome in ((1.0005, "close"), (-4.0, "different")):
        save_file({k: np.asarray(v * np.float32(much)) for k, v in tensors.items()}, weights)
        found = replay(told)
        assert found.outcome == outcome, found.distance
        assert found.distance is not None
        assert found.distance > 0 or outcome == "close"
        assert [reason.en for reason in found.reasons] == ["the weights of tiny (draws) are others"]


def test_what_is_no_more_here_cannot_be_made_again(workspace: Workspace) -> None:
    folder = tiny_faces.keep("tiny")
    told = _recorded(workspace, _face(), np.zeros((4, 4, 3), np.uint8))
    (folder / "model.json").unlink()
    found = replay(told)
    assert found.outcome == "impossible"
    assert "no model 'tiny'" in found.reasons[0].en
    other = dataclasses.replace(told.made_from, command="sculpt")
    assert "cannot be made again" in replay(dataclasses.replace(told, made_from=other)).reasons[0].en
    for wrong in ({}, {"model": "tiny", "later": 1}):
        odd = dataclasses.replace(told.made_from, parameters=wrong)
        assert "not those of this version" in replay(dataclasses.replace(told, made_from=odd)).reasons[0].en


def test_other_versions_are_told(workspace: Workspace) -> None:
    tiny_faces.keep("tiny")
    made_from = dataclasses.replace(_face(), versions={"torch": "1.0", "luoxia": "0.1.0"})
    found = replay(_recorded(workspace, made_from, np.zeros((34, 34, 3), np.uint8)))
    assert found.outcome == "different"
    assert [r.en.split(" and ")[0] for r in found.reasons] == ["torch was 1.0"]


def test_drawings(workspace: Workspace) -> None:
    tiny_drawing.keep(catalogue.place("icons"), upscaler=tiny_drawing.upscaler(), clip=tiny_drawing.clip())
    told = parameters(Drawn("icons", n=3, candidates=5, guidance=2.0, size=24, columns=2, threads=1))
    models = models_of("draw", "icons")
    assert sorted(m.role for m in models) == ["clip", "dalle", "dvae", "upscaler"]
    made_from = MadeFrom("picture", "draw", models, prompt="a red square 1", seed=5, parameters=told)
    made = makers.draw(made_from)
    assert made.shape == (2 * 24 + 8, 2 * 24 + 8, 3)
    assert replay(_recorded(workspace, made_from, made)).outcome == "identical"
    other = dataclasses.replace(made_from, seed=6)
    assert replay(_recorded(workspace, other, made)).outcome != "identical"


def test_poems(workspace: Workspace, home: Path) -> None:
    tiny_verse.model(catalogue.place("verse"))
    told = parameters(Poems("verse", form="五绝", n=2, candidates=3, tones=False, threads=1))
    models = models_of("poem", "verse")
    made_from = MadeFrom("text", "poem", models, prompt="秋山", seed=4, parameters=told)
    made = makers.poem(made_from)
    assert made.count("秋山\n") == 2
    assert replay(_recorded(workspace, made_from, made)).outcome == "identical"


def test_parents_do_not_change_what_a_record_makes(workspace: Workspace) -> None:
    tiny_faces.keep("tiny")
    made_from = dataclasses.replace(_face(), parents=(Parent("L" + "0" * 26),))
    assert replay(_recorded(workspace, made_from, makers.face(made_from))).outcome == "identical"
    with pytest.raises(UserError):
        models_of("face", "nobody")


@pytest.mark.model
def test_texts(workspace: Workspace, model_path: Path) -> None:
    before = [{"role": "user", "content": "2+2?"}, {"role": "assistant", "content": "4"}]
    models = models_of("write", str(model_path))
    assert models[0].sha256 == catalogue.CATALOGUE[catalogue.DEFAULT_TEXT_MODEL].sha256
    for asked in (
        Writing(str(model_path), before, max_new_tokens=12, temperature=0.9, stop=("\n\n",), threads=1),
        Writing(str(model_path), raw=True, max_new_tokens=12, threads=1),
        Writing(str(model_path), choices=("red", "blue"), temperature=2.0, top_p=1.0, threads=1),
    ):
        made_from = MadeFrom(
            "text", "write", models, prompt="The sky is", seed=11, parameters=parameters(asked)
        )
        made = makers.write(made_from)
        found = replay(_recorded(workspace, made_from, made))
        assert (found.outcome, found.content) == ("identical", made)
        assert not asked.choices or made in asked.choices
    altered = made_from.parameters | {"choices": ["green"]}
    changed = dataclasses.replace(made_from, parameters=altered)
    found = replay(_recorded(workspace, changed, made))
    assert found.outcome == "different"
    assert found.distance is not None
    assert found.distance > 0.2
