"""A CLIP that has learned what red, green and blue squares are called, in two languages, in a second."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from tiny_pictures import pictures

from luoxia.core.runtime import Runtime
from luoxia.data.batches import Batches
from luoxia.models.captions import CaptionTokenizer
from luoxia.models.clip import CLIP
from luoxia.recipes import catalogue
from luoxia.train.engine import Engine
from luoxia.train.processes import Processes
from luoxia.train.settings import changed
from luoxia.weights import catalogue as models
from luoxia.weights import clip_folder

SMALL = {
    "width": 32,
    "layers": 1,
    "text_width": 32,
    "text_layers": 1,
    "embedding": 32,
    "tokens": 280,
    "length": 24,
    "patch": 4,
    "batch_size": 32,
    "workers": 0,
    "precision": "float32",
    "warmup": 10,
    "half_life": 100.0,
}
CAPTIONS = {
    "red": ("a red square of class 0", "第 0 类的红色方块"),
    "green": ("a green square of class 1", "第 1 类的绿色方块"),
    "blue": ("a blue square of class 2", "第 2 类的蓝色方块"),
}


@cache
def trained() -> tuple[CLIP, CaptionTokenizer]:
    images = pictures(240, size=16)
    recipe = catalogue.find("clip")
    settings = changed(recipe.settings, SMALL | {"steps": 50})
    training = recipe.build(settings, images, 7)
    runtime = Runtime(torch.device("cpu"), torch.float32, 2, "test")
    engine, batches = Engine(training, settings, 7, runtime, Processes()), Batches(images, 32, seed=7)
    for step in range(settings.steps):
        engine.step(batches.at(step))
    model = engine.sampled["clip"]
    assert isinstance(model, CLIP)
    return model, CaptionTokenizer.from_json(training.facts["tokenizer"])


def keep(name: str = "tiny") -> Path:
    """Under that name among the user's own models."""
    folder = models.place(name)
    clip_folder.write(folder, *trained(), licence=("made here",), half=False)
    return folder


def square(colour: str, seed: int = 0, size: int = 16) -> Image.Image:
    random = np.random.default_rng(seed)
    pixels = random.integers(0, 60, (size, size, 3)).astype(np.uint8)
    pixels[2:6, 2:6, list(CAPTIONS).index(colour)] += 180
    return Image.fromarray(pixels)


def folder_of_squares(folder: Path, count: int = 4) -> Path:
    folder.mkdir()
    for colour in CAPTIONS:
        for i in range(count):
            square(colour, i).save(folder / f"{colour}-{i}.png")
    return folder
