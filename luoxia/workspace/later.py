"""Creations that are made later, by a worker: whatever has a maker can be asked for so."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from luoxia.core import seeds
from luoxia.core.folder import home
from luoxia.workspace import makers, worker
from luoxia.workspace.history import Workspace
from luoxia.workspace.jobs import USUAL, Jobs
from luoxia.workspace.made_from import MadeFrom
from luoxia.workspace.publish import publish
from luoxia.workspace.worker import Doing, Work

MAKE = "make"
IDLE_SECONDS = 60  # that a worker nobody called for waits for more


def later(made_from: MadeFrom, path: Path, *, parents: Iterable[Path] = (), priority: int = USUAL) -> str:
    """Have ``made_from`` made and published as ``path`` by a worker, and one be there to do so; the job's id.

    Raises :class:`UserError` for what no maker makes. A seed is drawn where there is none, so that the record has it.
    """
    makers.maker_of(made_from)
    made_from = replace(made_from, seed=seeds.checked(made_from.seed))
    asked = {
        "made_from": made_from.to_json(),
        "path": str(path.absolute()),
        "parents": [str(parent.absolute()) for parent in parents],
    }
    with Workspace() as workspace, Jobs(workspace) as jobs:
        id = jobs.add(MAKE, asked, priority=priority)
    attend()
    return id


def make(workspace: Workspace, id: str, asked: Mapping[str, Any], doing: Doing) -> None:
    """The work of a job that :func:`later` asked for."""
    made_from = MadeFrom.from_json(asked["made_from"])
    content = makers.maker_of(made_from)(made_from, doing)
    doing(1, 1)
    parents = [Path(parent) for parent in asked["parents"]]
    publish(content, made_from, Path(asked["path"]), id=id, parents=parents, workspace=workspace)


_begun: list[subprocess.Popen[bytes]] = []  # by this process, which must wait for them
WORKS: dict[str, Work] = {MAKE: make}


def attend() -> None:
    """Have a worker at work: where there is none, begin one in a process of its own, which ends when nothing is left to do."""
    _begun[:] = [process for process in _begun if process.poll() is None]
    if _begun or worker.at_work():
        return
    log = home() / "workers" / "log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as said:
        process = subprocess.Popen(
            [sys.executable, "-m", "luoxia", "jobs", "work", "--idle", str(IDLE_SECONDS)],
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
            start_new_session=True,  # it outlives the terminal
        )
    _begun.append(process)
