"""The upscaler's recipe: it beats a smooth filter, learns on what a dVAE draws, and asks for large pictures."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from luoxia.core.errors import UserError
from luoxia.core.runtime import Runtime
from luoxia.data import prepared
from luoxia.data.batches import Batches
from luoxia.data.images import ImageSet
from luoxia.models.dvae import DiscreteVAE, DVAEConfig
from luoxia.recipes import catalogue, upscaler
from luoxia.train.engine import Engine
from luoxia.train.processes import Processes
from luoxia.train.settings import changed

CPU = Runtime(torch.device("cpu"), torch.float32, 1, "test")
SMALL = {
    "batch_size": 8,
    "width": 16,
    "blocks": 2,
    "steps": 120,
    "warmup": 0,
    "workers": 0,
    "perceptual": 0,
    "adversarial": 0,
    "crop": 8,
    "learning_rate": 3e-3,
    "half_life": 0,
    "precision": "float32",
}


def discs(n: int = 64, size: int = 32) -> ImageSet:
    """Discs of any colour with hard edges on white."""
    random = np.random.default_rng(0)
    y, x = np.mgrid[:size, :size]
    images = np.full((n, 3, size, size), 255, np.uint8)
    for image in images:
        (a, b), r = random.uniform(8, size - 8, 2), random.uniform(4, 8)
        image[:, np.hypot(x - a, y - b) < r] = random.integers(0, 200, (3, 1))
    return ImageSet("discs", images, None, (), None, np.arange(0, n, 4), ("made here",), "d")


def engine_of(images: ImageSet, **changes) -> tuple[Engine, Batches]:
    settings = changed(catalogue.find("upscaler").settings, SMALL | changes)
    engine = Engine(upscaler.build(settings, images, 3), settings, 3, CPU, Processes())
    return engine, Batches(images, settings.batch_size, seed=3, workers=0)


def test_it_beats_the_smooth_filter_that_it_begins_as():
    """On pictures that it has not seen, made small the same way before and after."""
    engine, batches = engine_of(discs(), steps=160)
    before = engine.training.scores(engine.sampled)["psnr"]
    for step in range(160):
        engine.step(batches.at(step))
    assert engine.training.scores(engine.sampled)["psnr"] > before + 0.3


def dvae_run(folder: Path, size: int = 8) -> Path:
    """A run's folder with a dVAE of random weights."""
    config = DVAEConfig(size=size, factor=4, width=8, blocks=1, levels=(4, 4))
    torch.manual_seed(0)
    model = DiscreteVAE(config)
    folder.mkdir()
    save_file({f"dvae.{k}": v for k, v in model.state_dict().items()}, folder / "model.safetensors")
    told = {
        "recipe": "dvae",
        "facts": {"network": config.to_json()},
        "settings": {},
        "data": {"name": "x", "licence": []},
    }
    (folder / "recipe.json").write_text(json.dumps(told))
    return folder


def test_a_share_of_pictures_goes_through_the_dvae(tmp_path):
    run = str(dvae_run(tmp_path / "run"))
    through, _ = engine_of(discs(), dvae=run, share=1.0)
    plain, batches = engine_of(discs(), share=1.0)
    shown = [e.training.pictures(e.sampled, torch.Generator().manual_seed(0)) for e in (through, plain)]
    assert (shown[0] - shown[1]).abs().mean() > 0.05  # random weights draw something else
    before = through.training.modules["upscaler"].state_dict()
    assert not any(k.startswith("dvae") for k in before)
    through.step(batches.at(0))


def test_a_dvae_of_other_pictures_is_refused(tmp_path):
    with pytest.raises(UserError, match="16 pixels"):
        engine_of(discs(), dvae=str(dvae_run(tmp_path / "run", 16)))
    with pytest.raises(UserError, match="30 pixels"):
        engine_of(discs(size=30))


def test_sets_of_any_size_are_asked_for_large(tmp_path):
    recipe = catalogue.find("upscaler")
    assert recipe.size_of("icons", None) == 256
    assert recipe.size_of("icons", 128) == 128
    assert recipe.size_of("a folder", None) == 256
    assert recipe.size_of("digits", None) is None
    assert recipe.size_of("some.data", None) is None
    prepared.write(tmp_path / "x.data", discs())
    (tmp_path / "x.data").rename(tmp_path / "plain")
    assert recipe.size_of(str(tmp_path / "plain"), None) is None
    assert catalogue.find("vae").size_of("icons", None) is None
