"""A training in a process of its own, known by a note on disk: it outlives the page and the server.

NAME/        the run's folder
NAME.json    the process, what was asked for, when it began
NAME.log     what it says
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from luoxia.core.errors import MalformedFileError
from luoxia.core.folder import write_atomically

COMMAND = (sys.executable, "-m", "luoxia")
LAST = 4096  # bytes of the log that are looked at

_children: dict[int, subprocess.Popen[bytes]] = {}  # those of this server, which must be waited for


def begin(note: Path, arguments: list[str], asked: dict[str, Any], language: str) -> None:
    """Start ``luoxia ARGUMENTS``; its note has what was ``asked``."""
    note.parent.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, "LUOXIA_LANG": language, "PYTHONUNBUFFERED": "1"}
    with note.with_suffix(".log").open("ab") as log:
        process = subprocess.Popen(
            [*COMMAND, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=note.parent,
            env=environment,
            start_new_session=True,  # Ctrl-C in the server's terminal is not meant for it
        )
    _children[process.pid] = process
    with write_atomically(note) as file:
        file.write(
            json.dumps({**asked, "pid": process.pid, "mark": _mark(process.pid)}, ensure_ascii=False).encode()
        )


def read(note: Path) -> dict[str, Any]:
    """What a note says. Raises :class:`MalformedFileError`."""
    try:
        told = json.loads(note.read_text(encoding="utf-8"))
        return {**told, "pid": int(told["pid"])}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise MalformedFileError(
            f"{note.name} cannot be read: {error}", f"无法读取 {note.name}：{error}"
        ) from error


def runs(told: dict[str, Any]) -> bool:
    """Whether the process of a note is still at work. Its number may be another process's by now."""
    pid = told["pid"]
    child = _children.get(pid)
    if child is not None:
        if child.poll() is None:
            return True
        del _children[pid]
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return False  # another user's
    return _mark(pid) == told.get("mark")


def stop(told: dict[str, Any]) -> None:
    """Ask it to save and to end."""
    with suppress(ProcessLookupError):
        os.kill(told["pid"], signal.SIGINT)


def said(note: Path) -> str:
    """The last line of the log."""
    try:
        with note.with_suffix(".log").open("rb") as log:
            log.seek(0, os.SEEK_END)
            log.seek(max(0, log.tell() - LAST))
            lines = log.read().decode(errors="replace").splitlines()
    except OSError:
        return ""
    return next((line.strip() for line in reversed(lines) if line.strip()), "")


def _mark(pid: int) -> str:
    """When the process began, by the system's clock, where the system tells; two of one number differ in it."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""
