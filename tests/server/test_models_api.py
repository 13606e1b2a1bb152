"""Which models there are, and what each is."""

from __future__ import annotations

import httpx
import pytest

from luoxia.weights import catalogue

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
    }
