"""Adapters on disk: found by name, stacked, written in 8 bits; refused on other weights, another tokenizer, and when damaged."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import tiny_base
import torch
from safetensors.torch import load_file, save_file

import luoxia
from luoxia.core.errors import MalformedFileError, UnknownModelError, UserError
from luoxia.nn.lora import Adapter
from luoxia.weights import adapter_folder, adapters, catalogue, own_texts

PROMPT = [104, 105, 33]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LUOXIA_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    tiny_base.base(Path("base"))
    return tmp_path


def taught(seed: int, rank: int = 4) -> Adapter:
    adapter = Adapter.fresh(
        tiny_base.network(), rank=rank, alpha=2 * rank, generator=torch.Generator().manual_seed(seed)
    )
    for low in adapter.maps.values():
        low.b.data.normal_(0, 0.1, generator=torch.Generator().manual_seed(seed))
    return adapter


def facts(base: str = "base", **changes: object) -> dict[str, object]:
    told = {
        "base": {"name": str(Path(base).absolute()), "sha256": adapter_folder.hash_of(Path(base))},
        "tokenizer": tiny_base.chat_tokenizer().digest,
        "layers": ["q"],
        "data": {
            "name": "pairs.jsonl",
            "digest": "0" * 64,
            "licence": ["MIT, those of <GSM8K>"],
            "examples": 7,
        },
        "scores": {"held_out_nats_per_token": 1.25},
    }
    return told | changes


def kept(name: str, seed: int, base: str = "base", **changes: object) -> adapter_folder.AdapterFolder:
    return adapters.keep(catalogue.place(name), taught(seed), facts(base, **changes))


def logits(name: str) -> torch.Tensor:
    model = luoxia.load(name, threads=1)
    assert model.id == name
    with torch.no_grad():
        return model.network(torch.tensor([PROMPT]))


def beside(*parts: tuple[Adapter, float]) -> torch.Tensor:
    """What the base and ``parts`` make of the prompt, worked out without any file."""
    network = tiny_base.network()
    Adapter.stacked(list(parts)).attach(network)
    with torch.no_grad():
        return network(torch.tensor([PROMPT]))


def assert_close(a: torch.Tensor, b: torch.Tensor) -> None:
    """Up to what 8 bits do to what was learned."""
    assert float((a - b).norm() / b.norm()) < 0.02


def test_eight_bits_are_within_half_a_step_of_each_vector():
    told = kept("mine", 1)
    assert (told.rank, told.scale) == (4, 2.0)
    back, was = dict(adapters.load(told).items()), dict(taught(1).items())
    assert back.keys() == was.keys()
    for place, low in was.items():
        for mine, theirs, along in ((back[place].a, low.a, 1), (back[place].b, low.b, 0)):
            step = theirs.abs().amax(along, keepdim=True) / 127
            assert bool(((mine - theirs).abs() <= step * 0.501).all())
    weights = catalogue.place("mine") / adapters.WEIGHTS
    assert {t.dtype for name, t in load_file(weights).items() if not name.endswith("scale")} == {torch.int8}


def test_a_name_gives_the_base_with_what_was_learned():
    kept("mine", 1)
    assert_close(logits("mine"), beside((taught(1), 1.0)))
    assert (logits("mine") - logits("base")).abs().max() > 0.05


def test_adapters_are_stacked_each_by_its_weight():
    kept("mine", 1)
    kept("tone", 2)
    expected = beside((taught(1), 1.0), (taught(2), 0.5))
    assert_close(logits("mine+tone@0.5"), expected)
    assert_close(logits("base+mine+tone@0.5"), expected)
    assert (logits("mine+tone@-0.5") - expected).abs().max() > 0.05


def test_a_path_to_an_adapter_is_one_too():
    kept("mine", 1)
    torch.testing.assert_close(logits(str(catalogue.place("mine"))), logits("mine"))


def test_other_weights_are_refused_by_hash():
    wanted = kept("mine", 1).base_sha256
    tiny_base.base(Path("other"), seed=9)
    with pytest.raises(UserError, match=wanted[:12]) as caught:
        luoxia.load("other+mine")
    assert adapter_folder.hash_of(Path("other"))[:12] in caught.value.text.zh
    tiny_base.base(Path("base"), seed=9)
    with pytest.raises(UserError, match="means nothing there"):
        luoxia.load("mine")


def test_adapters_of_different_bases_are_not_stacked():
    tiny_base.base(Path("other"), seed=9)
    kept("mine", 1)
    kept("theirs", 2, "other")
    with pytest.raises(UserError, match="were made for different models"):
        luoxia.load("mine+theirs")


def test_another_tokenizer_is_refused():
    kept("mine", 1, tokenizer="f" * 64)
    with pytest.raises(UserError, match="another tokenizer"):
        luoxia.load("mine")


def test_names_that_lead_nowhere():
    kept("mine", 1)
    for name, said in (
        ("mine+nobody", "no adapter 'nobody'; yours are: mine"),
        ("nobody+mine", "no adapter 'nobody'"),
    ):
        with pytest.raises(UnknownModelError, match=said):
            luoxia.load(name)
    assert adapter_folder.find("base") is None
    for name in ("../home/models/mine", str(catalogue.place("mine")), "base+mine", "mine/../mine"):
        with pytest.raises(UserError):
            own_texts.text_id(name)
    assert own_texts.text_id("mine+mine@2") == "mine+mine@2"


def damage_rows(path: Path) -> None:
    tensors = load_file(path)
    name = next(n for n in tensors if n.endswith(".a"))
    save_file(tensors | {name: tensors[name][1:].contiguous()}, path)


def damage_kind(path: Path) -> None:
    save_file({n: t.float() for n, t in load_file(path).items()}, path)


def damage_scale(path: Path) -> None:
    save_file({n: t * torch.nan if n.endswith("scale") else t for n, t in load_file(path).items()}, path)


def damage_surplus(path: Path) -> None:
    save_file(load_file(path) | {"more": torch.zeros(1)}, path)


def damage_bytes(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:200])


@pytest.mark.parametrize("harm", [damage_rows, damage_kind, damage_scale, damage_surplus, damage_bytes])
def test_damaged_weights_are_refused(harm):
    kept("mine", 1)
    harm(catalogue.place("mine") / adapters.WEIGHTS)
    with pytest.raises(MalformedFileError):
        luoxia.load("mine")


@pytest.mark.parametrize(
    "changes",
    [{"format": 9}, {"scale": "x"}, {"scale": float("nan")}, {"base": {}}, {"rank": None}, {"layers": 3}],
)
def test_facts_that_are_none_are_refused_and_the_rest_is_listed(changes):
    kept("mine", 1)
    kept("other", 2)
    path = catalogue.place("mine") / catalogue.ADAPTER_FACTS
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    with pytest.raises(MalformedFileError, match="is no adapter"):
        luoxia.load("mine")
    assert [own.name for own in own_texts.everything()] == ["other"]


def test_what_is_listed_and_taken_away():
    kept("mine", 1)
    own = own_texts.find("mine")
    assert own is not None
    assert own.rank == 4
    assert "taught by 7 examples of pairs.jsonl" in own.summary.en
    assert r"MIT, those of \<GSM8K\>" in own.card("en")
    assert "1.250" in own.card("zh")
    with pytest.raises(UserError, match="there is a model mine already"):
        catalogue.new_place("mine")
    own_texts.remove("mine")
    assert own_texts.everything() == []
    assert not catalogue.place("mine").exists()
    for name in ("mine", "../base", "smollm2-135m-instruct"):
        with pytest.raises(UserError):
            own_texts.remove(name)
    assert Path("base").is_dir()
