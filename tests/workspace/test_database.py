from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from workspace_made import creation

from luoxia.core.errors import UserError
from luoxia.workspace import database
from luoxia.workspace.creation import Creation
from luoxia.workspace.history import Workspace
from luoxia.workspace.tables import metadata

OPEN = "import sys; sys.stdin.read(1)\nfrom luoxia.workspace.history import Workspace\nprint(Workspace().check().count)"


def test_sqlite_keeps_a_log_checks_keys_and_waits(workspace: Workspace, home: Path) -> None:
    with database.reading(workspace.engine) as connection:
        asked = {p: connection.exec_driver_sql(f"PRAGMA {p}").scalar() for p in ("journal_mode", "foreign_keys",
                 "synchronous", "busy_timeout")}  # fmt: skip
    assert asked == {"journal_mode": "wal", "foreign_keys": 1, "synchronous": 2, "busy_timeout": 30_000}
    assert (home / database.FILE).is_file()


def test_the_migrations_leave_the_tables_that_the_code_tells(either: Workspace) -> None:
    found = sa.inspect(either.engine)
    own = {t for t in found.get_table_names() if t in metadata.tables}
    assert own == set(metadata.tables)
    for table in metadata.tables.values():
        told = {c.name: c.nullable for c in table.columns}
        assert {c["name"]: c["nullable"] for c in found.get_columns(table.name)} == told
        keys = {
            (k["constrained_columns"][0], k["referred_table"]) for k in found.get_foreign_keys(table.name)
        }
        assert keys == {(f.parent.name, f.column.table.name) for f in table.foreign_keys}
        indexed = {
            tuple(i["column_names"])
            for i in found.get_indexes(table.name)
            if not i.get("duplicates_constraint")
        }
        assert {tuple(c.name for c in i.columns) for i in table.indexes} <= indexed


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_processes_open_a_fresh_database_at_once(
    kind: str, home: Path, request: pytest.FixtureRequest
) -> None:
    environment = dict(os.environ)
    if kind == "postgresql":
        url = request.getfixturevalue("postgres")
        environment["LUOXIA_DATABASE"] = f"postgresql://luoxia@/{url.database}?host={url.host}"
    command = [sys.executable, "-W", "error", "-c", OPEN]
    told = {
        "stdin": subprocess.PIPE,
        "stdout": subprocess.PIPE,
        "stderr": subprocess.PIPE,
        "env": environment,
    }
    processes = [subprocess.Popen(command, **told) for _ in range(4)]  # type: ignore[call-overload]
    for process in processes:
        process.stdin.write(b"\n")
        process.stdin.flush()
    outcomes = [process.communicate(timeout=120) for process in processes]
    assert [out for out, _ in outcomes] == [b"0\n"] * 4, [err.decode() for _, err in outcomes]


def test_a_database_of_a_newer_luoxia_is_left_alone(workspace: Workspace, home: Path) -> None:
    with database.writing(workspace.engine) as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '99'"))
    with pytest.raises(UserError, match=r"newer Luoxia.*99.*update Luoxia"):
        Workspace()


def test_a_migration_that_fails_leaves_the_database_as_it_was(
    either: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    either.record(creation("kept"))
    with database.writing(either.engine) as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '0'"))
    monkeypatch.setattr(database, "VERSIONS", ("0", *database.VERSIONS))
    url = either.engine.url

    def broken(connection: sa.Connection) -> None:
        connection.execute(sa.text("CREATE TABLE half_way (x INTEGER)"))
        raise RuntimeError("the power went")

    monkeypatch.setattr(database, "migrate", broken)
    with pytest.raises(RuntimeError, match="power"):
        Workspace(url)
    assert "half_way" not in sa.inspect(either.engine).get_table_names()


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("mysql://me:secret@host/db", "no address"),
        ("sqlite://", "no address"),
        ("nonsense", "no address"),
        ("postgresql://me:secret@127.0.0.1:1/db", "127.0.0.1/db does not answer"),
        ("sqlite:////proc/nowhere/w.db", "cannot be made"),
    ],
)
def test_addresses_that_lead_nowhere(monkeypatch: pytest.MonkeyPatch, address: str, says: str) -> None:
    monkeypatch.setenv("LUOXIA_DATABASE", address)
    with pytest.raises(UserError, match=says) as told:
        Workspace()
    assert "secret" not in told.value.text.en + told.value.text.zh


@pytest.mark.parametrize(
    "data", [b"not a database at all, but a text", b"SQLite format 3\0" + b"\xff" * 2000]
)
def test_a_file_that_is_no_database_is_told_and_kept(home: Path, data: bytes) -> None:
    home.mkdir()
    (home / database.FILE).write_bytes(data)
    with pytest.raises(UserError, match=r"workspace\.db does not answer"):
        Workspace()
    assert (home / database.FILE).read_bytes() == data


def test_a_damaged_record_is_told(workspace: Workspace) -> None:
    told = creation("x")
    workspace.record(told)
    with database.writing(workspace.engine) as connection:
        connection.execute(sa.text("UPDATE records SET body = :b"), {"b": json.dumps({"facts": {"id": 1}})})
    with pytest.raises(UserError, match="record 1 of the database is damaged"):
        workspace.find(told.id)


def test_another_writer_is_waited_for(workspace: Workspace, home: Path) -> None:
    import threading

    other = sqlite3.connect(home / database.FILE, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    threading.Timer(0.5, lambda: other.execute("COMMIT")).start()
    workspace.record(creation("waited"))
    assert workspace.check().count == 1
    other.close()


def test_help_and_the_package_do_without_a_database() -> None:
    code = (
        "import sys, luoxia, luoxia.cli.main as m\n"
        "assert m.main(['--help']) == 0\n"
        "print([n for n in ('sqlalchemy', 'alembic', 'dbos', 'torch') if n in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"


def first_facts(
    told: Creation, whole: Callable[[Creation], dict[str, Any]] = Creation.to_json
) -> dict[str, Any]:
    """What the first version recorded, which knew of no gates."""
    return {name: fact for name, fact in whole(told).items() if name not in ("memorisation", "judged")}


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_database_of_the_first_version_is_brought_forward_with_what_it_holds(
    kind: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = request.getfixturevalue("postgres") if kind == "postgresql" else None
    whole = database.migrate
    with monkeypatch.context() as old:
        old.setattr(database, "VERSIONS", ("1",))
        old.setattr(database, "migrate", lambda connection: whole(connection, "1"))
        old.setattr(Creation, "to_json", first_facts)
        with Workspace(url) as workspace:
            told = creation("秋水长天", parents=("L" + "0" * 26,))
            workspace.record(told)
            assert "jobs" not in sa.inspect(workspace.engine).get_table_names()
    with Workspace(url) as workspace:
        with database.reading(workspace.engine) as connection:
            assert database.version_of(connection) == database.VERSIONS[-1]
        assert "jobs" in sa.inspect(workspace.engine).get_table_names()
        assert workspace.find(told.id) == told
        assert [row.id for row in workspace.list(search="秋水")] == [told.id]
        workspace.record(creation("after", at=1))
        assert workspace.check().fault is None
