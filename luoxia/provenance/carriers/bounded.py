"""A file read in steps of which each is bounded and none goes past its end; and what stands in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import BinaryIO

from luoxia.core.errors import UserError
from luoxia.core.language import Text
from luoxia.provenance.label import Label, LabelError

PACKET = 1 << 20  # bytes of metadata that are looked at in one place
PARTS = 250_000  # chunks, boxes or segments that are walked


class MalformedError(UserError):
    """A file that is not what its name says, is cut short, or is not built as its format asks."""


@dataclass(frozen=True)
class Reading:
    """One place where a label stands, or should: ``label``, or in ``fault`` what is wrong there."""

    where: str
    label: Label | None
    fault: Text | None = None


def reading(where: str, text: str) -> Reading:
    """What a place says, whose content is meant to be a label."""
    try:
        return Reading(where, Label.parse(text))
    except LabelError as error:
        return Reading(where, None, error.text)


class Source:
    """A file open for reading, whose every step is checked against its size and counted."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.size = file.seek(0, 2)
        self.parts = 0
        file.seek(0)

    @property
    def at(self) -> int:
        return self.file.tell()

    def seek(self, place: int) -> None:
        if place > self.size:
            raise cut_short(self.size)
        self.file.seek(place)

    def read(self, count: int, limit: int = PACKET) -> bytes:
        """The next ``count`` bytes. Raises :class:`MalformedError` where they are not there or more than ``limit``."""
        if count > limit:
            raise MalformedError(
                f"metadata of {count} bytes at byte {self.at} is more than is read",
                f"第 {self.at} 字节处的元数据有 {count} 字节，超过读取上限",
            )
        data = self.file.read(count)
        if len(data) < count:
            raise cut_short(self.size)
        return data

    def part(self) -> None:
        """Count one step of a walk through the file."""
        self.parts += 1
        if self.parts > PARTS:
            raise MalformedError(f"it has more than {PARTS:,} parts", f"文件的组成部分超过 {PARTS:,} 个")


def cut_short(size: int) -> MalformedError:
    return MalformedError(f"it is cut short at byte {size}", f"文件在第 {size} 字节处中断")


def not_a(form: str) -> MalformedError:
    return MalformedError(f"it is no {form} file", f"不是 {form} 文件")


def broken(place: int) -> MalformedError:
    return MalformedError(f"it is broken at byte {place}", f"文件在第 {place} 字节处损坏")
