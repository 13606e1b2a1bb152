"""A drawing model's folder: what is written is read; parts that do not belong together, or are altered, are refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import tiny_drawing
import torch

from luoxia.core.errors import MalformedFileError, UnknownModelError, UserError
from luoxia.weights import drawing_folder
from luoxia.weights.catalogue import place


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LUOXIA_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("half", [False, True])
def test_what_is_written_is_read(half: bool) -> None:
    tiny_drawing.keep(Path("tiny"), half=half)
    found = drawing_folder.find("tiny")
    assert (found.name, found.licence, list(found.parts)) == ("tiny", ("made here",), ["dvae", "dalle"])
    for kind, wanted in (("dvae", tiny_drawing.dvae()), ("dalle", tiny_drawing.dalle())):
        network = found.part(kind).network()
        assert not network.training
        for name, tensor in wanted.state_dict().items():
            kept = tensor.half().float() if half and tensor.is_floating_point() else tensor
            assert torch.equal(network.state_dict()[name], kept), name
    assert found.part("dalle").reader().ids("a red square 1") == tiny_drawing.tokenizer().ids(
        "a red square 1"
    )
    with pytest.raises(UserError, match="tiny has no clip; it has dvae, dalle"):
        found.part("clip")


def test_shipped_in_half_precision_a_dvae_stays_the_one_it_was() -> None:
    tiny_drawing.keep(Path("half"), half=True)
    found = drawing_folder.find("half")
    network = found.part("dvae").network()
    assert drawing_folder.fingerprint(network) == drawing_folder.fingerprint(tiny_drawing.dvae())
    drawing_folder.check(found.part("dalle"), found.part("dvae"), drawing_folder.fingerprint(network))


def test_a_decoder_that_went_on_learning_leaves_its_codes_what_they_were() -> None:
    one, two = tiny_drawing.dvae(), tiny_drawing.dvae()
    next(two.decoder.parameters()).data += 1
    assert drawing_folder.fingerprint(one) == drawing_folder.fingerprint(two)
    next(two.encoder.parameters()).data += 1
    assert drawing_folder.fingerprint(one) != drawing_folder.fingerprint(two)


def test_a_dvae_and_a_transformer_that_do_not_belong_together_are_refused_by_hash() -> None:
    tiny_drawing.keep(Path("one"))
    tiny_drawing.keep(Path("two"), dvae=tiny_drawing.dvae(seed=8))
    one, two = drawing_folder.find("one"), drawing_folder.find("two")
    found = drawing_folder.fingerprint(two.part("dvae").network())
    with pytest.raises(UserError) as caught:
        drawing_folder.check(one.part("dalle"), two.part("dvae"), found)
    mine = drawing_folder.fingerprint(tiny_drawing.dvae())
    for word in ("one/dalle", "two/dvae", mine[:12], found[:12]):
        assert word in caught.value.text.en
        assert word in caught.value.text.zh


def test_a_model_of_the_users_own_has_a_name() -> None:
    tiny_drawing.keep(place("mine"))
    assert drawing_folder.find("mine").name == "mine"
    with pytest.raises(UnknownModelError, match="no model 'yours' that draws"):
        drawing_folder.find("yours")
    with pytest.raises(UnknownModelError):
        drawing_folder.find("x" * 10_000)


def test_an_altered_file_is_refused() -> None:
    path = tiny_drawing.keep(Path("tiny")) / "dalle.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(MalformedFileError, match=r"dalle.safetensors is cut short or altered"):
        drawing_folder.find("tiny")


@pytest.mark.parametrize(
    "change",
    [
        lambda told: told.update(format=9),
        lambda told: told.update(family="stylegan"),
        lambda told: told["parts"].pop("dvae"),
        lambda told: told["parts"]["dalle"].pop("network"),
        lambda told: told["parts"].update(dalle=[]),
    ],
)
def test_a_model_json_of_another_kind_is_refused(change) -> None:
    path = tiny_drawing.keep(Path("tiny")) / "model.json"
    told = json.loads(path.read_text())
    change(told)
    path.write_text(json.dumps(told))
    with pytest.raises(MalformedFileError, match="does not describe a model that draws"):
        drawing_folder.find("tiny")


@pytest.mark.parametrize("change", [{"codes": 17}, {"n_embd": 0}, {"colour": "red"}])
def test_weights_that_do_not_fit_their_description_are_refused(change: dict) -> None:
    path = tiny_drawing.keep(Path("tiny")) / "model.json"
    told = json.loads(path.read_text())
    told["parts"]["dalle"]["network"] |= change
    path.write_text(json.dumps(told))
    with pytest.raises(MalformedFileError):
        drawing_folder.find("tiny").part("dalle").network()
