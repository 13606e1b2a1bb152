"""A real server on loopback, in front of a model that writes what a test tells it to."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
import written_by
from fake_text import FakeModel

from luoxia.server.app import create_app
from luoxia.server.runner import Runner
from luoxia.weights.catalogue import CATALOGUE, DEFAULT_TEXT_MODEL, Entry, path_of
from luoxia.workspace import models_used


@contextmanager
def serving(app: Any, **options: Any) -> Iterator[str]:
    """The address of a real server that runs ``app`` in a thread."""
    config = uvicorn.Config(
        app, port=0, log_level="error", ws="websockets-sansio", timeout_graceful_shutdown=1, **options
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        until(lambda: server.started)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(timeout=10)


def until(holds: Callable[[], object], seconds: float = 5.0) -> None:
    """Wait for something that happens in another thread."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.005)


@pytest.fixture(name="until")
def _until() -> Callable[..., None]:
    return until


@pytest.fixture(name="serving")
def _serving() -> Any:
    return serving


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LUOXIA_HOME", str(tmp_path))
    monkeypatch.setenv("LUOXIA_LANG", "en")
    monkeypatch.setitem(models_used._MODELS, "write", written_by.nobody)
    return tmp_path


def place(entry: Entry) -> Path:
    """A file of the right size, all holes, that nothing reads."""
    path = path_of(entry)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.truncate(entry.size)
    return path


@pytest.fixture
def default_model_here(home: Path) -> Entry:
    place(CATALOGUE[DEFAULT_TEXT_MODEL])
    return CATALOGUE[DEFAULT_TEXT_MODEL]


@pytest.fixture
def model() -> FakeModel:
    return FakeModel()


@pytest.fixture
def runner(model: FakeModel) -> Iterator[Runner]:
    runner = Runner(lambda name: model, places=2)
    yield runner
    runner.close()


@pytest.fixture(scope="session")
def stage() -> Iterator[tuple[dict[str, Any], str]]:
    """One server for all tests, which starts slowly and serves whatever application stands on it."""
    standing: dict[str, Any] = {}

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await standing["app"](scope, receive, send)

    with serving(app, lifespan="off") as address:
        yield standing, address


@pytest.fixture
def url(stage: tuple[dict[str, Any], str], runner: Runner) -> str:
    standing, address = stage
    standing["app"] = create_app(models=runner)
    return address


@pytest.fixture
def client(url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=url, timeout=10, trust_env=False, verify=False) as client:  # no TLS here
        yield client
