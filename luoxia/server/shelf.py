"""Models that are kept in memory, those used last, and opened anew when their files are others."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

from luoxia.core.errors import MalformedFileError

if TYPE_CHECKING:
    from luoxia.core.runtime import Runtime

Told = TypeVar("Told")
Opened = TypeVar("Opened")
Identity = tuple[int, int]
SMALL = 128  # pixels up to which one thread draws


class Shelf(Generic[Told, Opened]):
    """``told`` reads what a model is, ``file`` names the file of it that is another one when the model is, ``made`` opens
    it. May be used from several threads; a model is opened by one of them."""

    def __init__(
        self,
        told: Callable[[str], Told],
        file: Callable[[Told], Path],
        made: Callable[[Told, Runtime], Opened],
        *,
        most: int = 2,
        threads: int | None = None,
    ) -> None:
        self._told, self._file, self._made = told, file, made
        self._most, self._threads = most, threads
        self._runtime: Runtime | None = None
        self._kept: OrderedDict[str, tuple[Opened, Path, Identity]] = OrderedDict()
        self._lock = threading.RLock()

    def names(self) -> list[str]:
        return list(self._kept)

    def open(self, model: str) -> Opened:
        from luoxia.core.runtime import resolve

        with self._lock:
            kept = self._kept.pop(model, None)
            if kept is None or not kept[1].is_file() or identity(kept[1]) != kept[2]:
                kept = None  # its memory is free before the other one needs it
                self._runtime = self._runtime or resolve(threads=self._threads)
                told = self._told(model)
                path = self._file(told)
                seen = identity(path)
                kept = self._made(told, self._runtime), path, seen
            self._kept[model] = kept
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)
            return kept[0]


def identity(path: Path) -> Identity:
    """Size and time of a file: others mean another file of the same name."""
    try:
        status = path.stat()
    except OSError as error:
        raise MalformedFileError(f"{path} is missing", f"缺少 {path}") from error
    return status.st_size, status.st_mtime_ns


def use_threads(size: int, usual: int) -> None:
    """As many threads for the products of this thread as pay for pictures of ``size`` pixels, at most ``usual``.

    Of small pictures, a second thread saves less than waiting for it costs where the browser, a text or other work has
    the other core: then 10 ms have been seen to become a second, and four drawings of 2 seconds 20.
    """
    _use(1 if size <= SMALL else usual)


def _use(count: int) -> None:
    """PyTorch takes the number for threads that begin later, too; one that ends at once gives those the old number back,
    or a text model that is loaded next would be slow."""
    import torch

    usual = torch.get_num_threads()
    if usual != count:
        torch.set_num_threads(count)
        restoring = threading.Thread(target=torch.set_num_threads, args=(usual,))
        restoring.start()
        restoring.join()
