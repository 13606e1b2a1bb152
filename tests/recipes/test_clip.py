"""The recipe of CLIP on squares of three colours: what it learns, shows and refuses."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from tiny_pictures import pictures

from luoxia.core.language import Text
from luoxia.core.runtime import Runtime
from luoxia.data.batches import Batches
from luoxia.data.caption_table import CaptionTable
from luoxia.recipes import catalogue
from luoxia.recipes.clip import moved
from luoxia.train.engine import Engine
from luoxia.train.processes import Processes
from luoxia.train.settings import changed

CPU = Runtime(torch.device("cpu"), torch.float32, 2, "test")
SMALL = {
    "width": 32,
    "layers": 1,
    "text_width": 32,
    "text_layers": 1,
    "embedding": 32,
    "tokens": 280,
    "patch": 4,
    "batch_size": 32,
    "workers": 0,
    "precision": "float32",
    "warmup": 10,
}


def training_of(images=None, facts=None, **changes):
    images = images or pictures(240, size=16)
    settings = changed(catalogue.find("clip").settings, SMALL | changes)
    return catalogue.find("clip").build(settings, images, 7, facts), settings, images


@pytest.mark.parametrize("network", ["vit", "conv"])
def test_it_learns_which_words_mean_what(network):
    """Three captions in two languages: by lot one picture in three finds its own."""
    training, settings, images = training_of(network=network, steps=60, half_life=200.0, layers=4)
    engine = Engine(training, settings, 7, CPU, Processes())
    before = training.scores(engine.sampled)
    batches = Batches(images, settings.batch_size, seed=7)
    for step in range(60):
        engine.step(batches.at(step))
    after = training.scores(engine.sampled)
    assert before["mean_recall"] < 0.9
    for name in ("image_to_text_r1_en", "image_to_text_r1_zh", "text_to_image_r1_en", "text_to_image_r1_zh"):
        assert after[name] > 0.95, name
    assert after["zero_shot_accuracy"] > 0.5  # its prompts are words that no caption is
    assert 1 < float(training.modules["clip"].logit_scale.detach().exp()) <= 100.0001


def test_a_row_of_the_sheet_is_a_caption_with_its_own_picture_first():
    training, _, images = training_of()
    x = training.pictures(training.modules, torch.Generator())
    assert len(x) == 64
    own = images.held_out[np.linspace(0, len(images.held_out) - 1, 8).astype(int)]
    bytes_ = (x[::8] + 1).mul(127.5).round().to(torch.uint8).numpy()
    assert np.array_equal(bytes_, images.images[own])
    held_out = {images.images[i].tobytes() for i in images.held_out}
    shown = (x + 1).mul(127.5).round().to(torch.uint8).numpy()
    assert all(picture.tobytes() in held_out for picture in shown)
    study = training.study(training.modules, lambda *_: None)
    assert len(study.tables["retrieved"]) == 8
    assert {row["language"] for row in study.tables["recall"]} == {"en", "zh"}
    assert all(0 < row["chance"] <= 1 for row in study.tables["recall"])


def test_with_a_runs_facts_its_own_tokenizer_is_used_on_other_data():
    first, *_ = training_of()
    other = pictures(240, size=16)
    other = dataclasses.replace(
        other, captions=tuple(Text("bicycle repair", "修自行车") for _ in other.images)
    )
    again, *_ = training_of(other, first.facts)
    assert again.facts == first.facts
    alone, *_ = training_of(other)
    assert alone.facts["tokenizer"] != first.facts["tokenizer"]


def test_captions_are_numbered_once_and_held_out_ones_are_not_learned_from():
    images = pictures(240, size=16)
    table = CaptionTable.of_set(images, "CLIP")
    assert len(table.texts) == 6
    for i in (0, 1, 5):
        assert [table.texts[k] for k in table.of[i]] == [images.captions[i].en, images.captions[i].zh]
    held_out = set(images.held_out.tolist())
    strange = tuple(
        Text("zzzzzz zzzzzz", "囧囧囧囧") if i in held_out else caption
        for i, caption in enumerate(images.captions)
    )
    a, b = (training_of(dataclasses.replace(images, captions=c))[0] for c in (images.captions, strange))
    assert a.facts["tokenizer"] == b.facts["tokenizer"]


def test_what_cannot_be_trained_is_refused_in_one_line():
    plain = dataclasses.replace(pictures(64, size=16), captions=None)
    with pytest.raises(ValueError, match=r"squares has no captions.*--data icons"):
        training_of(plain)
    for change, words in (
        ({"accumulate": 2}, "set chunks"),
        ({"chunks": 0}, "chunks is 0"),
        ({"chunks": 64}, "chunks is 64"),
        ({"moved": 2}, "moved is 2"),
        ({"network": "mlp"}, "vit or conv"),
    ):
        with pytest.raises(ValueError, match=words):
            training_of(**change)


def test_patches_part_the_pictures():
    assert training_of(pictures(64, size=20), patch=8)[0].facts["network"]["patch"] == 5
    with pytest.raises(ValueError, match="--size 64"):
        training_of(pictures(64, size=67), patch=8)


def test_pictures_without_a_caption_are_counted():
    images = pictures(64, size=16)
    some = tuple(Text("", "") if i < 3 else c for i, c in enumerate(images.captions))
    training, *_ = training_of(dataclasses.replace(images, captions=some))
    assert "3 of 64" in training.warnings[0].en


def test_moving_keeps_colours_and_follows_its_draw():
    x = torch.full((2, 3, 8, 8), 0.25)
    x[:, 0] = -0.5
    noise = torch.Generator().manual_seed(1)
    torch.testing.assert_close(moved(x, 1.0, noise), x)
    x[:, 1, 2:4, 2:4] = 1.0
    again = [moved(x, 1.0, torch.Generator().manual_seed(s)) for s in (1, 1, 2)]
    assert torch.equal(again[0], again[1])
    assert not torch.allclose(again[0], again[2])
    assert not torch.allclose(again[0][0], again[0][1])
    assert moved(x, 0.0, noise) is x
