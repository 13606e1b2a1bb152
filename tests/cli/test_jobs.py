from __future__ import annotations

import json
import subprocess
import sys

import pytest

from luoxia.cli import jobs as command
from luoxia.workspace import later
from luoxia.workspace.history import Workspace
from luoxia.workspace.jobs import _STATES as states
from luoxia.workspace.jobs import Jobs
from luoxia.workspace.made_from import MadeFrom


@pytest.fixture
def waiting(home, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setattr(later, "attend", lambda: None)
    with Workspace() as workspace, Jobs(workspace) as jobs:
        return [jobs.add("draw", {"prompt": "a heron"}), jobs.add("write \x1b[1m", {}, heavy=False)]


def test_jobs_are_listed_cancelled_and_run_anew(waiting: list[str], run) -> None:
    first, second = waiting
    lines = run("jobs").out.splitlines()
    assert lines[0].split() == ["id", "work", "state", "done", "reason"]
    assert sorted(line.split()[0] for line in lines[1:]) == sorted(waiting)
    assert "\x1b" not in "".join(lines)
    assert run("jobs", "cancel", first).err == f"{first}: cancelled\n"
    states = {job["id"]: job["state"] for job in json.loads(run("jobs", "--json").out)}
    assert states == {first: "cancelled", second: "waiting"}
    assert run("jobs", "retry", first).err == f"{first}: waiting\n"
    refused = run("jobs", "retry", second)
    assert (refused.code, refused.err.count("\n")) == (2, 1)
    assert "only jobs that failed or were cancelled" in refused.err
    assert "there is no job L9" in run("jobs", "cancel", "L9").err


def test_what_is_made_later_is_called_as_its_command(waiting: list[str], run) -> None:
    made_from = MadeFrom("film", "face morph").to_json()
    with Workspace() as workspace, Jobs(workspace) as jobs:
        jobs.add(later.MAKE, {"made_from": made_from, "path": "/films/loop\x1b.mp4", "parents": []})
    newest = run("jobs").out.splitlines()[1]
    assert "face morph: loop .mp4" in newest


def test_waiting_for_nobody_is_told(waiting: list[str], run, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run("jobs").err == ""
    monkeypatch.setattr(command, "STARTS", -1)
    assert "no worker is at work" in run("jobs").err
    monkeypatch.setitem(states, "ENQUEUED", "running")  # as after a worker that was killed
    assert "no worker is at work" in run("jobs").err


def test_a_worker_ends_when_it_is_idle(home) -> None:
    """In a process of its own: dbos keeps to the first standard error that it sees."""
    command = [sys.executable, "-m", "luoxia", "jobs", "work", "--idle", "0"]
    ended = subprocess.run(command, capture_output=True, timeout=120, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, b"", b"")


def test_no_jobs(home, run) -> None:
    assert run("jobs").err == "there are no jobs\n"
