"""Films, which a worker writes: they outlive the page and the server, and are kept."""

from __future__ import annotations

import asyncio
import secrets
import threading
from collections.abc import AsyncGenerator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from luoxia.core.errors import UserError
from luoxia.core.folder import home
from luoxia.server.errors import NotFoundError
from luoxia.server.faces.asks import FilmAsk, JobEvent
from luoxia.server.faces.atelier import Atelier

if TYPE_CHECKING:
    from luoxia.workspace.history import Workspace
    from luoxia.workspace.jobs import Job, Jobs

LOOK_EVERY = 0.25  # seconds
LARGEST_FILM = 512 << 20  # bytes of its frames
SHOWN = 256  # pixels up to which a film of small pictures is enlarged
STATES = {"running": "working"}  # as the page calls them


class Films:
    def __init__(self, atelier: Atelier) -> None:
        self._atelier, self._lock = atelier, threading.Lock()

    @cached_property
    def _workspace(self) -> Workspace:
        from luoxia.workspace.history import Workspace

        return Workspace()

    @cached_property
    def _jobs(self) -> Jobs:
        from luoxia.workspace.jobs import Jobs

        return Jobs(self._workspace)

    def begin(self, ask: FilmAsk) -> str:
        """Have a film of the way through faces written; the id of its job, which will be the film's own."""
        import torch

        from luoxia.generate import morph
        from luoxia.workspace import later, makers
        from luoxia.workspace.asked import Filmed

        portraits = self._atelier.portraits(ask.model)
        size, frames = portraits.config.size, morph.frame_count(ask.seconds, ask.fps)
        scale = max(1, SHOWN // size)
        if frames * 3 * (size * scale) ** 2 > LARGEST_FILM:
            raise UserError(
                f"{frames} frames of {size} pixels are more than a film may have; make it shorter",
                f"{frames} 帧、{size} 像素超出影片上限；请缩短时长",
            )
        with torch.inference_mode():
            ws = torch.cat([self._atelier.ws(portraits, face) for face in ask.keys])
        asked = Filmed(
            ask.model,
            morph.told_styles(ws),
            [face.model_dump(mode="json", by_alias=True, exclude_defaults=True) for face in ask.keys],
            ask.seconds,
            ask.fps,
            ask.way,
            ask.loop,
            scale,
        )
        path = place() / f"{secrets.token_urlsafe(9)}.{ask.format}"
        return later.later(makers.told("film", "face film", ask.model, asked), path)

    def knows(self, id: str) -> bool:
        """Whether ``id`` may be one of a film's job, and not of work in the session."""
        from luoxia.provenance import ids

        return ids.is_one(id)

    async def follow(self, id: str, reader: str) -> AsyncGenerator[JobEvent, None]:
        """How far it is, to the end. Leaving does not stop it."""
        seen = None
        while True:
            job = await asyncio.to_thread(self._find, id)
            event = _event(job, reader)
            if event != seen:
                seen = event
                yield event
            if event.state in ("done", "failed", "cancelled"):
                return
            await asyncio.sleep(LOOK_EVERY)

    def check(self, id: str) -> None:
        """Raise :class:`NotFoundError` where there is no such job."""
        self._find(id)

    def cancel(self, id: str) -> None:
        """Give it up, where it is not done yet."""
        if self._find(id).state in ("waiting", "running"):
            with self._lock:
                self._jobs.cancel(id)

    def find(self, id: str) -> Path:
        """The file of a film that is done."""
        path = None
        with self._lock:
            if self.knows(id) and self._workspace.is_recorded(id):
                path = Path(self._workspace.find(id).path)
        if path is None or path.parent != place() or not path.is_file():
            raise NotFoundError("there is no such film any more; write it again", "没有此影片；请重新导出")
        return path

    def close(self) -> None:
        opened = vars(self)  # what was never needed is not opened to be closed
        if "_jobs" in opened:
            self._jobs.__exit__()
        if "_workspace" in opened:
            self._workspace.close()

    def _find(self, id: str) -> Job:
        with self._lock:
            try:
                return self._jobs.find(id)
            except UserError as error:
                raise NotFoundError(error.text.en, error.text.zh) from error


def place() -> Path:
    return home() / "films"


def _event(job: Job, reader: str) -> JobEvent:
    told = job.error
    message = "" if told is None else told.zh if reader == "zh" else told.en
    state = STATES.get(job.state, job.state)
    result = job.id if job.state == "done" else None
    return JobEvent.model_validate(
        {"state": state, "done": job.done, "total": job.total, "result": result, "message": message}
    )
