"""Creations that are made later, by a worker: whatever has a maker can be asked for so."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from luoxia.core import seeds
from luoxia.core.folder import home
from luoxia.weights import catalogue
from luoxia.workspace import beforehand, makers, worker
from luoxia.workspace.history import Workspace
from luoxia.workspace.jobs import USUAL, Jobs
from luoxia.workspace.made_from import MadeFrom, here
from luoxia.workspace.models_used import models_of
from luoxia.workspace.publish import publish
from luoxia.workspace.worker import Doing, Work

MAKE = "make"
IDLE_SECONDS = 60  # that a worker nobody called for waits for more
COMES_SECONDS = 30  # that one may take to be at work
MODELS = ("model", "clip")  # parameters that name one


def later(made_from: MadeFrom, path: Path, *, parents: Iterable[Path] = (), priority: int = USUAL) -> str:
    """Have ``made_from`` made and published as ``path`` by a worker, and one be there to do so; the job's id.

    Raises :class:`UserError` for what no maker makes, and for what can be seen to fail. A seed is drawn where there is none,
    so that the record has it.
    """
    beforehand.check(made_from)
    asked_for = {n: _anywhere(v) if n in MODELS else v for n, v in made_from.parameters.items()}
    made_from = replace(made_from, seed=seeds.checked(made_from.seed), parameters=asked_for)
    asked = {
        "made_from": made_from.to_json(),
        "path": str(path.absolute()),
        "parents": [str(parent.absolute()) for parent in parents],
    }
    with Workspace() as workspace, Jobs(workspace) as jobs:
        id = jobs.add(MAKE, asked, priority=priority)
    attend()
    return id


def _anywhere(model: str | None) -> str | None:
    """What opens the same model in whichever folder the worker is: the whole path of one that is given by its path."""
    if model is None or model in catalogue.CATALOGUE:
        return model
    try:
        own = Path(model).name == model and catalogue.place(model).exists()
        return model if own or not Path(model).exists() else str(Path(model).absolute())
    except (OSError, ValueError):  # no path at all
        return model


def make(workspace: Workspace, id: str, asked: Mapping[str, Any], doing: Doing) -> None:
    """The work of a job that :func:`later` asked for. The record tells the weights and versions that made it, which may be
    others than when it was asked for."""
    made_from = MadeFrom.from_json(asked["made_from"])
    maker, told = makers.maker_of(made_from), made_from.parameters
    models = models_of(made_from.command, told["model"], told.get("clip"))
    made_from = replace(made_from, models=models, versions=here())
    content = maker(made_from, doing)
    doing(1, 1)
    parents = [Path(parent) for parent in asked["parents"]]
    publish(content, made_from, Path(asked["path"]), id=id, parents=parents, workspace=workspace)


_begun: dict[subprocess.Popen[bytes], float] = {}  # by this process, which must wait for them, and when
WORKS: dict[str, Work] = {MAKE: make}


def attend() -> None:
    """Have a worker at work: where there is none, begin one in a process of its own, which ends when nothing is left to do."""
    for process in list(_begun):
        if process.poll() is not None:
            _begun.pop(process, None)
    # One that lives and is not at work is either coming or leaving, and who leaves does not look for jobs any more.
    coming = any(time.monotonic() < begun + COMES_SECONDS for begun in list(_begun.values()))
    if coming or worker.at_work():
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
    _begun[process] = time.monotonic()
