"""What cannot be made is refused when it is asked for, in the very line that its maker has for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import tiny_drawing
import tiny_faces
import tiny_verse
from PIL import Image

from luoxia.core.errors import UserError
from luoxia.weights import catalogue
from luoxia.workspace import later, makers
from luoxia.workspace.asked import given
from luoxia.workspace.history import Workspace
from luoxia.workspace.jobs import Jobs
from luoxia.workspace.made_from import MadeFrom

pytestmark = pytest.mark.usefixtures("one_thread")

WRONG: list[tuple[str, str, dict[str, Any]]] = [
    ("draw", "n is 0", {"n": 0}),
    ("draw", "n is 65", {"n": 65}),
    ("draw", "candidates is 1", {"n": 2, "candidates": 1}),
    ("draw", "size is 9", {"size": 9}),
    ("draw", "guidance is -1", {"guidance": -1}),
    ("draw", "device 'nowhere'", {"device": "nowhere"}),
    ("draw", "threads is 0", {"threads": 0}),
    ("draw", "no model 'nobody'", {"model": "nobody"}),
    ("draw", "nobody", {"clip": "nobody"}),
    ("draw", "the prompt says nothing", {"prompt": ""}),
    ("draw", "the prompt has 2,000 characters", {"prompt": "x" * 2_000}),
    ("draw sheet", "n is 70", {"prompt": "a\nb", "n": 140}),
    ("draw sheet", "the prompt says nothing", {"prompt": "a\n!", "n": 2}),
    ("draw complete", "the share to keep is 1", {"picture": "red.png", "keep": 1}),
    ("draw complete", "the mask has 8 x 4 pixels", {"picture": "red.png", "mask": "wide.png"}),
    ("draw complete", "the mask is black", {"picture": "red.png", "mask": "black.png"}),
    ("draw complete", "gone.png cannot be read", {"picture": "gone.png"}),
    ("draw vary", "strength is 0", {"picture": "red.png", "strength": 0}),
    ("draw vary", "not a picture", {"picture": "text.png"}),
    ("face", "seed -1 is out of range", {"seeds": [-1]}),
    ("face", "truncation is 3", {"seeds": [1], "truncation": 3}),
    ("face", "knows no classes", {"seeds": [1], "class_": "cat"}),
    ("face", "no model 'nobody'", {"model": "nobody"}),
    ("face mix", "has styles 0 to", {"rows": [1], "cols": [2], "styles": [99]}),
    ("face morph", "no way 'zigzag'", {"seeds": [1, 2], "way": "zigzag"}),
    ("face morph", "no space 'y'", {"seeds": [1, 2], "space": "y"}),
    ("face morph", "needs two seeds", {"seeds": [1]}),
    ("poem", "n is 0", {"n": 0}),
    ("poem", "no form '八绝'", {"form": "八绝"}),
    ("poem", "manner of 莎士比亚", {"author": "莎士比亚"}),
    ("poem", "theme is longer", {"prompt": "秋" * 201}),
    ("poem", "no model of verse 'nobody'", {"model": "nobody"}),
    ("write", "temperature is -1", {"temperature": -1}),
    ("write", "regex", {"regex": "("}),
    ("write", "nobody", {"model": "nobody"}),
    ("sculpt", "cannot be made again", {}),
]
MODELS = {"draw": "icons", "face": "tiny", "poem": "verse", "write": "nobody"}


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with a model of each kind, and pictures to go wrong with."""
    place = tmp_path_factory.mktemp("here")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LUOXIA_HOME", str(place))
        tiny_faces.keep("tiny")
        tiny_drawing.keep(catalogue.place("icons"))
        tiny_verse.model(catalogue.place("verse"))
    Image.new("RGB", (16, 16), "red").save(place / "red.png")
    Image.new("RGB", (16, 16), "red").save(place / "gone.png")
    Image.new("L", (8, 4)).save(place / "wide.png")
    Image.new("L", (16, 16)).save(place / "black.png")
    (place / "text.png").write_text("no picture")
    return place


@pytest.mark.parametrize(("command", "said", "wrong"), WRONG)
def test_the_line_is_the_makers_own(
    here: Path, command: str, said: str, wrong: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LUOXIA_HOME", str(here))
    monkeypatch.setattr(later, "attend", lambda: pytest.fail("it was left to a worker"))
    facts = {"model": MODELS.get(command.split()[0], ""), "threads": 1} | wrong
    prompt = str(facts.pop("prompt", "秋"))
    for name in {"picture", "mask"} & set(facts):
        (here / "gone.png").touch()
        facts[name] = given(here / facts[name])
    (here / "gone.png").unlink(missing_ok=True)
    made_from = MadeFrom("picture", command, prompt=prompt, seed=3, parameters=facts)
    with pytest.raises(UserError) as refused:
        later.later(made_from, here / "out.png")
    assert said in refused.value.text.en
    with pytest.raises(UserError) as failed:
        makers.maker_of(made_from)(made_from)
    assert refused.value.text == failed.value.text
    with Workspace() as workspace, Jobs(workspace) as jobs:
        assert jobs.list() == []
