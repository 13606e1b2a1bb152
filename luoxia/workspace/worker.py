"""A process that does jobs, and takes over those of workers that are no more.

A worker is known by its place, ``machine-1`` and so on, and holds a lock for as long as it lives, which the system frees
however it ends. Every worker looks after the places whose locks are free: what was begun there is begun anew, unless its
creation was published, which the record tells.
"""

from __future__ import annotations

import json
import platform
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import sqlalchemy as sa
from dbos import DBOS
from filelock import FileLock, Timeout

from luoxia.core.errors import UserError
from luoxia.core.folder import home
from luoxia.core.language import Text
from luoxia.workspace import database, durable
from luoxia.workspace.history import Workspace
from luoxia.workspace.tables import jobs

ATTEMPTS, FIRST_PAUSE, BACKOFF = (
    3,
    2.0,
    4.0,
)  # of a job that fails for a reason that may pass: pauses of 2 and 8 s
DEATHS = 10  # of workers at one job, before it is held to be what they die of
WAITING = ["ENQUEUED", "DELAYED"]
LOOK_SECONDS = 2.0
GRACE_SECONDS = 30
SAY_SECONDS = 0.3  # between two notes of how far a job is
PLACES = 64


class CancelledError(UserError):
    """The job was cancelled while it ran."""


class Doing(Protocol):
    """What a work is given to tell how far it is: ``doing(done, total)``. It raises :class:`CancelledError` when the job is
    to stop; the work lets that pass, and is to ask last right before it publishes."""

    def __call__(self, done: int, total: int) -> None: ...


Work = Callable[[Workspace, str, Mapping[str, Any], Doing], None]
"""Does a job: with the workspace, the id of the creation to publish, what was asked, and the way to tell how far it is. It
publishes that creation, once, or raises: :class:`UserError` for what trying again does not mend."""


class Worker:
    """``works`` by the names that jobs have for them."""

    def __init__(self, works: Mapping[str, Work], workspace: Workspace | None = None) -> None:
        self.works = works
        self.workspace = workspace or Workspace()
        self.stopped = threading.Event()
        self._under_way = set[str]()

    def run(self, idle: float | None = None) -> None:
        """Do jobs until :meth:`stop`, or until there was nothing to do for ``idle`` seconds. A process has one worker."""
        durable.prepare(self.workspace)
        with _place() as held:
            place = _name(held.number)
            DBOS(config=durable.config(self.workspace.engine.url, place))

            @DBOS.workflow(name=durable.WORKFLOW, max_recovery_attempts=DEATHS)
            def job(id: str) -> None:  # dbos takes functions, not methods
                self._job(id)

            DBOS.listen_queues(list(durable.AT_ONCE))
            DBOS.launch()
            try:
                busy = time.monotonic()
                while not self.stopped.wait(LOOK_SECONDS):
                    self._look_after(place)
                    if self._under_way or DBOS.list_workflows(status=WAITING, limit=1, load_input=False):
                        busy = time.monotonic()
                    elif idle is not None and time.monotonic() > busy + idle:
                        break
            finally:
                DBOS.destroy(destroy_registry=True, workflow_completion_timeout_sec=GRACE_SECONDS)
                held.kept = bool(self._under_way)  # nobody may begin it anew while it runs on here

    def stop(self) -> None:
        """End :meth:`run` when what is under way has ended, or after ``GRACE_SECONDS``: then the process is to end, and
        another worker begins it anew."""
        self.stopped.set()

    def _job(self, id: str) -> None:
        DBOS.run_step(
            {
                "name": "attempt",
                "retries_allowed": True,
                "max_attempts": ATTEMPTS,
                "interval_seconds": FIRST_PAUSE,
                "backoff_rate": BACKOFF,
                "should_retry": _may_pass,
            },
            self._attempt,
            id,
        )

    def _attempt(self, id: str) -> None:
        self._under_way.add(id)
        try:
            self._attempt_it(id)
        finally:
            self._under_way.discard(id)

    def _attempt_it(self, id: str) -> None:
        self.workspace.mend()  # of a worker that died after its rename, the record is made first
        with database.reading(self.workspace.engine) as connection:
            job = connection.execute(sa.select(jobs).where(jobs.c.id == id)).one()
        if self.workspace.is_recorded(id):
            return
        try:
            if job.work not in self.works:
                raise UserError(
                    f"no worker here knows how to {job.work}", f"本机没有能处理 {job.work} 的工作进程"
                )
            self.works[job.work](self.workspace, id, json.loads(job.asked), self._doing(id, job.tries))
            if not self.workspace.is_recorded(id):
                raise RuntimeError(f"{job.work} ended without publishing")
        except CancelledError:
            raise
        except Exception as error:
            self._failed(id, error)
            raise

    def _failed(self, id: str, error: Exception) -> None:
        line = " ".join(f"{type(error).__name__}: {error}".split())[:500]
        why = error.text if isinstance(error, UserError) else Text(line, line)
        with database.writing(self.workspace.engine) as connection:
            connection.execute(jobs.update().where(jobs.c.id == id).values(error_en=why.en, error_zh=why.zh))

    def _doing(self, id: str, tries: int) -> Doing:
        said = -SAY_SECONDS

        def doing(done: int, total: int) -> None:
            nonlocal said
            if done < total and time.monotonic() < said + SAY_SECONDS:
                return
            said = time.monotonic()
            own = jobs.update().where(
                jobs.c.id == id, jobs.c.tries == tries
            )  # not where it was run anew meanwhile
            note = own.values(done=done, total=total).returning(jobs.c.cancelled)
            with database.writing(self.workspace.engine) as connection:
                cancelled = connection.scalar(note)
            if cancelled != 0:
                raise CancelledError(f"{id} was cancelled", f"{id} 已取消")

        return doing

    def _look_after(self, own: str) -> None:
        """Have what dead workers of this machine had begun done by somebody else."""
        for number in range(1, PLACES + 1):
            if _name(number) == own or not _lock_path(number).exists():
                continue
            lock = FileLock(_lock_path(number))
            try:
                lock.acquire(blocking=False)
            except Timeout:
                continue
            try:
                self.workspace.mend()
                DBOS._recover_pending_workflows([_name(number)])
            finally:
                lock.release()


def at_work() -> bool:
    """Whether this machine has a worker."""
    for number in range(1, PLACES + 1):
        if not _lock_path(number).exists():
            continue
        lock = FileLock(_lock_path(number))
        try:
            lock.acquire(blocking=False)
        except Timeout:
            return True
        lock.release()
    return False


def _may_pass(error: BaseException) -> bool:
    return not isinstance(error, UserError)


def _name(number: int) -> str:
    return f"{platform.node()}-{number}"


def _lock_path(number: int) -> Path:
    return home() / "workers" / f"{number}.lock"


@dataclass
class _Held:
    """A place that a worker has; where it is ``kept``, until its process ends."""

    number: int
    lock: FileLock
    kept: bool = False


_kept: list[FileLock] = []  # a lock that nothing refers to is let go


@contextmanager
def _place() -> Iterator[_Held]:
    """The first place that nobody has, held."""
    (home() / "workers").mkdir(parents=True, exist_ok=True)
    for number in range(1, PLACES + 1):
        held = _Held(number, FileLock(_lock_path(number)))
        try:
            held.lock.acquire(blocking=False)
        except Timeout:
            continue
        try:
            yield held
        finally:
            if held.kept:
                _kept.append(held.lock)
            else:
                held.lock.release()
        return
    raise UserError(f"{PLACES} workers are at work already", f"已有 {PLACES} 个工作进程")
