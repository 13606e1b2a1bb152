"""Workspaces in a home of their own, on SQLite and, where its programs are, on a PostgreSQL server of the test's own."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from luoxia.workspace.history import Workspace


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LUOXIA_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("LUOXIA_DATABASE", raising=False)
    return tmp_path / "home"


@pytest.fixture
def workspace(home: Path) -> Iterator[Workspace]:
    with Workspace() as opened:
        yield opened


def _program(name: str) -> str | None:
    places = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return shutil.which(name, path=os.pathsep.join([*map(str, places), os.environ["PATH"]]))


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of the socket of a server that ends with the tests."""
    initdb, server = _program("initdb"), _program("postgres")
    if initdb is None or server is None:
        pytest.skip("PostgreSQL's programs are not on this machine")
    folder = tmp_path_factory.mktemp("postgres")
    user: dict[str, object] = {}
    if os.geteuid() == 0:  # which PostgreSQL refuses to be
        shutil.chown(folder, "postgres", "postgres")
        for parent in list(folder.parents)[:2]:
            parent.chmod(0o755)
        user = {"user": "postgres", "group": "postgres", "extra_groups": []}
    told = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": "/"}
    make = [
        initdb,
        "-D",
        str(folder / "data"),
        "-U",
        "luoxia",
        "-A",
        "trust",
        "--no-sync",
        "-E",
        "UTF8",
        "--locale=C.UTF-8",
    ]
    subprocess.run(make, check=True, **told, **user)  # type: ignore[call-overload]
    options = ["-D", str(folder / "data"), "-k", str(folder), "-c", "listen_addresses=", "-c", "fsync=off"]
    process = subprocess.Popen([server, *options], **told, **user)  # type: ignore[call-overload]
    try:
        url = sa.URL.create("postgresql+psycopg", "luoxia", host=str(folder), database="postgres")
        engine = sa.create_engine(url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
        for attempt in range(600):
            try:
                with engine.connect():
                    break
            except sa.exc.OperationalError:
                assert process.poll() is None
                assert attempt < 599
                subprocess.run(["sleep", "0.1"], check=True)
        yield folder
    finally:
        process.send_signal(signal.SIGINT)  # at once; SIGTERM would wait for connections to be closed
        process.wait(30)


@pytest.fixture
def postgres(postgres_server: Path) -> sa.URL:
    """An empty database on the server."""
    url = sa.URL.create("postgresql+psycopg", "luoxia", host=str(postgres_server), database="postgres")
    name = f"t{os.urandom(6).hex()}"
    with sa.create_engine(url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool).connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name}"))
    return url.set(database=name)


@pytest.fixture(params=["sqlite", "postgresql"])
def either(request: pytest.FixtureRequest) -> Iterator[Workspace]:
    """A workspace on each kind of database."""
    url = request.getfixturevalue("postgres") if request.param == "postgresql" else None
    with Workspace(url) as opened:
        yield opened
