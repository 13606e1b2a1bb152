"""Where a user's pictures lie: a folder, a zip or tar archive, WebDataset shards here or on the web, a Hugging Face set.

Archives are read, never extracted, and hostile until read: what points out of them, links, and what unpacks to far more
than it weighs is refused. Of a shard only pictures and short texts are taken; nothing of it is executed.
"""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import json
import lzma
import os
import re
import tarfile
import urllib.error
import urllib.request
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from http.client import HTTPException
from pathlib import Path, PurePosixPath
from typing import IO, Any

from luoxia.core.errors import MalformedFileError, UserError
from luoxia.data.decoding import SUFFIXES, UndecodableError
from luoxia.data.tables import TABLES, is_table

MEMBER = 256_000_000  # bytes that one picture's file may have
TEXT = 65_536  # bytes that a caption's or class's file may have
SWELLING, FREE = (
    100,
    1_000_000_000,
)  # an archive may unpack to this many times its size, or to this many bytes
TEXTS = frozenset((".txt", ".cls", ".json"))
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
TIMEOUT = 60.0  # seconds without a byte from a remote shard


@dataclass(frozen=True)
class Item:
    """A file of a source: ``name`` is its path inside, ``size`` its bytes; ``archive`` tells shards apart.

    ``read`` raises :class:`UndecodableError`, and works until the next item is asked for.
    """

    name: str
    size: int
    read: Callable[[], bytes]
    archive: str = ""


@dataclass(frozen=True)
class Source:
    """``items`` walks the files, always in the same order; ``bytes`` is their sum, 0 when not known beforehand;
    ``fingerprint`` changes when the files do."""

    name: str
    items: Callable[[], Iterator[Item]]
    bytes: int
    fingerprint: str


def find(place: str, *, fetch: bool = False) -> Source:
    """The source at ``place``: a path, shard names with ``{000..099}``, http(s) addresses, or ``hf:owner/name``.

    A path may be a table that names pictures; where it has their addresses alone, ``fetch`` allows to download them.
    """
    if place.startswith("hf:"):
        from luoxia.data.huggingface import source

        return source(place[3:])
    scheme = re.match(r"([a-zA-Z][a-zA-Z0-9+.-]+):", place)  # two letters at least: C: is a drive
    if scheme and scheme[1].lower() not in ("http", "https"):
        raise UserError(
            f"{scheme[0]} is no place that data is read from: give a folder, an archive, an http(s) address or hf:",
            f"不从 {scheme[0]} 读取数据：请给文件夹、压缩包、http(s) 地址或 hf:",
        )
    shards = expand(place)
    if scheme:
        return Source(_stem(place), lambda: _each(shards, _remote), 0, digest(shards))
    if len(shards) > 1:
        return _of_files(place, [Path(shard) for shard in shards])
    path = Path(place).expanduser()
    if path.is_dir():
        tars = sorted(p for p in path.iterdir() if _is_tar(p.name))
        pictures = any(p.suffix.lower() in SUFFIXES for p in path.iterdir())
        return _of_files(place, tars) if tars and not pictures else _folder(path)
    if not path.exists():
        raise UserError(f"there is no {place}", f"没有 {place}")
    if is_table(path.name) or path.suffix.lower() == ".json":
        from luoxia.data import table_sources

        return table_sources.source(path, fetch=fetch)
    return _of_files(place, [path])


def expand(pattern: str) -> list[str]:
    """Names that a WebDataset pattern stands for: ``a-{00..02}.tar`` is a-00.tar, a-01.tar, a-02.tar."""
    found = re.search(r"\{(\d+)\.\.(\d+)\}", pattern)
    if not found:
        return [pattern]
    first, last = int(found[1]), int(found[2])
    if not first <= last < first + 100_000:
        raise UserError(
            f"{found[0]} in {pattern}: write it from small to large, 100,000 shards at most",
            f"{pattern} 中的 {found[0]}：请从小到大书写，至多十万个分片",
        )
    rest = expand(pattern[found.end() :])
    return [
        f"{pattern[: found.start()]}{n:0{len(found[1])}}{end}" for n in range(first, last + 1) for end in rest
    ]


def _is_tar(name: str) -> bool:
    return bool(re.search(r"\.(tar|tgz|tbz2?|txz|tar\.(gz|bz2|xz))$", name.lower()))


def _stem(place: str) -> str:
    name = re.sub(r"\{.*?\}", "", place.rstrip("/").split("/")[-1].split("?")[0])
    return re.sub(r"\.(zip|tgz|tbz2?|txz|tar(\.\w+)?)$", "", name, flags=re.I).strip("-_. ") or "data"


def digest(facts: Any) -> str:
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


# --- folders


def _folder(root: Path) -> Source:
    files = sorted(
        (Path(base, name) for base, _, names in os.walk(root, followlinks=False) for name in names),
        key=lambda p: p.relative_to(root).as_posix(),
    )
    files = [p for p in files if not p.name.startswith(".") and "__MACOSX" not in p.parts]
    tables = [p for p in _beside(root) if p.is_file()]
    facts = [(p.name, p.lstat().st_size, p.lstat().st_mtime_ns) for p in tables]
    facts += [(p.relative_to(root).as_posix(), p.lstat().st_size, p.lstat().st_mtime_ns) for p in files]

    def items() -> Iterator[Item]:
        yield from folder_items(root.resolve().parent, tables)
        yield from folder_items(root, files)

    name = root.resolve().name or "data"
    return Source(name, items, sum(size for _, size, _ in facts), digest(facts))


def _beside(root: Path) -> list[Path]:
    """Tables that lie beside a folder and bear its name: ``pets.csv`` beside ``pets/``."""
    root = root.resolve()
    return [root.parent / f"{root.name}{suffix}" for suffix in sorted(TABLES)] if root.name else []


def folder_items(root: Path, files: list[Path]) -> Iterator[Item]:
    """Files by their paths in ``root``."""
    for path in files:
        yield Item(path.relative_to(root).as_posix(), path.lstat().st_size, lambda path=path: _whole(path))


def _whole(path: Path) -> bytes:
    try:
        if not path.is_file():
            raise UndecodableError("it is no file", "不是文件")
        if path.stat().st_size > MEMBER:
            raise too_large()
        return path.read_bytes()
    except OSError as error:
        raise UndecodableError(
            f"it cannot be read: {error.strerror}", f"无法读取：{error.strerror}"
        ) from error


def too_large() -> UndecodableError:
    return UndecodableError(f"it is larger than {MEMBER // 1_000_000} MB", f"大于 {MEMBER // 1_000_000} MB")


# --- archives


def _of_files(place: str, archives: list[Path]) -> Source:
    for path in archives:
        if not path.is_file():
            raise UserError(f"there is no {path}", f"没有 {path}")
        if not zipfile.is_zipfile(path) and not _is_tar(path.name):
            raise UserError(
                f"{path} is no folder, zip or tar archive of pictures",
                f"{path} 不是图片文件夹、zip 或 tar 压缩包",
            )
    facts = [(p.name, p.stat().st_size, p.stat().st_mtime_ns) for p in archives]
    return Source(
        _stem(place),
        lambda: _each(list(map(str, archives)), _local),
        sum(f[1] for f in facts),
        digest(facts),
    )


def _each(places: list[str], open_: Callable[[str, ExitStack], Iterator[Item]]) -> Iterator[Item]:
    """The items of several archives, each with its archive's name where there is more than one."""
    for place in places:
        with ExitStack() as stack:
            try:
                for item in open_(place, stack):
                    yield item if len(places) == 1 else replace(item, archive=_stem(place))
            except BROKEN as error:
                detail = " ".join(str(error).split())
                raise MalformedFileError(
                    f"{place} cannot be read as an archive: {detail}",
                    f"无法将 {place} 作为压缩包读取：{detail}",
                ) from error


def _local(place: str, stack: ExitStack) -> Iterator[Item]:
    path = Path(place)
    if zipfile.is_zipfile(path):
        return _zip(path, stack.enter_context(zipfile.ZipFile(path)))
    budget = max(FREE, SWELLING * path.stat().st_size)
    return _tar(place, stack.enter_context(path.open("rb")), budget)


def _remote(place: str, stack: ExitStack) -> Iterator[Item]:
    request = urllib.request.Request(place, headers={"User-Agent": "luoxia"})  # noqa: S310 (http and https alone)
    try:
        answer = stack.enter_context(urllib.request.urlopen(request, timeout=TIMEOUT))  # noqa: S310
    except urllib.error.URLError as error:
        raise UserError(
            f"{place} could not be fetched: {error.reason}", f"无法获取 {place}：{error.reason}"
        ) from error
    length = int(answer.headers.get("Content-Length") or 0)
    return _tar(place, answer, max(FREE, SWELLING * length))


def _zip(path: Path, archive: zipfile.ZipFile) -> Iterator[Item]:
    members = sorted((m for m in archive.infolist() if not m.is_dir()), key=lambda m: m.filename)
    _inside(str(path), [m.filename for m in members])
    if sum(m.file_size for m in members) > max(FREE, SWELLING * path.stat().st_size):
        raise _bomb(str(path))
    for member in members:
        yield Item(member.filename, member.compress_size, lambda m=member: _zip_member(archive, m))


def _zip_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    if (member.external_attr >> 16) & 0o170000 == 0o120000:
        raise UndecodableError("it is a link, which is not followed", "是链接，不予跟随")
    if member.flag_bits & 1:
        raise UndecodableError("it is encrypted", "已加密")
    if member.file_size > MEMBER:
        raise too_large()
    try:
        with archive.open(member) as file:
            data = file.read(member.file_size + 1)  # a header may understate what follows
    except BROKEN as error:
        raise UndecodableError(f"it cannot be unpacked: {error}", f"无法解压：{error}") from error
    return data


def _tar(place: str, raw: IO[bytes], budget: int) -> Iterator[Item]:
    """Members in the order of the archive, which is read once from its beginning to its end."""
    name = place.split("?")[0].lower()
    unpack: dict[tuple[str, ...], Callable[[IO[bytes]], Any]] = {
        (".gz", ".tgz"): lambda file: gzip.GzipFile(fileobj=file),
        (".bz2", ".tbz", ".tbz2"): bz2.BZ2File,
        (".xz", ".txz"): lzma.LZMAFile,
    }
    plain = next((opened(raw) for ends, opened in unpack.items() if name.endswith(ends)), raw)
    with tarfile.open(fileobj=_Budget(plain, budget, place), mode="r|") as archive:  # type: ignore[call-overload]
        for member in archive:
            _inside(place, [member.name])
            if member.isdir():
                continue
            if not member.isreg():
                yield Item(member.name, 0, _link)
                continue
            suffix = PurePosixPath(member.name).suffix.lower()
            if suffix not in SUFFIXES | TEXTS | TABLES or member.size > MEMBER:
                unread = too_large() if suffix in SUFFIXES else UndecodableError("unread", "未读")
                yield Item(member.name, member.size, lambda unread=unread: _raise(unread))
                continue
            file = archive.extractfile(member)
            assert file is not None  # a regular file always opens
            data = file.read()
            yield Item(member.name, member.size, lambda data=data: data)


def _link() -> bytes:
    raise UndecodableError("it is a link, which is not followed", "是链接，不予跟随")


def _raise(error: UndecodableError) -> bytes:
    raise error


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
