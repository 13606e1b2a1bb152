"""One thread that draws, for several sitters, and of each sitter's slot only what was asked last.

A slider asks faster than pictures can be drawn. What waits in a slot is replaced by what comes after it, so that the
next picture is always of where the slider is now; nothing queues up.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from luoxia.server.errors import StoppingError

FINISH_WITHIN = (
    0.3  # seconds: a drawing this quick is finished, or a slider that never rests would show nothing
)

Superseded = Callable[[], bool]
Draw = Callable[[Superseded], Any]
Tell = Callable[[Any], None]  # hears what was drawn, or the exception


class SupersededError(Exception):
    """Raised by a drawing that has seen that nobody waits for it any more."""


class Easel:
    """Slots that wait are served in the order in which they began to wait, so that no sitter keeps another waiting."""

    def __init__(self) -> None:
        self._waiting: dict[tuple[object, str], tuple[Draw, Tell]] = {}
        self._sitting: object = None  # whose drawing is under way
        self._left = False  # whether that sitter has gone meanwhile
        self._changed = threading.Condition()
        self._worker: threading.Thread | None = None
        self._closed = False

    def ask(self, sitter: object, slot: str, draw: Draw, tell: Tell) -> None:
        """Draw this next in the sitter's slot, in place of what waits there. ``tell`` is called on the easel's thread."""
        with self._changed:
            if self._closed:
                raise StoppingError("the server is stopping", "服务器正在停止")
            if self._worker is None:
                self._worker = threading.Thread(target=self._work, name="luoxia-easel", daemon=True)
                self._worker.start()
            self._waiting[sitter, slot] = (draw, tell)
            self._changed.notify_all()

    def leave(self, sitter: object) -> None:
        """Nothing more for this sitter, not even what is being drawn."""
        with self._changed:
            for key in [key for key in self._waiting if key[0] is sitter]:
                del self._waiting[key]
            self._left = self._left or self._sitting is sitter

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def join(self, seconds: float) -> None:
        if self._worker is not None:
            self._worker.join(seconds)

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closed)
                if self._closed:
                    return
                key = next(iter(self._waiting))
                draw, tell = self._waiting.pop(key)
                self._sitting, self._left = key[0], False

            began = time.monotonic()

            def superseded(key: tuple[object, str] = key, began: float = began) -> bool:
                replaced = key in self._waiting and time.monotonic() - began > FINISH_WITHIN
                return self._left or self._closed or replaced

            try:
                drawn = draw(superseded)
            except SupersededError:
                continue
            except BaseException as error:  # whatever it is, it belongs to the one who asked
                drawn = error
            with self._changed:
                gone = self._left
                self._sitting = None
            if not gone:
                tell(drawn)
