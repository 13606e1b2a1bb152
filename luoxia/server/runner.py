"""The model behind the server: loaded when first asked for, and one answer at a time.

A model answers one request at a time, so requests queue. A worker thread does the generating; what it makes
reaches the event loop as it comes. A client that leaves takes its request with it, waiting or under way.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from luoxia.server.errors import BusyError
from luoxia.server.worker import Worker, stopping
from luoxia.weights import own_texts

if TYPE_CHECKING:
    from luoxia.generate.stream import Piece, TextStream
    from luoxia.generate.text import TextModel

Load = Callable[[str], "TextModel"]
Start = Callable[["TextModel"], "TextStream"]


@dataclass(frozen=True)
class Opened:
    """Stream ``index`` of a request begins; its seed is known."""

    index: int
    stream: TextStream


@dataclass(frozen=True)
class Wrote:
    index: int
    piece: Piece


@dataclass(frozen=True)
class Ended:
    """Stream ``index`` came to its end; its finish reason, token counts and times are known."""

    index: int
    stream: TextStream


Event = Opened | Wrote | Ended


class Runner:
    """Loads with ``load`` (``luoxia.load`` unless a test says otherwise) and keeps the model last used.

    ``places`` requests may wait; one more is refused with :class:`BusyError`.
    """

    def __init__(self, load: Load | None = None, *, threads: int | None = None, places: int = 8) -> None:
        self._load = load or _loader(threads)
        self._places = places
        self.threads = threads  # as it was asked for
        self._model: TextModel | None = None
        self._state: tuple[
            tuple[str, int], ...
        ] = ()  # of the files that it was loaded from, where they are the user's
        self._waiting: deque[_Job] = deque()
        self._running: _Job | None = None
        self._worker = Worker("luoxia-runner", self._next, self._run)

    @property
    def model(self) -> TextModel | None:
        """The model in memory."""
        return self._model

    @property
    def busy(self) -> bool:
        return self._running is not None

    @property
    def queued(self) -> int:
        return len(self._waiting)

    async def answer(self, model_id: str, starts: Sequence[Start]) -> AsyncGenerator[Event, None]:
        """Open the streams one after the other, when this request's turn comes, and yield what they do.

        Close the iterator to leave the queue or to stop generating. Raises what loading or a stream raises,
        :class:`BusyError` and :class:`StoppingError`.
        """
        job = _Job(model_id, starts, asyncio.get_running_loop())
        self._enqueue(job)
        try:
            while (event := await job.events.get()) is not None:
                if isinstance(event, BaseException):
                    raise event
                yield event
        finally:
            job.leave()
            with self._worker.changed, suppress(ValueError):
                self._waiting.remove(job)

    async def warm(self, model_id: str) -> None:
        """Have the model in memory before anybody asks."""
        async for _ in self.answer(model_id, ()):
            pass

    def close(self) -> None:
        """Stop what runs, refuse what waits; the worker ends."""
        self._worker.close()
        with self._worker.changed:
            stopped = [*self._waiting, *([self._running] if self._running else [])]
            self._waiting.clear()
        for job in stopped:
            job.tell(stopping())
            job.leave()

    def join(self, seconds: float) -> bool:
        return self._worker.join(seconds)

    def _enqueue(self, job: _Job) -> None:
        with self._worker.putting():
            if len(self._waiting) + self.busy > self._places:  # one of them is about to run, or runs
                raise BusyError(
                    f"{self._places} requests are waiting already; try again when some are done",
                    f"已有 {self._places} 个请求在排队，请稍后再试",
                )
            self._waiting.append(job)

    def _next(self) -> _Job | None:
        self._running = self._waiting.popleft() if self._waiting else None
        return self._running

    def _run(self, job: _Job) -> None:
        try:
            job.run(self._loaded(job.model_id))
        except BaseException as error:  # whatever it is, it belongs to the one who asked
            job.tell(error)
        finally:
            self._running = None
            job.tell(None)

    def _loaded(self, model_id: str) -> TextModel:
        state = own_texts.state(model_id)
        if self._model is None or self._model.id != model_id or self._state != state:
            self._model = None  # its memory is free before the next one needs it
            self._model, self._state = self._load(model_id), state
        return self._model


class _Job:
    """One request: ``run`` on the worker thread, ``leave`` on any, ``events`` in the event loop."""

    def __init__(self, model_id: str, starts: Sequence[Start], loop: asyncio.AbstractEventLoop) -> None:
        self.model_id = model_id
        self.events: asyncio.Queue[Event | BaseException | None] = asyncio.Queue()
        self._starts = starts
        self._loop = loop
        self._gone = False
        self._stream: TextStream | None = None

    def run(self, model: TextModel) -> None:
        for index, start in enumerate(self._starts):
            if self._gone:
                return
            self._stream = stream = start(model)
            if self._gone:  # left while the stream was being opened
                stream.close()
            self.tell(Opened(index, stream))
            for piece in stream:
                self.tell(Wrote(index, piece))
            self.tell(Ended(index, stream))

    def tell(self, event: Event | BaseException | None) -> None:
        with suppress(RuntimeError):  # the loop has closed: nobody listens any more
            self._loop.call_soon_threadsafe(self.events.put_nowait, event)

    def leave(self) -> None:
        self._gone = True
        if self._stream is not None:
            self._stream.close()


def _loader(threads: int | None) -> Load:
    def load(model_id: str) -> TextModel:
        import luoxia  # brings torch, which the server's start does not wait for

        return luoxia.load(model_id, threads=threads)

    return load
