"""The studio's types are made from this document: it must say what the server does."""

from __future__ import annotations

import json
from pathlib import Path

import httpx

from luoxia.server.app import create_app

EXPORTED = Path(__file__).parents[2] / "studio" / "openapi.json"


def test_the_studios_copy_is_current() -> None:
    current = json.dumps(create_app().openapi(), indent=1, ensure_ascii=False) + "\n"
    assert EXPORTED.read_text(encoding="utf-8") == current, (
        "run: python -m luoxia.server.openapi > studio/openapi.json"
    )


def test_every_reference_has_its_schema() -> None:
    document = create_app().openapi()
    named = set(document["components"]["schemas"])
    assert {"ChatCompletionChunk", "DownloadEvent", "ErrorAnswer", "ChatRequest"} <= named
    references = {part.split('"')[0] for part in json.dumps(document).split("#/components/schemas/")[1:]}
    assert references <= named


def test_it_is_served(client: httpx.Client) -> None:
    assert client.get("/openapi.json").json() == create_app().openapi()
    assert client.get("/docs").status_code == 404  # FastAPI's page loads scripts from another host
