"""Downloads go on without their readers, and are joined by others."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from luoxia.core.errors import FetchError
from luoxia.core.progress import ProgressEvent
from luoxia.server.app import create_app
from luoxia.server.downloads import Downloads
from luoxia.weights.catalogue import CATALOGUE

ADDRESS = "/api/models/smollm2-135m-instruct/get"
SIZE = CATALOGUE["smollm2-135m-instruct"].size


class FakeFetch:
    """Goes on by one event each time it is let."""

    def __init__(self, *events: ProgressEvent | Exception) -> None:
        self.events, self.go, self.calls, self.told = events, threading.Semaphore(0), 0, 0
        self.cancelled = False

    def __call__(self, entry: object, *, progress: Callable, cancelled: Callable[[], bool]) -> Path:
        self.calls += 1
        for event in self.events:
            while not self.go.acquire(timeout=0.01):
                if cancelled():
                    self.cancelled = True
                    raise FetchError("stopped", "已停止")
            if isinstance(event, Exception):
                raise event
            progress(event)
            self.told += 1
        return Path()


@pytest.fixture
def fetch() -> FakeFetch:
    return FakeFetch(
        ProgressEvent("fetching", 0, SIZE, "98.4 MB from package x"),
        ProgressEvent("fetching", 50, SIZE),
        ProgressEvent("checking", SIZE, SIZE),
        ProgressEvent("done", SIZE, SIZE),
    )


@pytest.fixture
def downloads(fetch: FakeFetch):
    downloads = Downloads(fetch)
    yield downloads
    downloads.close()


@pytest.fixture
def url(stage, runner, downloads) -> str:
    standing, address = stage
    standing["app"] = create_app(models=runner, downloads=downloads)
    return address


def events(answer: httpx.Response):
    return (json.loads(line[6:]) for line in answer.iter_lines() if line)


def test_progress_as_it_happens(client: httpx.Client, fetch: FakeFetch) -> None:
    with client.stream("POST", ADDRESS) as answer:
        seen = events(answer)
        assert next(seen) == {"state": "fetching", "done": 0, "total": SIZE, "message": ""}
        fetch.go.release()
        assert next(seen) == {
            "state": "fetching",
            "done": 0,
            "total": SIZE,
            "message": "98.4 MB from package x",
        }
        fetch.go.release()
        assert next(seen)["done"] == 50
        fetch.go.release()
        assert next(seen)["state"] == "checking"
        fetch.go.release()
        assert next(seen) == {"state": "done", "done": SIZE, "total": SIZE, "message": ""}
        assert list(seen) == []


def test_leaving_does_not_stop_it_and_asking_again_joins(
    client: httpx.Client, fetch: FakeFetch, until
) -> None:
    with client.stream("POST", ADDRESS) as answer:
        next(events(answer))
    fetch.go.release(2)
    until(lambda: fetch.told == 2)
    with client.stream("POST", ADDRESS) as answer:
        seen = events(answer)
        assert next(seen)["message"] == "98.4 MB from package x"
        fetch.go.release(2)
        assert [*seen][-1]["state"] == "done"
    assert fetch.calls == 1


def test_after_the_end_it_can_be_asked_for_again(client: httpx.Client, fetch: FakeFetch) -> None:
    for _ in range(2):
        fetch.go.release(4)
        assert [*events(client.post(ADDRESS))][-1]["state"] == "done"
    assert fetch.calls == 2


@pytest.mark.parametrize(
    ("error", "english", "chinese"),
    [
        (FetchError("no network; place it by hand", "没有网络；请手动放置"), "no network", "没有网络"),
        (RuntimeError("internals"), "Something went wrong inside Luoxia", "Luoxia 内部出错"),
    ],
)
def test_failure_is_told_in_the_readers_language(client, fetch, error, english, chinese) -> None:
    fetch.events = (error,)
    for header, expected in (("en", english), ("zh-CN", chinese)):
        fetch.go.release()
        last = [*events(client.post(ADDRESS, headers={"Accept-Language": header}))][-1]
        assert last["state"] == "failed"
        assert last["message"].startswith(expected)


def test_the_servers_end_stops_it(serving, fetch: FakeFetch, until) -> None:
    with (
        serving(create_app(downloads=Downloads(fetch))) as url,
        httpx.stream("POST", f"{url}{ADDRESS}") as answer,
    ):
        next(events(answer))
    until(lambda: fetch.cancelled)
