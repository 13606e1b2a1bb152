"""The score of a generator while it trains."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from luoxia.core.pixels import to_bytes
from luoxia.core.runtime import resolve
from luoxia.data import images as image_sets
from luoxia.evaluate.distribution import (
    frechet_distance,
    kernel_distance,
    precision_recall_density_coverage,
)
from luoxia.evaluate.features import pixels
from luoxia.recipes import catalogue, kernel_score, session
from luoxia.recipes.kernel_score import KernelScore
from luoxia.train.run import Metrics
from luoxia.train.settings import changed
from tests.tiny_pictures import pictures

CPU = torch.device("cpu")


def real(noise: torch.Generator) -> torch.Tensor:
    """Pictures of the set itself, drawn with replacement."""
    images = torch.from_numpy(pictures(400).images).float() / 127.5 - 1
    return images[torch.randint(len(images), (64,), generator=noise)]


def test_samples_of_the_set_score_near_nothing_and_noise_far_more():
    score = KernelScore(pictures(400), seed=0)
    near = score(real, CPU)
    far = score(lambda noise: torch.rand(64, 3, 8, 8, generator=noise) * 2 - 1, CPU)
    assert abs(near["kid"]) < 0.02 * far["kid"]
    assert near["frechet_distance"] < 0.1 * far["frechet_distance"]
    for share in ("precision", "recall", "density", "coverage"):
        assert near[share] > 0.9
        assert far[share] < 0.1


def test_all_distances_are_of_the_same_pictures_and_the_kernel_is_what_it_was():
    score, made = KernelScore(pictures(400), seed=2), []
    found = score(lambda noise: made.append(real(noise)) or made[-1], CPU)
    of_real = score._reference[1]
    of_made = pixels()(to_bytes(torch.cat(made)))
    assert score.facts == {"extractor": "pixels", "against": "training", "real": 256, "samples": 256}
    assert found["kid"] == kernel_distance(of_real, of_made, seed=2).mean
    assert found["frechet_distance"] == frechet_distance(of_real, of_made)
    assert found["recall"] == precision_recall_density_coverage(of_real, of_made, 5).recall


def test_a_score_depends_on_the_seed_and_not_on_earlier_calls():
    first, second = KernelScore(pictures(400), seed=1), KernelScore(pictures(400), seed=1)
    second(lambda noise: torch.zeros(64, 3, 8, 8), CPU)
    assert first(real, CPU) == second(real, CPU)


def test_every_checkpoint_of_a_gan_is_scored(tmp_path, monkeypatch):
    monkeypatch.setattr(image_sets, "load", lambda *_, **__: pictures(64))
    small = {"steps": 10, "checkpoint_every": 5, "width": 8, "latent": 4, "batch_size": 8, "workers": 0}
    work = session.begin("dcgan", "squares", tmp_path / "run", resolve(device="cpu"), seed=0, changes=small)
    work.train()
    rows = Metrics(tmp_path / "run" / "metrics.jsonl").read()
    scored = [row for row in rows if "held_out_kid" in row]
    assert [row["step"] for row in scored] == [5, 10]
    assert all(np.isfinite(row["held_out_kid"]) for row in scored)


def test_without_the_network_the_user_is_told_and_nothing_is_scored(tmp_path, monkeypatch):
    monkeypatch.setenv("LUOXIA_HOME", str(tmp_path))
    large = replace(pictures(8), images=np.zeros((8, 3, 32, 32), np.uint8))
    recipe = catalogue.find("dcgan")
    training = recipe.build(changed(recipe.settings, {"width": 8}), large, 0)
    assert "models get efficientnet-lite0" in training.warnings[0].en
    assert training.scores(training.modules) == {}


@pytest.mark.parametrize("size", [8, 16])
def test_small_pictures_need_no_network(size):
    assert kernel_score.missing(size) == ()
    assert kernel_score.extractor_for(size).name == "pixels"
