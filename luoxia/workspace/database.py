"""The database: SQLite in Luoxia's own folder, or PostgreSQL where ``LUOXIA_DATABASE`` says so; brought up to date as it
is opened.

SQLite keeps a write-ahead log, so that readers never wait, checks foreign keys, waits for other writers, and returns from
a commit when it would survive a power cut.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from filelock import FileLock
from sqlalchemy import event
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

from luoxia.core.errors import UserError
from luoxia.core.folder import home

VERSIONS = ("1", "2", "3", "4")  # of the tables, oldest first
FILE = "workspace.db"
BUSY_SECONDS = 30
MIGRATING = 0x6C756F78  # names our lock among those of a PostgreSQL server


def address() -> sa.URL:
    """Where the database is: ``LUOXIA_DATABASE``, as in ``postgresql://user@host/name``, or a file in :func:`home`."""
    given = os.environ.get("LUOXIA_DATABASE", "")
    if not given:
        return sa.URL.create("sqlite", database=str(home() / FILE))
    try:
        url = sa.make_url(given)
    except ArgumentError:
        raise _no_address() from None  # the address may hold a password, and is not told
    if url.get_backend_name() == "postgresql":
        return url.set(drivername="postgresql+psycopg")
    if url.get_backend_name() == "sqlite" and url.database not in (None, "", ":memory:"):
        return url
    raise _no_address()


def _no_address() -> UserError:
    return UserError(
        "LUOXIA_DATABASE is no address of a database: give sqlite:///path/to/file.db or postgresql://user@host/name",
        "LUOXIA_DATABASE 不是数据库地址：请用 sqlite:///文件路径.db 或 postgresql://用户@主机/库名",
    )


def opened(url: sa.URL | None = None) -> sa.Engine:
    """The database at ``url``, made where there is none, its tables those of the newest version.

    Two processes may open a fresh one at once. Raises :class:`UserError` for one that a newer Luoxia wrote, that is no
    database, or that cannot be reached or written.
    """
    url = url or address()
    with plainly(url):
        engine = _engine(url)
        try:
            _bring_forward(engine)
        except BaseException:
            engine.dispose()
            raise
    return engine


@contextmanager
def writing(engine: sa.Engine) -> Iterator[sa.Connection]:
    """A transaction that may write. On SQLite no other begins to until it has ended; on PostgreSQL each of its statements
    sees what others have committed, and the chain has a lock of its own."""
    with (
        plainly(engine.url),
        engine.connect().execution_options(luoxia_writes=True) as connection,
        connection.begin(),
    ):
        yield connection


@contextmanager
def reading(engine: sa.Engine) -> Iterator[sa.Connection]:
    """A transaction that sees one state of the database throughout."""
    with plainly(engine.url), engine.connect() as connection:
        if engine.dialect.name == "postgresql":
            connection = connection.execution_options(isolation_level="REPEATABLE READ")
        yield connection


@contextmanager
def plainly(url: sa.URL) -> Iterator[None]:
    """Failures of the database, told as what the user can do about them."""
    try:
        yield
    except (DBAPIError, NoSuchModuleError) as error:
        reason = " ".join(str(getattr(error, "orig", None) or error).split())[:200]
        place = url.database if url.get_backend_name() == "sqlite" else f"{url.host}/{url.database}"
        raise UserError(
            f"the database {place} does not answer ({reason}); it is named by LUOXIA_DATABASE, or lies in LUOXIA_HOME",
            f"数据库 {place} 无法使用（{reason}）；其位置由 LUOXIA_DATABASE 指定，默认在 LUOXIA_HOME 中",
        ) from error


def _engine(url: sa.URL) -> sa.Engine:
    if url.get_backend_name() != "sqlite":
        return sa.create_engine(url, connect_args={"connect_timeout": 10})
    try:
        Path(str(url.database)).parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"the folder of the database {url.database} cannot be made: {error.strerror}",
            f"无法创建数据库 {url.database} 所在的文件夹：{error.strerror}",
        ) from error
    engine = sa.create_engine(url, connect_args={"timeout": BUSY_SECONDS})
    event.listen(engine, "connect", _settle)
    event.listen(engine, "begin", _begin)
    return engine


def _settle(connection: sqlite3.Connection, _: Any) -> None:
    connection.isolation_level = None  # transactions begin where we say so
    connection.execute("PRAGMA foreign_keys=ON")
    connection.execute("PRAGMA synchronous=FULL")


def _begin(connection: sa.Connection) -> None:
    writes = connection.get_execution_options().get("luoxia_writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def version_of(connection: sa.Connection) -> str | None:
    """The version of the tables; None of a database that has none yet."""
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    return connection.scalar(sa.text("SELECT version_num FROM alembic_version"))


def _bring_forward(engine: sa.Engine) -> None:
    with engine.connect() as connection:
        found = version_of(connection)
    if found == VERSIONS[-1]:
        return
    if found is not None and found not in VERSIONS:
        raise UserError(
            f"the database was written by a newer Luoxia (its version {found[:20]}, here {VERSIONS[-1]}): update Luoxia",
            f"数据库由更新版本的 Luoxia 写成（其版本 {found[:20]}，本机 {VERSIONS[-1]}）：请更新 Luoxia",
        )
    with _alone(engine), writing(engine) as connection:
        if version_of(connection) != VERSIONS[-1]:
            migrate(connection)


@contextmanager
def _alone(engine: sa.Engine) -> Iterator[None]:
    """No other process migrates meanwhile, nor makes the file."""
    if engine.dialect.name == "sqlite":
        with FileLock(f"{engine.url.database}.lock", timeout=BUSY_SECONDS * 10):
            raw = engine.raw_connection()
            try:
                raw.cursor().execute(
                    "PRAGMA journal_mode=WAL"
                )  # kept in the file; no transaction may be open
            finally:
                raw.close()
            yield
        return
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(sa.select(sa.func.pg_advisory_lock(MIGRATING)))
        try:
            yield
        finally:
            connection.execute(sa.select(sa.func.pg_advisory_unlock(MIGRATING)))


def migrate(connection: sa.Connection, version: str = VERSIONS[-1]) -> None:
    """Bring the tables to ``version``, all of it or nothing, in the connection's transaction."""
    from alembic import command  # takes a while to import, and is needed once a version
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(files("luoxia.workspace") / "migrations"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, version)
