"""`luoxia face` and `luoxia models import`, as they are typed."""

import contextlib
import json
from pathlib import Path

import numpy as np
import pytest
import tiny_faces
import torch
from PIL import Image
from plain_distance import Plain

from luoxia.cli import face_edit
from luoxia.generate import inversion
from luoxia.generate.directions import Direction
from luoxia.provenance import policy
from luoxia.provenance.policy import Policy
from luoxia.provenance.verify import HOLDS, verify


@pytest.fixture(autouse=True)
def tiny(home: Path) -> None:
    policy.save(Policy("off", reason="what is drawn is looked at to the pixel"))
    tiny_faces.keep()
    tiny_faces.keep("told", classes=2)
    tiny_faces.keep("third", made=tiny_faces.third())


DIRECTION = Direction("x", torch.ones(8), "sefa")


@pytest.mark.parametrize(
    "line", ["--seeds 0-2", "mix --rows 1 --cols 2", "morph --seeds 1,2 --seconds 0.2", "edit 1 --set x=1"]
)
def test_everything_leaves_labelled_and_recorded(run, line: str) -> None:
    policy.save(Policy())
    out = "a.gif" if "morph" in line else "a.png"
    with contextlib.ExitStack() as stack:
        if "edit" in line:
            stack.enter_context(pytest.MonkeyPatch.context()).setattr(
                face_edit, "_directions", lambda _: [DIRECTION]
            )
        outcome = run("face", *line.split(), "--model", "tiny", "-o", out)
    assert outcome.code == 0, outcome.err
    found = verify(Path(out))
    assert found.outcome == HOLDS
    assert found.creation in outcome.err
    assert "PRODUCER-CODE-NOT-SET" in outcome.err
    told = json.loads(run("show", found.creation, "--json").out)
    assert told["made_from"]["models"][0]["id"] == "tiny"


@pytest.mark.parametrize("model", ["tiny", "third"])
def test_a_grid(run, model: str) -> None:
    outcome = run("face", "--seeds", "0-5", "--columns", "4", "--model", model, "-o", "grid.png")
    assert outcome.code == 0, outcome.err
    with Image.open("grid.png") as sheet:
        assert sheet.size == (4 * 18 - 2, 2 * 18 - 2)
    assert "grid.png: 70 x 34" in outcome.err


def test_a_mix_shows_its_sources(run) -> None:
    outcome = run(
        "face", "mix", "--rows", "1,2", "--cols", "3,4,5", "--styles", "0-5", "--model", "tiny", "-o", "m.png"
    )
    assert outcome.code == 0, outcome.err
    with Image.open("m.png") as image:
        sheet = np.asarray(image, int)
    tiles = [[sheet[18 * r : 18 * r + 16, 18 * c : 18 * c + 16] for c in range(4)] for r in range(3)]
    assert (tiles[0][0] == 255).all()
    for r in (1, 2):  # all styles from the columns: their pictures
        for c in (1, 2, 3):
            assert np.abs(tiles[r][c] - tiles[0][c]).max() <= 12  # of a batch of another size, in bf16


@pytest.mark.parametrize("model", ["told", "third"])
@pytest.mark.parametrize("more", [[], ["--way", "slerp", "--space", "z"]])
def test_a_film(run, model: str, more: list[str]) -> None:
    outcome = run(
        *("face", "morph", "--seeds", "1,2,3,1", "--seconds", "0.5", "--fps", "10", "--model", model),
        *("--scale", "2", *more, "-o", "loop.gif"),
    )
    assert outcome.code == 0, outcome.err
    with Image.open("loop.gif") as film:
        assert (film.size, film.n_frames) == ((32, 32), 5)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("face", "give seeds"),
        ("face --seeds x --model tiny", "--seeds 'x'"),
        ("face --seeds 1 --model nobody", "no model 'nobody'"),
        ("face --seeds 1 --model smollm2-135m-instruct", "kind 'text'"),
        ("face --seeds 1 --model tiny --truncation 9", "truncation is 9"),
        ("face --seeds 1 --model tiny --noise loud", "const, none or random"),
        ("face --seeds 1 --model tiny -o a.bmp", "written as .png"),
        ("face --seeds 1 --model told --class x", "it has style 0, style 1"),
        ("face mix --rows 1 --cols 2 --styles 9 --model tiny", "styles 0 to 5"),
        ("face morph --seeds 1,2 -o film.avi --model tiny", ".mp4, .gif or .webp"),
        ("face morph --seeds 1 -o a.gif --model tiny", "two seeds"),
        ("models import nothing.pkl --as mine", "there is no nothing.pkl"),
        ("models import tiny.txt --as mine", "cannot be read as a StyleGAN pickle"),
        ("models import tiny.txt --as faces/../x", "no name for a model"),
        ("models import tiny.txt --as tiny", "there is a model tiny already"),
    ],
)
def test_one_line_says_what_is_wrong(run, line: str, words: str) -> None:
    Path("tiny.txt").write_text("no pickle")
    outcome = run(*line.split())
    assert outcome.code == 2
    assert outcome.err.count("\n") == 1
    assert words in outcome.err


def test_own_models_are_listed(run) -> None:
    rows = run("models").out.splitlines()
    assert [row.split()[0] for row in rows if "your own" in row] == ["third", "tiny", "told"]


def test_an_inversion_says_whom_it_took_and_how_near_it_came(run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inversion, "Perceptual", Plain)  # the network is not in this test's home
    portrait = Image.open(Path(__file__).parents[1] / "data" / "portrait.jpg").convert("RGB")
    both = Image.new("RGB", (520, 300), "grey")
    both.paste(portrait.resize((160, 160)), (10, 70))
    both.paste(portrait, (220, 20))
    both.save("both.png")
    outcome = run("face", "invert", "both.png", "--steps", "10", "--model", "tiny")
    assert outcome.code == 0, outcome.err
    assert "2 faces; the largest is taken" in outcome.err
    assert "A poor likeness: tiny hardly draws" in outcome.err
    assert Path("both.w").is_file()
