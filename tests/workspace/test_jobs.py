"""Jobs through dbos: what is done, stopped, run anew, and taken over from a worker that was killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from workspace_made import creation

from luoxia.core.errors import UserError
from luoxia.core.folder import put_in_place
from luoxia.workspace import database, durable, worker
from luoxia.workspace.history import Workspace
from luoxia.workspace.jobs import Job, Jobs
from luoxia.workspace.worker import Doing, Worker


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(durable, "POLL_SECONDS", 0.1)
    monkeypatch.setattr(worker, "LOOK_SECONDS", 0.1)
    monkeypatch.setattr(worker, "FIRST_PAUSE", 0.05)
    monkeypatch.setattr(worker, "SAY_SECONDS", 0.0)


@pytest.fixture
def jobs(workspace: Workspace) -> Iterator[Jobs]:
    with Jobs(workspace) as opened:
        yield opened


def publish(workspace: Workspace, id: str, asked: Mapping[str, Any], doing: Doing) -> None:
    doing(1, 2)
    path = Path(os.environ["LUOXIA_HOME"]) / f"{id}.txt"
    unfinished = path.with_suffix(".part")
    unfinished.write_text(str(asked))
    with workspace.recording(creation("made", id=id, path=str(path), file_sha256="f" * 64), unfinished):
        put_in_place(unfinished, path)


@contextmanager
def working(**works: Any) -> Iterator[None]:
    with Workspace() as own:
        one = Worker(works, own)
        thread = threading.Thread(target=one.run)
        thread.start()
        try:
            yield
        finally:
            one.stop()
            thread.join(60)
            assert not thread.is_alive()


def until(jobs: Jobs, id: str, holds: Callable[[Job], bool]) -> Job:
    for _ in range(1_200):
        job = jobs.find(id)
        if holds(job):
            return job
        time.sleep(0.05)
    raise AssertionError(job)


def ended(job: Job) -> bool:
    return job.state in ("done", "failed", "cancelled")


def test_jobs_run_by_priority_one_heavy_at_a_time(jobs: Jobs) -> None:
    order: list[str] = []
    at_once: list[int] = []
    busy = [0]

    def slow(workspace: Workspace, id: str, asked: Mapping[str, Any], doing: Doing) -> None:
        busy[0] += 1
        at_once.append(busy[0])
        order.append(asked["name"])
        time.sleep(0.15)
        publish(workspace, id, asked, doing)
        busy[0] -= 1

    added = [
        jobs.add("slow", {"name": n}, priority=p) for n, p in (("c", 300), ("a", 1), ("d", 300), ("b", 2))
    ]
    assert [job.state for job in jobs.list()] == ["waiting"] * 4
    with working(slow=slow):
        for id in added:
            job = until(jobs, id, ended)
            assert (job.state, job.done, job.total) == ("done", 2, 2)
    assert order == ["a", "b", "c", "d"]
    assert max(at_once) == 1
    assert jobs.workspace.check().count == 4


def test_a_failure_that_may_pass_is_tried_again_and_one_that_will_not_is_not(jobs: Jobs) -> None:
    calls = {"passes": 0, "stays": 0, "wrong": 0, "silent": 0}

    def flaky(workspace: Workspace, id: str, asked: Mapping[str, Any], doing: Doing) -> None:
        calls[asked["way"]] += 1
        if asked["way"] == "wrong":
            raise UserError("the prompt is empty", "提示为空")
        if asked["way"] == "stays" or (calls["passes"] == 1 and asked["way"] == "passes"):
            raise OSError("the disk is away")
        if asked["way"] == "passes":
            publish(workspace, id, asked, doing)

    ids = {way: jobs.add("flaky", {"way": way}, heavy=False) for way in calls}
    unknown = jobs.add("unheard of", {})
    with working(flaky=flaky):
        found = {way: until(jobs, id, ended) for way, id in ids.items()}
        strange = until(jobs, unknown, ended)
    assert {way: job.state for way, job in found.items()} == {
        "passes": "done", "stays": "failed", "wrong": "failed", "silent": "failed"
    }  # fmt: skip
    assert calls == {"passes": 2, "stays": worker.ATTEMPTS, "wrong": 1, "silent": worker.ATTEMPTS}
    assert str(found["stays"].error) == "OSError: the disk is away"
    assert found["wrong"].error is not None
    assert (found["wrong"].error.en, found["wrong"].error.zh) == ("the prompt is empty", "提示为空")
    assert "without publishing" in str(found["silent"].error)
    assert "unheard of" in str(strange.error)


def test_a_failed_job_is_run_anew_and_a_done_one_is_not(jobs: Jobs) -> None:
    broken = [True]

    def work(workspace: Workspace, id: str, asked: Mapping[str, Any], doing: Doing) -> None:
        if broken[0]:
            raise UserError("not yet", "尚未")
        publish(workspace, id, asked, doing)

    id = jobs.add("work", {})
    with working(work=work):
        assert until(jobs, id, ended).state == "failed"
        broken[0] = False
        assert jobs.retry(id[:26]).state in ("waiting", "running", "done")
        job = until(jobs, id, ended)
    assert (job.state, job.error) == ("done", None)
    assert jobs.workspace.is_recorded(id)
    for wrong in (jobs.retry, jobs.cancel):
        with pytest.raises(UserError, match="is done"):
            wrong(id)


def test_a_waiting_job_is_cancelled_and_a_running_one_stops(jobs: Jobs) -> None:
    started = threading.Event()

    def long(workspace: Workspace, id: str, asked: Mapping[str, Any], doing: Doing) -> None:
        for i in range(2_000):
            doing(i, 2_000)
            started.set()
            time.sleep(0.01)
        publish(workspace, id, asked, doing)

    running, waiting = jobs.add("long", {}), jobs.add("long", {}, priority=200)
    assert jobs.cancel(waiting).state == "cancelled"
    with working(long=long):
        assert started.wait(60)
        assert jobs.cancel(running).state == "cancelled"
        last = jobs.add("publish", {}, priority=300)
        assert until(jobs, last, ended).state == "failed"  # its turn came, though nobody knows the work
        assert 0 < jobs.find(running).done < 2_000
    assert jobs.workspace.check().count == 0
    assert jobs.retry(waiting).state == "waiting"


def until_ended(jobs: Jobs, id: str) -> None:
    """The workflow itself has come to its end: a job is done as soon as its creation is recorded."""
    query = sa.text("SELECT status FROM workflow_status WHERE workflow_uuid = :id")
    for _ in range(1_200):
        with database.reading(jobs.workspace.engine) as connection:
            if connection.scalar(query, {"id": f"{id}-1"}) == "SUCCESS":
                return
        time.sleep(0.05)
    raise AssertionError(id)


KILLED = """
import sys, time
sys.path[:0] = [{tests!r}, {here!r}]
from luoxia.workspace import durable, worker
durable.POLL_SECONDS = worker.LOOK_SECONDS = 0.1
import test_jobs
def stuck(workspace, id, asked, doing):
    def die_here():
        print("there", flush=True)
        time.sleep(600)
    if asked["when"] == "after":
        import luoxia.core.folder as folder
        whole = folder.put_in_place
        def put(unfinished, path):
            whole(unfinished, path)
            die_here()
        test_jobs.put_in_place = put
    else:
        die_here()
    test_jobs.publish(workspace, id, asked, doing)
worker.Worker({{"stuck": stuck}}).run()
"""


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_killed_workers_job_is_taken_over_by_one_that_lives(jobs: Jobs, home: Path, when: str) -> None:
    here = Path(__file__).parent
    script = home.parent / "killed.py"
    script.write_text(KILLED.format(tests=str(here.parent), here=str(here)))
    id = jobs.add("stuck", {"when": when})
    done: list[str] = []

    def finish(workspace: Workspace, id: str, asked: Mapping[str, Any], doing: Doing) -> None:
        done.append(id)
        publish(workspace, id, asked, doing)

    with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"there\n"
        with working(stuck=finish):
            time.sleep(0.5)
            assert done == []  # whoever lives keeps his job
            assert jobs.find(id).state == "running"
            process.send_signal(signal.SIGKILL)
            process.wait()
            assert until(jobs, id, ended).state == "done"
            until_ended(jobs, id)
    assert done == ([id] if when == "before" else [])  # what was renamed is recorded, not made twice
    assert (home / f"{id}.txt").exists()
    checked = jobs.workspace.check()
    assert (checked.count, checked.fault) == (1, None)


def test_nothing_in_the_database_is_pickled(jobs: Jobs, home: Path) -> None:
    def fail(workspace: Workspace, id: str, asked: Mapping[str, Any], doing: Doing) -> None:
        raise UserError("no", "否")

    id = jobs.add("fail", {"text": "秋水"})
    with working(fail=fail):
        until(jobs, id, ended)
    good = jobs.add("publish", {})
    with working(publish=publish):
        until(jobs, good, ended)
        until_ended(jobs, good)
    with database.reading(jobs.workspace.engine) as connection:
        asked = "SELECT serialization, inputs, output, error FROM workflow_status"
        steps = "SELECT serialization, NULL, output, error FROM operation_outputs"
        rows = [*connection.execute(sa.text(asked)), *connection.execute(sa.text(steps))]
    assert len(rows) == 4
    for kind, *texts in rows:
        assert kind == "portable_json"
        assert all(text is None or text.startswith(("{", "[", "null")) for text in texts)


def test_jobs_on_postgresql(postgres: sa.URL, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LUOXIA_DATABASE", f"postgresql://luoxia@/{postgres.database}?host={postgres.host}")
    with Workspace() as workspace, Jobs(workspace) as jobs:
        with working(publish=publish):
            id = jobs.add("publish", {"a": 1})
            assert until(jobs, id, ended).state == "done"
        assert workspace.check().count == 1


@pytest.mark.parametrize("priority", [0, 1_001, -5])
def test_priorities_have_bounds(jobs: Jobs, priority: int) -> None:
    with pytest.raises(UserError, match="give 1 to 1000"):
        jobs.add("x", {}, priority=priority)
    assert jobs.list() == []


def test_a_job_run_anew_while_its_first_run_has_not_noticed_is_published_once(jobs: Jobs) -> None:
    begun, first = threading.Event(), threading.Event()
    stopped: list[Exception] = []

    def work(workspace: Workspace, id: str, asked: Mapping[str, Any], doing: Doing) -> None:
        if not begun.is_set():
            begun.set()
            first.wait(60)
            try:
                doing(1, 2)
            except UserError as error:
                stopped.append(error)
                raise
        publish(workspace, id, asked, doing)

    id = jobs.add("work", {}, heavy=False)
    with working(work=work):
        assert begun.wait(60)
        jobs.cancel(id)
        jobs.retry(id)
        assert until(jobs, id, ended).state == "done"
        first.set()
        for _ in range(200):
            if stopped:
                break
            time.sleep(0.05)
    assert "cancelled" in str(stopped[0])
    assert jobs.workspace.check().count == 1
    assert jobs.find(id).state == "done"
