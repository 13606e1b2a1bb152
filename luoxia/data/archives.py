"""Zip and tar archives as items, read and never extracted.

They are hostile until read: what points out of them, links, and what unpacks to far more than it weighs is refused.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import re
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from http.client import HTTPException
from pathlib import Path
from typing import IO, Any, cast

from luoxia.core.errors import MalformedFileError
from luoxia.data import items
from luoxia.data.decoding import UndecodableError
from luoxia.data.items import Item, too_large

SWELLING, FREE = (
    100,
    1_000_000_000,
)  # an archive may unpack to this many times its size, or to this many bytes
BROKEN = (  # what reading a broken archive, or one that stops arriving, raises
    zipfile.BadZipFile,
    tarfile.TarError,
    lzma.LZMAError,
    zlib.error,
    HTTPException,
    EOFError,
    OSError,
    NotImplementedError,
)
UNPACK: dict[tuple[str, ...], Callable[[IO[bytes]], Any]] = {
    (".gz", ".tgz"): lambda file: gzip.GzipFile(fileobj=file),
    (".bz2", ".tbz", ".tbz2"): bz2.BZ2File,
    (".xz", ".txz"): lzma.LZMAFile,
}


def is_tar(name: str) -> bool:
    return bool(re.search(r"\.(tar|tgz|tbz2?|txz|tar\.(gz|bz2|xz))$", name.lower()))


def local(place: str, stack: ExitStack) -> Iterator[Item]:
    """The files of the archive at a path; ``stack`` closes it."""
    path = Path(place)
    if zipfile.is_zipfile(path):
        return _zip(path, stack.enter_context(zipfile.ZipFile(path)))
    return tar(place, stack.enter_context(path.open("rb")), path.stat().st_size)


def broken(place: str, error: Exception) -> MalformedFileError:
    detail = " ".join(str(error).split())
    return MalformedFileError(
        f"{place} cannot be read as an archive: {detail}",
        f"无法将 {place} 作为压缩包读取：{detail}",
    )


def unpacked(name: str, file: IO[bytes], size: int) -> IO[bytes]:
    """What the compressed file ``name`` of ``size`` bytes holds, up to what an honest one may; as it is if it is none."""
    open_ = next((open_ for ends, open_ in UNPACK.items() if name.lower().endswith(ends)), None)
    if open_ is None:
        return file
    return cast(IO[bytes], _Budget(open_(file), max(FREE, SWELLING * size), name))


def _zip(path: Path, archive: zipfile.ZipFile) -> Iterator[Item]:
    members = sorted((m for m in archive.infolist() if not m.is_dir()), key=lambda m: m.filename)
    _inside(str(path), [m.filename for m in members])
    if sum(m.file_size for m in members) > max(FREE, SWELLING * path.stat().st_size):
        raise _bomb(str(path))
    for member in members:
        yield Item(
            member.filename,
            member.compress_size,
            lambda m=member: _zip_member(archive, m),
            open=lambda m=member: _zip_stream(archive, m),
        )


def _zip_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    if member.file_size > items.MEMBER:
        raise too_large()
    with _zip_stream(archive, member) as file:
        try:
            return file.read(member.file_size + 1)  # a header may understate what follows
        except BROKEN as error:
            raise _packed(error) from error


def _zip_stream(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> IO[bytes]:
    if (member.external_attr >> 16) & 0o170000 == 0o120000:
        raise _link()
    if member.flag_bits & 1:
        raise UndecodableError("it is encrypted", "已加密")
    try:
        return archive.open(member)
    except BROKEN as error:
        raise _packed(error) from error


def _packed(error: Exception) -> UndecodableError:
    return UndecodableError(f"it cannot be unpacked: {error}", f"无法解压：{error}")


def tar(place: str, raw: IO[bytes], size: int) -> Iterator[Item]:
    """Members in the order of the archive of ``size`` bytes, which is read once from its beginning to its end."""
    name = place.split("?")[0].lower()
    plain = next((opened(raw) for ends, opened in UNPACK.items() if name.endswith(ends)), raw)
    packed, before = plain is not raw and raw.seekable(), 0
    budget = _Budget(plain, max(FREE, SWELLING * size), place)
    with tarfile.open(fileobj=cast(IO[bytes], budget), mode="r|") as archive:
        for member in archive:
            _inside(place, [member.name])
            if member.isdir():
                continue
            if not member.isreg():
                yield Item(member.name, 0, _no_link)
                continue
            read = raw.tell() if packed else 0
            size, before = (
                read - before if packed else member.size,
                read,
            )  # of the packed file, where it is one
            yield Item(
                member.name,
                size,
                lambda m=member: _tar_member(place, archive, m),
                open=lambda m=member: _tar_stream(place, archive, m),
            )


def _tar_member(place: str, archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    if member.size > items.MEMBER:
        raise too_large()
    try:
        return _tar_stream(place, archive, member).read()
    except BROKEN as error:
        raise broken(place, error) from error


def _tar_stream(place: str, archive: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes]:
    try:
        file = archive.extractfile(member)
    except BROKEN as error:
        raise broken(place, error) from error
    assert file is not None  # a regular file always opens
    return file


def _no_link() -> bytes:
    raise _link()


def _link() -> UndecodableError:
    return UndecodableError("it is a link, which is not followed", "是链接，不予跟随")


class _Budget(io.RawIOBase):
    """A stream that ends in an error once it has given more than ``budget`` bytes."""

    def __init__(self, stream: IO[bytes], budget: int, place: str) -> None:
        self.stream, self.left, self.place = stream, budget, place

    def read(self, size: int = -1) -> bytes:
        data = self.stream.read(size)
        self.left -= len(data)
        if self.left < 0:
            raise _bomb(self.place)
        return data


def _bomb(place: str) -> MalformedFileError:
    return MalformedFileError(
        f"{place} unpacks to more than {SWELLING} times its size, as archives made to attack do: refused",
        f"{place} 解压后超过自身大小的 {SWELLING} 倍，与攻击性压缩包相符：已拒绝",
    )


def _inside(place: str, names: list[str]) -> None:
    """Refuse an archive that names anything outside of itself."""
    for name in names:
        clean = name.replace("\\", "/")
        if (
            clean.startswith("/")
            or re.match(r"[a-zA-Z]:", clean)
            or ".." in clean.split("/")
            or "\0" in clean
        ):
            raise MalformedFileError(
                f"{place} names {name!r}, outside of itself, as archives made to attack do: refused",
                f"{place} 含有指向外部的名称 {name!r}，与攻击性压缩包相符：已拒绝",
            )
