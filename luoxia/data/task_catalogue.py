"""Tasks by name: those that ship or are made from a seed, and the user's own by path."""

from __future__ import annotations

from difflib import get_close_matches
from importlib.resources import as_file, files
from pathlib import Path

from luoxia.core.errors import UserError
from luoxia.core.folder import home
from luoxia.data import arithmetic, gaokao, labelled, scrambling
from luoxia.data.task import Task

SHIPPED = ("sentiment-en", "sentiment-zh", "cloze-en", "cloze-zh")  # in tasks/
GROUPS: dict[str, tuple[str, ...]] = {
    "arithmetic": tuple(arithmetic.SUMS),
    "scrambling": tuple(scrambling.SCRAMBLES),
    "sentiment": ("sentiment-en", "sentiment-zh"),
    "cloze": ("cloze-en", "cloze-zh"),
}


def names() -> tuple[str, ...]:
    """Every task that needs no file of the user's."""
    return (*SHIPPED, *arithmetic.SUMS, *scrambling.SCRAMBLES)


def expanded(name: str) -> tuple[str, ...]:
    """The tasks of a group, or the name itself."""
    return GROUPS.get(name, (name,))


def load(name: str, *, limit: int, shots: int, seed: int, folder: Path | None = None) -> Task:
    """The task called ``name``, or in the file or folder of that path.

    A path is looked for here, in ``folder`` and in ``tasks`` of Luoxia's home. Raises :class:`UserError`.
    """
    if name in arithmetic.SUMS:
        return arithmetic.load(name, limit=limit, shots=shots, seed=seed)
    if name in scrambling.SCRAMBLES:
        return scrambling.load(name, limit=limit, shots=shots, seed=seed)
    if name in SHIPPED:
        with as_file(files("luoxia.data") / "tasks") as shipped:
            return labelled.load(shipped / f"{name}.jsonl", limit=limit, shots=shots, seed=seed)
    path = _path(name, folder)
    load_from = gaokao.load if gaokao.is_one(path) else labelled.load
    return load_from(path, limit=limit, shots=shots, seed=seed)


def _path(name: str, folder: Path | None) -> Path:
    paths = [
        path
        for place in (Path(), *([folder] if folder else []), home() / "tasks")
        for path in (place / name, place / f"{name}.jsonl")
    ]
    for path in paths:
        if path.is_file() or (path / "test.jsonl").is_file() or gaokao.is_one(path):
            return path
    for path in paths:
        if path.is_dir():  # it is told what a task's folder holds
            return path
    near = get_close_matches(name, [*names(), *GROUPS], 1)
    told = ", ".join((*GROUPS, *SHIPPED))
    raise UserError(
        f"there is no task {name!r}, nor a file or folder of that name; {'did you mean ' + near[0] + '? ' if near else ''}"
        f"there are {told}, and your own as a path to JSON lines; --tasks names the folder where they are",
        f"没有任务 {name!r}，也没有该名称的文件或文件夹；{'是否指 ' + near[0] + '？' if near else ''}"
        f"已有 {told}，也可给 JSON lines 文件的路径；--tasks 指明任务所在文件夹",
    )
