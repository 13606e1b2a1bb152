"""The models that come along draw what they are for."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import luoxia
from luoxia.core.runtime import resolve
from luoxia.data.faces import FaceFinder
from luoxia.evaluate.alignment import r_precision
from luoxia.generate import directions
from luoxia.generate.drawing import Drawing
from luoxia.generate.portraits import Portraits
from luoxia.generate.verse import VerseModel
from luoxia.recipes.verse_evaluation import THEMES


def test_faces_are_found_in_what_it_draws() -> None:
    portraits = Portraits.open("faces-64", resolve("cpu", "float32"))
    pictures = portraits.pictures(portraits.styles(range(64), psi=0.7))
    find = FaceFinder()
    large = (Image.fromarray(np.ascontiguousarray(p.transpose(1, 2, 0))).resize((192, 192)) for p in pictures)
    assert sum(bool(find(image)) for image in large) >= 58


@pytest.mark.parametrize(
    ("name", "modules"),
    [
        ("faces-64", {"generator", "discriminator", "augment", "path_length"}),
        ("avatars-64", {"generator", "encoder", "discriminator", "augment", "path_length"}),
    ],
)
def test_training_can_go_on_from_it(name: str, modules: set[str]) -> None:
    told = Portraits.open(name, resolve("cpu", "float32")).told
    live = told.training()
    assert {name.split(".")[0] for name in live} == modules
    assert all(bool(tensor.isfinite().all()) for tensor in live.values())


def test_its_directions_need_not_be_learned_first() -> None:
    for name in ("faces-64", "avatars-64"):
        told = Portraits.open(name, resolve("cpu", "float32")).told
        assert told.kept_directions().parent == told.folder
        named = {d.name for d in directions.read(told.kept_directions())}
        assert {"light", "sefa-1", "pca-1"} < named
        assert name != "faces-64" or {"smile", "glasses"} < named


def test_a_style_that_is_asked_for_differs_from_the_others() -> None:
    """Pictures of one style are nearer to their own mean than to that of another, for most pairs of styles."""
    portraits = Portraits.open("avatars-64", resolve("cpu", "float32"))
    drawn = {
        style: portraits.pictures(portraits.styles(range(8), name=style)).astype(float).reshape(8, -1)
        for style in portraits.told.classes
    }
    means = np.stack([pictures.mean(0) for pictures in drawn.values()])
    own = 0
    for i, pictures in enumerate(drawn.values()):
        distances = np.linalg.norm(pictures[:, None] - means[None], axis=2)
        own += int((distances.argmin(1) == i).sum())
    assert len(drawn) == 12
    assert own > 0.7 * 8 * 12


def test_poems_keep_their_form_and_hear_a_theme_that_none_ever_had() -> None:
    verse = luoxia.load("verse-zh")
    assert isinstance(verse, VerseModel)
    assert verse.lines is not None
    heard = 0
    for theme in THEMES[:12]:
        (poem,) = verse.write(form="七绝", theme=theme, acrostic="落霞孤鹜", seed=1)
        assert not poem.verdict.faults
        assert [line[0] for line in poem.lines] == list("落霞孤鹜")
        assert not any(line in verse.lines for line in poem.lines)
        heard += len(set(theme) & set("".join(poem.lines)))
    assert heard > 12 * 1.5  # of four or five characters


def test_drawings_are_told_from_the_captions_of_others() -> None:
    """The captions of the contact sheet, every other one, the best of 8 each, in the eyes of the CLIP that comes along. A judge
    that had no part in choosing is stricter: the card has its figures."""
    drawing = Drawing.open("icons-64", resolve("cpu", "float32"))
    assert drawing.sight is not None
    sheet = Path(__file__).parents[2] / "docs/pictures/prompts.txt"
    captions = sheet.read_text(encoding="utf-8").splitlines()[::2]
    drawn = [drawing.draw(caption, 1, seed=1, candidates=8) for caption in captions]
    pictures = drawing.sight.of_pictures(np.concatenate([made.pixels for made in drawn]))
    texts = drawing.sight.of_texts(captions)
    assert r_precision(pictures, texts, np.arange(len(captions)), seed=1).mean() > 0.9
    assert len({int(code) for made in drawn for code in made.codes.ravel()}) > 300
