"""A thread that works through what others put before it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

from luoxia.server.errors import StoppingError

Piece = TypeVar("Piece")


class Worker(Generic[Piece]):
    """Begins with the first piece of work. ``take`` picks the next one, None where there is none; it is called with
    ``changed`` held, which guards whatever the pieces are kept in. ``do`` must not raise."""

    def __init__(self, name: str, take: Callable[[], Piece | None], do: Callable[[Piece], None]) -> None:
        self.changed = threading.Condition()
        self.closed = False
        self._name, self._take, self._do = name, take, do
        self._thread: threading.Thread | None = None

    @contextmanager
    def putting(self) -> Iterator[None]:
        """The block puts work in its place; :class:`StoppingError` once the worker was closed."""
        with self.changed:
            if self.closed:
                raise stopping()
            yield
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name=self._name, daemon=True)
                self._thread.start()
            self.changed.notify_all()

    def close(self) -> None:
        """No more work is taken; what is under way goes on to its end."""
        with self.changed:
            self.closed = True
            self.changed.notify_all()

    def join(self, seconds: float) -> bool:
        """Wait for the thread to end after :meth:`close`: a process that goes first would end in mid-product. Whether it
        has ended."""
        if self._thread is None:
            return True
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _work(self) -> None:
        while True:
            with self.changed:
                piece = None
                while not self.closed and (piece := self._take()) is None:
                    self.changed.wait()
                if piece is None:
                    return
            self._do(piece)


def stopping() -> StoppingError:
    return StoppingError("the server is stopping", "服务器正在停止")
