"""All that the page Poem needs of the server, put together."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from fastapi import APIRouter

from luoxia.server.easel import Easel
from luoxia.server.poem.api import poem_api
from luoxia.server.poem.poets import Poets
from luoxia.server.recorder import Recorder


class Poems:
    def __init__(self, folders: Sequence[Path] = (), *, threads: int | None = None) -> None:
        """``folders`` of models, or of runs, besides those that are known by name."""
        self.poets, self.easel = Poets(folders, threads=threads), Easel()

    def apis(self, recorder: Recorder) -> list[APIRouter]:
        return [poem_api(self.poets, self.easel, recorder)]

    def close(self) -> None:
        self.easel.close()

    def join(self, seconds: float) -> None:
        """Wait for the thread to end after :meth:`close`."""
        self.easel.join(seconds)
