from __future__ import annotations

import json
from pathlib import Path

import pytest
import sqlalchemy as sa
from workspace_made import creation

from luoxia.workspace import database
from luoxia.workspace.creation import Creation
from luoxia.workspace.history import Workspace


@pytest.fixture
def made(home: Path) -> list[Creation]:
    """A heron, a poem after it, and a prompt that would talk to the terminal."""
    heron = creation("A grey heron", kind="picture", path="/p/heron.png", file_sha256="f" * 64)
    poem = creation("秋水长天", sketch="落霞与孤鹜齐飞", parents=(heron.id,), at=1)
    sly = creation("red \x1b[31m\x07\u202etext\nsecond line", at=2)
    with Workspace() as workspace:
        for told in (heron, poem, sly):
            workspace.record(told)
    return [heron, poem, sly]


def test_history_lists_the_newest_first_and_searches(made: list[Creation], run) -> None:
    lines = run("history").out.splitlines()
    assert lines[0].split() == ["id", "made", "kind", "prompt", "file"]
    assert [line.split()[0] for line in lines[1:]] == [told.id for told in reversed(made)]
    assert "heron.png" in lines[3]
    for asked, which in (("孤鹜", 1), ("heron", 0), ("长天", 1)):
        found = json.loads(run("history", "--search", asked, "--json").out)
        assert [row["id"] for row in found] == [made[which].id]
    assert run("history", "--search", "nowhere").err == "nothing found\n"
    assert len(run("history", "-n", "2").out.splitlines()) == 3
    assert run("history", "--kind", "film").err.startswith(
        "luoxia: there is nothing of kind 'film'; there is picture, text"
    )


def test_nothing_that_was_recorded_talks_to_the_terminal(made: list[Creation], run) -> None:
    for shown in (run("history").out, run("show", made[2].id).out):
        assert all(c.isprintable() or c == "\n" for c in shown)
        assert "\u202e" not in shown


def test_show_tells_where_a_creation_comes_from(made: list[Creation], run) -> None:
    heron, poem, _ = made
    shown = run("show", poem.id[:13].lower()).out
    for fact in (
        poem.id,
        f"{poem.number:012x}",
        "秋水长天",
        "seed: 7",
        "a" * 64,
        "ODC-By-1.0",
        f"{heron.id} picture",
        "top_p 0.9",
    ):
        assert fact in shown, fact
    assert f"children: {poem.id}" in run("show", heron.id).out
    told = json.loads(run("show", heron.id, "--json").out)
    assert told.pop("children") == [poem.id]
    assert told.pop("taken_down") == []
    assert Creation.from_json(told).id == heron.id
    missing = run("show", "L9")
    assert (missing.code, missing.err) == (
        2,
        "luoxia: there is no creation L9; `luoxia history` lists them\n",
    )


def test_check_tells_the_first_record_that_does_not_hold(made: list[Creation], run) -> None:
    whole = run("history", "--check")
    assert whole.code == 0
    assert whole.out.startswith("✓ 3 records hold; the head is ")
    head = whole.out.split()[-1]
    with Workspace() as workspace, database.writing(workspace.engine) as connection:
        connection.execute(sa.text("UPDATE records SET body = replace(body, 'heron', 'crane')"))
    broken = run("history", "--check", "--head", head)
    assert (broken.code, broken.out) == (1, "✗ record 1: the record is not the one that was written\n")
    assert json.loads(run("history", "--check", "--json").out)["fault"]["at"] == 1


def test_lineage_is_told_and_drawn(made: list[Creation], run) -> None:
    heron, poem, _ = made
    told = run("lineage", poem.id).out
    assert "made from" in told
    assert heron.id in told
    name = Path(f"lineage-{poem.id}.svg")
    assert run("lineage", poem.id, "--svg").err == f"{name}: 2 creations\n"
    run("lineage", poem.id, "--svg", "-o", "family.svg")
    assert name.read_text(encoding="utf-8") == Path("family.svg").read_text(encoding="utf-8")
    assert heron.id in name.read_text(encoding="utf-8")
    refused = run("lineage", poem.id, "-o", "family.svg")
    assert (refused.code, "give --svg too" in refused.err) == (2, True)


def test_policy_and_keys_alone_show(home: Path, run) -> None:
    assert run("policy").out == run("policy", "show").out != ""
    assert run("keys").out == run("keys", "show").out != ""
