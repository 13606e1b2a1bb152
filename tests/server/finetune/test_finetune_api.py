"""Fine-tuning over HTTP: hostile files, plans, and trainings in processes of their own."""

from __future__ import annotations

import base64
import json
import os
import signal
from pathlib import Path
from typing import Any

import httpx
import pytest
import tiny_base

from luoxia.server.app import create_app
from luoxia.server.finetune import process, uploads
from luoxia.server.finetune.trainings import place

PAIRS = b'{"prompt": "is 1 a number?", "completion": "yes."}\n' * 3


def send(client: httpx.Client, data: bytes = PAIRS, name: str = "pairs.jsonl") -> httpx.Response:
    return client.post("/api/finetune/examples", json={"name": name, "data": base64.b64encode(data).decode()})


def start(client: httpx.Client, base: str, **change: Any) -> httpx.Response:
    ask = {"examples": send(client).json()["id"], "base": base, "name": "mine", "rank": 4, "seed": 1}
    return client.post("/api/finetune/runs", json={**ask, **change})


def run(client: httpx.Client, name: str = "mine") -> dict[str, Any]:
    return client.get(f"/api/finetune/runs/{name}").json()


def message(answer: httpx.Response) -> str:
    assert 400 <= answer.status_code < 600, answer.text
    return answer.json()["error"]["message"]


def test_examples_are_read_and_shown_before_anything_begins(client: httpx.Client) -> None:
    found = send(client, PAIRS + '{"prompt": "<b>?", "completion": "长"}'.encode()).json()
    assert (found["name"], found["examples"], found["fields"]) == ("pairs.jsonl", 4, ["prompt", "completion"])
    assert found["first"][0] == [
        {"role": "user", "content": "is 1 a number?"},
        {"role": "assistant", "content": "yes."},
    ]
    csv = send(client, "问,答\n春,秋\n".encode("gb18030"), "诗 句.CSV").json()
    assert (csv["name"], csv["examples"], csv["fields"]) == ("诗-句.csv", 1, ["问", "答"])
    assert any("gb18030" in note["en"] for note in csv["notes"])


@pytest.mark.parametrize(
    ("data", "name", "reason"),
    [
        (
            b'{"prompt": "a", "completion": "b"}\n{"prompt": "a"}\n{"prompt": ""}\n',
            "x.jsonl",
            "line 2: no completion",
        ),
        (b'{"prompt": "a", "completion": "b"}\n{', "x.jsonl", "x.jsonl:2: not JSON"),
        (b"[" * 100_000, "x.json", "nested too deeply"),
        (b"a,b\n1,2\n", "x.csv", "has the fields a, b"),
        (b"prompt,completion\n1,2,3\n", "x.csv", "x.csv:2: more columns"),
        (b"", "x.jsonl", "no examples"),
        (b"\0\1\2" * 99, "x.jsonl", "binary"),
        (PAIRS, "x.parquet", "no file of examples"),
        (PAIRS, "x.py", "no file of examples"),
        (PAIRS, ".jsonl.", "no file of examples"),
    ],
)
def test_what_is_wrong_is_told_by_line_and_nothing_of_it_is_kept(
    client: httpx.Client, home: Path, data: bytes, name: str, reason: str
) -> None:
    told = message(send(client, data, name))
    assert reason in told
    assert str(home) not in told
    assert not list(home.rglob("x.*"))


@pytest.mark.parametrize(
    "name",
    [
        "../../evil.jsonl",
        "/etc/evil.jsonl",
        "C:\\x\\evil.jsonl",
        "..\\evil.jsonl",
        "a/\0/evil.jsonl",
        "\x1b[2Jevil.jsonl",
    ],
)
def test_no_name_leads_elsewhere(client: httpx.Client, home: Path, name: str) -> None:
    found = send(client, name=name).json()
    files = list(home.rglob("*.jsonl"))
    assert [path.parent for path in files] == [uploads.place() / found["id"]]
    assert files[0].name.endswith("evil.jsonl")
    assert files[0].name.isprintable()


def test_a_file_that_is_too_large_is_refused(client: httpx.Client, monkeypatch) -> None:
    monkeypatch.setattr(uploads, "FILE", 100)
    assert "larger than" in message(send(client))
    answer = client.post("/api/finetune/examples", json={"name": "x.jsonl", "data": "?"})
    assert "not base64" in message(answer)


def test_old_files_are_forgotten_but_for_those_that_runs_need(client: httpx.Client, monkeypatch) -> None:
    monkeypatch.setattr(uploads, "KEPT", 3)
    ids = [send(client, PAIRS * n).json()["id"] for n in range(1, 6)]
    assert len(list(uploads.place().iterdir())) == 3
    assert (uploads.place() / ids[-1]).exists()


def test_a_plan_counts_tokens_and_steps(client: httpx.Client, base: str, tmp_path: Path) -> None:
    data = tiny_base.examples(tmp_path / "p.jsonl", 40).read_bytes()
    ask = {"examples": send(client, data).json()["id"], "base": base, "rank": 4}
    plan = client.post("/api/finetune/plan", json=ask).json()
    assert plan["trained"] + plan["held_out"] == 40
    assert 1 <= plan["held_out"] <= 8
    assert plan["tokens"] > 500
    assert plan["seconds"] is None  # it was never trained here
    fixed = client.post("/api/finetune/plan", json={**ask, "steps": 2 * plan["steps"]}).json()
    assert fixed["passes"] == pytest.approx(2 * plan["passes"])


def test_a_training_goes_to_its_end_beside_the_server(client: httpx.Client, base: str, until) -> None:
    begun = start(client, base, licence="CC0").json()
    assert (begun["state"], begun["base"], begun["examples"]) == ("running", base, "pairs.jsonl")
    until(lambda: run(client)["step"] > 2, 20)
    half = run(client)
    assert half["seconds_left"] > 0
    assert half["loss"][1] == {"step": 2, "loss": 1.5}
    until(lambda: run(client)["state"] == "done", 20)
    found = run(client)
    assert [point["step"] for point in found["held_out"]] == [5, 10, 15, 20]
    assert found["scores"] == {"nats_before": 2.0, "nats_after": 0.5}
    assert found["answers"] == [
        {"question": "is 1 a number?", "before": "<b>perhaps</b>", "after": "yes.", "wanted": "yes."}
    ]
    assert [r["name"] for r in client.get("/api/finetune/runs").json()] == ["mine"]


def test_a_training_is_stopped_and_gone_on_with_one_at_a_time(client: httpx.Client, base: str, until) -> None:
    start(client, base, steps=200)
    until(lambda: run(client)["step"] > 1, 20)
    assert "one at a time" in message(start(client, base, name="other"))
    assert "stop it first" in message(client.delete("/api/finetune/runs/mine"))
    client.post("/api/finetune/runs/mine/stop")
    until(lambda: run(client)["state"] == "stopped", 20)
    steps = run(client)["step"]
    assert steps < 200
    assert client.post("/api/finetune/runs/mine/resume").json()["state"] == "running"
    until(lambda: run(client)["step"] > steps, 20)
    client.post("/api/finetune/runs/mine/stop")
    until(lambda: run(client)["state"] == "stopped", 20)
    assert client.delete("/api/finetune/runs/mine").status_code == 204
    assert client.get("/api/finetune/runs").json() == []
    assert not list(place().glob("*"))


def test_a_training_outlives_the_server_and_is_known_to_the_next(
    client: httpx.Client, base: str, until, stage, runner, monkeypatch
) -> None:
    start(client, base, steps=200)
    until(lambda: run(client)["step"] > 1, 20)
    child = process._children.popitem()[1]  # as another server, which never began it
    stage[0]["app"] = create_app(models=runner)
    assert run(client)["state"] == "running"
    note = json.loads((place() / "mine.json").read_text())
    (place() / "mine.json").write_text(json.dumps({**note, "mark": "another process of that number"}))
    if Path("/proc/self/stat").exists():
        assert run(client)["state"] != "running"
    (place() / "mine.json").write_text(json.dumps(note))
    os.kill(child.pid, signal.SIGINT)
    child.wait(20)
    assert run(client)["state"] == "stopped"


def test_one_that_fails_says_why_in_its_own_words(client: httpx.Client, base: str, until) -> None:
    start(client, base, licence="fail")
    until(lambda: run(client)["state"] == "failed", 20)
    assert run(client)["said"] == "this cannot be learned"
    assert "nothing to go on from" in message(client.post("/api/finetune/runs/mine/resume"))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"name": "../evil"}, "no name for a model"),
        ({"name": "-o"}, "no name for a model"),
        ({"name": "tiny"}, "a model tiny already"),
        ({"name": "smollm2-135m-instruct"}, "a model smollm2-135m-instruct already"),
        ({"base": "/etc/passwd"}, "/etc/passwd"),
        ({"base": "qwen2.5-coder-1.5b-instruct"}, "luoxia models get"),
        ({"examples": "0" * 16}, "send the file again"),
        ({"examples": "../../../../etc"}, "examples"),
        ({"rank": 0}, "rank"),
        ({"rank": 10**9}, "rank"),
        ({"steps": 0}, "steps"),
        ({"seed": -1}, "seed"),
        ({"licence": "x" * 201}, "licence"),
    ],
)
def test_what_cannot_be_begun_is_refused_before_a_process_is(
    client: httpx.Client, base: str, change: dict[str, Any], reason: str
) -> None:
    assert reason in message(start(client, **{"base": base, **change}))
    assert not list(place().glob("*"))


@pytest.mark.parametrize("name", ["nothing", "..", "%2e%2e%2fexamples", "a" * 65, "%00"])
def test_there_is_no_run_of_such_a_name(client: httpx.Client, name: str) -> None:
    for method, path in (("GET", ""), ("POST", "/stop"), ("POST", "/resume"), ("DELETE", "")):
        assert client.request(method, f"/api/finetune/runs/{name}{path}").status_code in (400, 404, 405)
