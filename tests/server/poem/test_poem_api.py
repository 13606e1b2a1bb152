"""Poems over HTTP: written as they grow, checked, and set beside the old ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest
import tiny_verse

from luoxia.data.verse import sounds
from luoxia.data.verse.verdict import judge
from luoxia.generate.verse import load_verse
from luoxia.server.app import create_app
from luoxia.server.poem import poets
from luoxia.server.poem.room import Poems
from luoxia.weights import catalogue

SOUND = "白日依山尽，黄河入海流。\n欲穷千里目，更上一层楼。"
ASK = {"model": "tiny", "form": "五绝", "theme": "山水", "count": 2, "candidates": 4, "seed": 3}


def written(client: httpx.Client, **change: Any) -> list[dict[str, Any]]:
    answer = client.post("/api/poem/write", json={**ASK, **change})
    assert answer.status_code == 200, answer.text
    events = [line.removeprefix("data: ") for line in answer.text.splitlines() if line]
    assert events.pop() == "[DONE]"
    return [json.loads(event) for event in events]


def poems_of(events: list[dict[str, Any]]) -> list[list[str]]:
    return [[line["text"] for line in e["poem"]["lines"]] for e in events if e["kind"] == "poem"]


def test_models_and_terms_name_what_can_be_chosen(client: httpx.Client, home: Path) -> None:
    (home / "models" / "broken").mkdir()
    (home / "models" / "broken" / "model.json").write_text('{"family": "verse"}')
    (model,) = client.get("/api/poem/models").json()
    assert {
        "id": "tiny",
        "authors": ["李白", "杜甫"],
        "licence": ["test"],
        "remembers": False,
    }.items() <= model.items()
    terms = client.get("/api/poem/terms").json()
    assert [(form["id"], form["lines"], form["length"]) for form in terms["forms"]] == [
        ("五绝", 4, 5), ("七绝", 4, 7), ("五律", 8, 5), ("七律", 8, 7),
    ]  # fmt: skip
    assert [len(book["level"]) for book in terms["books"]] == [30, 14]
    assert terms["originals"] is False


def test_poems_grow_and_are_those_that_the_model_writes_by_itself(client: httpx.Client) -> None:
    events = written(client)
    drafts = [e for e in events if e["kind"] == "drafts"]
    assert [e["done"] for e in drafts] == [2 * n for n in range(1, 21)]
    assert {e["total"] for e in events} == {40}
    assert [len("".join(lines)) for lines in drafts[6]["drafts"]] == [7, 7]
    model = load_verse("tiny", threads=1)
    own = model.write(form="五绝", theme="山水", n=2, candidates=4, seed=3)
    assert poems_of(events) == [list(poem.lines) for poem in own]
    assert [e["poem"]["number"] for e in events if e["kind"] == "poem"] == [0, 1]


def test_what_is_written_keeps_to_what_was_asked(client: httpx.Client) -> None:
    events = written(client, form="七绝", rhyme="新韵", acrostic="山水", author="李白", count=1)
    (poem,) = [e["poem"] for e in events if e["kind"] == "poem"]
    lines = [line["text"] for line in poem["lines"]]
    assert [len(line) for line in lines] == [7] * 4
    assert "".join(line[0] for line in lines[:2]) == "山水"
    assert (poem["faults"], poem["book"], poem["form"], poem["checked"]) == ([], "新韵", "七绝", False)
    assert judge(lines, sounds.book("新韵")).rhyme == poem["rhyme"]
    assert [line["rhymes"] for line in poem["lines"]][1::2] == [True, True]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"form": "俳句"}, "no form '俳句'"),
        ({"rhyme": "词林"}, "no book of rhymes"),
        ({"rhyme_class": "x"}, "names no level rhyme"),
        ({"author": "莎士比亚"}, "does not know the manner"),
        ({"acrostic": "abc"}, "Chinese characters"),
        ({"acrostic": "一二三四五"}, "4 at most"),
        ({"theme": "秋" * 201}, "longer than 200"),
        ({"theme": "\ud800"}, "Unicode"),
        ({"count": 13}, "at most 12"),
        ({"candidates": 0}, "at least 1"),
        ({"temperature": 0}, "temperature"),
        ({"seed": -1}, "seed"),
        ({"model": "../tiny"}, "no model of verse '../tiny'"),
    ],
)
def test_what_no_poem_can_be_is_refused_in_words(
    client: httpx.Client, change: dict[str, Any], reason: str
) -> None:
    answer = client.post(
        "/api/poem/write", content=json.dumps({**ASK, **change}), headers={"Content-Type": "application/json"}
    )
    assert answer.status_code in (400, 404), answer.text
    assert reason in answer.json()["error"]["message"]


def test_a_reader_who_leaves_ends_the_writing(client: httpx.Client, poems: Poems, monkeypatch, until) -> None:
    seen = []
    plain = poets.Poets.write

    def counted(self, ask, superseded, drafts):
        def told(*given):
            seen.append(given)
            drafts(*given)

        return plain(self, ask, superseded, told)

    monkeypatch.setattr(poets.Poets, "write", counted)
    with client.stream(
        "POST", "/api/poem/write", json={**ASK, "form": "七律", "count": 12, "candidates": 32}
    ) as answer:
        next(answer.iter_lines())
    until(lambda: poems.easel._drawing is None, 20)
    assert len(seen) < 6 * 56


def test_a_poem_is_checked_character_by_character(client: httpx.Client) -> None:
    found = client.post("/api/poem/check", json={"text": SOUND}).json()
    assert (found["form"], found["faults"], found["rhyme"][-1]) == ("五绝", [], "尤")
    assert [line["text"] for line in found["lines"]] == [
        "白日依山尽",
        "黄河入海流",
        "欲穷千里目",
        "更上一层楼",
    ]
    assert found["lines"][0]["tones"] == "仄仄平平仄"
    spoiled = client.post(
        "/api/poem/check", json={"text": SOUND.replace("流", "去"), "acrostic": "红"}
    ).json()
    kinds = {fault["kind"]: fault for fault in spoiled["faults"]}
    assert {"rhyme", "acrostic"} <= set(kinds)
    assert kinds["rhyme"]["line"] == 1
    assert "去" in kinds["rhyme"]["en"]
    assert "去" in kinds["rhyme"]["zh"]
    assert spoiled["lines"][1]["wrong"] == [4]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"text": ""}, "no poem"),
        ({"text": "<script>alert(1)</script>"}, "no Chinese character"),
        ({"text": "山" * 5000}, "longer than 4096"),
        ({"text": SOUND, "form": "x"}, "no form"),
    ],
)
def test_what_is_no_poem_is_refused_in_words(client: httpx.Client, body: dict[str, Any], reason: str) -> None:
    answer = client.post("/api/poem/check", json=body)
    assert answer.status_code == 400
    assert reason in answer.json()["error"]["message"]


def test_the_nearest_old_poem_is_found_where_they_are(client: httpx.Client) -> None:
    assert client.post("/api/poem/nearest", json={"text": SOUND}).json() == {"known": False, "poem": None}
    old = tiny_verse.keep(2).kept[0]
    assert client.get("/api/poem/terms").json()["originals"]
    text = old.lines[0] + "，" + "鼂" * len(old.lines[0])
    found = client.post("/api/poem/nearest", json={"text": text}).json()["poem"]
    assert found["lines"] == list(old.lines)
    assert found["run"] in old.text


def test_without_a_model_it_says_what_to_do_and_still_checks(client: httpx.Client) -> None:
    (catalogue.place("tiny") / "model.json").unlink()
    assert client.get("/api/poem/models").json() == []
    answer = client.post("/api/poem/write", json=ASK)
    assert answer.status_code == 404
    assert "luoxia serve --poem-with" in answer.json()["error"]["message"]
    assert client.post("/api/poem/check", json={"text": SOUND}).json()["faults"] == []


def test_a_folder_that_the_server_was_started_with_is_known_by_its_name(
    stage, runner, tmp_path: Path, client: httpx.Client
) -> None:
    folder = tiny_verse.model(tmp_path / "mine")
    poems = Poems([folder], threads=1)
    stage[0]["app"] = create_app(models=runner, poems=poems)
    assert [model["id"] for model in client.get("/api/poem/models").json()] == ["mine", "tiny"]
    assert len(poems_of(written(client, model="mine", count=1))) == 1
    assert client.post("/api/poem/write", json={**ASK, "model": str(folder)}).status_code == 404
    poems.close()
