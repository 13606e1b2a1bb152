"""Text files that a user gives: read up to a size, as UTF-8, each failure told with its place."""

from __future__ import annotations

from pathlib import Path

from luoxia.core.errors import UserError, unreadable


def read_bytes(path: Path, most: int) -> bytes:
    """The file's bytes, of more than ``most`` the first ``most`` + 1, which :func:`utf8` refuses."""
    try:
        with path.open("rb") as file:
            return file.read(most + 1)
    except OSError as error:
        raise unreadable(path, error) from error


def utf8(data: bytes, most: int, en: str, zh: str) -> str:
    """``data`` as text, without a mark of its encoding. ``en`` and ``zh`` are what messages call it.

    Raises :class:`UserError` for more than ``most`` bytes, and with the place where it is not UTF-8.
    """
    if len(data) > most:
        raise UserError(f"{en} is larger than {most >> 20} MiB", f"{zh}超过 {most >> 20} MiB")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UserError(
            f"{en} is not UTF-8 at byte {error.start} (line {line}); convert it, for example with iconv",
            f"{zh}在第 {error.start} 字节（第 {line} 行）处不是 UTF-8；请先转换编码，例如用 iconv",
        ) from error
