"""Where Luoxia keeps its files, and how a file is written so that no reader ever meets half of it."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

import platformdirs


def home() -> Path:
    """The folder of models and creations: ``LUOXIA_HOME``, or else the platform's place for data."""
    chosen = os.environ.get("LUOXIA_HOME")
    folder = Path(chosen) if chosen else platformdirs.user_data_path("luoxia", appauthor=False)
    return folder.expanduser().absolute()


@contextmanager
def write_atomically(path: Path) -> Iterator[BinaryIO]:
    """Open a file that appears at ``path`` whole, when the block ends well, or not at all.

    The bytes go to a neighbour with a name of its own, so that two writers cannot mix; the last one wins.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"{path.name}.{secrets.token_hex(4)}.part")
    try:
        with unfinished.open("xb") as file:
            yield file
            settle(file)
        put_in_place(unfinished, path)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise


def settle(file: BinaryIO) -> None:
    """Return when the bytes written so far would survive a power cut."""
    file.flush()
    os.fsync(file.fileno())


def put_in_place(unfinished: Path, path: Path) -> None:
    """Rename a settled file to ``path``, replacing what is there; the rename survives a power cut too."""
    os.replace(unfinished, path)
    with suppress(OSError):  # a folder cannot be opened on every system; the rename holds without it
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
