"""A file of a source, wherever it lies: its name inside, its size, and its bytes, whole or as a stream."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from luoxia.data.decoding import UndecodableError

MEMBER = 256_000_000  # bytes that a file may have that is read whole


@dataclass(frozen=True)
class Item:
    """A file of a source: ``name`` is its path inside, ``size`` its bytes; ``archive`` tells shards apart.

    ``read`` and ``open`` raise :class:`UndecodableError`, and work until the next item is asked for.
    """

    name: str
    size: int
    read: Callable[[], bytes]
    archive: str = ""
    open: Callable[[], IO[bytes]] | None = None

    def stream(self) -> IO[bytes]:
        """The bytes one after the other, of whatever size the file is where the source can do that."""
        return io.BytesIO(self.read()) if self.open is None else self.open()


def folder_items(root: Path, files: list[Path]) -> Iterator[Item]:
    """Files by their paths in ``root``."""
    for path in files:
        yield Item(
            path.relative_to(root).as_posix(),
            path.lstat().st_size,
            lambda path=path: _whole(path),
            open=lambda path=path: _opened(path),
        )


def _whole(path: Path) -> bytes:
    with _opened(path) as file:
        try:
            if path.stat().st_size > MEMBER:
                raise too_large()
            return file.read()
        except OSError as error:
            raise _unreadable(error) from error


def _opened(path: Path) -> IO[bytes]:
    try:
        if not path.is_file():
            raise UndecodableError("it is no file", "不是文件")
        return path.open("rb")
    except OSError as error:
        raise _unreadable(error) from error


def _unreadable(error: OSError) -> UndecodableError:
    return UndecodableError(f"it cannot be read: {error.strerror}", f"无法读取：{error.strerror}")


def too_large() -> UndecodableError:
    return UndecodableError(f"it is larger than {MEMBER // 1_000_000} MB", f"大于 {MEMBER // 1_000_000} MB")
