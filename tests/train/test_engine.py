"""The engine: a resumed run is the uninterrupted one, and a step does what its settings say."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import tiny_base
import tiny_corpus
import tiny_drawing
import torch

from luoxia.core.runtime import Runtime
from luoxia.data.batches import Batches
from luoxia.recipes import catalogue
from luoxia.train import checkpoint
from luoxia.train.checkpoint import State
from luoxia.train.engine import Engine
from luoxia.train.processes import Processes
from luoxia.train.settings import changed

CPU = Runtime(torch.device("cpu"), torch.float32, 2, "test")
SMALL = {"batch_size": 8, "width": 8, "latent": 4, "steps": 20, "workers": 0}


STYLE = {"channel_base": 64, "channel_max": 16, "mapping_layers": 2, "path_every": 2, "r1_every": 3}
CODES = {"perceptual": 0, "adversarial": 0.1, "adversarial_from": 3, "blocks": 1, "scale": 2, "crop": 4}
SIDES = {"dalle": 16, "upscaler": 16}  # of the pictures, else 8

PAIRS = {
    "layers": 1,
    "text_width": 8,
    "text_layers": 1,
    "embedding": 8,
    "tokens": 270,
    "patch": 4,
    "chunks": 2,
}
RECIPES = [
    name for name in catalogue.RECIPES if name != "verse"
]  # whose poems its own tests have, and resume
TEXT: dict[str, str] = {}
TUNED = {"base": "", "layers": "all", "length": 96, "rank": 4, "dropout": 0.1, "batch_size": 2}
DALLE = {"layers": 2, "width": 32, "heads": 2, "length": 8, "tokens": 300}


@pytest.fixture(scope="module", autouse=True)
def drawing(tmp_path_factory):
    """A dVAE for DALL·E's recipe, a place for the codes that it keeps, and a corpus for GPT's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        DALLE["dvae"] = str(tiny_drawing.keep(tmp_path_factory.mktemp("tiny")))
        TEXT["gpt"] = str(tiny_corpus.keep(tmp_path_factory.mktemp("text") / "a.tokens").folder)
        TEXT["finetune"] = str(tiny_base.examples(tmp_path_factory.mktemp("pairs") / "pairs.jsonl"))
        TUNED["base"] = str(tiny_base.base(tmp_path_factory.mktemp("base")))
        yield


def engine_of(name: str = "vae", seed: int = 5, **changes) -> tuple[Engine, Batches]:
    known = SMALL | STYLE | CODES | PAIRS
    small = {k: v for k, v in known.items() if hasattr(catalogue.find(name).settings, k)}
    small |= {"dalle": DALLE, "gpt": {"heads": 2, "block_size": 16}, "finetune": TUNED}.get(name, {})
    recipe = catalogue.find(name)
    settings = changed(recipe.settings, small | changes)
    if recipe.opens is None:
        images, mirror = tiny_drawing.pictures(SIDES.get(name, 8)), True
    else:
        (settings, images), mirror = recipe.open(settings, TEXT[name], None), False
    training = recipe.build(settings, images, seed)
    engine = Engine(training, settings, seed, CPU, Processes())
    return engine, Batches(images, settings.batch_size, seed=seed, mirror=mirror, workers=settings.workers)


def run(engine: Engine, batches: Batches, until: int) -> None:
    stream = batches.stream(engine.done)
    while engine.done < until:
        engine.step(next(stream))
    stream.close()


def same(a: State, b: State) -> bool:
    assert a.tensors.keys() == b.tensors.keys()
    return a.step == b.step and all(torch.equal(a.tensors[k], b.tensors[k]) for k in a.tensors)


@pytest.mark.parametrize("precision", ["float32", "bf16"])
@pytest.mark.parametrize("name", RECIPES)
def test_resumed_equals_uninterrupted_bit_for_bit(name, precision, tmp_path):
    changes = {"precision": precision, "workers": 2}
    straight, batches = engine_of(name, **changes)
    run(straight, batches, 13)
    first, batches = engine_of(name, **changes)
    run(first, batches, 7)
    folder = checkpoint.save(tmp_path, first.state())
    second, batches = engine_of(name, seed=5, **changes)
    second.restore(checkpoint.load(folder))
    assert second.done == 7
    run(second, batches, 13)
    assert same(straight.state(), second.state())


def test_another_seed_is_another_run():
    (a, batches_a), (b, batches_b) = engine_of(seed=5), engine_of(seed=6)
    run(a, batches_a, 2)
    run(b, batches_b, 2)
    assert not same(a.state(), b.state())


def test_nothing_outside_is_random_for_it_and_it_leaves_that_alone():
    torch.manual_seed(1)
    a, batches = engine_of("wgan-gp")
    before = torch.get_rng_state()
    run(a, batches, 3)
    assert torch.equal(before, torch.get_rng_state())
    torch.manual_seed(2)
    b, batches = engine_of("wgan-gp")
    torch.rand(3)
    run(b, batches, 3)
    assert same(a.state(), b.state())


def test_accumulated_parts_make_the_gradient_of_the_whole():
    """Of a loss whose noise is nothing: the posterior's variance is bound to zero by the weights."""
    whole, batches = engine_of("vae", learning_rate=1e-3, warmup=0, clip=0, latent=2)
    parts, _ = engine_of("vae", learning_rate=1e-3, warmup=0, clip=0, latent=2, accumulate=4)
    for engine in (whole, parts):
        leave = engine.training.modules["vae"].encoder.leave
        with torch.no_grad():
            leave.weight[2:] = 0
            leave.bias[2:] = -40
        engine.optimizers[0].param_groups[0]["weight_decay"] = 0.0
    batch = batches.at(0)
    whole.step(batch)
    parts.step(batch)
    gradients = [
        torch.cat([p.grad.flatten() for p in e.training.modules["vae"].parameters() if p.grad is not None])
        for e in (whole, parts)
    ]
    assert gradients[0].norm() > 1e-3
    assert (gradients[0] - gradients[1]).norm() < 1e-4 * gradients[0].norm()


def test_a_loss_hears_which_pictures_it_looks_at():
    engine, batches = engine_of("vae", accumulate=2)
    heard, loss = [], engine.training.phases[0].loss
    engine._losses[0].loss = lambda draw: heard.append(draw) or loss(draw)
    engine.step(batches.at(0))
    whole = batches.at(0)
    assert torch.cat([draw.index for draw in heard]).tolist() == whole.index.tolist()
    seen = torch.cat([draw.images for draw in heard])
    assert torch.equal(seen, torch.from_numpy(whole.images).float() / 127.5 - 1)


def test_phases_take_their_turns_and_move_their_module_alone():
    engine, batches = engine_of("wgan-gp", critic_steps=3)

    def weights(name: str) -> torch.Tensor:
        return torch.cat([p.detach().flatten().clone() for p in engine.training.modules[name].parameters()])

    moved = []
    for step in range(6):
        before = weights("generator"), weights("discriminator")
        engine.step(batches.at(step))
        moved.append(
            (
                not torch.equal(before[0], weights("generator")),
                not torch.equal(before[1], weights("discriminator")),
            )
        )
    assert moved == [(True, True), (False, True), (False, True)] * 2


def test_a_clipped_critic_stays_within_its_bound():
    engine, batches = engine_of("wgan", clip_weights=0.02)
    run(engine, batches, 3)
    assert (
        max(float(p.detach().abs().max()) for p in engine.training.modules["discriminator"].parameters())
        <= 0.02
    )


def test_the_average_follows_its_equation():
    engine, batches = engine_of("vae", half_life=100)
    module, average = engine.training.modules["vae"], engine.averages["vae"]
    expected = next(module.parameters()).detach().clone().double()
    for step in range(30):
        engine.step(batches.at(step))
        decay = min(0.5 ** (8 / 100), (1 + step) / (10 + step))
        expected = expected * decay + next(module.parameters()).detach().double() * (1 - decay)
    got = next(average.shadow.parameters()).double()
    torch.testing.assert_close(got, expected, atol=1e-6, rtol=1e-5)


def test_every_weight_gets_a_finite_gradient():
    for name in RECIPES:
        engine, batches = engine_of(name)
        run(engine, batches, 1)
        last = [phase for phase in engine.training.phases if phase.due(0)][-1]
        gradients = [p.grad for p in last.module.parameters()]
        assert last.partial or all(g is not None and torch.isfinite(g).all() for g in gradients), name


def test_one_batch_is_learned_by_heart():
    engine, batches = engine_of("vae", steps=300, beta=0.01, learning_rate=3e-3, warmup=0, width=16, latent=8)
    batch = batches.at(0)
    engine.step(batch)
    first = engine.take_notes()["reconstruction"]
    for _ in range(250):
        engine.step(batch)
    engine.take_notes()
    engine.step(batch)
    assert engine.take_notes()["reconstruction"] < 0.75 * first


def test_notes_are_means_since_they_were_last_taken():
    engine, batches = engine_of("vae")
    values = []
    for step in range(4):
        engine.step(batches.at(step))
        values.append(engine.take_notes()["kl"])
    again, batches = engine_of("vae")
    run(again, batches, 4)
    assert again.take_notes()["kl"] == pytest.approx(np.mean(values), rel=1e-5)
    assert again.take_notes() == {}


def test_settings_of_another_type_or_name_are_refused():
    settings = catalogue.find("vae").settings
    assert changed(settings, {"batch_size": "32", "cosine": "false"}).batch_size == 32
    for changes, words in [
        ({"batch_sise": 3}, "batch_size"),
        ({"steps": "many"}, "whole number"),
        ({"steps": "2.5"}, "whole number"),
        ({"steps": 0}, "steps is 0"),
        ({"precision": "fp8"}, "bf16"),
        ({"accumulate": 7}, "divisor"),
        ({"cosine": "perhaps"}, "true or false"),
        ({"learning_rate": "nan"}, "learning_rate"),
        ({"half_life": "inf"}, "half_life"),
    ]:
        with pytest.raises(ValueError, match=words):
            changed(settings, changes)
    with pytest.raises(ValueError, match="wgan-gp"):
        catalogue.find("wgan-pg")


def test_a_settings_object_is_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        catalogue.find("vae").settings.steps = 3  # type: ignore[misc]
