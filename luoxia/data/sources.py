"""Where a user's pictures lie: a folder, a zip or tar archive, WebDataset shards here or on the web, a Hugging Face set.

Archives are read, never extracted (:mod:`luoxia.data.archives`); nothing of a shard is executed.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from luoxia.core.errors import UserError
from luoxia.data import archives
from luoxia.data.archives import is_tar
from luoxia.data.decoding import SUFFIXES
from luoxia.data.items import Item, folder_items
from luoxia.data.tables import TABLES, is_table

TEXT = 65_536  # bytes that a caption's or class's file may have
TEXTS = frozenset((".txt", ".cls", ".json"))
TIMEOUT = 60.0  # seconds without a byte from a remote shard


@dataclass(frozen=True)
class Source:
    """``items`` walks the files, always in the same order; ``bytes`` is their sum, 0 when not known beforehand;
    ``fingerprint`` changes when the files do."""

    name: str
    items: Callable[[], Iterator[Item]]
    bytes: int
    fingerprint: str


def find_files(place: str) -> Source:
    """The files at ``place`` as they are: of a folder, of archives (http(s) too), or one file alone."""
    path = Path(place).expanduser()
    if path.is_file() and not is_tar(path.name) and not zipfile.is_zipfile(path):
        facts = [path.name, path.stat().st_size, path.stat().st_mtime_ns]
        name = re.sub(r"(\.\w{1,8}){1,2}$", "", path.name) or path.name
        return Source(name, lambda: folder_items(path.parent, [path]), path.stat().st_size, digest(facts))
    if path.is_dir() and not all(is_tar(p.name) for p in path.iterdir()):
        return _folder(path, beside=False)
    return find(place)


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
        tars = sorted(p for p in path.iterdir() if is_tar(p.name))
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


def _stem(place: str) -> str:
    name = re.sub(r"\{.*?\}", "", place.rstrip("/").split("/")[-1].split("?")[0])
    return re.sub(r"\.(zip|tgz|tbz2?|txz|tar(\.\w+)?)$", "", name, flags=re.I).strip("-_. ") or "data"


def digest(facts: Any) -> str:
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


# --- folders


def _folder(root: Path, *, beside: bool = True) -> Source:
    files = sorted(
        (Path(base, name) for base, _, names in os.walk(root, followlinks=False) for name in names),
        key=lambda p: p.relative_to(root).as_posix(),
    )
    files = [p for p in files if not p.name.startswith(".") and "__MACOSX" not in p.parts]
    tables = [p for p in _beside(root) if p.is_file()] if beside else []
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


# --- archives


def _of_files(place: str, paths: list[Path]) -> Source:
    for path in paths:
        if not path.is_file():
            raise UserError(f"there is no {path}", f"没有 {path}")
        if not zipfile.is_zipfile(path) and not is_tar(path.name):
            raise UserError(
                f"{path} is no folder, zip or tar archive of pictures",
                f"{path} 不是图片文件夹、zip 或 tar 压缩包",
            )
    facts = [(p.name, p.stat().st_size, p.stat().st_mtime_ns) for p in paths]
    return Source(
        _stem(place),
        lambda: _each(list(map(str, paths)), archives.local),
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
            except archives.BROKEN as error:
                raise archives.broken(place, error) from error


def _remote(place: str, stack: ExitStack) -> Iterator[Item]:
    request = urllib.request.Request(place, headers={"User-Agent": "luoxia"})  # noqa: S310 (http and https alone)
    try:
        answer = stack.enter_context(urllib.request.urlopen(request, timeout=TIMEOUT))  # noqa: S310
    except urllib.error.URLError as error:
        raise UserError(
            f"{place} could not be fetched: {error.reason}", f"无法获取 {place}：{error.reason}"
        ) from error
    length = int(answer.headers.get("Content-Length") or 0)
    return archives.tar(place, answer, length)
