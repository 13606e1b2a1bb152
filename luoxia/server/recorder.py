"""Texts that leave by the API pass the door on a thread of its own, so that no stream waits for another one's record."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING

from luoxia.core.errors import UserError
from luoxia.server.refusals import log, log_unexpected
from luoxia.workspace.made_from import MadeFrom

if TYPE_CHECKING:
    from luoxia.workspace.publish import Published

Told = Callable[[], MadeFrom]  # what the record says; on the recorder's thread, for it looks at the models


class Recorder:
    """Records one text after the other; those that wait when the server ends are recorded before it does."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "luoxia-recorder")

    def warm(self) -> None:
        """Have what records in memory before the first answer ends."""
        self._thread.submit(_door)

    async def recorded(self, text: str, told: Told) -> Published:
        """What the answer is to say of itself. Raises :class:`~luoxia.core.errors.UserError` where it cannot be recorded."""
        going = self._thread.submit(_leave, text, told)
        return await asyncio.shield(asyncio.wrap_future(going))  # who leaves now has read the text

    def later(self, text: str, told: Told) -> None:
        """Record what nobody waits for any more, as what was written before the reader left."""
        self._thread.submit(_leave, text, told).add_done_callback(_tell)

    def close(self) -> None:
        self._last = self._thread.submit(lambda: None)
        self._thread.shutdown(wait=False)

    def join(self, seconds: float) -> None:
        """Wait for the last record after :meth:`close`."""
        wait([self._last], seconds)


def _door():
    from luoxia.workspace.publish import publish  # SQLAlchemy and C2PA come in

    return publish


def _leave(text: str, told: Told) -> Published:
    return _door()(text, told())


def _tell(done: Future[Published]) -> None:
    error = done.exception()
    if isinstance(error, UserError):
        log.error("a text that its reader left was not recorded: %s", error.text.en)
    elif error is not None:
        log_unexpected(error)
