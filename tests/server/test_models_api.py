"""Which models there are, and what each is."""

from __future__ import annotations

import json
import os

import httpx
import pytest
from fake_text import FakeModel

from luoxia.provenance import policy
from luoxia.provenance.policy import Policy
from luoxia.server.runner import Runner
from luoxia.weights import catalogue, own_texts

SMOL, QWEN = "smollm2-135m-instruct", "qwen2.5-coder-1.5b-instruct"


def test_the_catalogue_in_both_languages(client: httpx.Client, default_model_here) -> None:
    models = {model["id"]: model for model in client.get("/api/models").json()}
    assert list(models) == list(catalogue.CATALOGUE)
    assert (models[SMOL]["here"], models[SMOL]["default"], models[SMOL]["opt_in"]) == (True, True, False)
    assert (models[QWEN]["here"], models[QWEN]["default"], models[QWEN]["opt_in"]) == (False, False, True)
    assert models[SMOL]["note"] is None
    assert models[QWEN]["note"] == {
        "en": catalogue.CATALOGUE[QWEN].note.en,
        "zh": catalogue.CATALOGUE[QWEN].note.zh,
    }
    assert (models[QWEN]["languages"], models[QWEN]["context"]) == (["en", "zh"], 32_768)
    assert models[SMOL]["size"] == catalogue.CATALOGUE[SMOL].size


def test_only_what_is_here_is_offered_to_clients(client: httpx.Client, home) -> None:
    assert client.get("/v1/models").json() == {"object": "list", "data": []}


def test_what_does_not_write_is_not_offered_for_writing(client: httpx.Client, home) -> None:
    entry = catalogue.CATALOGUE["efficientnet-lite0"]
    path = catalogue.path_of(entry)
    path.parent.mkdir(parents=True)
    with path.open("wb") as file:
        file.truncate(entry.size)
    assert catalogue.is_here(entry)
    assert client.get("/v1/models").json()["data"] == []
    assert client.get(f"/v1/models/{entry.id}").status_code == 404
    asked = {"model": entry.id, "messages": [{"role": "user", "content": "Hello"}]}
    answer = client.post("/v1/chat/completions", json=asked)
    assert answer.status_code == 404
    assert SMOL in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("query", "header", "name"),
    [
        ("", "en", "card.md"),
        ("", "zh-CN", "card.zh.md"),
        ("?language=zh", "en", "card.zh.md"),
        ("?language=en", "zh", "card.md"),
    ],
)
def test_cards(client: httpx.Client, tmp_path, monkeypatch, query: str, header: str, name: str) -> None:
    monkeypatch.setattr(catalogue, "bundled", lambda: tmp_path)
    (tmp_path / SMOL).mkdir()
    for file in ("card.md", "card.zh.md"):
        (tmp_path / SMOL / file).write_text(f"# {file} <script>", encoding="utf-8")
    answer = client.get(f"/api/models/{SMOL}/card{query}", headers={"Accept-Language": header})
    assert answer.text == f"# {name} <script>"
    assert answer.headers["content-type"] == "text/markdown; charset=utf-8"
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_status_before_anything_is_loaded(client: httpx.Client) -> None:
    import luoxia

    assert client.get("/api/status").json() == {
        "version": luoxia.__version__,
        "default_model": SMOL,
        "loaded": None,
        "device": None,
        "threads": None,
        "reason": None,
        "busy": False,
        "queued": 0,
        "temperature": 0.65,
        "shaped_temperature": 0.3,
    }
    policy.save(Policy("off", reason="nothing carries a mark"))
    assert client.get("/api/status").json()["temperature"] == 0.3


def adapter(name: str) -> None:
    """The part of an adapter that lists read."""
    entry = catalogue.CATALOGUE[SMOL]
    facts = {
        "format": 1,
        "base": {"name": SMOL, "sha256": entry.sha256},
        "tokenizer": "0" * 64,
        "rank": 8,
        "scale": 2.0,
        "layers": ["q"],
        "data": {"name": "a <b> `c`.jsonl", "digest": "1" * 64, "licence": ["MIT"], "examples": 12},
        "scores": {"held_out_nats_per_token": 0.5},
    }
    catalogue.place(name).mkdir(parents=True)
    (catalogue.place(name) / catalogue.ADAPTER_FACTS).write_text(json.dumps(facts))


def test_adapters_are_offered_like_the_catalogues_models(client: httpx.Client, default_model_here) -> None:
    adapter("my-writer")
    assert [model["id"] for model in client.get("/v1/models").json()["data"]] == [SMOL, "my-writer"]
    assert client.get("/v1/models/my-writer").json()["owned_by"] == "user"
    shown = client.get("/api/models").json()[-1]
    assert (shown["id"], shown["kind"], shown["here"], shown["publisher"]) == (
        "my-writer",
        "text",
        True,
        SMOL,
    )
    assert shown["licence"] == "Apache-2.0 + MIT"
    assert shown["context"] == catalogue.CATALOGUE[SMOL].context
    card = client.get("/api/models/my-writer/card?language=zh").text
    assert "a \\<b\\> \\`c\\`.jsonl" in card
    assert client.get("/api/models/nobody/card").status_code == 404


def test_an_adapter_answers_by_its_name_and_by_no_path(
    client: httpx.Client, model: FakeModel, default_model_here, home
) -> None:
    adapter("my-writer")
    for name in ("my-writer", "my-writer+my-writer@0.5", f"{SMOL}+my-writer"):
        asked = {"model": name, "messages": [{"role": "user", "content": "Hello"}]}
        assert client.post("/v1/chat/completions", json=asked).status_code == 200, name
    for name in (
        str(catalogue.place("my-writer")),
        "models/my-writer",
        "my-writer+nobody",
        "../my-writer",
        "+",
        "my-writer+",
    ):
        asked = {"model": name, "messages": [{"role": "user", "content": "Hello"}]}
        assert client.post("/v1/chat/completions", json=asked).status_code in (400, 404), name


def test_an_adapter_that_took_anothers_place_is_loaded_anew(model: FakeModel) -> None:
    adapter("my-writer")
    loaded = []
    model.id = "my-writer"
    runner = Runner(lambda name: loaded.append(name) or model)
    for _ in range(2):
        runner._loaded("my-writer")
    assert len(loaded) == 1
    own_texts.remove("my-writer")
    adapter("my-writer")
    path = catalogue.place("my-writer") / catalogue.ADAPTER_FACTS
    os.utime(path, ns=(1, 1))
    runner._loaded("my-writer")
    assert len(loaded) == 2
    runner.close()
