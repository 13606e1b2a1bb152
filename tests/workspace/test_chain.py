from __future__ import annotations

import json

import pytest
import sqlalchemy as sa
from workspace_made import creation

from luoxia.workspace import chain, database
from luoxia.workspace.history import Workspace


@pytest.fixture
def five(workspace: Workspace) -> Workspace:
    for i in range(4):
        workspace.record(creation(f"prompt {i}", at=i))
    assert workspace.append("refused", "a prompt", {"why": "unsafe"}) == 5
    return workspace


def test_the_hash_is_of_the_one_before_and_the_body(five: Workspace) -> None:
    import hashlib

    with database.reading(five.engine) as connection:
        rows = connection.execute(sa.text("SELECT number, body, hash FROM records ORDER BY number")).all()
    before = bytes(32)
    for row in rows:
        before = hashlib.sha256(before + row.body.encode()).digest()
        assert row.hash == before.hex()
        assert json.loads(row.body)["number"] == row.number
    checked = five.check()
    assert (checked.count, checked.head, checked.fault) == (5, before.hex(), None)


@pytest.mark.parametrize(
    ("change", "at"),
    [
        ("UPDATE records SET body = replace(body, 'prompt 1', 'prompt 9') WHERE number = 2", 2),
        ("UPDATE records SET body = replace(body, 'unsafe', 'safer!') WHERE number = 5", 5),
        ("UPDATE records SET subject = 'else' WHERE number = 3", 3),
        ("UPDATE records SET what = 'noted' WHERE number = 1", 1),
        ("UPDATE records SET body = '[]' WHERE number = 2", 2),
        ("UPDATE records SET before = hash WHERE number = 4", 4),
        ("UPDATE records SET hash = 'zz' WHERE number = 2", 2),
        ("UPDATE creations SET prompt = 'mine' WHERE number = 3", 3),
        ("UPDATE creations SET file_sha256 = 'x' WHERE number = 1", 1),
        ("UPDATE creations SET mark = mark + 1 WHERE number = 4", 4),
        ("DELETE FROM creations WHERE number = 2", 2),
        ("DELETE FROM records WHERE number = 1", 1),
        ("DELETE FROM records WHERE number = 3", 3),
        ("UPDATE creations SET number = 5 WHERE number = 4", 4),
        ("INSERT INTO creations SELECT 9, 'L0', mark, kind, command, made, path, prompt, content_sha256, file_sha256, "
         "words FROM creations WHERE number = 4", 5),
    ],
)  # fmt: skip
def test_the_first_record_that_does_not_hold_is_told(five: Workspace, change: str, at: int) -> None:
    with five.engine.connect().execution_options(luoxia_writes=True) as connection:
        connection.exec_driver_sql("PRAGMA foreign_keys=OFF")
        connection.rollback()
        raw = connection.connection.cursor()
        raw.execute("PRAGMA foreign_keys=OFF")
        assert raw.execute(change).rowcount == 1
    checked = five.check()
    assert checked.fault is not None
    assert checked.at == at


def test_a_chain_written_anew_or_cut_off_is_told_by_a_head_noted_before(five: Workspace) -> None:
    with database.reading(five.engine) as connection:
        noted = list(connection.scalars(sa.text("SELECT hash FROM records ORDER BY number")))
    assert five.check(noted[2]).fault is None
    with database.writing(five.engine) as connection:
        connection.execute(sa.text("DELETE FROM records WHERE number = 5"))
    assert five.check(noted[3]).fault is None
    assert five.check(noted[4]).fault is not None
    assert chain.link(noted[3], "{}") != noted[4]
