"""One thread that draws, for several sitters, and of each sitter's slot only what was asked last.

A slider asks faster than pictures can be drawn. What waits in a slot is replaced by what comes after it, so that the
next picture is always of where the slider is now; nothing queues up.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, suppress
from typing import Any

from luoxia.server.worker import Worker

FINISH_WITHIN = (
    0.3  # seconds: a drawing this quick is finished, or a slider that never rests would show nothing
)

Superseded = Callable[[], bool]
Draw = Callable[[Superseded], Any]
Tell = Callable[[Any], None]  # hears what was drawn, or the exception
Place = tuple[object, str]  # a sitter's slot


class SupersededError(Exception):
    """Raised by a drawing that has seen that nobody waits for it any more."""


class Easel:
    """Slots that wait are served in the order in which they began to wait, so that no sitter keeps another waiting."""

    def __init__(self) -> None:
        self._waiting: dict[Place, tuple[Draw, Tell]] = {}
        self._drawing: Place | None = None  # whose drawing is under way
        self._unwanted = False  # whether nobody waits for it any more
        self._worker = Worker("luoxia-easel", self._next, self._draw)

    def ask(self, sitter: object, slot: str, draw: Draw, tell: Tell) -> None:
        """Draw this next in the sitter's slot, in place of what waits there. ``tell`` is called on the easel's thread."""
        with self._worker.putting():
            self._waiting[sitter, slot] = (draw, tell)

    async def drawn(self, draw: Draw) -> Any:
        """What ``draw`` makes, in its turn; leaving takes it off the easel."""
        async with aclosing(self.following(lambda superseded, _: draw(superseded))) as only:
            return await anext(only)

    async def following(self, draw: Callable[[Superseded, Tell], Any]) -> AsyncGenerator[Any, None]:
        """What ``draw`` tells of on its way, and what it makes. Leaving takes it off the easel."""
        sitter, loop = object(), asyncio.get_running_loop()
        heard: asyncio.Queue[tuple[Any, bool]] = asyncio.Queue()

        def put(what: Any, last: bool) -> None:
            with suppress(RuntimeError):  # the loop has closed: nobody listens any more
                loop.call_soon_threadsafe(heard.put_nowait, (what, last))

        self.ask(
            sitter,
            "only",
            lambda superseded: draw(superseded, lambda m: put(m, False)),
            lambda m: put(m, True),
        )
        try:
            last = False
            while not last:
                what, last = await heard.get()
                if isinstance(what, BaseException):
                    raise what
                yield what
        finally:
            self.leave(sitter)

    def leave(self, sitter: object, slot: str | None = None) -> None:
        """Nothing more for this sitter, or in this slot of it, not even what is being drawn."""

        def meant(place: Place | None) -> bool:
            return place is not None and place[0] is sitter and slot in (None, place[1])

        with self._worker.changed:
            for place in [place for place in self._waiting if meant(place)]:
                del self._waiting[place]
            self._unwanted = self._unwanted or meant(self._drawing)

    def close(self) -> None:
        self._worker.close()

    def join(self, seconds: float) -> bool:
        return self._worker.join(seconds)

    def _next(self) -> tuple[Place, Draw, Tell] | None:
        place = self._drawing = next(iter(self._waiting), None)
        self._unwanted = False
        return None if place is None else (place, *self._waiting.pop(place))

    def _draw(self, piece: tuple[Place, Draw, Tell]) -> None:
        place, draw, tell = piece
        began = time.monotonic()

        def superseded() -> bool:
            replaced = place in self._waiting and time.monotonic() - began > FINISH_WITHIN
            return self._unwanted or self._worker.closed or replaced

        try:
            drawn = draw(superseded)
        except SupersededError:
            return
        except BaseException as error:  # whatever it is, it belongs to the one who asked
            drawn = error
        with self._worker.changed:
            unwanted = self._unwanted
            self._drawing = None
        if not unwanted:
            tell(drawn)
