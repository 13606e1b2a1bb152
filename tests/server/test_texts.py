"""Texts that were written here, as files to keep."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import httpx
import pytest

from luoxia.provenance.policy import SENTENCES
from luoxia.provenance.verify import HOLDS, verify
from luoxia.workspace.history import Workspace

ASK = {"messages": [{"role": "user", "content": "hello"}], "seed": 1}


@pytest.mark.parametrize(("form", "kind"), [("txt", "text/plain"), ("md", "text/markdown")])
def test_what_was_written_is_saved_with_its_label(
    client: httpx.Client, tmp_path: Path, form: str, kind: str
) -> None:
    answer = client.post("/v1/chat/completions", json=ASK).json()
    text = answer["choices"][0]["message"]["content"]
    for _ in range(2):
        file = client.post("/api/texts/file", json={"text": text, "format": form})
        assert file.headers["content-type"] == f"{kind}; charset=utf-8"
        path = tmp_path / f"a.{form}"
        path.write_bytes(file.content)
        assert text in file.text
        assert SENTENCES["cn"] in file.text
        found = verify(path)
        assert (found.outcome, found.creation) == (HOLDS, file.headers["X-Luoxia-Creation"])
        with Workspace() as workspace:
            made = workspace.find(found.creation).made_from
        assert [parent.id for parent in made.parents] == [answer["luoxia"]["creation"]]
        assert (made.prompt, made.seed) == ("hello", 1)


def test_what_was_stopped_is_saved_as_far_as_it_came(client: httpx.Client, model, until) -> None:
    model.gate = threading.Semaphore(2)
    with client.stream("POST", "/v1/chat/completions", json={**ASK, "stream": True}) as stream:
        assert any("glow" in line for line in stream.iter_lines())
    until(lambda: client.post("/api/texts/file", json={"text": "Evening glow "}).status_code == 200)
    file = client.post("/api/texts/file", json={"text": "Evening "})
    with Workspace() as workspace:
        made = workspace.find(file.headers["X-Luoxia-Creation"])
    assert (made.sketch, made.made_from.parameters["cut"]) == ("Evening ", 8)


def test_what_was_not_written_here_gets_no_label(client: httpx.Client) -> None:
    client.post("/v1/chat/completions", json=ASK)
    answer = client.post("/api/texts/file", json={"text": "Evening glow, by a person"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")
    assert "the history has no such text" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    "ask",
    [{}, {"text": ""}, {"text": "\ud800"}, {"text": "x" * ((1 << 18) + 1)}, {"text": "x", "format": "../a"}],
)
def test_what_is_no_text_is_refused(client: httpx.Client, ask) -> None:
    answer = client.post(
        "/api/texts/file", content=json.dumps(ask), headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == 400
