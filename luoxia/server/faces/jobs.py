"""Long work, one piece after the other in a thread of its own, beside the easel: it outlives the page that began it."""

from __future__ import annotations

import asyncio
import secrets
import threading
from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable

from luoxia.server.errors import BusyError, NotFoundError
from luoxia.server.faces.asks import JobEvent
from luoxia.server.refusals import describe, log_unexpected
from luoxia.server.worker import Worker

LOOK_EVERY = 0.1  # seconds; progress in between is skipped, the latest is what counts
PLACES, KEPT = 4, 32  # pieces of work that may wait, and finished ones whose outcome can be asked for

Report = Callable[[JobEvent], None]  # raises CancelledError where the work is not wanted any more
Work = Callable[[Report], JobEvent]


class CancelledError(Exception):
    """The work was given up by the one who began it."""


class Job:
    def __init__(self, work: Work, once: str | None) -> None:
        self.id, self.once = secrets.token_urlsafe(9), once
        self.latest = JobEvent(state="waiting")
        self.finished = False
        self._failure: Exception | None = None
        self._work: Work | None = work
        self._cancelled = threading.Event()

    def cancel(self) -> None:
        self._cancelled.set()

    def run(self) -> None:
        assert self._work
        try:
            self._report(JobEvent(state="working"))
            self.latest = self._work(self._report).model_copy(update={"state": "done"})
        except CancelledError:
            self.latest = JobEvent(state="cancelled")
        except Exception as error:
            log_unexpected(error)
            self._failure = error
        finally:
            self._work = None  # a photograph is not kept longer than it is needed
            self.finished = True

    def event(self, reader: str) -> JobEvent:
        """How far it is, in the reader's language."""
        if self._failure is None:
            return self.latest
        _, detail = describe(self._failure, reader)
        return JobEvent(state="failed", message=detail.message)

    def _report(self, event: JobEvent) -> None:
        """Pictures stay until newer ones come."""
        if self._cancelled.is_set():
            raise CancelledError
        kept = {"picture": event.picture or self.latest.picture, "target": event.target or self.latest.target}
        self.latest = event.model_copy(update=kept)


class Jobs:
    def __init__(self) -> None:
        self._known: OrderedDict[str, Job] = OrderedDict()
        self._waiting: list[Job] = []
        self._running: Job | None = None
        self._worker = Worker("luoxia-faces", self._next, self._run)

    def start(self, work: Work, *, once: str | None = None) -> Job:
        """Queue the work; or join the one under way of the same name, where that is wanted ``once``."""
        with self._worker.putting():
            for job in self._unfinished():
                if once is not None and job.once == once:
                    return job
            if len(self._waiting) >= PLACES:
                raise BusyError(
                    f"{PLACES} pieces of work are waiting already; try again when some are done",
                    f"已有 {PLACES} 项工作在排队，请稍后再试",
                )
            job = Job(work, once)
            self._known[job.id] = job
            for old in [id for id, known in self._known.items() if known.finished][:-KEPT]:
                del self._known[old]
            self._waiting.append(job)
            return job

    def find(self, id: str) -> Job:
        job = self._known.get(id)
        if job is None:
            raise NotFoundError(
                "this work is not known any more; begin it anew", "此项工作已不存在；请重新开始"
            )
        return job

    async def follow(self, job: Job, reader: str) -> AsyncGenerator[JobEvent, None]:
        """How far it is, to the end. Leaving does not stop it."""
        seen = None
        while not job.finished:
            if (event := job.latest) is not seen:
                seen = event
                yield event
            await asyncio.sleep(LOOK_EVERY)
        yield job.event(reader)

    def close(self) -> None:
        self._worker.close()
        with self._worker.changed:
            unfinished, waiting = self._unfinished(), self._waiting
            self._waiting = []
        for job in unfinished:
            job.cancel()
        for job in waiting:
            job.run()  # to its end, which is at once

    def join(self, seconds: float) -> bool:
        return self._worker.join(seconds)

    def _unfinished(self) -> list[Job]:
        return [*self._waiting, *([self._running] if self._running else [])]

    def _next(self) -> Job | None:
        self._running = self._waiting.pop(0) if self._waiting else None
        return self._running

    def _run(self, job: Job) -> None:
        job.run()
        self._running = None
