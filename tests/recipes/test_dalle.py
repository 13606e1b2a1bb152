"""DALL·E's recipe: what it learns, keeps, shows and refuses; and drawing from its run."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import tiny_drawing
import torch

from luoxia.core.errors import UserError
from luoxia.core.runtime import Runtime
from luoxia.data import prepared
from luoxia.generate.drawing import Drawing
from luoxia.models.captions import CaptionTokenizer
from luoxia.recipes import picture_codes, session
from luoxia.recipes.evaluation import evaluate

CPU = Runtime(torch.device("cpu"), torch.float32, 1, "test")
SMALL = {"layers": 2, "width": 32, "heads": 2, "length": 10, "tokens": 300, "batch_size": 16, "warmup": 5}
SMALL |= {"steps": 4, "checkpoint_every": 2, "sample_every": 4, "precision": "float32", "half_life": 100}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LUOXIA_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    prepared.write(Path("squares.data"), tiny_drawing.pictures(n=96))
    tiny_drawing.keep(Path("parts"))


def begin(folder: str = "run", **changes) -> session.Session:
    told = SMALL | {"dvae": "parts"} | changes
    return session.begin("dalle", "squares.data", Path(folder), CPU, seed=1, changes=told)


def test_it_learns_which_words_mean_what_in_both_languages() -> None:
    whole = tiny_drawing.pictures(n=96)
    assert whole.labels is not None
    plain = np.zeros_like(whole.images)
    plain[np.arange(96), whole.labels] = 255
    prepared.write(Path("plain.data"), dataclasses.replace(whole, images=plain, digest="plain"))
    told = SMALL | {"dvae": "parts", "steps": 100, "learning_rate": 3e-3, "cosine": False}
    told |= {"checkpoint_every": 100, "sample_every": 100}
    work = session.begin("dalle", "plain.data", Path("run"), CPU, seed=1, changes=told)
    before = work.training.scores(work.engine.sampled)
    assert work.train()
    after = work.training.scores(work.engine.sampled)
    assert before["nats_per_code"] == pytest.approx(np.log(16), rel=0.05)
    assert after["nats_per_code"] < 0.05
    assert after["nats_per_code"] == pytest.approx(
        (after["nats_per_code_en"] + after["nats_per_code_zh"]) / 2
    )
    for language in ("en", "zh"):
        assert after[f"nats_per_code_{language}"] < 0.5 * after["nats_per_code_untold"]


def test_a_run_draws_and_is_resumed_with_its_own_tokenizer_and_dvae() -> None:
    work = begin()
    assert work.train()
    facts = work.run.recipe["facts"]
    assert facts["network"]["codes"] == 16
    drawing = Drawing.open("run", CPU)
    made = drawing.draw("a red square 1", 2, seed=1)
    assert made.pixels.shape == (2, 3, 16, 16)
    assert CaptionTokenizer.from_json(facts["tokenizer"]).ids("红色方块") == drawing.tokenizer.ids("红色方块")
    for name, tensor in work.engine.sampled["dalle"].state_dict().items():
        assert torch.equal(tensor, drawing.dalle.state_dict()[name]), name
    assert session.resume(Path("run"), CPU).engine.done == 4


def test_another_dvae_in_the_place_of_the_first_is_refused_by_hash() -> None:
    begin()
    wanted = json.loads(Path("run/recipe.json").read_text())["facts"]["needs"]["dvae"]
    tiny_drawing.keep(Path("parts"), dvae=tiny_drawing.dvae(seed=9))
    for opened in (lambda: session.resume(Path("run"), CPU), lambda: session.open_model(Path("run"), CPU)):
        with pytest.raises(UserError, match=wanted[:12]) as caught:
            opened()
        assert "parts/dvae" in caught.value.text.en
        assert "parts/dvae" in caught.value.text.zh


def test_a_run_and_another_dvae_do_not_draw_together() -> None:
    begin().train()
    tiny_drawing.keep(Path("parts"), dvae=tiny_drawing.dvae(seed=9))
    with pytest.raises(UserError, match="run and parts/dvae do not belong together"):
        Drawing.open("run", CPU)


def test_codes_are_computed_once_and_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    images, dvae = prepared.read(Path("squares.data")), tiny_drawing.dvae()
    made = picture_codes.codes_of(images, dvae, "f" * 64, mirrored=True)
    assert made.shape == (2, 96, 16)
    again = Drawing.open("parts", CPU)
    for codes, pictures in zip(made, (images.images, images.images[..., ::-1]), strict=True):
        assert (codes == again.codes_of(np.array(pictures))).mean() > 0.9  # bf16 decides otherwise in a tie
    monkeypatch.setattr(dvae, "encode_ids", None)
    assert np.array_equal(picture_codes.codes_of(images, dvae, "f" * 64, mirrored=True), made)
    kept = next((tmp_path / "cache").rglob("*.npy"))
    kept.write_bytes(kept.read_bytes()[:-1])
    monkeypatch.undo()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert np.array_equal(picture_codes.codes_of(images, dvae, "f" * 64, mirrored=True), made)


def test_a_sheet_is_for_held_out_captions_in_both_languages() -> None:
    work = begin()
    one, same = (
        work.training.pictures(work.engine.sampled, torch.Generator().manual_seed(s)) for s in (3, 3)
    )
    assert one.shape == (32, 3, 16, 16)
    assert torch.equal(one, same)


def test_an_evaluation_says_what_captions_are_worth() -> None:
    begin().train()
    _, report = evaluate("run", CPU, samples=100)
    assert {"nats_per_code", "nats_that_en_captions_save", "nats_that_zh_captions_save"} <= report.keys()
    assert Path("run/evaluation/guidance_3.png").is_file()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"dvae": ""}, "--set dvae="),
        ({"dvae": "nobody"}, "no model 'nobody'"),
        ({"augment": 0.5}, "leave augment out"),
        ({"drop": 1.0}, "drop is 1.0"),
        ({"text_weight": -0.1}, "text_weight is -0.1"),
        ({"sparse": "diagonal"}, "'diagonal' is not known"),
        ({"length": 1}, "text_length is 1"),
        ({"heads": 5}, "not a multiple"),
        ({"tokenizer": "run"}, "no model 'run'"),
    ],
)
def test_settings_that_cannot_be_are_refused(changes: dict, words: str) -> None:
    with pytest.raises(UserError, match=words):
        begin(**changes)
    assert not Path("run").exists()


def test_data_that_does_not_serve_is_refused() -> None:
    whole = tiny_drawing.pictures()
    for name, images, words in [
        ("untold", dataclasses.replace(whole, captions=None), "has no captions; DALL·E learns"),
        ("large", tiny_drawing.pictures(32), "32 pixels and 3 channels, the dVAE takes 16 and 3"),
        ("all", dataclasses.replace(whole, held_out=np.array([0])), "holds 1 pictures out"),
    ]:
        prepared.write(Path(f"{name}.data"), images)
        with pytest.raises(UserError, match=words):
            session.begin("dalle", f"{name}.data", Path("run"), CPU, changes=SMALL | {"dvae": "parts"})


def test_long_captions_are_warned_of() -> None:
    assert any("may be cut short" in w.en for w in begin(length=4).warnings)
    assert not begin("other", length=16).warnings
