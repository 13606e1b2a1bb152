"""The label in files: where each format keeps it, how it is put there, and how all that stand in a file are found.

Each module knows one family of formats: ``FORMATS``, the suffixes; ``labels(file)``, the readings, which may end in a
:class:`MalformedError`; ``write(path, label)``. What a file is, is told by its first bytes where they tell it.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

from luoxia.core.errors import UserError, unreadable
from luoxia.core.language import Text
from luoxia.provenance.carriers.bounded import MalformedError, Reading
from luoxia.provenance.label import Label

__all__ = ["FORMATS", "MalformedError", "Reading", "kind", "read", "write"]

FORMATS = {
    **dict.fromkeys((".png", ".apng"), "png"),
    **dict.fromkeys((".jpg", ".jpeg", ".jpe"), "jpeg"),
    **dict.fromkeys((".webp", ".wav"), "riff"),
    ".gif": "gif",
    **dict.fromkeys((".tif", ".tiff"), "tiff"),
    ".svg": "svg",
    ".mp3": "id3",
    ".flac": "comments",
    **dict.fromkeys(
        (".mp4", ".m4v", ".m4a", ".mov", ".mkv", ".webm", ".ogg", ".oga", ".ogv", ".opus"), "films"
    ),
    ".pdf": "pdf",
    **dict.fromkeys((".docx", ".pptx", ".xlsx"), "office"),
    **dict.fromkeys((".html", ".htm"), "hypertext"),
    **dict.fromkeys((".md", ".markdown"), "markdown"),
    **dict.fromkeys((".txt", ".text"), "plain"),
    ".json": "notation",
}
HEADS = (  # (where, which bytes, the module)
    (0, b"\x89PNG\r\n\x1a\n", "png"),
    (0, b"\xff\xd8\xff", "jpeg"),
    (8, b"WEBP", "riff"),
    (8, b"WAVE", "riff"),
    (0, b"GIF8", "gif"),
    (0, b"II*\0", "tiff"),
    (0, b"MM\0*", "tiff"),
    (0, b"II+\0", "tiff"),
    (0, b"MM\0+", "tiff"),
    (4, b"ftyp", "films"),
    (0, b"\x1a\x45\xdf\xa3", "films"),
    (0, b"OggS", "films"),
    (0, b"fLaC", "comments"),
    (0, b"ID3", "id3"),
    (0, b"%PDF-", "pdf"),
    (0, b"PK\x03\x04", "office"),
)


def write(path: Path, label: Label) -> None:
    """Put ``label`` into the file at ``path``, in place; labels that stood in it give way.

    Raises :class:`UserError` for a format that has no place for a label, for a file that is not what its name says,
    and where the label cannot be read back as the only one. After an error the file may not be used.
    """
    module = _module(FORMATS.get(path.suffix.lower()), path)
    try:
        module.write(path, label)
    except MalformedError as error:
        raise _of(path, error) from error
    found = read(path)
    if [reading.label for reading in found] != [label]:
        faults = "; ".join(str(reading.fault or reading.where) for reading in found)
        raise UserError(
            f"{path}: the label that was written was not read back ({faults or 'nothing was found'})",
            f"{path}：写入的标识未能读回（{faults or '未找到任何标识'}）",
        )


def read(path: Path) -> list[Reading]:
    """Every label in the file at ``path``, and as a last reading, what is wrong with a file that is broken.

    A file without a label gives an empty list. Raises :class:`UserError` where the file cannot be opened, or is of no
    format that is known.
    """
    try:
        with path.open("rb") as file:
            module = _module(_name(file.read(16), path), path)
            file.seek(0)
            found: list[Reading] = []
            try:
                found.extend(module.labels(file))
            except MalformedError as error:
                found.append(Reading("file", None, Text(error.text.en, error.text.zh)))
            return found
    except OSError as error:
        raise unreadable(path, error) from error


def kind(path: Path) -> str | None:
    """Which of the modules here knows the file at ``path``; None where it has no place for a label. Raises
    :class:`UserError`."""
    try:
        with path.open("rb") as file:
            return _name(file.read(16), path)
    except OSError as error:
        raise unreadable(path, error) from error


def _name(head: bytes, path: Path) -> str | None:
    """The module for a file, by its first bytes where they tell it, else by its suffix."""
    told = next((name for at, data, name in HEADS if head.startswith(data, at)), None)
    return told or FORMATS.get(path.suffix.lower())


def _module(name: str | None, path: Path) -> Any:
    if name is None:
        known = sorted(FORMATS)
        raise UserError(
            f"{path}: there is no place for a label in files of this kind; known are {', '.join(known)}",
            f"{path}：此类文件没有放置标识的位置；已知的格式有 {'、'.join(known)}",
        )
    return import_module(f"luoxia.provenance.carriers.{name}")


def _of(path: Path, error: UserError) -> MalformedError:
    return MalformedError(f"{path}: {error.text.en}", f"{path}：{error.text.zh}")
