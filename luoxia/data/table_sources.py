"""Pictures that a table names: files beside it, bytes inside it, or addresses, fetched when the user says so."""

from __future__ import annotations

import ipaddress
import json
import socket
import urllib.error
import urllib.parse
import urllib.request
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from http.client import HTTPException
from pathlib import Path, PurePosixPath
from typing import Any

from luoxia.core.errors import UserError
from luoxia.data.decoding import UndecodableError
from luoxia.data.items import MEMBER, Item, folder_items, too_large
from luoxia.data.sources import Source, digest
from luoxia.data.tables import Row, rows

TABLE = 2_000_000_000  # bytes that a table may have
AT_ONCE, PATIENCE = 16, 20.0  # downloads, and seconds without a byte


def source(path: Path, *, fetch: bool) -> Source:
    """The pictures of the table at ``path``, with what it says of them as texts beside."""
    if path.stat().st_size > TABLE:
        raise UserError(
            f"{path} is larger than {TABLE // 1_000_000_000} GB: split it",
            f"{path} 大于 {TABLE // 1_000_000_000} GB：请拆分",
        )
    data = path.read_bytes()
    found = list(rows(path.name, data))
    facts = [path.name, path.stat().st_size, path.stat().st_mtime_ns]
    if any(row.data is not None for row in found):
        return Source(path.stem, lambda: _inside(found), 0, digest(facts))
    if any(row.file for row in found):
        return _beside(path, found)
    addresses = [row for row in found if row.address]
    if not addresses:
        raise UserError(
            f"{path} names no pictures: it needs a column file_name, or in Parquet image, or url",
            f"{path} 未指明图片：需要 file_name 列，Parquet 中也可为 image 列，或 url 列",
        )
    hosts = {urllib.parse.urlsplit(row.address).hostname for row in addresses}
    if not fetch:
        raise UserError(
            f"{path} holds the addresses of {len(addresses)} pictures at {len(hosts)} hosts, not the pictures: "
            "--fetch downloads them",
            f"{path} 中是 {len(addresses)} 张图片（{len(hosts)} 个主机）的地址而非图片：加 --fetch 即可下载",
        )
    return Source(path.stem, lambda: _from_afar(addresses), 0, digest(facts))


def _beside(path: Path, found: list[Row]) -> Source:
    """Files of the table's own folder, those that it names and no others."""
    root = path.parent
    named = {PurePosixPath(row.file.replace("\\", "/")).as_posix(): row for row in found if row.file}
    inside = [name for name in named if _stays(root, name)]
    files = [root / name for name in sorted(inside) if (root / name).is_file()]
    absent = sorted(set(named) - {file.relative_to(root).as_posix() for file in files})

    def items() -> Iterator[Item]:
        for item in folder_items(root, files):
            yield item
            yield _text(str(PurePosixPath(item.name).with_suffix(".json")), named[item.name])
        for name in absent:
            yield Item(name if PurePosixPath(name).suffix else f"{name}.jpg", 0, _missing)

    sizes = [(name, (root / name).stat().st_mtime_ns) for name in sorted(inside) if (root / name).is_file()]
    return Source(
        path.stem, items, sum(file.stat().st_size for file in files), digest([path.stat().st_mtime_ns, sizes])
    )


def _stays(root: Path, name: str) -> bool:
    """Whether a name leads to a place in the folder, after links."""
    try:
        return (root / name).resolve().is_relative_to(root.resolve())
    except (OSError, ValueError, RuntimeError):
        return False


def _missing() -> bytes:
    raise UndecodableError("the table names it, and it is not there", "表格中有此名称，但文件不存在")


def _text(name: str, row: Row) -> Item:
    data = json.dumps(row.facts, ensure_ascii=False).encode()
    return Item(name, len(data), lambda: data)


def _inside(found: list[Row]) -> Iterator[Item]:
    for i, row in enumerate(found):
        if row.data is not None:
            data = row.data
            yield Item(f"{i:09}.png", len(data), lambda data=data: data)
            yield _text(f"{i:09}.json", row)
        else:
            yield Item(f"{i:09}.png", 0, _missing)


# --- from afar


def _from_afar(found: list[Row]) -> Iterator[Item]:
    """Downloads in the order of the rows, several at a time; one that fails is a picture that cannot be read."""
    ahead: deque[tuple[int, Row, Future[bytes]]] = deque()
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="luoxia-fetch") as pool:
        try:
            for i, row in enumerate(found):
                ahead.append((i, row, pool.submit(download, row.address)))
                if len(ahead) >= 4 * AT_ONCE:
                    yield from _arrived(*ahead.popleft())
            while ahead:
                yield from _arrived(*ahead.popleft())
        finally:
            for _, _, future in ahead:
                future.cancel()


def _arrived(i: int, row: Row, future: Future[bytes]) -> Iterator[Item]:
    def read() -> bytes:
        return future.result()

    yield Item(f"{i:09}.jpg", 0, read)
    yield _text(f"{i:09}.json", row)


class _Careful(urllib.request.HTTPRedirectHandler):
    """Follows redirects to public places alone."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        try:
            check_address(newurl)
        except UndecodableError:
            fp.close()
            raise
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def download(address: str) -> bytes:
    """The bytes at an http(s) address; :class:`UndecodableError` says why there are none."""
    check_address(address)
    request = urllib.request.Request(address, headers={"User-Agent": "luoxia"})  # noqa: S310 (checked above)
    try:
        with urllib.request.build_opener(_Careful).open(request, timeout=PATIENCE) as answer:
            data = answer.read(MEMBER + 1)
    except UndecodableError:
        raise
    except (urllib.error.URLError, HTTPException, OSError, ValueError) as error:
        said = getattr(error, "reason", error)
        if isinstance(error, urllib.error.HTTPError):
            said = str(error)
            error.close()
        reason = " ".join(str(said).split())[:100]
        raise UndecodableError(f"it could not be fetched: {reason}", f"无法获取：{reason}") from error
    if len(data) > MEMBER:
        raise too_large()
    return data


def check_address(address: str) -> None:
    """Refuse what is not http(s), and addresses of this machine or its network: a table comes from anywhere."""
    parts = urllib.parse.urlsplit(address)
    if parts.scheme.lower() not in ("http", "https") or not parts.hostname:
        raise UndecodableError("its address is not http or https", "其地址不是 http 或 https")
    try:
        found = socket.getaddrinfo(parts.hostname, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise UndecodableError("its host is not known", "其主机未知") from error
    if not all(public(str(place[4][0])) for place in found):
        raise UndecodableError("its address is in a private network", "其地址位于内部网络")


def public(number: str) -> bool:
    """Whether an IP address is one of the open internet."""
    return ipaddress.ip_address(number.split("%")[0]).is_global
