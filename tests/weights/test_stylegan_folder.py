"""StyleGANs in folders: written, found by name, by path and in a run, and what is wrong with them."""

import json
from pathlib import Path

import pytest
import tiny_faces
import torch

import luoxia
from luoxia.core.errors import MalformedFileError, UnknownModelError, UserError
from luoxia.models.discriminator import DiscriminatorConfig, StyleDiscriminator
from luoxia.weights import catalogue, stylegan_folder, stylegan_import, stylegan_pickle
from luoxia.weights.stylegan_pickle import StyleGANPickle


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LUOXIA_HOME", str(tmp_path / "home"))
    return tmp_path


def test_a_model_comes_back_as_it_was() -> None:
    tiny_faces.keep("mine", classes=3, licence=("CC0",), source="made here", facts={"step": 7})
    told = stylegan_folder.find("mine")
    assert (told.classes, told.licence, told.source) == (
        ("style 0", "style 1", "style 2"),
        ("CC0",),
        "made here",
    )
    assert told.facts == {"step": 7}
    own, back = tiny_faces.network(3).state_dict(), told.generator().state_dict()
    assert own.keys() == back.keys()
    assert all(torch.equal(own[k], back[k]) for k in own)
    assert catalogue.own() == ["mine"]


def test_half_precision_draws_the_same_pictures(tmp_path: Path) -> None:
    network = tiny_faces.network()
    stylegan_folder.write(tmp_path / "m", network)
    z = torch.randn(2, 8)
    kept = stylegan_folder.find(tmp_path / "m").generator()
    assert torch.allclose(kept(z, noise_mode="const"), network(z, noise_mode="const"), atol=2e-2)


def test_published_names_work() -> None:
    tiny_faces.keep("mine", classes=3)
    G = luoxia.load("mine")
    assert (G.z_dim, G.c_dim, G.w_dim, G.num_ws, G.img_resolution, G.img_channels) == (8, 3, 8, 6, 16, 3)
    z, c = torch.randn(2, 8), torch.eye(3)[:2]
    w = G.mapping(z, c, truncation_psi=0.7)
    assert G.synthesis(w, noise_mode="const").shape == (2, 3, 16, 16)


def test_an_unknown_name_lists_what_there_is() -> None:
    tiny_faces.keep("mine")
    with pytest.raises(UnknownModelError, match=r"'yours'.*mine"):
        stylegan_folder.find("yours")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"format": 9}, "does not describe"),
        ({"family": "diffusion"}, "does not describe"),
        ({"network": {"size": 17}}, "17"),
        ({"network": {"depth": 1}}, "depth"),
    ],
)
def test_facts_that_are_wrong_are_named(change: dict, words: str) -> None:
    path = tiny_faces.keep("mine") / catalogue.FACTS
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(MalformedFileError, match=words):
        stylegan_folder.find("mine")


def test_the_first_layer_that_does_not_fit_is_named() -> None:
    path = tiny_faces.keep("mine") / catalogue.FACTS
    facts = json.loads(path.read_text())
    facts["network"]["mapping_layers"] = 3
    path.write_text(json.dumps(facts))
    with pytest.raises(MalformedFileError, match=r"lacks mapping\.fc2\.bias"):
        stylegan_folder.find("mine").generator()


def test_a_pickle_becomes_a_model_with_its_discriminator(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    D = StyleDiscriminator(DiscriminatorConfig(size=16, channel_base=128, channel_max=8, mapping_layers=2))
    networks = StyleGANPickle(tiny_faces.network(), D)
    monkeypatch.setattr(stylegan_pickle, "read", lambda _: networks)
    (tmp_path / "n.pkl").touch()
    kept = stylegan_import.keep(tmp_path / "n.pkl", "theirs")
    assert kept.source == "imported from n.pkl"
    training = kept.training()
    assert torch.equal(training["discriminator.b4.out.weight"], D.state_dict()["b4.out.weight"])
    with pytest.raises(UserError, match="there is a model theirs already"):
        stylegan_import.keep(tmp_path / "n.pkl", "theirs")


@pytest.mark.parametrize(("classes", "radial"), [(0, False), (3, True)])
def test_a_stylegan3_is_imported_and_keeps_its_names(
    classes: int, radial: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = tiny_faces.third(classes, radial=radial)
    monkeypatch.setattr(stylegan_pickle, "read", lambda _: StyleGANPickle(made, None))
    (tmp_path / "n.pkl").touch()
    kept = stylegan_import.keep(tmp_path / "n.pkl", "theirs")
    facts = json.loads((kept.folder / catalogue.FACTS).read_text())
    assert (facts["family"], kept.training()) == ("stylegan3", {})
    G = luoxia.load("theirs")
    assert (G.z_dim, G.c_dim, G.w_dim, G.num_ws, G.img_resolution, G.img_channels) == (
        8,
        classes,
        8,
        8,
        16,
        3,
    )
    z, c = torch.randn(2, 8), torch.eye(3)[:2] if classes else None
    w = G.mapping(z, c, truncation_psi=0.7)
    assert torch.equal(G.synthesis(w, noise_mode="const"), made(z, c, truncation_psi=0.7))
    assert G.synthesis.input.transform.shape == (3, 3)


def test_the_first_layer_of_a_stylegan3_that_does_not_fit_is_named() -> None:
    path = tiny_faces.keep("third", made=tiny_faces.third()) / catalogue.FACTS
    facts = json.loads(path.read_text())
    facts["network"]["margin"] = 8
    path.write_text(json.dumps(facts))
    with pytest.raises(MalformedFileError, match=r"lacks synthesis\.L0_32_8\.affine\.bias"):
        stylegan_folder.find("third").generator()


@pytest.mark.parametrize("name", ["", "../x", "a/b", ".hidden", "x" * 65, "a b"])
def test_names_stay_inside_the_home(name: str, tmp_path: Path) -> None:
    (tmp_path / "n.pkl").touch()
    with pytest.raises(UserError, match="no name for a model"):
        stylegan_import.keep(tmp_path / "n.pkl", name)
