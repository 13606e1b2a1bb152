"""StyleGAN's recipe: another model's weights to begin with, frozen blocks, kinds of augmentation."""

from collections.abc import Callable
from pathlib import Path

import pytest
import tiny_faces
import tiny_pictures
import torch
from torch import Tensor

from luoxia.core.errors import UserError
from luoxia.core.runtime import resolve
from luoxia.data import prepared
from luoxia.recipes import session, stylegan
from luoxia.train.loop import Stop
from luoxia.weights import stylegan_import

SMALL = {
    "steps": "2",
    "batch_size": "8",
    "latent": "8",
    "mapping_layers": "2",
    "channel_base": "128",
    "channel_max": "8",
    "checkpoint_every": "2",
    "workers": "0",
}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LUOXIA_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    prepared.write(Path("squares.data"), tiny_pictures.pictures(size=16))


def begin(folder: str, origin: str | None = None, **changes: str) -> session.Session:
    runtime = resolve("cpu", "float32", 1)
    settings = changes if origin else SMALL | changes
    return session.begin(
        "stylegan", "squares.data", Path(folder), runtime, seed=1, changes=settings, origin=origin
    )


def kept(name: str, **changes: str) -> dict[str, torch.Tensor]:
    """A model of two steps, and its live weights."""
    work = begin(f"runs/{name}", **changes)
    assert work.train()
    stylegan_import.keep(Path("runs") / name, name)
    return {f"{n}.{k}": v for n, m in work.training.modules.items() for k, v in m.state_dict().items()}


def test_training_begins_with_the_live_weights_of_the_model() -> None:
    live = kept("first")
    work = begin("runs/second", "first", steps="1", batch_size="8")
    for name in ("generator", "discriminator"):
        for k, v in work.training.modules[name].state_dict().items():
            assert torch.allclose(v, live[f"{name}.{k}"], rtol=1e-3, atol=1e-4), k
    average = work.engine.averages["generator"].shadow.state_dict()
    assert torch.allclose(average["mapping.w_avg"], live["generator.mapping.w_avg"], atol=1e-2)
    assert work.run.recipe["origin"] == "first"
    assert work.run.recipe["settings"]["channel_base"] == 128


def test_a_run_that_stopped_before_its_first_checkpoint_begins_with_them_again() -> None:
    kept("first")
    begun = begin("runs/second", "first", steps="1", batch_size="8")
    again = session.resume(Path("runs/second"), resolve("cpu", "float32", 1))
    for name, module in begun.training.modules.items():
        for k, v in again.training.modules[name].state_dict().items():
            assert torch.equal(v, module.state_dict()[k]), k


def test_a_generator_alone_is_enough() -> None:
    tiny_faces.keep("tiny")
    work = begin("runs/x", "tiny", steps="1", batch_size="8")
    own = tiny_faces.network().state_dict()
    assert all(torch.equal(v, own[k]) for k, v in work.training.modules["generator"].state_dict().items())


def test_weights_that_do_not_fit_are_named() -> None:
    tiny_faces.keep("tiny")
    with pytest.raises(UserError, match=r"weights of tiny do not fit .*mapping\.w_avg"):
        begin("runs/x", "tiny", latent="16")
    assert not Path("runs/x").exists()
    with pytest.raises(UserError, match="vae does not begin with"):
        session.begin("vae", "squares.data", Path("runs/y"), resolve("cpu"), origin="tiny")


def test_a_stylegan3_is_not_trained() -> None:
    tiny_faces.keep("third", made=tiny_faces.third())
    with pytest.raises(UserError, match="a StyleGAN3 is drawn from, and not trained here"):
        begin("runs/x", "third")
    assert not Path("runs/x").exists()


def test_frozen_blocks_stay_as_they_are() -> None:
    work = begin("runs/x", freeze_d="1")
    D = work.training.modules["discriminator"]
    before = {k: v.clone() for k, v in D.state_dict().items()}
    assert work.train()
    moved = {k.split(".")[0] for k, v in D.state_dict().items() if not torch.equal(v, before[k])}
    assert moved == {"b8", "b4"}


@pytest.mark.parametrize("noise", [True, False])
def test_layers_add_noise_only_where_it_is_wanted(noise: bool) -> None:
    work = begin("runs/x", noise=str(noise).lower())
    assert work.train()
    G, z = work.training.modules["generator"], torch.zeros(1, 8)
    quiet, noisy = G(z, noise_mode="none"), G(z, noise_mode="random")
    assert torch.equal(quiet, noisy) is not noise


@pytest.mark.parametrize(("name", "has"), [("ada", True), ("diffaugment", False), ("none", True)])
def test_kinds_of_augmentation_train(name: str, has: bool) -> None:
    work = begin(f"runs/{name}", augmentation=name)
    assert work.train()
    assert ("p" in work.training.modules["augment"].state_dict()) is has


def far(side: int) -> Callable[[Tensor, Tensor], Tensor]:
    """In the place of what a network sees, which is not on every machine."""
    return lambda made, images: (made - images).abs().mean((1, 2, 3))


def test_the_generator_decodes_before_the_game_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stylegan, "perceptual", far)

    def moved(work: session.Session) -> set[str]:
        before = {n: [p.clone() for p in m.parameters()] for n, m in work.training.modules.items()}
        work.engine.step(work._batches().at(work.engine.done))
        return {
            n
            for n, m in work.training.modules.items()
            for p, q in zip(m.parameters(), before[n], strict=True)
            if not torch.equal(p, q)
        }

    work = begin("runs/x", autoencode="17", decoding="0", steps="4")
    told = [moved(work) for _ in range(4)]
    assert told == [{"generator", "encoder"}] * 2 + [{"generator", "discriminator"}] * 2
    assert {"absolute", "perceptual", "kl", "loss_d", "loss_g"} <= set(work.engine.take_notes())
    work = begin("runs/y", autoencode="8", steps="2")
    assert [moved(work) for _ in range(2)] == [
        {"generator", "encoder"},
        {"generator", "encoder", "discriminator"},
    ]


def test_a_run_goes_on_from_amid_its_autoencoding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stylegan, "perceptual", far)
    changes = {"autoencode": "16", "fitted": "true", "steps": "3", "log_every": "1", "checkpoint_every": "3"}
    whole, parts, stop = begin("runs/whole", **changes), begin("runs/parts", **changes), Stop()
    assert whole.train()
    parts.train(show=lambda report: setattr(stop, "asked", True), stop=stop)
    again = session.resume(Path("runs/parts"), resolve("cpu", "float32", 1))
    assert 0 < again.engine.done < 3
    assert again.train()
    for name, module in whole.training.modules.items():
        for k, v in module.state_dict().items():
            assert torch.equal(v, again.training.modules[name].state_dict()[k]), f"{name}.{k}"


def test_an_encoder_is_taken_along(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stylegan, "perceptual", far)
    live = kept("first", autoencode="16", fitted="true")
    assert live["generator.mapping.prior.mean"].abs().max() > 0
    work = begin("runs/second", "first", batch_size="8", autoencode="8")
    prior = work.training.modules["generator"].state_dict()["mapping.prior.covariance"]
    assert torch.allclose(prior, live["generator.mapping.prior.covariance"], rtol=1e-3, atol=1e-4)
    for k, v in work.training.modules["encoder"].state_dict().items():
        assert torch.allclose(v, live[f"encoder.{k}"], rtol=1e-3, atol=1e-4), k
    assert "encoder" not in begin("runs/third", "first", batch_size="8").training.modules


def test_settings_that_cannot_be() -> None:
    with pytest.raises(UserError, match="ada, diffaugment or none"):
        begin("runs/x", augmentation="strong")
    with pytest.raises(UserError, match="2 blocks to freeze"):
        begin("runs/x", freeze_d="3")


def test_pictures_of_other_sizes_are_told_how_to_be_cropped() -> None:
    prepared.write(Path("odd.data"), tiny_pictures.pictures(size=24))
    with pytest.raises(UserError, match=r"24 pixels a side.*--size 16 or 32") as refusal:
        session.begin("stylegan", "odd.data", Path("runs/x"), resolve("cpu", "float32", 1))
    assert "--size 16 or 32" in refusal.value.text.zh


def test_scores_draw_other_latents_than_the_weights_were(monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights and latents drawn from one seed alike would be the same numbers, which the first layer answers loudest."""
    work = begin("runs/x")
    rows = work.training.modules["generator"].mapping.fc0.weight * 0.01
    seen, original = [], work.training.modules["generator"].mapping.forward
    monkeypatch.setattr(
        work.training.modules["generator"].mapping,
        "forward",
        lambda z, *rest, **more: seen.append(z) or original(z, *rest, **more),
    )
    work.training.scores(work.training.modules)
    work.training.vitals(work.training.modules)
    z = torch.cat(seen)
    assert len(z) > 256
    assert torch.cdist(z, rows).min() > 1e-3


def test_a_conditional_network_is_told_classes_by_and_by() -> None:
    """Before they come in, all classes of one z are one picture; the discriminator and its watch are told as much."""
    work = begin("runs/c", conditional="true", transition="32", steps="4")
    generator, transition = work.training.modules["generator"], work.training.modules["transition"]
    heard = list[torch.Tensor]()
    mapping = work.training.modules["discriminator"].mapping
    mapping.register_forward_pre_hook(lambda _, given: heard.append(given[1]))
    assert work.training.vitals(work.engine.sampled)["classes_told"] == 0
    work.train()
    assert len({tuple(row.tolist()) for row in heard[0]}) == 1
    assert work.training.vitals(work.engine.sampled)["classes_told"] == 1
    assert torch.equal(heard[-1].sum(1), torch.ones(len(heard[-1])))
    assert heard[-1].max() == 1
    assert float(transition.seen) == 32
    again = session.resume(Path("runs/c"), resolve("cpu", "float32", 1))
    assert float(again.training.modules["transition"].seen) == 32
    z = torch.randn(1, 8).expand(2, 8)
    same = generator.mapping(z, torch.full((2, 3), 1 / 3))
    assert torch.equal(same[0], same[1])


def test_training_from_a_model_that_knows_its_classes_tells_them_at_once() -> None:
    kept("first", conditional="true", transition="0")
    work = begin("runs/second", "first", steps="1", batch_size="8")
    assert work.training.vitals(work.engine.sampled)["classes_told"] == 1
