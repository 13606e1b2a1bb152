"""The recipe of the discrete autoencoder: it learns, resumes with each quantiser, and shows what it was given."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from tiny_pictures import pictures

from luoxia.core.errors import UserError
from luoxia.core.runtime import Runtime
from luoxia.data.batches import Batches
from luoxia.data.images import ImageSet
from luoxia.evaluate.codebook import codebook_use
from luoxia.recipes import catalogue, dvae
from luoxia.train import checkpoint
from luoxia.train.engine import Engine
from luoxia.train.processes import Processes
from luoxia.train.settings import changed
from luoxia.weights import catalogue as catalogue_of_weights

CPU = Runtime(torch.device("cpu"), torch.float32, 1, "test")
SMALL = {
    "batch_size": 8,
    "width": 8,
    "blocks": 1,
    "factor": 4,
    "steps": 40,
    "warmup": 0,
    "workers": 0,
    "perceptual": 0,
    "levels": "4,4",
    "codebook": 16,
    "code_width": 4,
}


def engine_of(images: ImageSet, **changes) -> tuple[Engine, Batches]:
    settings = changed(catalogue.find("dvae").settings, SMALL | changes)
    engine = Engine(dvae.build(settings, images, 3), settings, 3, CPU, Processes())
    return engine, Batches(images, settings.batch_size, seed=3, workers=0)


def run(engine: Engine, batches: Batches, until: int) -> None:
    while engine.done < until:
        engine.step(batches.at(engine.done))


@pytest.mark.parametrize(
    "changes",
    [
        {"quantiser": "vq", "adversarial": 0.5, "adversarial_from": 2, "adaptive": True},
        {"quantiser": "gumbel", "loss": "laplace"},
    ],
    ids=["vq", "gumbel"],
)
def test_every_quantiser_resumes_bit_for_bit(changes, tmp_path):
    straight, batches = engine_of(pictures(), **changes)
    run(straight, batches, 7)
    first, _ = engine_of(pictures(), **changes)
    run(first, batches, 4)
    second, _ = engine_of(pictures(), **changes)
    second.restore(checkpoint.load(checkpoint.save(tmp_path, first.state())))
    run(second, batches, 7)
    a, b = straight.state().tensors, second.state().tensors
    assert a.keys() == b.keys()
    assert all(torch.equal(a[k], b[k]) for k in a)
    assert int(a["live.clock/step"]) == 7


@pytest.mark.parametrize("quantiser", ["fsq", "vq", "gumbel"])
def test_a_batch_is_learned_by_heart(quantiser):
    engine, batches = engine_of(
        pictures(),
        quantiser=quantiser,
        learning_rate=5e-3,
        beta=0.0,
        tau_steps=80,
        steps=160,
        half_life=0,
        loss="laplace" if quantiser == "gumbel" else "l1l2",
    )
    batch = batches.at(0)
    for _ in range(2):
        engine.step(batch)
    first = engine.take_notes()["psnr"]
    for _ in range(150):
        engine.step(batch)
    model = engine.sampled["dvae"]
    x = torch.from_numpy(batch.images).float() / 127.5 - 1
    error = (model.decode_ids(model.encode_ids(x)) - x).square().mean()
    assert float(10 * torch.log10(4 / error)) > float(first) + 4


def test_the_discriminator_waits_for_its_turn():
    engine, batches = engine_of(pictures(), adversarial=1.0, adversarial_from=3, r1_every=2)

    def weights() -> torch.Tensor:
        judge = engine.training.modules["discriminator"]
        return torch.cat([p.detach().flatten().clone() for p in judge.parameters()])

    before = weights()
    run(engine, batches, 3)
    assert torch.equal(before, weights())
    assert "adversarial" not in engine.take_notes()
    run(engine, batches, 6)
    assert not torch.equal(before, weights())
    assert engine.take_notes()["adversarial"] != 0


def test_the_sheet_shows_held_out_pictures_above_what_is_made_of_them():
    images = pictures(400)
    engine, _ = engine_of(images)
    noise = torch.Generator().manual_seed(0)
    shown = engine.training.shown
    assert shown is not None
    rows = shown(engine.sampled, noise).split(8)
    held_out = images.images[images.held_out].astype(np.float32) / 127.5 - 1
    known = {p.tobytes() for p in held_out}
    assert len(rows) == 8
    model = engine.sampled["dvae"]
    for above, below in zip(rows[::2], rows[1::2], strict=True):
        assert all(p.contiguous().numpy().tobytes() in known for p in above)
        torch.testing.assert_close(below, model.decode_ids(model.encode_ids(above)))


def test_scores_count_the_codes_that_are_used():
    images = pictures(400)
    engine, batches = engine_of(images, quantiser="vq")
    run(engine, batches, 5)
    scores, vitals = engine.training.scores(engine.sampled), engine.training.vitals(engine.sampled)
    model = engine.sampled["dvae"]
    x = torch.from_numpy(images.images).float() / 127.5 - 1
    codes = model.encode_ids(x)
    assert scores["codes_used"] == len(codes.unique()) / 16
    assert 1 <= scores["perplexity"] <= 16
    assert vitals["codebook_use"] == pytest.approx(len(model.encode_ids(x[images.train]).unique()) / 16)
    study = engine.training.study
    assert study is not None
    found = study(engine.sampled, lambda *_: None)
    assert found.scores["psnr_5"] <= found.scores["psnr_50"]
    assert set(found.pictures) == {"reconstructions", "best_reconstructions", "worst_reconstructions"}


def test_codebook_use_by_hand():
    codes = torch.tensor([[0, 0, 1, 1], [2, 2, 3, 3]])
    use = codebook_use(codes, 8)
    assert use.used == 0.5
    assert use.perplexity == pytest.approx(4)
    assert use.expected == pytest.approx(1 - (7 / 8) ** 8)
    random = torch.randint(1024, (4096,), generator=torch.Generator().manual_seed(0))
    assert codebook_use(random, 1024).health == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"levels": "8,x"}, "levels"),
        ({"levels": "8,1", "quantiser": "fsq"}, "at least 2"),
        ({"loss": "l3"}, "laplace"),
        ({"quantiser": "pq"}, "gumbel"),
        ({"factor": 3}, "factor"),
    ],
)
def test_settings_that_make_no_network_are_refused(changes, words):
    settings = changed(catalogue.find("dvae").settings, SMALL | changes)
    with pytest.raises((UserError, ValueError), match=words):
        dvae.build(settings, pictures(), 0)


def test_the_perceptual_term_sees_what_differs_and_pulls_there():
    if not catalogue_of_weights.is_here(catalogue_of_weights.find("efficientnet-lite0", "features")):
        pytest.skip("efficientnet-lite0 is not on this machine: luoxia models get efficientnet-lite0")
    distance = dvae.perceptual(32)
    x = torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1
    made = x.clone()
    made[1, :, 8:24, 8:24] = 0
    made.requires_grad_(True)
    found = distance(made, x)
    assert found.shape == (3,)
    assert found[0] < 1e-6 < 0.01 < found[1]
    found.sum().backward()
    assert made.grad is not None
    assert made.grad[1].abs().sum() > 100 * made.grad[0].abs().sum()


@pytest.mark.parametrize("quantiser", ["vq", "fsq", "gumbel"])
def test_a_decoder_goes_on_learning_while_its_codes_stay(quantiser, tmp_path):
    images = pictures()
    first, batches = engine_of(images, quantiser=quantiser)
    run(first, batches, 5)
    given = first.sampled["dvae"]
    (tmp_path / "run").mkdir()
    save_file(
        {f"dvae.{k}": v.contiguous() for k, v in given.state_dict().items()},
        tmp_path / "run" / "model.safetensors",
    )
    told = {
        "recipe": "dvae",
        "facts": {"network": given.config.to_json()},
        "settings": {},
        "data": {"name": "x", "licence": []},
    }
    (tmp_path / "run" / "recipe.json").write_text(json.dumps(told))
    second, _ = engine_of(
        images, codes_of=str(tmp_path / "run"), adversarial=0.1, adversarial_from=2, width=99
    )
    run(second, batches, 5)
    model = second.sampled["dvae"]
    x = torch.from_numpy(images.images).float() / 127.5 - 1
    codes = given.encode_ids(x)
    assert torch.equal(model.encode_ids(x), codes)
    assert (model.decode_ids(codes) - given.decode_ids(codes)).abs().max() > 1e-3
    live = second.training.modules["dvae"].state_dict()
    assert all(torch.equal(live[k], v) for k, v in given.state_dict().items() if not k.startswith("decoder"))
    with pytest.raises(UserError, match="16"):
        engine_of(pictures(size=16), codes_of=str(tmp_path / "run"))
