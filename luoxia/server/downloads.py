"""Downloads of models, each in a thread of its own that outlives the request that began it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from luoxia.core.progress import Progress, ProgressEvent
from luoxia.server.refusals import describe, log_unexpected
from luoxia.server.schemas import DownloadEvent
from luoxia.weights import fetch as fetching
from luoxia.weights.catalogue import Entry

LOOK_EVERY = 0.1  # seconds; progress in between is skipped, the latest is what counts


class Fetch(Protocol):
    def __call__(self, entry: Entry, *, progress: Progress, cancelled: Callable[[], bool]) -> Path: ...


class Downloads:
    """At most one download of a model at a time; whoever asks for it again joins the one under way."""

    def __init__(self, fetch: Fetch = fetching.fetch) -> None:
        self._fetch = fetch
        self._under_way: dict[str, _Download] = {}
        self._closed = threading.Event()

    async def follow(self, entry: Entry, reader: str) -> AsyncGenerator[DownloadEvent, None]:
        """Begin or join the download and yield how far it is, to the end. Leaving does not stop it."""
        download = self._under_way.get(entry.id)
        if download is None or not download.is_alive():
            download = self._under_way[entry.id] = _Download(entry, self._fetch, self._closed.is_set)
            download.start()
        seen = None
        while not download.finished:
            if (event := download.latest) != seen:
                seen = event
                yield DownloadEvent.model_validate(event, from_attributes=True)
            await asyncio.sleep(LOOK_EVERY)
        yield download.outcome(reader)

    def close(self) -> None:
        """Stop all; what has arrived whole is kept for the next time."""
        self._closed.set()

    def join(self, seconds: float) -> None:
        """Wait for them to end after :meth:`close`, so that none leaves a process of its own behind."""
        for download in self._under_way.values():
            download.join(seconds)


class _Download(threading.Thread):
    def __init__(self, entry: Entry, fetch: Fetch, cancelled: Callable[[], bool]) -> None:
        super().__init__(name=f"luoxia-fetch-{entry.id}", daemon=True)
        self.latest = ProgressEvent("fetching", 0, entry.size)
        self.finished = False
        self._failure: Exception | None = None
        self._entry, self._fetch, self._cancelled = entry, fetch, cancelled

    def run(self) -> None:
        try:
            self._fetch(self._entry, progress=self._hear, cancelled=self._cancelled)
        except Exception as error:
            log_unexpected(error)
            self._failure = error
        finally:
            self.finished = True

    def outcome(self, reader: str) -> DownloadEvent:
        if self._failure is None:
            return DownloadEvent(state="done", done=self._entry.size, total=self._entry.size)
        _, detail = describe(self._failure, reader)
        return DownloadEvent(
            state="failed", done=self.latest.done, total=self._entry.size, message=detail.message
        )

    def _hear(self, event: ProgressEvent) -> None:
        """A message stays until the next one, so that nobody misses it."""
        if event.state != "done":
            self.latest = replace(event, message=event.message or self.latest.message)
