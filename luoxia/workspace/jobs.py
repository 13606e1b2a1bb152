"""Work that outlives whoever asked for it: asked for here, done by :mod:`luoxia.workspace.worker`, kept by dbos.

A job has the id of the creation that it will publish, so that it cannot publish twice: an id is recorded once.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import sqlalchemy as sa

from luoxia.core.errors import UserError
from luoxia.core.language import Text
from luoxia.provenance import ids
from luoxia.workspace import database, durable
from luoxia.workspace.creation import canonical, now
from luoxia.workspace.history import Workspace
from luoxia.workspace.tables import creations, jobs

State = Literal["waiting", "running", "done", "failed", "cancelled"]
PRIORITIES = (1, 1_000)  # the lower goes first
USUAL = 100
MOST = 1_000
BEGINNING = {"done": 0, "total": 0, "cancelled": 0, "error_en": "", "error_zh": ""}  # of every run of a job

_STATES: dict[str, State] = {
    "ENQUEUED": "waiting",
    "DELAYED": "waiting",
    "PENDING": "running",
    "SUCCESS": "done",
    "ERROR": "failed",
    "CANCELLED": "cancelled",
    "MAX_RECOVERY_ATTEMPTS_EXCEEDED": "failed",
}
DIED = Text(
    "the worker ended each time that it was at it, as when memory runs out",
    "每次处理该任务时工作进程都会终止，例如内存不足",
)


@dataclass(frozen=True)
class Job:
    """``asked`` is what its work was given; ``done`` of ``total`` steps, 0 of 0 before it says; ``error`` why it failed."""

    id: str
    work: str
    asked: Mapping[str, Any]
    queue: str
    priority: int
    made: str
    state: State
    done: int
    total: int
    error: Text | None = None


class Jobs:
    """The jobs of a workspace."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        durable.prepare(workspace)
        self._client = durable.client(workspace)

    def __enter__(self) -> Jobs:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.destroy()

    def add(
        self,
        work: str,
        asked: Mapping[str, Any],
        *,
        heavy: bool = True,
        priority: int = USUAL,
        id: str | None = None,
    ) -> str:
        """Have ``work`` done with ``asked``, JSON, when its turn comes; the job's id. ``heavy`` jobs run one at a time."""
        if not PRIORITIES[0] <= priority <= PRIORITIES[1]:
            low, high = PRIORITIES
            raise UserError(
                f"priority is {priority}; give {low} to {high}", f"优先级为 {priority}；请给 {low} 到 {high}"
            )
        id = id or self.workspace.new_id()
        row = {
            "id": id,
            "work": work,
            "asked": canonical(dict(asked)),
            "queue": durable.HEAVY if heavy else durable.LIGHT,
            "priority": priority,
            "made": now(),
            "tries": 1,
            **BEGINNING,
        }
        with database.writing(self.workspace.engine) as connection:
            connection.execute(jobs.insert(), row)
            self._enqueue(connection, row)
        return id

    def list(self, limit: int = 50) -> list[Job]:
        """The newest first."""
        query = sa.select(jobs).order_by(jobs.c.made.desc(), jobs.c.id.desc()).limit(max(1, min(limit, MOST)))
        return self._told(query)

    def waiting(self) -> bool:
        """Whether any job waits for its turn."""
        return bool(self._client.list_workflows(status=["ENQUEUED", "DELAYED"], limit=1, load_input=False))

    def find(self, typed: str) -> Job:
        """The job whose id begins so. Raises :class:`UserError` where there is none, or more than one."""
        begin = ids.prefix(typed)
        found = self._told(sa.select(jobs).where(jobs.c.id >= begin, jobs.c.id < begin + "~").limit(2))
        if len(found) == 1:
            return found[0]
        if found:
            raise UserError(
                f"several jobs begin with {begin}; give more of it",
                f"有多个任务以 {begin} 开头；请写得更长些",
            )
        raise UserError(
            f"there is no job {begin}; `luoxia jobs` lists them",
            f"没有任务 {begin}；`luoxia jobs` 可列出全部",
        )

    def cancel(self, typed: str) -> Job:
        """Have a job stop, or not begin. One that is running stops when it next says how far it is."""
        job = self.find(typed)
        if job.state not in ("waiting", "running"):
            raise UserError(
                f"{job.id} is {job.state}: there is nothing to cancel",
                f"{job.id} 已结束（{job.state}），无法取消",
            )
        with database.writing(self.workspace.engine) as connection:
            connection.execute(jobs.update().where(jobs.c.id == job.id).values(cancelled=1))
            tries = connection.scalar(sa.select(jobs.c.tries).where(jobs.c.id == job.id))
        self._client.cancel_workflow(_workflow(job.id, tries or 1))
        return self.find(job.id)

    def retry(self, typed: str) -> Job:
        """Have a job that failed or was cancelled run anew, from its beginning."""
        job = self.find(typed)
        if job.state not in ("failed", "cancelled"):
            raise UserError(
                f"{job.id} is {job.state}: only jobs that failed or were cancelled are run anew",
                f"{job.id} 的状态为 {job.state}：只有失败或已取消的任务可以重试",
            )
        fresh = {"tries": jobs.c.tries + 1, **BEGINNING}
        with database.writing(self.workspace.engine) as connection:
            connection.execute(jobs.update().where(jobs.c.id == job.id).values(**fresh))
            self._enqueue(
                connection, connection.execute(sa.select(jobs).where(jobs.c.id == job.id)).one()._asdict()
            )
        return self.find(job.id)

    def _enqueue(self, connection: sa.Connection, row: Mapping[str, Any]) -> None:
        """In the same transaction, so that there is no job without its workflow, and no workflow without its job."""
        self._client.enqueue_in_transaction(
            connection,
            {
                "workflow_name": durable.WORKFLOW,
                "queue_name": row["queue"],
                "workflow_id": _workflow(row["id"], row["tries"]),
                "app_version": durable.VERSION,
                "priority": row["priority"],
            },
            row["id"],
        )

    def _told(self, query: sa.Select[Any]) -> list[Job]:
        with database.reading(self.workspace.engine) as connection:
            rows = connection.execute(query).all()
            among = sa.select(creations.c.id).where(creations.c.id.in_([row.id for row in rows]))
            published = set(connection.scalars(among))
        names = [_workflow(row.id, row.tries) for row in rows]
        found = (
            self._client.list_workflows(workflow_ids=names, load_input=False, load_output=False)
            if names
            else []
        )
        status = {flow.workflow_id: flow.status for flow in found}
        return [
            _job(row, status.get(_workflow(row.id, row.tries), "ERROR"), row.id in published) for row in rows
        ]


def _workflow(id: str, tries: int) -> str:
    return f"{id}-{tries}"


def _job(row: sa.Row[Any], status: str, published: bool) -> Job:
    state = "done" if published else "cancelled" if row.cancelled else _STATES[status]
    error = None
    if state == "failed":
        error = Text(row.error_en, row.error_zh) if row.error_en else DIED
    of = {name: getattr(row, name) for name in ("id", "work", "queue", "priority", "made", "done", "total")}
    of["done"] = of["total"] if state == "done" else of["done"]
    return Job(**of, asked=json.loads(row.asked), state=state, error=error)
